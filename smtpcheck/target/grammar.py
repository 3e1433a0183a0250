"""What did the user ask for? The grammar of targets and options, read into a `Target`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import StrEnum
from typing import Any, TypeVar

from smtpcheck.core import (
    PATHS,
    Mode,
    Stage,
    Target,
    TargetKind,
)
from smtpcheck.target.credentials import PREFIX
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import Detour, literal, parse_server
from smtpcheck.wire.dns import a_label
from smtpcheck.wire.message import addressed, unprintable
from smtpcheck.wire.mistakes import code_point, slips

# Every DNS name fits; what is longer is pasted text.
_MAX_SPEC = 320
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_SCHEMES = {"smtp": (587, Mode.STARTTLS), "smtps": (465, Mode.IMPLICIT), "submission": (587, Mode.STARTTLS)}
# RFC 5321 section 4.5.3.1.8 lets 100; a test needs a few.
MAX_RECIPIENTS = 10
# What other programs take as a host: PHP's stream wrappers, and addresses copied from a browser.
_FOREIGN_SCHEMES = ("ssl", "tls", "starttls", "http", "https")
_URL_IN_HOST = "host-has-scheme-or-port"
_ODD_IN_HOST = "host-whitespace-or-punct"
CONSENTS = ("plaintext-auth", "unverified-auth")
UNTIL = tuple(stage for stage in PATHS[Mode.STARTTLS])


class UsageError(Exception):
    """What was asked for makes no sense; args: a sentence that never echoes a secret. `code`: the cause, or empty."""

    def __init__(self, said: str, code: str = "") -> None:
        super().__init__(said)
        self.code = code

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: the way through our code says nothing about a slip in a cell."""
        return [f"{type(self).__name__}: {self}"]


def parse_target(spec: str, **options: Any) -> Target:
    """The target that `spec` names, with `Target`'s own fields as options. Raises UsageError."""
    text = spec.strip()
    if not text or len(text) > _MAX_SPEC:
        code = "" if text else "host-empty-or-placeholder"
        examples = "me@example.com, smtp.example.com, host:587, smtps://host or mx:example.com"
        raise UsageError(f"name a target: {examples}", code)
    known = [field.name for field in fields(Target)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"no option {unknown[0]!r}; known: {', '.join(known)}")
    given = {name: value for name, value in options.items() if value is not None}
    if "until" in given:
        given["until"] = _word(Stage, given["until"], "--until")
    stated = _word(Mode, given.pop("mode", Mode.AUTO), "--mode")
    target = _parse(text)
    return _checked(replace(target, mode=target.mode if stated is Mode.AUTO else stated, **given))


W = TypeVar("W", bound=StrEnum)


def _word(words: type[W], said: str, option: str) -> W:
    try:
        return words(said)
    except ValueError:
        raise UsageError(f"{option} {said[:20]!r} is unknown; known: {', '.join(words)}") from None


def _parse(text: str) -> Target:
    scheme, found, rest = text.partition("://")
    if found:
        return _from_url(text, scheme.lower(), rest)
    if text.lower().startswith("mx:"):
        return Target(spec=text, kind=TargetKind.MX, name=_name(text[3:], 3))
    if "@" in text:
        return _account(text)
    host, port = _host_port(text)
    return Target(spec=text, kind=TargetKind.HOST, name=host, port=port)


def _from_url(text: str, scheme: str, rest: str) -> Target:
    if scheme not in _SCHEMES:
        # what stands before :// may be a login as well
        shown = f"{scheme[:20]}:// " if scheme.isascii() and scheme.isalnum() else "what stands before :// "
        meant = _url_meant(scheme, rest)
        instead = f"; {meant} is probably meant" if meant else ""
        raise UsageError(
            f"{shown}is no mail scheme; use smtp:// (STARTTLS) or smtps:// (implicit TLS){instead}", _URL_IN_HOST
        )
    if "@" in rest:
        raise UsageError(
            "leave the login out of the URL: --user names it, the password comes from SMTPCHECK_PASSWORD"
            + ("; a program that takes it there needs #, / and ? in it percent-encoded" if _cut_short(rest) else ""),
            "secret-url-not-encoded" if _cut_short(rest) else "",
        )
    port, mode = _SCHEMES[scheme]
    host, given = _host_port(rest.rstrip("/"), len(scheme) + 3)
    return Target(spec=text, kind=TargetKind.HOST, name=host, port=given or port, mode=mode)


