"""What if every text in a report were a stranger's? The same report with his words in each of them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

# what the parts of a page are chosen by
KEPT = frozenset({"probe", "code"})


def everywhere(value: Any, words: str, kept: frozenset[str] = KEPT) -> Any:
    """`value` with `words` after each of its texts, bytes too; empty ones stay empty, they mean that there is none."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: everywhere(getattr(value, field.name), words, kept)
            for field in fields(value)
            if field.init and field.name not in kept
        }
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {everywhere(key, words, kept): everywhere(one, words, kept) for key, one in value.items()}
    if isinstance(value, tuple):
        return tuple(everywhere(one, words, kept) for one in value)
    if isinstance(value, bytes):
        return value + words.encode() if value else value
    if isinstance(value, str) and not isinstance(value, Enum):
        return value + words if value else value
    return value
