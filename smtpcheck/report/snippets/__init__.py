"""What do I write into my program? Working settings for host, port and TLS mode, one template a library.

A library is one file here, NAME.SUFFIX.txt, found by its name. In it «user:string» stands for a value, quoted for
the place it goes to by the rules of `_QUOTES`, several in order («host:postfix:sh»); a value never stands bare or in
a comment. A line that begins with «starttls», «implicit», «ca» or «no-ca» is there in that case only.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from smtpcheck.core import Mode, Report, Subject, Target, TargetKind
from smtpcheck.route import ModeFacts, break_of, chosen, results_of, speaking
from smtpcheck.target.grammar import UsageError, usual_mode
from smtpcheck.wire.address import literal

EXAMPLE = "me@example.com"
"""Stands in for a user or an address that nobody named (RFC 2606 section 3)."""

_LIMIT = 320
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}")
_CONDITION = re.compile("«(starttls|implicit|ca|no-ca)»")
_PLACE = re.compile("«([a-z]+)((?::[a-z]+)*)»")


class Unfounded(UsageError):
    """No settings follow from a report; `reason` is a word for why: exchanger or unspoken."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a mail library must know; the password is never among it."""

    host: str
    port: int
    mode: Mode
    user: str = EXAMPLE
    sender: str = EXAMPLE
    recipient: str = EXAMPLE
    ca_file: str = ""
    """PEM file of the roots to trust in place of the system's."""

    def rendered(self, name: str) -> str:
        """As `render`."""
        return render(
            name,
            *(self.host, self.port, self.mode, self.user, self.sender, self.recipient),
            ca_file=self.ca_file,
        )


def names() -> tuple[str, ...]:
    """The libraries and programs there are templates for, sorted."""
    return tuple(sorted(_templates()))


def render(
    name: str, host: str, port: int, mode: Mode, user: str, sender: str, recipient: str, *, ca_file: str = ""
) -> str:
    """The settings as a program or configuration that sends one message, its password from SMTP_PASSWORD.

    `mode` is STARTTLS or IMPLICIT. Raises UsageError for an unknown name, and for a value that can't be said in that
    language, or at all.
    """
    if name not in _templates():
        near = difflib.get_close_matches(name, names(), n=1) or names()
        raise UsageError(f"no settings for {name[:60]!r}, but for {', '.join(near)}")
    if mode not in (Mode.STARTTLS, Mode.IMPLICIT):
        raise UsageError("a password is only sent over TLS: the mode is starttls or implicit")
    values = _values(host, port, user, sender, recipient, ca_file)
    cases = {mode.value, "ca" if ca_file else "no-ca"}
    lines = (_line(line, cases) for line in _templates()[name].splitlines(keepends=True))
    return _PLACE.sub(lambda place: _quoted(values[place[1]], place[2]), "".join(lines))


def suffix(name: str) -> str:
    """What the file is called after its first dot: py, js, sh ... Raises KeyError."""
    return _suffixes()[name]


def summary(settings: Settings) -> str:
    """The values, and for what they can be had."""
    user = settings.user if settings.user != EXAMPLE else "(--user)"
    shown = {"host": settings.host, "port": settings.port, "TLS": settings.mode, "user": user}
    lines = [f"{name:<5} {value}" for name, value in shown.items()]
    return "\n".join([*lines, "", "--for " + ", ".join(names()), ""])


def observed(report: Report, **given: Any) -> Settings:
    """What worked, or would, at the endpoint that the verdict is about; `given` replaces fields of its target.

    Raises Unfounded where none spoke TLS, and for mail exchangers.
    """
    target = replace(report.target, **given)
    if target.kind is TargetKind.MX:
        why = "mail exchangers take mail without a login: settings are for the account's submission server"
        raise Unfounded("exchanger", why)
    subject = chosen(report.target, report.results)
    subject = subject and _spoken(subject, report)
    if not subject:
        raise Unfounded("unspoken", "in this report no server spoke TLS, so that no settings follow from it")
    if "mode" in given and target.mode is not subject.mode:
        raise UsageError(f"the report says that TLS starts by {subject.mode}: leave --mode out")
    return _filled(target, subject.name, subject.port, subject.mode)


def stated(target: Target) -> Settings:
    """What the user says that works: host, port and mode. Raises UsageError where one of them is missing."""
    if target.kind is not TargetKind.HOST or not target.port:
        raise UsageError("settings need a report of `smtpcheck check --json`, or HOST:PORT")
    mode = target.mode
    if mode is Mode.AUTO:
        if target.port not in (465, 587):  # RFC 8314 section 7.3, RFC 6409 section 3.1
            raise UsageError(
                f"whether port {target.port} begins with TLS is not known here: --mode starttls or implicit"
            )
        mode = usual_mode(target.port)
    return _filled(target, target.name, target.port, mode)


