"""How is a report made fit for strangers? The same report with other names, which still says the same.

Replaced: mail addresses, hosts, domains, IP addresses, names in certificates and what would look them up, files of this
machine, folders of the mailbox. Certificates themselves are left out. Secrets were never in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import PurePath
from typing import Any

from smtpcheck.core import (
    Blocked,
    Contact,
    Direction,
    Evidence,
    Experiment,
    Failure,
    Finding,
    Reason,
    Report,
    Result,
    Skipped,
    Stage,
    Subject,
    Target,
)
from smtpcheck.probes.delivery import DeliveryFacts
from smtpcheck.report.saved.pseudonyms import Pseudonyms
from smtpcheck.report.saved.values import layout
from smtpcheck.target import credentials, providers
from smtpcheck.wire.certificate import CertificateFacts
from smtpcheck.wire.smtp import Capabilities
from smtpcheck.wire.x509 import Flaw

# Words of ours, chosen from closed lists.
_OURS: Mapping[type, frozenset[str]] = {
    Result: frozenset({"probe"}),
    Finding: frozenset({"code"}),
    Evidence: frozenset({"text"}),
    Contact: frozenset({"who", "code"}),
    Failure: frozenset({"code"}),
    Blocked: frozenset({"code"}),
    Skipped: frozenset({"code"}),
    Reason: frozenset({"code"}),
    Experiment: frozenset({"probe"}),
    Target: frozenset({"auth", "allow"}),
    Flaw: frozenset({"code", "text"}),
}
_PATHS = ("ca_file", "message", "html", "attach")
# Locals and folders that are words of protocols and of replies as well, and say nothing about who it is.
_COMMON = frozenset(
    {
        *("me", "info", "admin", "mail", "test", "user", "users", "postmaster", "root", "support", "sales", "noreply"),
        *("no-reply", "hostmaster", "webmaster", "abuse", "smtp", "contact", "office", "service", "team", "help"),
        *("login", "auth", "server", "client", "error", "account", "password", "plain", "secret", "message", "sender"),
    }
)
_FOLDERS = frozenset({"inbox", "junk", "spam", "sent", "trash", "drafts", "archive", "bulk"})
_LISTED = re.compile(rb'^\* (?:LIST|LSUB) \([^)]*\) (?:"[^"]*"|NIL) "?(.*?)"?\s*$')
_INTRODUCED = re.compile(rb"^(?:EHLO|HELO) ([A-Za-z0-9_-]+)$")
_HOME = re.compile(r"(/home/|/Users/|\\Users\\)[^/\\\s:'\"]+")
_DER = re.compile(r"[A-Za-z0-9+/=]{64,}")


def redacted(reports: Sequence[Report]) -> list[Report]:
    """The reports with pseudonyms, the same one for the same name in all of them."""
    names = Pseudonyms()
    for report in reports:
        for learn in (_learn_target, _learn_facts, _learn_talk):
            learn(report, names)
    return [_Redaction(names).report(report) for report in reports]


# What can be known before anything is rewritten


def _learn_target(report: Report, names: Pseudonyms) -> None:
    target = report.target
    for told in report.diagnoses:
        # a slip of a known name tells nothing but that it is one
        if told.code == "host-typo" and providers.nearest_host(told.subject):
            names.keep(told.subject)
    for address in filter(None, (target.user, target.sender, *target.recipients, target.imap_user)):
        _learn_address(address, names)
    for name in _PATHS:
        for path in filter(None, _several(getattr(target, name))):
            names.learn(path, names.numbered("file", path, "file-{}") + PurePath(path).suffix[:6])
    for subject in _subjects(report):
        if not subject.name.isascii():
            names.learn(subject.name, names.host(subject.name))
        names.learn(subject.name, names.host(subject.name), whole=True)
        if "." not in subject.name and ":" not in subject.name:
            _learn_label(subject.name, names)
        names.learn(str(subject), str(_subject(subject, names)), whole=True)
    names.learn(target.name, names.host(target.name), whole=True)


def _learn_address(address: str, names: Pseudonyms) -> None:
    local, at, domain = address.rpartition("@")
    if not at:
        names.learn(address, names.user(address), whole=True)
        local = address
    elif not domain.isascii():
        names.learn(address, names.mail(address))
        names.learn(domain, names.host(domain))
    if not local.isascii():
        names.learn(local, names.user(local))
    elif len(local) > 2 and local.lower() not in _COMMON:
        names.learn(local, names.user(local), word=True)


def _learn_facts(report: Report, names: Pseudonyms) -> None:
    for one in _within(report.results):
        match one:
            case CertificateFacts():
                for name in (one.subject, one.issuer):
                    _learn_distinguished(name, names)
                for name in (name for name in one.san_dns if "." not in name):
                    _learn_label(name, names)
            case Flaw(subject=name) if name:
                _learn_distinguished(name, names)
            case Capabilities(name=name) if name and "." not in name:
                _learn_label(name, names)
            case DeliveryFacts(folder=folder):
                _learn_folder(folder, names)
    for finding in report.findings:
        for key in ("who", "issuer"):
            if "=" in (name := str(finding.seen.get(key, ""))):
                _learn_distinguished(name, names)


def _learn_distinguished(name: str, names: Pseudonyms) -> None:
    changed = names.distinguished(name)
    names.learn(name, changed)
    pairs = zip(re.split(r"(?<!\\)[,+]", name), changed.split(","), strict=False)
    for old, new in pairs:
        key, _, value = old.partition("=")
        if key in ("O", "OU", "CN") and len(value) > 3 and "name-" in new:
            names.learn(value.replace("\\", ""), new.partition("=")[2], word=True)


def _learn_label(label: str, names: Pseudonyms) -> None:
    if len(label) > 3 and label.lower() not in _COMMON:
        names.learn(label, names.host(label), word=True)


def _learn_folder(folder: str, names: Pseudonyms) -> None:
    if (
        folder
        and folder.lower() not in _FOLDERS
        and folder not in (name for row in providers.providers() for name in row.junk)
    ):
        changed = names.numbered("folder", folder, "folder-{}")
        names.learn(folder, changed, whole=True)
        names.learn(f'"{folder}"', f'"{changed}"')


def _learn_talk(report: Report, names: Pseudonyms) -> None:
    for talk in report.conversations:
        for event in talk.events:
            if event.dir is Direction.OUT and (said := _INTRODUCED.match(event.raw)):
                _learn_label(said[1].decode("ascii"), names)
            if event.stage is Stage.DELIVERY and (listed := _LISTED.match(event.raw)):
                _learn_folder(listed[1].decode("utf-8", "replace"), names)


def _subjects(report: Report) -> Iterator[Subject]:
    yield from (result.subject for result in report.results)
    yield from (talk.subject for talk in report.conversations)


def _within(value: Any) -> Iterator[Any]:
    """Every dataclass in it."""
    if is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from _within(getattr(value, field.name))
    elif isinstance(value, tuple):
        for one in value:
            yield from _within(one)


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _subject(subject: Subject, names: Pseudonyms) -> Subject:
    address = names.address(subject.address) if re.fullmatch(r"[0-9a-fA-F:.]+", subject.address) else ""
    return replace(subject, name=names.host(subject.name), address=address or names.text(subject.address))


# The same report, rewritten


class _Redaction:
    def __init__(self, names: Pseudonyms) -> None:
        self._names = names
        self._by_type: Mapping[type, Callable[[Any], Any]] = {
            Subject: lambda subject: _subject(subject, names),
            Target: self._target,
            CertificateFacts: self._certificate,
        }

    def report(self, report: Report) -> Report:
        """Findings speak of their results' new subjects."""
        changed: Report = self._plain(report)
        results = tuple(
            replace(r, findings=tuple(replace(f, subject=str(r.subject)) for f in r.findings)) for r in changed.results
        )
        return replace(changed, results=results)

    def _any(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._names.octets(value)
        if isinstance(value, tuple):
            return tuple(map(self._any, value))
        if isinstance(value, Mapping):
            return {self._key(key): self._any(one) for key, one in value.items()}
        if is_dataclass(value) and not isinstance(value, type):
            return self._by_type.get(type(value), self._plain)(value)
        return value

    def _plain(self, value: Any) -> Any:
        ours = _OURS.get(type(value), frozenset())
        cls: type = type(value)
        hints = {name: hint for name, hint, _ in layout(cls).values()}
        changed = {
            name: self._der(getattr(value, name)) if "base64" in str(hints[name]) else self._any(getattr(value, name))
            for name in hints
            if name not in ours
        }
        return replace(value, **changed)

    def _text(self, text: str) -> str:
        # what an unknown probe kept may be a certificate
        return "redacted" if _DER.fullmatch(text) else _HOME.sub(r"\1user", self._names.text(text))

    def _key(self, key: str) -> str:
        return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else self._text(key)

    def _der(self, value: Any) -> Any:
        """As many as there were, each told from the others, with nothing in them."""
        if isinstance(value, tuple):
            return tuple(map(self._der, value))
        return self._names.numbered("certificate", value.hex(), "redacted {}").encode() if value else value

    def _target(self, target: Target) -> Target:
        changed: Target = self._plain(target)
        return replace(
            changed,
            allow=tuple(map(self._consent, target.allow)),
            secret=self._reference(target.secret),
            imap_secret=self._reference(target.imap_secret),
            subject="redacted" if target.subject else "",
            text="redacted" if target.text else "",
        )

    def _consent(self, word: str) -> str:
        name = word.removeprefix(credentials.PREFIX)
        return word if name == word else credentials.PREFIX + self._names.host(name)

    def _reference(self, reference: str) -> str:
        kind, colon, where = reference.partition(":")
        if kind == "env":
            return "env:SMTPCHECK_PASSWORD"
        return f"{kind}:{self._names.numbered('file', where, 'file-{}')}" if colon else reference

    def _certificate(self, one: CertificateFacts) -> CertificateFacts:
        changed: CertificateFacts = self._plain(one)
        common = tuple(self._names.distinguished(f"CN={name}").removeprefix("CN=") for name in one.common_names)
        return replace(
            changed,
            subject=self._names.distinguished(one.subject),
            issuer=self._names.distinguished(one.issuer),
            common_names=common,
            serial=self._fingerprint("serial", one.serial, 1),
            sha256=self._fingerprint("sha256", one.sha256, 64),
            key_id=self._fingerprint("key", one.key_id, 40),
            issuer_key_id=self._fingerprint("key", one.issuer_key_id, 40),
        )

    def _fingerprint(self, kind: str, value: str, digits: int) -> str:
        """What would look the certificate up in public logs."""
        return self._names.numbered(kind, value, f"{{:0{digits}x}}") if value else ""
