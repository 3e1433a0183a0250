"""Which names are one party's, by the Public Suffix List?"""

from __future__ import annotations

import pytest

from smtpcheck.wire.suffixes import registrable, same_registrable


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("smtp.example.com", "example.com"),
        ("SMTP.Example.COM.", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("smtp.sina.com.cn", "sina.com.cn"),
        ("mail.xn--fiq228c.xn--55qx5d.cn", "xn--fiq228c.xn--55qx5d.cn"),
        # the private section
        ("smtp.me.github.io", "me.github.io"),
        ("github.io", ""),
        # nobody's
        ("co.uk", ""),
        ("com", ""),
        ("localhost", ""),
        ("192.0.2.5", ""),
        ("2001:db8::1", ""),
        ("", ""),
        # no suffix of the list: the prevailing rule is "*"
        ("smtp.firm.lab.test", "lab.test"),
    ],
)
def test_the_registrable_domain(name: str, domain: str) -> None:
    assert registrable(name) == domain


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("smtp.example.com", "imap.example.com", True),
        ("smtp.example.com", "IMAP.example.com.", True),
        ("smtp.example.com", "imap.eu.example.com", True),
        ("smtp.example.co.uk", "imap.example.co.uk", True),
        ("smtp.example.com", "imap.example.net", False),
        ("example.com.cn", "evil.com.cn", False),
        ("smtp.example.com", "example.com.evil.test", False),
        ("a.github.io", "b.github.io", False),
        ("a.github.io", "github.io", False),
        ("192.0.2.5", "203.0.2.5", False),
        ("192.0.2.5", "192.0.2.5", True),
        ("::1", "::2", False),
        ("localhost", "mailhost", False),
        ("localhost", "localhost", True),
    ],
)
def test_which_hosts_are_of_one_registrant(one: str, other: str, same: bool) -> None:
    assert same_registrable(one, other) is same
    assert same_registrable(other, one) is same
