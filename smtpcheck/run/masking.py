"""Does anything of a secret leave with the report? What others said is masked as it comes in; here it is read again.

A second net, for what came another way (a name, a policy, a bug's text). It leaves short secrets alone, which were
masked as words where a peer said them: here they could be words of smtpcheck's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from smtpcheck.core import Contact, Conversation, Direction, Report, Subject, Target
from smtpcheck.wire.mask import Mask

T = TypeVar("T")

# What the user named and what the report is sorted by.
_NAMES = (Target, Subject, Contact, type)
# Codes and other words of ours, hosts and addresses; text of a peer that is no more was masked as it came in.
_OURS = re.compile(r"[a-z-]*|(?:[\w.+-]+@)?[\w-]+(?:\.[\w-]+)+\.?(?:\[[\w.:]+\])?(?::\d+)?(?:/[a-z]+)?")


def masked_report(report: Report, mask: Mask) -> Report:
    """The report without the secrets; the same one where it holds none."""
    talks = tuple(_talk(talk, mask) for talk in report.conversations)
    if any(new is not old for new, old in zip(talks, report.conversations, strict=True)):
        report = replace(report, conversations=talks)
    return masked(report, mask)


def masked(value: T, mask: Mask) -> T:
    """The value without the secrets, at any depth; the same one where it holds none."""
    # nearly always there is nothing: one search for all of it
    said = list(_texts(value))
    return _changed(value, mask) if said and mask.finds(b"\n\n".join(said), words=False) else value


def _talk(talk: Conversation, mask: Mask) -> Conversation:
    """What the peer said, as one text: a secret may begin in one reply and end in the next."""
    heard = [event.raw for event in talk.events if event.dir is Direction.IN]
    clean = mask.lines(heard)
    if clean == tuple(heard):
        return talk
    rest = iter(clean)
    events = (replace(each, raw=next(rest)) if each.dir is Direction.IN else each for each in talk.events)
    return replace(talk, events=tuple(events))


def _texts(value: Any) -> Iterator[bytes]:
    match value:
        case Enum():
            return
        case str():
            yield value.encode("utf-8", "surrogatepass")
        case bytes():
            yield value
        case tuple() | list() | frozenset():
            for each in value:
                yield from _texts(each)
        case Mapping():
            for key, each in value.items():
                yield from _texts(key)
                yield from _texts(each)
        case _ if is_dataclass(value) and not isinstance(value, _NAMES):
            for name in _named(value.__class__):
                yield from _texts(getattr(value, name))


def _changed(value: Any, mask: Mask) -> Any:
    match value:
        case Enum():
            return value
        case str():
            return value if _OURS.fullmatch(value) else mask.text(value, words=False)
        case bytes():
            return mask(value, words=False)
        case tuple() if value and all(isinstance(each, bytes) for each in value):
            return mask.lines(value, words=False)
        case tuple() | list() | frozenset():
            return type(value)(_changed(each, mask) for each in value)
        case Mapping():
            return {_changed(key, mask): _changed(each, mask) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, _NAMES):
            new = {name: _changed(getattr(value, name), mask) for name in _named(value.__class__)}
            return replace(value, **new)
    return value


@cache
def _named(cls: type) -> tuple[str, ...]:
    """The fields that may hold text of others: not certificates in DER, of which a part replaced is none any more."""
    hints = get_type_hints(cls, include_extras=True, localns={"DataFrame": Any, "Context": Any})
    return tuple(each.name for each in fields(cls) if each.init and not _binary(hints[each.name]))


def _binary(hint: Any) -> bool:
    return get_origin(hint) is Annotated or any(_binary(each) for each in getattr(hint, "__args__", ()))
