"""What does a check need before its first packet? Door, roots, message and contacts."""

from __future__ import annotations

import mimetypes
import platform
import ssl
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from smtpcheck import __version__, route
from smtpcheck.conversation.wish import Limits, Wish
from smtpcheck.core import (
    Contact,
    Stage,
    Target,
    TargetKind,
)
from smtpcheck.messages.compose import Attachment, Composed, ComposeError, compose, read_message
from smtpcheck.net import system
from smtpcheck.net.door import Dialer, Door
from smtpcheck.net.system import Machine, root_stores
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import UsageError, parse_detour
from smtpcheck.wire import ProtocolError, x509
from smtpcheck.wire.address import parse_server
from smtpcheck.wire.message import dot_stuffed, needs, size


def contacts(target: Target, door: Door) -> tuple[Contact, ...]:
    """Everybody who may be spoken to, known before the first packet."""
    found = [Contact("target", target.name, f"contact-{target.kind}")]
    found += [Contact("resolver", f"{host}:{port}") for host, port in door.resolvers]
    found += [Contact("detour", text) for text in target.connect_to]
    if target.ntp:
        found.append(Contact("ntp", target.ntp))
    if target.control and target.experiments and not target.only_target:
        found.append(Contact("control", target.control, "contact-control"))
    where = route.mailbox(target) if target.send else None
    if where:
        found.append(Contact("mailbox", f"{where[0]}:{where[1]}", "contact-mailbox"))
    if target.kind is TargetKind.MX and not target.only_target:
        found.append(Contact("policy", f"mta-sts.{target.name}:443", "contact-policy"))
    if not target.only_target:
        found.append(Contact("issuer", "", "contact-issuer"))
    return tuple(found)


# A test message; what is larger belongs into no test.
MAX_MESSAGE = 32 * 1024 * 1024


def settled(target: Target) -> Target:
    """The target with what this host's own configuration adds."""
    if target.ntp or target.only_target:
        return target
    return replace(target, ntp=system.system_ntp())


def open_door(target: Target, dialer: Dialer | None, limits: Limits, machine: Machine) -> Door:
    """The door to the network as the target asks for it."""
    resolvers, search = system.system_resolvers()
    if target.dns:
        resolvers = tuple(parse_server(each, 53) for each in target.dns.split(","))
    return Door(
        resolvers=resolvers,
        search=search,
        hosts=machine.hosts,
        detours=[parse_detour(text) for text in target.connect_to],
        dialer=dialer,
        dns_timeout=limits.dns,
    )


def wish(target: Target, secret: Secret | None, message: Composed | None) -> Wish:
    """What to say, derived from the target."""
    mx = target.kind is TargetKind.MX
    login = bool(target.secret) and not mx and Stage.AUTH in route.asked(target)
    addresses = (target.sender, *target.recipients)
    return Wish(
        ehlo=target.ehlo,
        user=target.user,
        secret=secret if login else None,
        mechanism=target.auth.upper(),
        allow=target.allow,
        sender=target.sender,
        recipients=target.recipients,
        control=target.control_recipient,
        message=dot_stuffed(message.message) if message else None,
        octets=size(message.message) if message else 0,
        needs=needs(message.message if message else b"", addresses),
        tls_required=not mx,
    )


def _composed(target: Target, lang: str) -> Composed | None:
    if not target.send:
        return None
    try:
        if target.message:
            return read_message(_read(target.message))
        return compose(
            target.sender,
            target.recipients,
            subject=target.subject or None,
            text=target.text or None,
            html=_read(target.html).decode() if target.html else None,
            lang=lang,
            attachments=[Attachment(Path(path).name, _read(path), _media_type(path)) for path in target.attach],
        )
    except (ComposeError, UnicodeDecodeError) as error:
        raise UsageError(f"no message can be made: {error}") from None


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_MESSAGE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_MESSAGE:
        raise UsageError(f"{path}: larger than {MAX_MESSAGE} octets")
    return content


def _media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


@cache
def load_roots(ca_file: str = "") -> x509.Roots:
    """The roots of `ca_file`, else of the system's OpenSSL. Raises UsageError for a file without certificates."""
    try:
        if ca_file:
            pem = Path(ca_file).read_bytes()
            # an empty file is what a slim image has: a store that holds nothing
            return x509.Roots.from_pem(pem, ca_file) if pem else x509.Roots((), ca_file)
        for path in root_stores():
            if path.is_file():
                return x509.Roots.from_pem(path.read_bytes(), str(path))
    except (OSError, ProtocolError) as error:
        raise UsageError(f"no certificates in {ca_file or 'the system store'}: {error}") from None
    return x509.Roots((), "none found on this system")


def load_compared(target: Target) -> x509.Roots | None:
    """The roots that other programs trust: certifi's, which many Python programs bring along. Raises UsageError."""
    if target.ca_compare:
        return load_roots(target.ca_compare)
    if target.ca_file:
        return None
    import certifi  # late, as its 144 certificates are: a chain that verifies has no need of them

    return load_roots(certifi.where())


def environment() -> Mapping[str, str]:
    """What a reader of the report needs to know of this machine; no host or user name."""
    return {
        "smtpcheck": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "openssl": ssl.OPENSSL_VERSION,
        "tls": x509.library(),
    }
