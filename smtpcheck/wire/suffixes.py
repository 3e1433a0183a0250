"""Which party registered a name? The Public Suffix List (https://publicsuffix.org/list/), as its package brings it."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def registrable(name: str) -> str:
    """The registrable domain of a host or domain in A-labels, as example.co.uk.

    Empty for a public suffix itself, for a single label and for an IP address: these are beside nobody. Names that a
    platform sells below its own (the list's private section) belong to whoever bought them.
    """
    name = name.lower().rstrip(".")
    return "" if _is_address(name) else _list().privatesuffix(name) or ""


def same_registrable(one: str, other: str) -> bool:
    """Both names lie in the domain of one registrant, or are the same one."""
    one, other = one.lower().rstrip("."), other.lower().rstrip(".")
    return one == other or (bool(domain := registrable(one)) and domain == registrable(other))


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@cache
def _list() -> PublicSuffixList:
    # late: ten thousand lines, which a known provider's account has no need of
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()