def _cut_short(rest: str) -> bool:
    """The login before the last @ holds what ends a URL's authority (RFC 3986 section 3.2) or begins an escape."""
    login = rest.rpartition("@")[0]
    return re.search(r"[/?#@\[\] ]|%(?![0-9A-Fa-f]{2})|:.*:", login) is not None


def _url_meant(scheme: str, rest: str) -> str:
    """What others write as ssl://, tls:// or http://, as this program takes it; empty: nobody can tell."""
    if "@" in rest or scheme not in _FOREIGN_SCHEMES:
        return ""
    try:
        host, port = _host_port(rest.rstrip("/"))
    except UsageError:
        return ""
    shown = f"[{host}]" if ":" in host else host
    if scheme in ("http", "https"):
        return shown
    implicit = usual_mode(port) is Mode.IMPLICIT if port else scheme == "ssl"
    return f"{'smtps' if implicit else 'smtp'}://{shown}{f':{port}' if port else ''}"


def _account(text: str) -> Target:
    local, _, domain = text.rpartition("@")
    if ":" in local or not local:
        raise UsageError("name the account alone, as me@example.com: a password never belongs in an argument")
    for place, char in enumerate(local, 1):
        if not char.isprintable() or char in (" <>,;" if local[0] == '"' else " <>,;@"):
            raise UsageError(
                f"the part before @ of an address can't hold {_shown(char)}, as this one does at character {place}"
            )
    name = _name(domain, len(local) + 1)
    # RFC 6531 section 3.4: without SMTPUTF8 the envelope takes A-labels only; the login is what the user typed
    return Target(
        spec=text, kind=TargetKind.ACCOUNT, name=name, user=f"{local}@{domain.rstrip('.')}", sender=f"{local}@{name}"
    )


def _host_port(text: str, before: int = 0) -> tuple[str, int | None]:
    if literal(text):
        return literal(text), None
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?", text)
    if bracketed and literal(bracketed[1]):
        return literal(bracketed[1]), _port(bracketed[2]) if bracketed[2] else None
    host, colon, port = text.partition(":")
    if not colon:
        _full_width_colon(host, before)
        return _name(host, before), None
    name = _name(host, before)
    if _is_port(port.strip()) and port != port.strip():
        odd, place = next((c, before + p) for p, c in enumerate(text, 1) if p > len(host) and c.isspace())
        raise UsageError(
            f"{_shown(odd)} at character {place} stands beside the port; {name}:{port.strip()} is meant", _URL_IN_HOST
        )
    return name, _port(port)


def _full_width_colon(text: str, before: int) -> None:
    host, colon, port = text.partition("\uff1a")
    if colon and _is_port(port):
        place = before + len(host) + 1
        raise UsageError(
            f"{_shown(colon)} at character {place} is no colon; {_name(host)}:{port} is meant", _ODD_IN_HOST
        )


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and 0 < int(text) < 65536


def _port(text: str) -> int:
    # never echoed: `name:password` would land here
    if not _is_port(text):
        raise UsageError("what follows the colon is no port: 1 to 65535")
    return int(text)


def _name(text: str, before: int = 0) -> str:
    """A domain name with internationalized labels as A-labels (RFC 5891), or an IP literal."""
    if literal(text):
        return literal(text)
    _only_names(text, before)
    try:
        name = a_label(text.removesuffix(".").lower())
    except ProtocolError as error:
        raise UsageError(f"{text[:80]!r}: {error}") from None
    *_, top = labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UsageError(f"{text[:80]!r} is no host name")
    if top.isdigit():  # RFC 1123 section 2.1: the last label is never all digits
        raise UsageError(f"{text[:80]!r} is neither an IP address nor a host name")
    return name


