"""How does one value become JSON and come back equal? By the type hints of its dataclass.

What facts may hold, nested as they like: `str int float bool None bytes datetime`, a StrEnum or IntEnum,
`core.Subject`, `tuple[T, ...]` or a fixed tuple, `Mapping[str, T]` (comes back as a dict), another dataclass, and a
union whose members differ in JSON (`X | None`, `core.Scalar`; not `str | bytes`, not two dataclasses). Hints are
resolved at run time, so what they name can't be imported under TYPE_CHECKING. `Annotated[bytes, "base64"]` is for DER
and other bytes that nobody reads; all other bytes are text with escapes. NaN, infinity and naive times are refused.
A field added to facts or to the target later needs a default: then reports from before can still be read.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from smtpcheck import core
from smtpcheck.wire import ProtocolError

# "text" is taken by the words of a language; the code behind them is what comes back
_KEYS: Mapping[tuple[type, str], str] = {(core.Event, "raw"): "text", (core.Evidence, "text"): "shows"}


def escape_bytes(raw: bytes) -> str:
    r"""Any bytes as text that `unescape_bytes` takes back.

    Printable ASCII stands for itself, and so do printable characters when all of it is UTF-8; a backslash is doubled,
    every other byte is `\xNN`.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # what then looks like UTF-8 here and there is an accident of GB18030
        text = raw.decode("ascii", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char == "\\":
        return "\\\\"
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def unescape_bytes(text: str) -> bytes:
    r"""The bytes behind `escape_bytes`: a character is its UTF-8; ValueError for any other use of a backslash."""

    def byte(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            raise ValueError("a backslash that is neither doubled nor of \\xNN")
        return b"\\" if match[1] == b"\\" else bytes([int(match[1][1:], 16)])

    return re.sub(rb"\\(\\|x[0-9a-f]{2})?", byte, text.encode("utf-8"))


def _escape_text(text: str) -> str:
    # RFC 7493 section 2.1: half a surrogate pair is no text, and two halves side by side would come back as one
    if not text.startswith("\0") and not re.search("[\ud800-\udfff]", text):
        return text
    return "\0" + re.sub(r"[\\\ud800-\udfff]", lambda m: "\\\\" if m[0] == "\\" else f"\\u{ord(m[0]):04x}", text)


def _unescape_text(text: str) -> str:
    def char(match: re.Match[str]) -> str:
        if match[1] is None:
            raise ValueError("a backslash that is neither doubled nor of \\uNNNN")
        return "\\" if match[1] == "\\" else chr(int(match[1][1:], 16))

    plain = re.sub(r"\\(\\|u[0-9a-f]{4})?", char, text[1:]) if text.startswith("\0") else text
    if _escape_text(plain) != text:
        raise ValueError("text with escapes it does not need, or half a surrogate pair")
    return plain


_SUBJECT = re.compile(
    r"(?P<name>[^\[\]/]*?)(?:\[(?P<address>[^\[\]]+)\])?(?:(?<!:):(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:/(?P<mode>starttls|implicit|plain))?"
)


def parse_subject(text: str) -> core.Subject:
    """The subject behind `subject_text`: `name[address]:port/mode`, all but the name optional; else ValueError."""
    match = _SUBJECT.fullmatch(text)
    if match is None:
        raise ValueError("not name[address]:port/mode")
    name, address, port, mode = match.group("name", "address", "port", "mode")
    return core.Subject(_unquoted(name), _unquoted(address or ""), int(port or 0), core.Mode(mode or "auto"))


def subject_text(subject: core.Subject) -> str:
    """`str(subject)`; a name or address that would be read otherwise has its delimiters as `%NN`."""
    quoted = replace(subject, name=_quoted(subject.name, "%:/[]"), address=_quoted(subject.address, "%[]"))
    for text in (str(subject), str(quoted)):
        if _SUBJECT.fullmatch(text) and parse_subject(text) == subject:
            return text
    raise ValueError("a port or mode no subject has")


def _quoted(text: str, delimiters: str) -> str:
    return "".join(f"%{ord(char):02X}" if char in delimiters else char for char in text)


def _unquoted(text: str) -> str:
    return re.sub("%(25|3A|2F|5B|5D)", lambda match: chr(int(match[1], 16)), text)


def _instant(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError("a time without its zone")
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_instant(text: str) -> datetime:
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{6})?Z", text):
        raise ValueError("not a time as 2026-01-31T23:59:59.123456Z")
    return datetime.fromisoformat(text)


def _finite(value: float) -> float:
    if not math.isfinite(value) or float(value) != value:
        raise ValueError("not a finite number")
    return float(value)


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class _Leaf:
    python: tuple[type, ...]
    write: Callable[[Any], Any]
    json: tuple[type, ...]
    """The first is its shape: by it the members of a union are told apart."""
    read: Callable[[Any], Any]


_LEAVES: Mapping[Any, _Leaf] = {
    NoneType: _Leaf((NoneType,), _same, (NoneType,), _same),
    bool: _Leaf((bool,), _same, (bool,), _same),
    int: _Leaf((int,), int, (int,), _same),
    float: _Leaf((float, int), _finite, (float, int), _finite),
    str: _Leaf((str,), _escape_text, (str,), _unescape_text),
    bytes: _Leaf((bytes,), escape_bytes, (str,), unescape_bytes),
    Annotated[bytes, "base64"]: _Leaf(
        (bytes,), lambda raw: b64encode(raw).decode("ascii"), (str,), lambda text: b64decode(text, validate=True)
    ),
    datetime: _Leaf((datetime,), _instant, (str,), _parse_instant),
    core.Subject: _Leaf(
        (core.Subject,), lambda s: _escape_text(subject_text(s)), (str,), lambda t: parse_subject(_unescape_text(t))
    ),
}


@cache
def layout(cls: type) -> Mapping[str, tuple[str, Any, bool]]:
    """JSON key -> (field, type hint, may be absent); of what core declares, only an option of the target may."""
    hints = get_type_hints(cls, include_extras=True)
    strict = cls.__module__ == core.__name__ and cls is not core.Target
    return {
        _KEYS.get((cls, f.name), f.name): (
            f.name,
            hints[f.name],
            not strict and (f.default is not MISSING or f.default_factory is not MISSING),
        )
        for f in fields(cls)
    }


@cache
def _python(hint: Any) -> tuple[type, ...]:
    """The classes of the values of a hint that is no union."""
    if hint in _LEAVES:
        return _LEAVES[hint].python
    origin = get_origin(hint) or hint
    if origin in (dict, Mapping):
        return (Mapping,)
    if origin is tuple or (isinstance(origin, type) and (issubclass(origin, Enum) or is_dataclass(origin))):
        return (origin,)
    raise TypeError(f"{hint}: no type that facts may hold")


def _shape(hint: Any) -> type:
    if hint in _LEAVES:
        return _LEAVES[hint].json[0]
    (cls,) = _python(hint)
    if issubclass(cls, Enum):
        return int if issubclass(cls, int) else str
    return list if cls is tuple else dict


@cache
def _arms(hint: Any) -> Mapping[type, Any]:
    """The members of a union by their JSON shape; just the hint itself when it is none."""
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    arms: dict[type, Any] = {_shape(member): member for member in members}
    if len(arms) < len(members):
        raise TypeError(f"{hint}: two of its members look alike in JSON")
    return arms


def _member_hints(hint: Any, count: int) -> Sequence[Any] | None:
    """A hint for each of `count` items of a tuple; None: it can't have as many."""
    args = get_args(hint)
    if args[1:] == (...,):
        return args[:1] * count
    return args if len(args) == count else None


def _pick(value: Any, hint: Any, at: str) -> Any:
    members = tuple(_arms(hint).values())
    exact = (member for member in members if type(value) in _python(member))
    near = (member for member in members if isinstance(value, _python(member)))
    if (picked := next(exact, None) or next(near, None)) is None:
        raise TypeError(f"{at}: a {type(value).__qualname__} does not belong here")
    return picked


def dump(value: Any, hint: Any, at: str) -> Any:
    """The value as what `json.dumps` takes; TypeError or ValueError (with the path `at`) outside the contract."""
    hint = _pick(value, hint, at)
    if hint in _LEAVES:
        try:
            return _LEAVES[hint].write(value)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{at}: {error}") from None
    (cls,) = _python(hint)
    if cls is tuple:
        if (hints := _member_hints(hint, len(value))) is None:
            raise TypeError(f"{at}: {len(value)} items do not belong here")
        return [
            dump(item, item_hint, f"{at}[{i}]") for i, (item, item_hint) in enumerate(zip(value, hints, strict=True))
        ]
    if cls is Mapping:
        of_key, of_item = get_args(hint)
        return {dump(key, of_key, at): dump(item, of_item, f"{at}[{key!a:.40}]") for key, item in value.items()}
    if issubclass(cls, Enum):
        return value.value
    if value.__class__ is not cls:
        raise TypeError(f"{at}: a {type(value).__qualname__}, not a {cls.__qualname__}")
    return {key: dump(getattr(value, name), of, f"{at}.{key}") for key, (name, of, _) in layout(cls).items()}


def load(value: Any, hint: Any, at: str) -> Any:
    """The value behind `dump`; ProtocolError, with the path `at`, for anything else."""
    arms = _arms(hint)
    hint = arms.get(type(value), arms.get(float) if type(value) is int else None)
    if hint is None:
        raise ProtocolError(f"{at}: a {type(value).__name__} does not belong here")
    if hint in _LEAVES:
        return _load_leaf(value, _LEAVES[hint].read, at)
    (cls,) = _python(hint)
    if cls is tuple:
        if (hints := _member_hints(hint, len(value))) is None:
            raise ProtocolError(f"{at}: {len(value)} items do not belong here")
        items = enumerate(zip(value, hints, strict=True))
        return tuple(load(item, item_hint, f"{at}[{i}]") for i, (item, item_hint) in items)
    if cls is Mapping:
        of_key, of_item = get_args(hint)
        return {load(key, of_key, at): load(item, of_item, f"{at}[{key!a:.40}]") for key, item in value.items()}
    return _load_member(value, cls, at) if issubclass(cls, Enum) else _load_object(value, cls, at)


def _load_leaf(value: Any, read: Callable[[Any], Any], at: str) -> Any:
    try:
        return read(value)
    except (ValueError, OverflowError) as error:
        raise ProtocolError(f"{at}: {error}") from None


def _load_member(value: Any, cls: type[Enum], at: str) -> Enum:
    for member in cls:
        if member.value == value:
            return member
    raise ProtocolError(f"{at}: no {cls.__name__}")


def _load_object(value: Any, cls: type, at: str) -> Any:
    known = layout(cls)
    exact_keys(value, known, at, optional={key for key, (_, _, absent) in known.items() if absent})
    given = {known[key][0]: load(item, known[key][1], f"{at}.{key}") for key, item in value.items()}
    try:
        return cls(**given)
    except ValueError as error:  # a __post_init__ of the facts
        raise ProtocolError(f"{at}: {error}") from None


def exact_keys(value: Any, keys: Iterable[str], at: str, optional: Iterable[str] = ()) -> dict[str, Any]:
    """The object, when it has these keys and no other; else ProtocolError."""
    if not isinstance(value, dict):
        raise ProtocolError(f"{at}: not an object")
    if unknown := value.keys() - set(keys):
        raise ProtocolError(f"{at}: unknown key {min(unknown)[:40]!a}")
    if missing := set(keys) - value.keys() - set(optional):
        raise ProtocolError(f"{at}: no {min(missing)}")
    return value


def refusals(hint: Any, at: str = "facts", within: tuple[Any, ...] = ()) -> Iterator[str]:
    """What of a facts type could not be written, as `path: why`; for the test of a probe."""
    if hint in within:
        return
    try:
        members = tuple(_arms(hint).values())
        branches = [(member, _python(member)[0]) for member in members if member not in _LEAVES]
        for member, cls in branches:
            if is_dataclass(cls):
                for key, (_, of, _) in layout(cls).items():
                    yield from refusals(of, f"{at}.{key}", (*within, hint))
            for arg in get_args(member):
                if arg is not ...:
                    yield from refusals(arg, f"{at}[]", (*within, hint))
    except (TypeError, NameError) as error:
        yield f"{at}: {error}"
