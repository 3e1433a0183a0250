"""What do today's rules say about a saved report? Read again, judged and diagnosed anew; no network at all."""

from __future__ import annotations

import json as plain
from pathlib import Path

from smtpcheck.core import Report
from smtpcheck.probes import classes
from smtpcheck.report.saved import json
from smtpcheck.run import assemble
from smtpcheck.wire import ProtocolError

MAX_INPUT = json.SIZE_LIMIT + 1
"""Octets that are read: enough for json.decode to refuse what is too long."""


def replay(raw: bytes) -> tuple[Report, ...]:
    """The reports of one document, `render` or `render_many` of json.py, as today's rules see them.

    Raises wire.ProtocolError, with the path of the problem.
    """
    return tuple(map(assemble, saved(raw)))


def saved(raw: bytes) -> tuple[Report, ...]:
    """The reports of one document as they were written. Raises as `replay`."""
    catalog = json.catalog(classes())
    reports = json.decode_many(raw, catalog) if _several(raw) else (json.decode(raw, catalog),)
    if not reports:
        raise ProtocolError("$.reports: empty")
    return reports


def read(path: str | Path) -> tuple[Report, ...]:
    """The reports of a file; at most MAX_INPUT of it is read. Raises as `replay`, and OSError."""
    return replay(octets(path))


def octets(path: str | Path) -> bytes:
    """What is in a file, at most one octet more than is taken. Raises OSError."""
    with Path(path).open("rb") as file:
        return file.read(MAX_INPUT)


def _several(raw: bytes) -> bool:
    """A document of several reports; whatever can't be read is left to the reader of one, which names the place."""
    if len(raw) > json.SIZE_LIMIT:
        return False
    try:
        document = plain.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "reports" in document