def _spoken(subject: Subject, report: Report) -> Subject | None:
    """The endpoint in the mode whose handshake was seen to work."""
    mine = results_of(subject, report.results)
    mode = mine["mode"].facts if "mode" in mine else None
    if isinstance(mode, ModeFacts) and mode.found:
        subject = speaking(subject, mode.found)
    elif "tls" not in mine or mine["tls"].facts is None or break_of(mine["tls"]):
        return None
    return subject if subject.mode in (Mode.STARTTLS, Mode.IMPLICIT) else None


def _filled(target: Target, host: str, port: int, mode: Mode) -> Settings:
    user = target.user or target.sender or EXAMPLE
    sender = target.sender or (user if "@" in user else EXAMPLE)
    recipient = target.recipients[0] if target.recipients else sender
    return Settings(
        host=host, port=port, mode=mode, user=user, sender=sender, recipient=recipient, ca_file=target.ca_file
    )


@cache
def _templates() -> Mapping[str, str]:
    folder = files("smtpcheck.report.snippets")
    return {name: folder.joinpath(f"{name}.{end}.txt").read_text("utf-8") for name, end in _suffixes().items()}


@cache
def _suffixes() -> Mapping[str, str]:
    found = (
        path.name.split(".") for path in files("smtpcheck.report.snippets").iterdir() if path.name.endswith(".txt")
    )
    return {name: end for name, end, _ in found}


def _line(line: str, cases: set[str]) -> str:
    while condition := _CONDITION.match(line):
        if condition[1] not in cases:
            return ""
        line = line[condition.end() :]
    return line


def _values(host: str, port: int, user: str, sender: str, recipient: str, ca_file: str) -> Mapping[str, str]:
    if not (_HOST.fullmatch(host) or literal(host)) or not 0 < port < 65536:
        raise UsageError("the server's name or port is none")
    for what, text in (("user", user), ("CA file", ca_file), ("sender", sender), ("recipient", recipient)):
        if not text.isprintable() or text != text.strip() or len(text) > _LIMIT:
            raise UsageError(f"the {what} holds a character that a setting can't, or is too long")
    if not user:
        raise UsageError("settings for a login need its user")
    for address in (sender, recipient):
        if not re.fullmatch(r"[^-<>,;\s@][^<>,;\s]*@[^<>,;\s@]+|[^-<>,;\s@]@[^<>,;\s@]+", address):
            raise UsageError("sender and recipient are addresses alone, as me@example.com")
    bare = f"[{host}]" if ":" in host else host
    return {
        "host": host,
        "port": str(port),
        "bracketed": bare,
        "address": f"{bare}:{port}",
        "hop": f"[{host}]:{port}",
        "user": user,
        "sender": sender,
        "recipient": recipient,
        "ca": ca_file,
    }


def _quoted(value: str, rules: str) -> str:
    for rule in rules.split(":")[1:]:
        value = _QUOTES[rule](value)
    return value


def _number(text: str) -> str:
    return str(int(text))


def _string(text: str) -> str:
    """Python, JavaScript, Go, Java: the escapes that JSON needs mean the same in all four."""
    return json.dumps(text, ensure_ascii=False)


def _php(text: str) -> str:
    return "'" + re.sub(r"[\\']", r"\\\g<0>", text) + "'"


def _sh(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _properties(text: str) -> str:
    """java.util.Properties.load, where Latin-1 is read; then Spring resolves ${...}, without an escape before 6.2."""
    units = _refused(text, "${", where="Spring").replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _msmtp(text: str) -> str:
    """msmtp(1): quotes around the whole argument are taken off, nothing else is special."""
    return f'"{text}"'


def _pattern(text: str) -> str:
    """msmtp(1), `from`: a pattern with wildcards and substitutions."""
    return _refused(text, *"%*?[", where="msmtp")


def _postfix(text: str) -> str:
    """postconf(5): $name is expanded."""
    return text.replace("$", "$$")


def _login(text: str) -> str:
    """curl(1) --user and postconf(5) smtp_sasl_password_maps: the first colon ends the user name."""
    return _refused(text, ":", where="curl or Postfix")


def _refused(text: str, *signs: str, where: str) -> str:
    odd = next((sign for sign in signs if sign in text), "")
    if odd:
        raise UsageError(f"{where} can't be told a name with {odd!r} in it")
    return text


_QUOTES: Mapping[str, Callable[[str], str]] = {
    "number": _number,
    "string": _string,
    "php": _php,
    "sh": _sh,
    "properties": _properties,
    "msmtp": _msmtp,
    "pattern": _pattern,
    "postfix": _postfix,
    "login": _login,
}
