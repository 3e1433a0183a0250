"""Which exchangers may take a domain's mail, by its own policy? MTA-STS (RFC 8461) as text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtpcheck.core import because
from smtpcheck.wire import ProtocolError

# RFC 8461 section 3.2 allows 64 KiB; a policy has some lines
MAX_POLICY = 65536
MAX_PATTERNS = 64
_RECORD = re.compile(r"v=STSv1\s*;\s*(?:[^;]*;\s*)*?id=([A-Za-z0-9]{1,32})\s*(?:;.*)?")
_FIELD = re.compile(r"([A-Za-z0-9_.-]{1,32})[ \t]*:[ \t]*([^\r\n]*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says."""

    mode: str
    """enforce, testing or none."""
    mx: tuple[str, ...]
    max_age: int


def policy_id(texts: tuple[str, ...]) -> str | None:
    """The id in the TXT records at _mta-sts; None where no policy is announced (RFC 8461 section 3.1).

    Raises ProtocolError where one is meant and senders will not take it for one.
    """
    meant = [text for text in texts if text.startswith("v=STSv1")]
    if not meant:
        return None
    if len(meant) > 1:
        raise ProtocolError(
            "several records begin with v=STSv1", because("mta-sts-records-several", records=len(meant))
        )
    match = _RECORD.fullmatch(meant[0].strip())
    if not match:
        raise ProtocolError("the record has no valid id", because("mta-sts-id-invalid"))
    return match[1]


def parse_policy(body: bytes) -> Policy:
    """Read a policy file (RFC 8461 section 3.2). Raises ProtocolError."""
    if len(body) > MAX_POLICY:
        raise ProtocolError(f"a policy of {len(body)} octets", because("mta-sts-policy-long", octets=len(body)))
    fields: dict[str, list[str]] = {}
    for line in body.decode("utf-8", "replace").splitlines():
        if match := _FIELD.fullmatch(line):
            fields.setdefault(match[1], []).append(match[2])
        elif line.strip():
            raise ProtocolError(f"a line that is no field: {line[:40]!r}", because("mta-sts-line", line=line[:40]))
    mode, age = fields.get("mode", [""])[0], fields.get("max_age", [""])[0]
    if fields.get("version", [""])[0] != "STSv1":
        raise ProtocolError("version is not STSv1", because("mta-sts-version"))
    if mode not in ("enforce", "testing", "none"):
        raise ProtocolError(f"mode is {mode[:20]!r}", because("mta-sts-mode", value=mode[:20]))
    if not re.fullmatch("[0-9]{1,10}", age):
        raise ProtocolError("max_age is no number of seconds", because("mta-sts-age"))
    patterns = tuple(fields.get("mx", ())[:MAX_PATTERNS])
    if mode != "none" and not patterns:
        raise ProtocolError("no mx is listed", because("mta-sts-without-mx"))
    return Policy(mode, patterns, int(age))


def allows(policy: Policy, exchange: str) -> bool:
    """One of the patterns stands for the host; a wildcard for exactly one label (RFC 8461 section 4.1)."""
    host = exchange.lower().rstrip(".")
    return any(_stands_for(pattern.lower().rstrip("."), host) for pattern in policy.mx)


def _stands_for(pattern: str, host: str) -> bool:
    return host.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else host == pattern