def _only_names(text: str, before: int) -> None:
    """Names the first character that no host name holds, with its place; what follows it may be a password."""
    if any(slip.sign == "unexpanded" for slip in slips(text)):
        raise UsageError("the host is a variable that was never filled in", "host-empty-or-placeholder")
    # of 例子。cn RFC 3490 section 3.1 takes the dot; in a name of ASCII letters it is a slip of the input method
    slip = not text.isascii() and _plain(text).isascii()
    place = next((p for p, c in enumerate(text, 1) if (slip and not c.isascii()) or not _in_names(c)), 0)
    if not place:
        return
    odd, meant = text[place - 1], _meant(text)
    where = f"a host name can't hold {_shown(odd)}, as this one does at character {before + place}"
    rest = f"; {meant} is probably meant" if meant else f", after {text[: place - 1][:80]!r}" if place > 1 else ""
    raise UsageError(where + rest, _ODD_IN_HOST)


def _meant(text: str) -> str:
    """The name without what cannot be in it, empty where that would be guessing."""
    bare = "".join(c for c in _plain(text) if unicodedata.category(c) != "Cf").strip(" \t\r\n,;.、'\"<>")
    return bare.lower() if "." in bare and all(map(_LABEL.fullmatch, bare.split("."))) else ""


def _plain(text: str) -> str:
    """In half width, with the dots of RFC 3490 section 3.1 as full stops."""
    return unicodedata.normalize("NFKC", text).replace("\u3002", ".")


def _shown(char: str) -> str:
    return repr(char) if char.isascii() and char.isprintable() else f"{char!r} ({code_point(char)})"


def _in_names(char: str) -> bool:
    """Not a separator, not one in full width either, and nothing unprintable but the joiners of RFC 5892."""
    plain = unicodedata.normalize("NFKC", char)
    return (char.isprintable() or char in "\u200c\u200d") and all(
        c.isalnum() or c in ".-_" for c in plain if c.isascii()
    )


def _checked(target: Target) -> Target:
    target = replace(target, allow=tuple(map(_allowed, target.allow)))
    if not 0.5 <= target.deadline <= 3600:
        raise UsageError("--deadline is 0.5 to 3600 seconds")
    if unprintable(target.subject):
        raise UsageError("--subject holds a control character")
    if not 0 < target.wait <= 3600:
        raise UsageError("--wait is up to 3600 seconds")
    for name in ("user", "sender", "ehlo", "auth", "imap_user"):
        value = getattr(target, name)
        if not value.isprintable() or len(value) > _MAX_SPEC:
            raise UsageError(f"--{name} holds a character that can't be in it")
    if target.ehlo:
        target = replace(target, ehlo=_ehlo(target.ehlo))
    return _servers_checked(_envelope_checked(_stages_checked(target)))


def _allowed(word: str) -> str:
    """A consent, a host's name in it as DNS has it."""
    if word in CONSENTS:
        return word
    if word.lower().startswith(PREFIX) and word[len(PREFIX) :]:
        name = word[len(PREFIX) :]
        return PREFIX + _name(name[1:-1] if literal(name[1:-1]) else name, len(PREFIX))
    raise UsageError(f"{word[:40]!r} can't be allowed; known: {', '.join(CONSENTS)}, {PREFIX}NAME")


def _stages_checked(target: Target) -> Target:
    if target.send and not target.recipients and target.kind is TargetKind.ACCOUNT:
        target = replace(target, recipients=(target.sender,))
    until = target.until
    if until and until not in UNTIL:
        raise UsageError(f"--until {until} is not a stage of a check; known: {', '.join(UNTIL)}")
    if until is Stage.AUTH and target.kind is TargetKind.MX:
        raise UsageError("mail exchangers take mail without a login: mx: is never asked for one")
    if (until in (Stage.MAIL, Stage.RCPT) or target.send) and not (target.sender and target.recipients):
        raise UsageError(f"{'--send' if target.send else f'--until {until}'} needs --from and --to")
    if until in (Stage.DATA, Stage.DELIVERY) and not target.send:
        raise UsageError(f"--until {until} needs --send: no message is sent without it")
    return target


