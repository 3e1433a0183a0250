"""What may be behind a symptom? For each finding its possible causes, in the order in which they are decided.

Each answers True, False or None (unknown) from the results; a cause is certain only when it is True and every one
above it is False. A file here is a room of symptoms with its own CAUSES; adding a cause is a row, adding a room a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from smtpcheck.diagnosis.case import Cause


def _merged() -> Mapping[str, tuple[Cause, ...]]:
    """All rooms together; a finding lives in one of them, or the order of its causes would be chance."""
    merged: dict[str, tuple[Cause, ...]] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        room = import_module(f"{__name__}.{path.stem}").CAUSES
        if twice := merged.keys() & room.keys():
            raise ValueError(f"{path.name}: {', '.join(sorted(twice))} has causes elsewhere too")
        merged |= room
    return merged


CAUSES = _merged()
