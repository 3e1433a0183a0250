"""Do the settings make sense before a packet is sent?"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Mode, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.target import providers
from smtpcheck.wire.address import literal
from smtpcheck.wire.message import hidden_author
from smtpcheck.wire.mistakes import Slip, code_point, slips

_SECRET = {
    "empty": "secret-empty",
    "placeholder": "secret-empty",
    "unexpanded": "secret-unexpanded",
    "quoted": "secret-quoted",
    "padded": "secret-trailing-newline",
    "line-break": "secret-trailing-newline",
    "full-width": "secret-full-width",
    "invisible": "secret-invisible",
}
# first labels under which mailboxes are read
_READING = frozenset({"imap", "imap4", "imaps", "pop", "pop3", "pop3s"})
# They take every mail, show it to the developer, and deliver none (their own pages).
_SANDBOXES = frozenset(
    {"sandbox.smtp.mailtrap.io", "smtp.mailtrap.io", "smtp.ethereal.email", "debugmail.io", "mailhog", "mailpit"}
)
# One house under several names: a login of one is known to the other's server.
_FAMILIES = (frozenset({"163", "126", "yeah"}), frozenset({"qq", "foxmail"}))
_OWN_PAGES = "the provider's own pages"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFacts:
    """The settings as they will be used; of the secret only what went wrong while it was copied."""

    kind: TargetKind
    name: str
    port: int | None
    mode: Mode
    user: str
    sender: str
    recipients: tuple[str, ...]
    ehlo: str
    login: bool
    """A login is asked for."""
    secret: tuple[Slip, ...] = ()
    author: str = ""
    """The From of the user's own message, where it holds no address as it stands, and one once it is decoded."""
    proxies: tuple[str, ...] = ()
    """Names of the environment's variables that name a proxy."""
    local_name_ascii: bool = True
    """This machine's own name, which many libraries say in EHLO, is ASCII."""