def _envelope_checked(target: Target) -> Target:
    if isinstance(target.recipients, str):
        raise UsageError("recipients is a list of addresses, and not one string", "recipient-list-as-string")
    if len(target.recipients) > MAX_RECIPIENTS:
        raise UsageError(f"at most {MAX_RECIPIENTS} recipients: this is a test, not a mailing")
    for option, address in (("--from", target.sender), *(("--to", recipient) for recipient in target.recipients)):
        _alone(option, address)
        try:
            addressed(address, smtputf8=True)
        except ProtocolError as error:
            raise UsageError(f"{option}: {error}", "recipient-malformed" if option == "--to" else "") from None
    return target


def _alone(option: str, address: str) -> None:
    place = next((p for p, c in enumerate(address, 1) if c in "<> ,;，；、" or not c.isprintable()), 0)
    if not place and len(address) <= _MAX_SPEC:
        return
    joined = place and address[place - 1] in ",;，；、 " and address.count("@") > 1
    said = f"{option} takes an address alone, as me@example.com"
    if place:
        said += f", and not {_shown(address[place - 1])}, which this one holds at character {place}"
    if joined:
        said += "; name each recipient by an option of its own" if option == "--to" else ""
    raise UsageError(said, "recipient-list-as-string" if joined else "recipient-malformed" if option == "--to" else "")


def _ehlo(name: str) -> str:
    """RFC 5321 section 4.1.3: a domain, or an address literal in brackets."""
    inner = name[1:-1].removeprefix("IPv6:")
    return name if name[0] == "[" and name[-1] == "]" and literal(inner) else _name(name)


def _servers_checked(target: Target) -> Target:
    try:
        if target.dns and not all(literal(parse_server(each, 53)[0]) for each in target.dns.split(",")):
            raise UsageError("--dns takes an IP address, with :PORT where it is not 53; further ones after a comma")
        if target.control:
            parse_server(target.control, 25)
        if target.ntp:
            parse_server(target.ntp, 123)
        if target.imap:
            parse_server(target.imap, 993)
    except ValueError as error:
        raise UsageError(str(error)) from None
    for text in target.connect_to:
        parse_detour(text)
    return target


def parse_detour(text: str) -> Detour:
    """HOST:PORT:ADDR:PORT as curl has it, IPv6 in brackets, HOST and PORT may be empty. Raises UsageError."""
    parts = re.fullmatch(r"(\[[^\]]*\]|[^:]*):([0-9]{0,5}):(\[[^\]]*\]|[^:]+):([0-9]{0,5})", text)
    if not parts:
        raise UsageError(f"--connect-to {text[:80]!r} is not HOST:PORT:ADDR:PORT")
    host, port, address, to_port = parts.groups()
    where = literal(address.strip("[]"))
    if not where:
        raise UsageError(f"--connect-to leads to {address[:80]!r}, which is no IP address")
    return Detour(
        _name(host.strip("[]")) if host else "",
        _port(port) if port else 0,
        where,
        _port(to_port) if to_port else 0,
    )


def default_secret(environ: Mapping[str, str]) -> str:
    """The reference to the password that the environment offers, empty where there is none."""
    return "env:SMTPCHECK_PASSWORD" if environ.get("SMTPCHECK_PASSWORD") else ""


def default_imap_secret(environ: Mapping[str, str]) -> str:
    """The reference to the mailbox's password that the environment offers, empty where there is none."""
    return "env:SMTPCHECK_IMAP_PASSWORD" if environ.get("SMTPCHECK_IMAP_PASSWORD") else ""


# 994 is NetEase's second port for implicit TLS.
_IMPLICIT_PORTS = frozenset({465, 994})


def usual_mode(port: int) -> Mode:
    """What a port number suggests; the observation decides."""
    return Mode.IMPLICIT if port in _IMPLICIT_PORTS else Mode.STARTTLS
