"""Is this machine's own configuration read as its programs read it, whatever stands in it?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.net.system import MAX_CONFIG, system_hosts, system_ntp, system_resolvers
from smtpcheck.wire.address import parse_server


def written(tmp_path: Path, content: str | bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "servers", "search"),
    [
        ("nameserver 192.0.2.1\nnameserver ::1\n", (("192.0.2.1", 53), ("::1", 53)), ()),
        ("nameserver fe80::1%eth0\n", (("fe80::1%eth0", 53),), ()),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # x", (("192.0.2.3", 53),), ()),
        ("domain a.example\nsearch b.example c.example\n", (), ("b.example", "c.example")),
        ("nameserver\nnameserver dns.example\nnameserver 1.2.3\nnameserver 192.0.2.1%x\nNAMESERVER 192.0.2.1", (), ()),
        ("\ufeff\x00\x1b[2J\noptions ndots:5\r\n", (), ()),
        (b"\xff\xfe\nnameserver 192.0.2.1\n", (("192.0.2.1", 53),), ()),
        ("", (), ()),
    ],
)
def test_resolv_conf(tmp_path: Path, content: str | bytes, servers: object, search: object) -> None:
    assert system_resolvers(written(tmp_path, content)) == (servers, search)


def test_hosts(tmp_path: Path) -> None:
    text = """\
127.0.0.1 localhost Mail.Example.  # comment
::1\tlocalhost
#192.0.2.9 mail.example
192.0.2.1 mail.example
fe80::1%lo0 link.example
not.an.address mail.example
192.0.2.2
"""
    assert system_hosts(written(tmp_path, text)) == {
        "localhost": ["127.0.0.1", "::1"],
        "mail.example": ["127.0.0.1", "192.0.2.1"],
        "link.example": ["fe80::1%lo0"],
    }


@pytest.mark.parametrize("reader", [system_hosts, system_resolvers])
def test_no_configuration(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    assert not any(reader(tmp_path / "absent"))  # type: ignore[call-overload]
    assert not any(reader(tmp_path))  # type: ignore[call-overload]


def test_a_huge_configuration_is_cut_at_a_line(tmp_path: Path) -> None:
    first, last = b"192.0.2.1 first.example\n", b"192.0.2.1 smtp.exam"
    padding = b"#" * (MAX_CONFIG - len(first) - len(last)) + b"\n"
    hosts = system_hosts(written(tmp_path, first + padding + last + b"ple.com\n"))
    assert hosts == {"first.example": ["192.0.2.1"]}, "half a name is another host's"
    assert system_hosts(Path("/dev/zero")) == {}


@pytest.mark.parametrize(
    ("files", "server"),
    [
        ({}, ""),
        ({"etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\n"}, "2.debian.pool.ntp.org"),
        ({"etc/chrony/chrony.conf": "# server a\n! server b\nserver time.example iburst"}, "time.example"),
        ({"etc/ntp.conf": "server 127.127.1.0\nserver -4 time.example\n"}, "time.example"),
        ({"etc/ntp.conf": "peer 2001:db8::1\n"}, "2001:db8::1"),
        ({"etc/systemd/timesyncd.conf": "[Time]\n#NTP=a\nNTP=\nNTP=time.example b.example\n"}, "time.example"),
        ({"etc/systemd/timesyncd.conf": "[Time]\nNTP = time.example\nFallbackNTP=x\n"}, "time.example"),
        ({"etc/systemd/timesyncd.conf": "[Time]\nFallbackNTP=x\nNTPX=y\n"}, ""),
        ({"etc/chrony.conf": "server a:b:c\nserver\npool\nserver [x]:1\n"}, ""),
        ({"etc/chrony.conf": "", "etc/ntp.conf": "server time.example"}, "time.example"),
        ({"etc/chrony/chrony.conf": "server a.example", "etc/ntp.conf": "server b.example"}, "a.example"),
    ],
)
def test_ntp(tmp_path: Path, files: dict[str, str], server: str) -> None:
    for name, content in files.items():
        written(tmp_path, content, name)
    assert system_ntp(tmp_path) == server
    assert not server or parse_server(server, 123)


@given(st.binary(max_size=300) | st.from_regex(rb"(server|NTP=|nameserver|pool)[ \t].*\n"))
def test_any_configuration(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    path = written(root, content, "etc/ntp.conf")
    assert isinstance(system_hosts(path), dict)
    for address, port in system_resolvers(path)[0]:
        assert parse_server(address, port) == (address, 53)
    found = system_ntp(root)
    assert found == "" or parse_server(found, 123)
