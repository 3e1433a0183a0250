"""What stands in for a name? Hosts, addresses, users and whatever else tells who it is, each replaced everywhere alike.

What keeps its meaning: which names are one domain's, which addresses are private, and the names of known providers,
which identify nobody and which the diagnosis needs.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network, ip_address, ip_network
from pathlib import Path

from smtpcheck.target import providers
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import literal
from smtpcheck.wire.dns import a_label
from smtpcheck.wire.inspectors import signed_by
from smtpcheck.wire.suffixes import registrable

_HOST = r"(?:[a-z0-9_*](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])"
_NAME = re.compile(_HOST, re.ASCII | re.IGNORECASE)
# In this order, since the first that fits is taken: a host within an address is no name of its own.
_PATTERNS = rf"""
 (?P<url>\bhttps?://[^\s<>"'`|]+)
|(?P<mail>(?:"[^"\r\n]{{1,64}}"|[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}|[^\x00-\x7f]{{1,64}})(?:@|%40)
  (?:{_HOST}|\[[0-9a-f:.]+\]|[^\s<>()\[\]"',;:@]+))
|(?P<v6>(?<![0-9a-f:.])[0-9a-f.]*(?::[0-9a-f.]*){{2,}})
|(?P<v4>(?<![0-9.])(?<!section[ ])[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}(?!\.?[0-9]))
|(?P<host>(?<![\w*]){_HOST})
"""
# What stands before a name without a blank: the code of a reply that goes on, and the keys of logs and of RFC 8601.
_BEFORE = re.compile(
    r"(?:[2-5][0-9]{2}-)?[?&]?(?:(?:smtp\.(?:mailfrom|rcptto|helo|auth)|header\.(?:from|i|d)|envelope-from|from|to|user|for"
    r"|login|account|rcpt|sender|e?mail|uid|id|name|orig_to|helo|host|relay|client)=)?",
    re.IGNORECASE,
)
_FILES = frozenset({"pem", "crt", "conf", "toml"})
_V4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")
# First labels, and labels of SRV names, that say what a host is for and not whose it is.
_GENERIC = re.compile(
    r"_?(?:smtps?|mail|webmail|mx|imaps?|pop3?s?|relay|mta|mailhost|submissions?|exchange|ns|www|tcp|udp|autodiscover"
    r"|autoconfig|localhost|in|out)[0-9]{0,3}|\*"
)
# Nobody's names, and what only looks like one: the sections of a message in IMAP (RFC 9051 section 6.4.5).
_RESERVED = frozenset(
    {
        *("localhost", "localhost.localdomain", "ip6-localhost", "in-addr.arpa", "ip6.arpa"),
        *("body.peek", "header.fields"),
    }
)
_PLACEHOLDER = re.compile(r"(?:.+\.)?example\.(?:com|net|org)")
# Nobody's: this machine, and the addresses that a proxy on it makes up (198.18.0.0/15).
_NOBODYS = tuple(map(ip_network, ("127.0.0.0/8", "0.0.0.0/32", "198.18.0.0/15", "::1/128", "::/128")))
_DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")  # RFC 5737
_FURTHER = IPv4Network("240.0.0.0/4")
# Whose names say who certifies and not who is certified.
_AUTHORITIES = frozenset(
    {
        *("Let's Encrypt", "Internet Security Research Group", "ISRG", "DigiCert Inc", "GlobalSign nv-sa", "ZeroSSL"),
        *("Sectigo Limited", "COMODO CA Limited", "Google Trust Services", "Google Trust Services LLC", "Amazon"),
        *("Entrust, Inc.", "GoDaddy.com, Inc.", "TrustAsia Technologies, Inc.", "WoTrus CA Limited", "SSL Corporation"),
        *("Microsoft Corporation", "The USERTRUST Network", "GeoTrust Inc.", "Buypass AS-983163327"),
    }
)


@cache
def known_names() -> frozenset[str]:
    """The hosts and domains that the tables of this program speak of."""
    replies = sorted((files("smtpcheck.diagnosis.words") / "table").iterdir(), key=str)
    texts = [Path(providers.__file__).with_name("providers.toml").read_text("utf-8")]
    texts += [path.read_text("utf-8") for path in replies if path.name.endswith(".toml")]
    found = {match[0].lower() for text in texts for match in _NAME.finditer(text)}
    return frozenset(name for name in found | _provider_names() if "*" not in name)


@cache
def _provider_names() -> frozenset[str]:
    """Domains, submission hosts and exchanges, a pattern without its first label."""
    found: set[str] = set()
    for row in providers.providers():
        found |= {*row.domains, *(endpoint.host for endpoint in row.smtp)}
        exchanges = [*row.mx]
        for variant in row.variant:
            found |= {*variant.domains, *variant.hosts}
            exchanges += variant.mx
        found |= {name.partition(".")[2] if "*" in name else name for name in exchanges}
    return frozenset(name for name in found if "." in name and "*" not in name)


@cache
def _fixed_users() -> frozenset[str]:
    """The words that everybody logs in with at some provider."""
    return frozenset(row.user.fixed.lower() for row in providers.providers() if row.user.fixed)


class Pseudonyms:
    """One name for each name, numbered as they come; the same in all that is rewritten with it."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._wholes: dict[str, str] = {}
        self._literals: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._kept: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    # What is known beforehand

    def keep(self, name: str) -> None:
        """A name that stays, as the slip of a known one that the diagnosis is about."""
        self._kept.add(_canonical(name))

    def learn(self, text: str, instead: str, *, word: bool = False, whole: bool = False) -> None:
        """Wherever this text stands, or only as a word of its own, or only where it is all there is."""
        if text:
            table = self._wholes if whole else self._words if word else self._literals
            table.setdefault(text.lower(), instead)
            self._pattern = None

    # One name

    def numbered(self, kind: str, what: str, form: str) -> str:
        """`form` with the number of `what` among its kind."""
        if (kind, what) not in self._made:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._made[kind, what] = form.format(self._counts[kind])
        return self._made[kind, what]

    def host(self, name: str) -> str:
        """A host or domain, label by label, so that what lay in one domain still does."""
        if literal(name):
            return self.address(name)
        known = _canonical(name)
        if not known or known in known_names() | _RESERVED | self._kept or _PLACEHOLDER.fullmatch(known):
            return name
        if providers.by_host(known):  # a region's host, which the table knows by its pattern
            return name
        labels = known.split(".")
        cut = next((i for i in range(1, len(labels)) if ".".join(labels[i:]) in _provider_names()), 0)
        if cut:
            return ".".join([*map(self._label, labels[:cut]), *labels[cut:]])
        if len(labels) == 1:
            return self._label(known)
        owned = registrable(known) or known
        cut = len(labels) - owned.count(".") - 1
        base = self.numbered("domain", owned, "domain-{}.example")
        return ".".join([*map(self._label, labels[:cut]), base])

    def _label(self, label: str) -> str:
        return label if _GENERIC.fullmatch(label) else self.numbered("host", label, "host-{}")

    def address(self, text: str) -> str:
        """An IP address of the same family, private where it was private; loopback stays."""
        found = ip_address(text)
        if any(found in network for network in _NOBODYS if network.version == found.version):
            return text
        private = not found.is_global and not any(found in ip_network(net) for net in _DOCUMENTATION)
        key = str(found)
        if found.version == 6:
            local = private and found not in ip_network("2001:db8::/32")
            return self.numbered("v6-private" if local else "v6", key, "fd00::{:x}" if local else "2001:db8::{:x}")
        if private:
            return self.numbered("v4-private", key, "10.0.0.{}")
        place = int(self.numbered("v4", key, "{}")) - 1
        net, host = divmod(place, 254)
        return str(ip_network(_DOCUMENTATION[net])[host + 1] if net < 3 else _FURTHER[place])

    def user(self, local: str) -> str:
        """The part of an address before the @; the words that everybody logs in with stay."""
        return local if local.lower() in _fixed_users() else self.numbered("user", local.lower(), "user{}")

    def mail(self, address: str) -> str:
        """A mail address: the user in any case, the domain where it is no provider's."""
        local, at, domain = re.split("(@|%40)", address)[-3:] if re.search("@|%40", address) else ("", "", address)
        bracketed = domain.startswith("[")
        where = f"[{self.host(domain.strip('[]'))}]" if bracketed else self.host(domain)
        return f"{self.user(local)}{at}{where}" if at else self.user(address)

    def distinguished(self, name: str) -> str:
        """The name in a certificate (RFC 4514): hosts by their own rule, everything else numbered."""
        parts = [part.partition("=") for part in re.split(r"(?<!\\)[,+]", name)]
        product = signed_by(name)
        public = any(value in _AUTHORITIES for _, _, value in map(_unescaped, parts))
        public = public or (product is not None and not product.personal)
        return ",".join(f"{key}{equals}{self._attribute(key, value, public=public)}" for key, equals, value in parts)

    def _attribute(self, key: str, value: str, *, public: bool) -> str:
        if _NAME.fullmatch(value) or "@" in value or literal(value) or public or key == "C":
            return self.text(value)
        return self.numbered("name", value, "name-{}") if value else ""

    # Whatever holds names

    def text(self, text: str) -> str:
        """The text with every name in it replaced."""
        if not text:
            return text
        whole = self._wholes.get(text.lower())
        return whole if whole is not None else self._compiled().sub(self._replacement, text)

    def octets(self, raw: bytes) -> bytes:
        """What was said, in UTF-8 or byte by byte; what SASL says in base64 as well."""
        raw = _ENCODED.sub(self._encoded, raw)
        try:
            return self.text(raw.decode("utf-8")).encode("utf-8")
        except UnicodeDecodeError:
            return self.text(raw.decode("latin-1")).encode("latin-1", "replace")

    def _encoded(self, match: re.Match[bytes]) -> bytes:
        try:
            said = b64decode(match[0], validate=True).decode("utf-8")
        except (Error, UnicodeDecodeError):
            return match[0]
        changed = self.text(said)
        return match[0] if changed == said else b64encode(changed.encode("utf-8"))

    def _compiled(self) -> re.Pattern[str]:
        if self._pattern is None:
            fixed = "|".join(map(re.escape, _longest_first(self._literals))) or r"(?!)"
            words = "|".join(map(re.escape, _longest_first(self._words))) or r"(?!)"
            source = rf"(?P<literal>{fixed})|{_PATTERNS}|(?P<word>(?<!\w)(?:{words})(?!\w))"
            self._pattern = re.compile(source, re.ASCII | re.IGNORECASE | re.VERBOSE)
        return self._pattern

    def _replacement(self, match: re.Match[str]) -> str:
        found = match[0]
        match match.lastgroup:
            case "literal":
                return self._literals.get(found.lower(), found)
            case "word":
                return self._words.get(found.lower(), found)
            case "url":
                return self._url(found)
            case "host" if _is_file(match):
                return found
            case "mail" | "host" as kind:
                before = _BEFORE.match(found)
                name = found[before.end() if before else 0 :]
                return found[: len(found) - len(name)] + (self.mail(name) if kind == "mail" else self.host(name))
        return self._numeric(found)

    def _numeric(self, text: str) -> str:
        for bare in (text, text.rstrip(".:"), text.strip(".:")):
            if literal(bare):
                return text.replace(bare, self.address(bare))
        return _V4.sub(lambda m: self.address(m[0]) if literal(m[0]) else m[0], text)

    def _url(self, url: str) -> str:
        """A provider's own page stays; of another only where it lies, under the host's new name."""
        scheme, _, rest = url.partition("://")
        place = re.match(r"[^/?#]*", rest)
        authority = place[0] if place else ""
        path = rest[len(authority) :]
        host, colon, port = authority.rpartition("@")[2].partition(":")
        if _canonical(host) in known_names():
            return f"{scheme}://{host}{colon}{port}{self.text(path)}"
        return f"{scheme}://{self.host(host)}{colon}{port}{'/redacted' if path.strip('/') else path}"


def _canonical(name: str) -> str:
    try:
        return a_label(name).lower().rstrip(".")
    except ProtocolError:
        return name.lower().rstrip(".")


def _is_file(match: re.Match[str]) -> bool:
    """A file on a path of this machine, or the place of a bug in our own code, as chain.py:12."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    if match[0].endswith(".py"):
        return bool(re.match(r":[0-9]", after))
    return before.endswith("/") and match[0].rpartition(".")[2] in _FILES


def _longest_first(texts: Iterable[str]) -> Iterator[str]:
    return iter(sorted(texts, key=len, reverse=True))


def _unescaped(part: tuple[str, str, str]) -> tuple[str, str, str]:
    return part[0], part[1], part[2].replace("\\", "")
