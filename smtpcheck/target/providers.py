"""Whose server is this, and what does its owner expect of a login? A table of providers, read on first use.

The rows are in providers.toml. They were read in public sources and tried on no server, so that what a probe sees wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from smtpcheck.core import Mode

CredentialKind = Literal["password", "authorization-code", "app-password", "oauth2", "api-key", "smtp-credentials"]

_TABLE = Path(__file__).with_name("providers.toml")
_HOST = re.compile(r"(?:(?:\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)\.){1,8}[a-z][a-z0-9-]{1,62}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_USER_RULE = re.compile(r"full-address|local-part|any|fixed:[A-Za-z0-9_]{1,64}")
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_LONGEST_NAME = 253  # RFC 1035 section 2.3.4: 255 octets on the wire, less the root label and the first length
_FARTHEST = 2
_FAR = _FARTHEST + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where to submit. `plain` means that TLS is not required there; STARTTLS may be offered all the same."""

    host: str
    port: int
    mode: Mode

    def __post_init__(self) -> None:
        _hold(_HOST.fullmatch(self.host) is not None and "*" not in self.host, f"not a host: {self.host!r}")
        _hold(0 < self.port < 65536, f"not a port: {self.port}")
        _hold(self.mode is not Mode.AUTO, "a row states its mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imap:
    """Where the mailbox is read. `id_required`: the ID command (RFC 2971) has to come before SELECT."""

    host: str
    port: int
    mode: Mode
    id_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What goes where the password goes."""

    kind: CredentialKind
    shape: str = ""
    """A regular expression for `re.fullmatch` on the whole secret; empty: not known, or ordinary passwords are taken.
    A mismatch makes a cause likelier and never decides."""
    hint_en: str
    hint_zh: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.shape)
        except re.error as error:
            raise ValueError(f"shape does not compile: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """What the user name is: full-address, local-part, any, or fixed:WORD for the same word for everybody."""

    rule: str
    note: str = ""

    def __post_init__(self) -> None:
        _hold(_USER_RULE.fullmatch(self.rule) is not None, f"not a rule for user names: {self.rule!r}")

    @property
    def fixed(self) -> str:
        """The word everybody logs in with, empty when there is none."""
        return self.rule.partition("fixed:")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class FromRule:
    """Which envelope senders are taken: the login only, any address the account has proven to own, or any at all."""

    rule: Literal["login", "verified", "any"]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enable:
    """Where a person switches SMTP on."""

    url: str
    path_en: str
    path_zh: str

    def __post_init__(self) -> None:
        _hold(self.url.startswith("https://"), f"not an https URL: {self.url!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The same service under other hosts, with the row's ports: another suffix, region or edition.

    The first host serves `domains` and `mx`; with neither, the hosts are recognised and never recommended. A label `*`
    in a host stands for any one label. Without `imap` the row's holds.
    """

    hosts: tuple[str, ...]
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    imap: Imap | None = None
    note: str = ""

    def __post_init__(self) -> None:
        _hold(bool(self.hosts) and all(map(_HOST.fullmatch, self.hosts)), f"not hosts: {self.hosts}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One row. Found through a variant, `smtp` and `imap` are that variant's."""

    id: str
    name: str
    name_zh: str
    domains: tuple[str, ...] = ()
    """Mailbox domains, without those of the variants."""
    mx: tuple[str, ...] = ()
    """Ends of MX exchange names, by labels; `*` inside a label stands for any characters of it."""
    smtp: tuple[Endpoint, ...]
    """In the order of recommendation, all on one host."""
    closed_ports: tuple[int, ...] = ()
    """Ports known not to be served on that host."""
    credential: Credential
    user: User
    from_rule: FromRule
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms to try, in this order; empty: not known."""
    imap: Imap | None = None
    junk: tuple[str, ...] = ()
    """Folder names as people read them, for servers without the SPECIAL-USE attribute of RFC 6154."""
    limits: str = ""
    enable: Enable
    source: str
    checked: str
    """The month the sources were read, as YYYY-MM."""
    notes: str = ""
    variant: tuple[Variant, ...] = ()

    def __post_init__(self) -> None:
        _hold(len({endpoint.host for endpoint in self.smtp}) == 1, f"{self.id}: one host a row, others are variants")
        _hold(not {endpoint.port for endpoint in self.smtp} & set(self.closed_ports), f"{self.id}: served and closed")
        _hold(_MONTH.fullmatch(self.checked) is not None, f"{self.id}: not a month: {self.checked!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The whole file."""

    provider: tuple[Provider, ...]
    not_slips: tuple[str, ...] = ()
    """Hosts near a known one that are no slip of it, or nobody can tell of which."""


def providers() -> tuple[Provider, ...]:
    """All rows in the order of the file, read once."""
    return _table().provider


def by_domain(domain: str) -> Provider | None:
    """The provider of a mailbox domain, exactly that one: no subdomain, no look-alike."""
    return _domains().get(_ascii(domain))


def by_mx(exchange: str) -> Provider | None:
    """The provider that runs an MX exchange for other people's domains; the most specific pattern wins."""
    labels = _ascii(exchange).split(".")
    return next((row for pattern, row in _exchanges() if _ends_with(labels, pattern)), None)


def by_host(host: str) -> Provider | None:
    """The provider of a submission host, the first row where several share it, with `smtp` on that very host."""
    name = _ascii(host)
    known = _hosts().get(name)
    if known is None and (found := _wildcard(name)):
        row, variant = found
        return _moved(row, variant, name)
    return known


def ids_of(host: str) -> frozenset[str]:
    """The ids of all rows whose submission or IMAP host it is; several share one, as Microsoft's two do."""
    name = _ascii(host)
    found = {row.id for row in providers() if name in _served_at(row)}
    wild = _wildcard(name)
    return frozenset(found | {wild[0].id} if wild else found)


def nearest_host(host: str) -> str | None:
    """The one known submission host that `host` may be a slip of, at most two edits away.

    An edit inserts, drops, replaces or swaps neighbours. None when the host is known or listed as no slip, when
    nothing is near, when two are equally near, when the top-level domain alone would make it a known one (139.cn is no
    slip of 189.cn), and when only the region's part of a name could be wrong.
    """
    name = _ascii(host)
    if not name or by_host(name) or name in _table().not_slips:
        return None
    if any(known.rpartition(".")[0] == name.rpartition(".")[0] and _slips(name, known) == _FAR for known in _hosts()):
        return None
    near = sorted((edits, known) for known in _hosts() if (edits := _slips(name, known)) <= _FARTHEST)
    if not near or [edits for edits, _ in near].count(near[0][0]) > 1:
        return None
    return near[0][1] if near[0][1] in _recommended() else None


def nearest_domain(domain: str) -> str | None:
    """The one large provider's mailbox domain that `domain` may be a slip of, one edit away; None where it is known."""
    name = _ascii(domain)
    if not name or "." not in name or name in _domains():
        return None
    near = [known for known in _domains() if _slips(name, known) == 1]
    return near[0] if len(near) == 1 else None


def parse_table(text: str) -> Table:
    """The table in a TOML text. Raises ValueError for a wrong type, a wrong value and a field not in the closed set."""
    import tomllib

    import msgspec

    raw = tomllib.loads(text)
    table = msgspec.convert(raw, Table)
    # msgspec can't forbid unknown fields for dataclasses, only for its own Struct
    strangers = list(islice(_strangers(raw, msgspec.to_builtins(table), "$"), 5))
    _hold(not strangers, f"unknown fields: {', '.join(strangers)}")
    return table


def _strangers(raw: Any, known: Any, where: str) -> Iterator[str]:
    if isinstance(raw, dict):
        for key, value in raw.items():
            if key in known:
                yield from _strangers(value, known[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(raw, list):
        for number, (value, counterpart) in enumerate(zip(raw, known, strict=True)):
            yield from _strangers(value, counterpart, f"{where}[{number}]")


def _hold(right: bool, complaint: str) -> None:
    if not right:
        raise ValueError(complaint)


@cache
def _table() -> Table:
    return parse_table(_TABLE.read_text(encoding="utf-8"))


@cache
def _domains() -> Mapping[str, Provider]:
    found = {domain: row for row in providers() for domain in row.domains}
    for row, variant in _variants():
        found |= dict.fromkeys(variant.domains, _moved(row, variant)) if variant.domains else {}
    return found


@cache
def _hosts() -> Mapping[str, Provider]:
    """Every host that is spelt out; the earlier row keeps a shared one."""
    found = {row.smtp[0].host: row for row in reversed(providers())}
    for row, variant in _variants():
        found |= {host: _moved(row, variant, host) for host in variant.hosts if "*" not in host}
    return found


@cache
def _exchanges() -> tuple[tuple[list[str], Provider], ...]:
    found = [(pattern.split("."), row) for row in providers() for pattern in row.mx]
    for row, variant in _variants():
        found += [(pattern.split("."), _moved(row, variant)) for pattern in variant.mx]
    return tuple(sorted(found, key=lambda pair: _weight(pair[0]), reverse=True))


@cache
def _recommended() -> frozenset[str]:
    """The hosts an account is sent to; a name of a family that differs in the region's label is never guessed."""
    found = {row.smtp[0].host for row in providers()}
    found |= {variant.hosts[0] for _, variant in _variants() if variant.domains or variant.mx}
    return frozenset(host for host in found if _wildcard(host) is None)


def _served_at(row: Provider) -> frozenset[str]:
    boxes = (row.imap, *(variant.imap for variant in row.variant))
    imap = {box.host for box in boxes if box}
    return frozenset({row.smtp[0].host, *imap, *(host for variant in row.variant for host in variant.hosts)})


def _variants() -> Iterator[tuple[Provider, Variant]]:
    return ((row, variant) for row in providers() for variant in row.variant)


def _wildcard(name: str) -> tuple[Provider, Variant] | None:
    labels = name.split(".")
    for row, variant in _variants():
        for host in variant.hosts:
            pattern = host.split(".")
            if "*" in host and len(labels) == len(pattern) and _ends_with(labels, pattern):
                return row, variant
    return None


def _moved(row: Provider, variant: Variant, host: str = "") -> Provider:
    smtp = tuple(replace(endpoint, host=host or variant.hosts[0]) for endpoint in row.smtp)
    return replace(row, smtp=smtp, imap=variant.imap or row.imap)


def _ascii(name: str) -> str:
    """Lower-case A-labels without the trailing dot; empty for what can't be a name in DNS."""
    if len(name) > _LONGEST_NAME + 1:
        return ""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    name = name.lower().removesuffix(".")
    return name if len(name) <= _LONGEST_NAME else ""


def _weight(pattern: list[str]) -> tuple[int, int]:
    return len(pattern), sum(len(label.replace("*", "")) for label in pattern)


def _ends_with(labels: list[str], pattern: list[str]) -> bool:
    if len(labels) < len(pattern):
        return False
    return all(map(_label_fits, labels[-len(pattern) :], pattern))


def _label_fits(label: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return label == pattern
    if len(label) < len(head) + len(tail) or not _LABEL.fullmatch(label):
        return False
    return label.startswith(head) and label.endswith(tail)


def _slips(name: str, known: str) -> int:
    """Edits from `known` to `name`, `_FAR` when no hand slips so.

    Counted by labels, since a short one changed in two places is another name (me.com is no slip of qq.com), and so is
    another country (yandex.eu, yandex.ru). A lost or an extra dot is the only slip then.
    """
    if abs(len(name) - len(known)) > _FARTHEST:
        return _FAR
    ours, theirs = name.split("."), known.split(".")
    if len(ours) != len(theirs):
        edits = _edits(name, known)
        return edits if edits == 1 else _FAR
    if len(theirs[-1]) == 2 and ours[-1] != theirs[-1]:
        return _FAR
    total = 0
    for our, their in zip(ours, theirs, strict=True):
        edits = _edits(our, their)
        if edits > (1 if len(their) <= 3 else _FARTHEST):
            return _FAR
        total += edits
    return total


def _edits(one: str, other: str) -> int:
    """Damerau (1964): one insertion, deletion, replacement or swap of neighbours is one edit; no part edited twice."""
    if one == other:
        return 0
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
