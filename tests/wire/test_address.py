"""Is a server's address with a port read, and nothing else?"""

from __future__ import annotations

import pytest

from smtpcheck.wire.address import parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("::1", ("::1", 53)),
        ("::1:5353", ("::1:5353", 53)),  # an address by itself: RFC 5952 section 6 wants brackets for a port
        ("[::1]", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("time.example", ("time.example", 53)),
        ("time.example:123", ("time.example", 123)),
    ],
)
def test_server(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text, 53) == server


@pytest.mark.parametrize(
    "text",
    [
        "", ":", ":53", "host:", "host:0", "host:65536", "host:x", "host:٥٣", "host:-1", "host:+1", "host: 1", "a:b:1",
        "1:2:3", "[::1", "::1]", "[]", "[]:53", "[host]:53", "[::1]x", "[::1]:", "[::1]:0", "ho st", "host\n", "a@b",
        "http://host", "a/b", "x" * 256, "host:" + "9" * 5000,
    ],
)  # fmt: skip
def test_no_server(text: str) -> None:
    with pytest.raises(ValueError, match="not a server") as caught:
        parse_server(text, 53)
    assert len(str(caught.value)) < 400