@dataclass(frozen=True, slots=True)
class Config(Probe[ConfigFacts]):
    """Looks at the settings alone. What a server does wins over it, so that it warns and stops nothing."""

    name = "config"
    rules = (
        Rule("host-empty-or-placeholder", Severity.FAIL, Stage.CONFIG, "RFC 1035 section 2.3.1"),
        Rule("host-whitespace-or-punct", Severity.FAIL, Stage.CONFIG, "RFC 1123 section 2.1"),
        Rule("host-has-scheme-or-port", Severity.FAIL, Stage.CONFIG, "RFC 1123 section 2.1"),
        Rule("host-for-reading-mail", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("host-mx-used-as-submission", Severity.WARN, Stage.CONFIG, "RFC 6409 section 3.1"),
        Rule("mailer-not-smtp", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("from-header-encoded", Severity.WARN, Stage.CONFIG, "RFC 2047 section 5"),
        Rule("proxy-set", Severity.NOTE, Stage.CONFIG, "curl(1), section ENVIRONMENT"),
        Rule("host-wrong-provider-endpoint", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("port-not-served-by-provider", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("mode-unusual", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("auth-user-fixed", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("auth-user-character", Severity.WARN, Stage.CONFIG, "RFC 4616 section 2"),
        Rule("auth-user-without-domain", Severity.NOTE, Stage.CONFIG, _OWN_PAGES),
        Rule("sender-foreign", Severity.WARN, Stage.CONFIG, _OWN_PAGES),
        Rule("sender-differs-from-login", Severity.NOTE, Stage.CONFIG, _OWN_PAGES),
        Rule("recipient-list-as-string", Severity.WARN, Stage.CONFIG, "RFC 5321 section 4.1.1.3"),
        Rule("recipient-near-known", Severity.NOTE, Stage.CONFIG, "Damerau (1964): one slip of the hand"),
        Rule("ehlo-name-short", Severity.NOTE, Stage.CONFIG, "RFC 5321 section 2.3.5"),
        Rule("ehlo-name-non-ascii", Severity.NOTE, Stage.CONFIG, "RFC 5321 section 4.1.1.1"),
        *(Rule(code, Severity.WARN, Stage.CONFIG, "RFC 4616 section 2") for code in dict.fromkeys(_SECRET.values())),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The target itself, always."""
        return (Subject(target.name),)

    async def observe(self, subject: Subject, ctx: Context) -> ConfigFacts:
        """Nothing is asked: the settings, the secret's slips and this machine's name are at hand."""
        target = ctx.target
        login = bool(target.secret) and target.kind is not TargetKind.MX and Stage.AUTH in route.asked(target)
        return ConfigFacts(
            kind=target.kind,
            name=target.name,
            port=target.port,
            mode=target.mode,
            user=target.user,
            sender=target.sender,
            recipients=target.recipients,
            ehlo=target.ehlo,
            login=login,
            secret=ctx.secret_slips if login else (),
            author=hidden_author(ctx.message.message) if ctx.message else "",
            proxies=ctx.proxies,
            local_name_ascii=socket.gethostname().isascii(),
        )

    def judge(self, facts: ConfigFacts) -> Iterator[Finding]:
        """The host, then what is wanted of it, then what is said to it."""
        odd = tuple(self._name(facts))
        yield from odd
        row = _row(facts)
        if not odd and facts.kind is TargetKind.HOST:
            yield from self._host(facts, row)
        if row:
            yield from self._endpoint(facts, row)
        if facts.login:
            yield from self._login(facts, row)
        if row and facts.user and facts.sender and facts.kind is not TargetKind.MX:
            yield from self._sender(facts, row)
        yield from self._envelope(facts)
        if facts.author:
            yield self.found("from-header-encoded", author=facts.author)
        if facts.proxies:
            yield self.found("proxy-set", names=", ".join(facts.proxies))

    def _name(self, facts: ConfigFacts) -> Iterator[Finding]:
        """A target that was not read by the grammar may hold anything."""
        name = facts.name
        odd = next((place for place, char in enumerate(name, 1) if not (char.isalnum() or char in ".-_")), 0)
        if not name.strip():
            yield self.found("host-empty-or-placeholder")
        elif literal(name) or not odd:
            return
        elif "://" in name or name[odd - 1] == ":":
            yield self.found("host-has-scheme-or-port", char=name[odd - 1], place=odd)
        else:
            yield self.found("host-whitespace-or-punct", char=code_point(name[odd - 1]), place=odd)

    def _host(self, facts: ConfigFacts, row: providers.Provider | None) -> Iterator[Finding]:
        if facts.name.lower() in _SANDBOXES:
            yield self.found("mailer-not-smtp", host=facts.name)
        # who names neither user nor secret may want to know of the exchanger or mailbox host itself
        if not (facts.user or facts.login) or row:
            return
        if instead := _submission_host(facts.name):
            yield self.found("host-for-reading-mail", host=facts.name, instead=instead)
        elif _takes_mail(facts.name):
            yield self.found("host-mx-used-as-submission", host=facts.name)

    def _endpoint(self, facts: ConfigFacts, row: providers.Provider) -> Iterator[Finding]:
        if facts.kind is TargetKind.MX:
            return
        host, port = row.smtp[0].host, _port(facts, row)
        if port in row.closed_ports:
            yield self.found("port-not-served-by-provider", host=host, port=port, ports=_ports(row))
        known = {endpoint.mode for endpoint in row.smtp if endpoint.port == port}
        implicit = facts.mode is Mode.IMPLICIT
        if known and facts.mode is not Mode.AUTO and implicit is not (Mode.IMPLICIT in known):
            usual = ", ".join(sorted(mode.value for mode in known))
            yield self.found("mode-unusual", host=host, port=port, mode=facts.mode.value, usual=usual)

    def _login(self, facts: ConfigFacts, row: providers.Provider | None) -> Iterator[Finding]:
        for slip in facts.secret:
            yield self.found(_SECRET[slip.sign], where=slip.where, char=slip.char)
        for slip in slips(facts.user):
            if slip.sign in ("padded", "full-width", "invisible"):
                yield self.found("auth-user-character", where=slip.where, char=slip.char)
                return
        if row is None or not facts.user:
            return
        if row.user.fixed and facts.user != row.user.fixed:
            yield self.found("auth-user-fixed", user=facts.user, fixed=row.user.fixed, provider=row.name)
        elif row.user.rule == "full-address" and "@" not in facts.user:
            yield self.found("auth-user-without-domain", user=facts.user, provider=row.name)
        elif home := _home(facts.user, row):
            yield self.found(
                "host-wrong-provider-endpoint",
                user=facts.user,
                provider=row.name,
                home=home.name,
                host=home.smtp[0].host,
            )

    def _sender(self, facts: ConfigFacts, row: providers.Provider) -> Iterator[Finding]:
        same = facts.sender.lower() == facts.user.lower()
        if same or row.from_rule.rule != "login" or "@" not in facts.user or row.user.rule == "any":
            return
        # a row without domains serves its customers' own, which may have aliases
        home = providers.by_domain(_domain(facts.sender))
        foreign = row.domains and _domain(facts.sender) != _domain(facts.user) and not (home and _related(home, row))
        code = "sender-foreign" if foreign else "sender-differs-from-login"
        yield self.found(code, sender=facts.sender, user=facts.user, provider=row.name)

    def _envelope(self, facts: ConfigFacts) -> Iterator[Finding]:
        for recipient in facts.recipients:
            place = next((place for place, char in enumerate(recipient, 1) if char in ",;，；、"), 0)
            if recipient.count("@") > 1 and place and '"' not in recipient:
                yield self.found("recipient-list-as-string", address=recipient, place=place)
            if near := providers.nearest_domain(_domain(recipient)):
                yield self.found("recipient-near-known", address=recipient, near=near)
        ehlo = facts.ehlo
        if not ehlo.isascii() or "xn--" in ehlo.lower() or (not ehlo and not facts.local_name_ascii):
            yield self.found("ehlo-name-non-ascii", name=ehlo)
        elif ehlo and ehlo[0] != "[" and "." not in ehlo:
            yield self.found("ehlo-name-short", name=ehlo)


def _submission_host(host: str) -> str:
    """The host to use instead of one where a known provider's mailboxes are read, else empty.

    By the label too: outlook.office365.com serves IMAP and submission.
    """
    label, _, rest = host.lower().partition(".")
    if label not in _READING:
        return ""
    known = providers.by_host(f"smtp.{rest}")
    return known.smtp[0].host if known else dict(_mailbox_hosts()).get(host.lower(), "")


def _mailbox_hosts() -> Iterator[tuple[str, str]]:
    """Where mailboxes are read, and where the same provider takes mail."""
    for row in providers.providers():
        if row.imap:
            yield row.imap.host, row.smtp[0].host
        yield from ((variant.imap.host, variant.hosts[0]) for variant in row.variant if variant.imap)


def _takes_mail(host: str) -> bool:
    """A known provider's exchanger. Patterns are ends of names, so that smtp.messagingengine.com is none."""
    label = host.lower().partition(".")[0]
    return not label.startswith(("smtp", "submission", "relay", "out")) and providers.by_mx(host) is not None


def _row(facts: ConfigFacts) -> providers.Provider | None:
    if facts.kind is TargetKind.ACCOUNT:
        return providers.by_domain(facts.name)
    return providers.by_host(facts.name) if facts.kind is TargetKind.HOST else None


def _port(facts: ConfigFacts, row: providers.Provider) -> int:
    if facts.port or facts.kind is TargetKind.ACCOUNT:
        return facts.port or row.smtp[0].port
    return 465 if facts.mode is Mode.IMPLICIT else 0


def _ports(row: providers.Provider) -> str:
    return ", ".join(f"{endpoint.port} ({endpoint.mode})" for endpoint in row.smtp)


def _home(user: str, row: providers.Provider) -> providers.Provider | None:
    """The provider that alone knows this user, where it is not the one asked.

    Only of hosts whose logins are their own mailboxes: others take foreign addresses as names.
    """
    home = providers.by_domain(_domain(user))
    if home is None or not row.domains or row.user.rule != "full-address" or row.from_rule.rule != "login":
        return None
    return None if _related(home, row) else home


def _related(one: providers.Provider, other: providers.Provider) -> bool:
    return one.id == other.id or any({one.id, other.id} <= family for family in _FAMILIES)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
