"""Which targets does a project name? smtpcheck.toml, pyproject.toml and the environment, laid over each other.

    deadline = 10                     # an option of `check`, for all targets
    [chain]                           # the knobs of a probe, for all targets
    warn_days = 30
    [targets.work]
    target = "me@example.com"         # whatever `check` takes, and its options under their own names
    secret = "env:WORK_CODE"          # a reference, never the password
    login = true                      # without it nobody logs in; `send = true`: nor sends
    [targets.work.chain]
    warn_days = 60

A later layer wins key by key: [tool.smtpcheck] of pyproject.toml, smtpcheck.toml, smtpcheck.ENV.toml, then variables:
SMTPCHECK__DEADLINE, SMTPCHECK__TARGETS__WORK__TARGET, SMTPCHECK__TARGETS__WORK__CHAIN__WARN_DAYS.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn, get_type_hints

import msgspec

from smtpcheck.contract import Probe
from smtpcheck.core import Mode, Stage, Target, TargetKind
from smtpcheck.probes import probes as all_probes
from smtpcheck.target.credentials import dotenv
from smtpcheck.target.grammar import UsageError, default_imap_secret, default_secret, parse_target

SETTINGS = "smtpcheck.toml"
PYPROJECT = "pyproject.toml"
ENVIRONMENT = "SMTPCHECK_ENV"
_PREFIX = "SMTPCHECK__"
# A larger file is no settings.
_MAX_FILE = 1 << 20
_ENV_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")
_LIKE_A_PASSWORD = re.compile(r"pass|pwd|token|auth_?code|credential|^code$|密码|口令|授权码", re.IGNORECASE)
_REFERENCE = re.compile(r"(env|file):.+", re.DOTALL)
# as the command line names them
_ALIASES = {"from": "sender", "to": "recipients"}
OPTIONS: Mapping[str, Any] = {
    **{f.name: get_type_hints(Target)[f.name] for f in fields(Target) if f.name not in ("spec", "kind", "name")},
    "port": int,
    "mode": Mode,
    "until": Stage,
    "login": bool,
}
_FILES = ("ca_file", "message", "html", "attach")
_SECRETS = ("secret", "imap_secret")
Table = dict[str, Any]


class Surroundings(dict[str, str]):
    """Variables, among them secrets: never shown, also not where somebody shows the locals of a traceback."""

    def __repr__(self) -> str:
        return "<environment>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One target as written: its options, and its probes with their knobs."""

    name: str
    spec: str
    options: Mapping[str, Any]
    probes: tuple[Probe[Any], ...]
    folder: Path
    """What relative paths start from."""


@dataclass(frozen=True, slots=True)
class Project:
    """What a project says, read and checked."""

    entries: tuple[Entry, ...]
    defaults: Entry
    """The options and knobs for all targets, of a target without a name."""
    environ: Surroundings
    """The process's variables over those of .env."""

    def named(self, name: str) -> Entry | None:
        """The target of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def entry(self, spec: str) -> Entry:
        """The target of that name, or written so, else one that is written nowhere, with the options for all."""
        written = (entry for entry in self.entries if entry.spec == spec)
        return self.named(spec) or next(written, None) or replace(self.defaults, name=spec, spec=spec)


def read(
    folder: Path, environ: Mapping[str, str], *, env: str = "", file: Path | None = None, pyproject: bool = True
) -> Project:
    """The targets of the project in `folder`, or those of one settings `file` alone. Raises UsageError."""
    environ = surroundings(folder, environ)
    env = env or environ.get(ENVIRONMENT, "")
    main = file or folder / SETTINGS
    layers = [_Layer(PYPROJECT, folder, _tool(folder / PYPROJECT))] if pyproject and not file else []
    if main.is_file():
        layers.append(_Layer(main.name, main.parent, _tool(main) if main.name == PYPROJECT else _loaded(main)))
    if env:
        above = _of_environment(main, env)
        layers.append(_Layer(above.name, above.parent, _loaded(above)))
    for layer in layers:
        layer.check()
    merged: Table = {}
    for layer in layers:
        merged = _over(merged, layer.resolved())
    return _project(_Layer("the environment", folder, {}).over(merged, environ), folder, environ)


def surroundings(folder: Path, environ: Mapping[str, str]) -> Surroundings:
    """The process's variables over those of the folder's .env."""
    return Surroundings({**dotenv(folder / ".env"), **environ})


def given(spec: str, options: Mapping[str, Any], folder: Path) -> Entry:
    """A target of a program, its options under the same names as in a file. Raises UsageError."""
    layer = _Layer("the options", folder, {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()})
    layer.check()
    table = layer.resolved()
    return _entry(spec, spec, {key: value for key, value in table.items() if key != "targets"}, folder)


def without_login(entry: Entry) -> Entry:
    """The same target, only looked at."""
    options = {key: value for key, value in entry.options.items() if key != "send"}
    return replace(entry, options=options | {"login": False})


def has_targets(pyproject: Path) -> bool:
    """The file may hold targets; told without reading it as TOML, which takes long."""
    try:
        return b"smtpcheck" in pyproject.read_bytes()[:_MAX_FILE]
    except OSError:
        return False


def line_of(file: Path, name: str) -> int:
    """The line, from 0, where a target stands in a file; 0 where it is not to be found."""
    head = re.compile(rf"\s*\[[^\]#]*targets\s*\.\s*[\"']?{re.escape(name)}[\"']?\s*\]")
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    return next((number for number, line in enumerate(lines) if head.match(line)), 0)


def aimed(entry: Entry, environ: Mapping[str, str], *, login: bool = False, send: bool = False) -> Target:
    """What to check, going no further than was consented to by the entry or, for all, by `login` and `send`.

    Without consent nothing is sent, nobody logs in, and the check ends at the certificate. Raises UsageError.
    """
    options = dict(entry.options)
    stated = options.pop("login", None)
    given = options.pop("send", False) or send
    secrets = {name: options.pop(name, "") for name in _SECRETS}
    plain = parse_target(entry.spec, **{k: v for k, v in options.items() if k != "until"})
    known = plain.sender and (plain.recipients or plain.kind is TargetKind.ACCOUNT)
    sends = given and (bool(known) or not send)
    logs_in = bool(sends if stated is None else stated) or login or send
    can = bool(plain.user) and plain.kind is not TargetKind.MX
    if stated and not can:
        raise UsageError(f"{entry.name}: login = true needs an account as target, or a user")
    if sends and can and stated is False and not login:
        raise UsageError(f"{entry.name}: send = true needs login = true: an account's mail is taken after a login only")
    if not (logs_in and can):
        return _only_looked_at(entry, options, sends=sends, account=can)
    reference = secrets["secret"] or default_secret(environ) or "env:SMTPCHECK_PASSWORD"
    mail = (secrets["imap_secret"] or default_imap_secret(environ)) if sends else ""
    return parse_target(entry.spec, **options, send=sends, secret=reference, imap_secret=mail)


def _only_looked_at(entry: Entry, options: Table, *, sends: bool, account: bool) -> Target:
    """Without a login: a server takes no mail of an account so, and what it says to that is no news."""
    beyond = (Stage.AUTH, Stage.MAIL, Stage.RCPT) if account else (Stage.AUTH,)
    if not sends:
        beyond = (*beyond, Stage.DATA, Stage.DELIVERY)
    if options.get("until") in beyond:
        options.pop("until")
    if account and not options.get("until"):
        options["until"] = Stage.EHLO if options.get("mode") is Mode.PLAIN else Stage.CERTIFICATE
    return parse_target(entry.spec, **options, send=sends and not account)


NOTHING = Entry(name="", spec="", options={}, probes=(), folder=Path())
"""A target of which nothing is said."""


# Reading


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of settings."""

    said: str
    folder: Path
    table: Table

    def check(self) -> None:
        """Raise UsageError for what does not belong there; a value is never repeated, it may be a password."""
        for key, value in self.table.items():
            if key == "targets":
                self._check_targets(value)
            else:
                self._check_one(key, value, "", ("targets",))

    def over(self, below: Table, environ: Mapping[str, str]) -> Table:
        """The table with what the variables say."""
        for name in sorted(environ):
            if name.startswith(_PREFIX) and len(name) > len(_PREFIX):
                path = self._path(name, name[len(_PREFIX) :].lower().split("__"), below)
                table: Table = {}
                inner = table
                for part in path[:-1]:
                    inner = inner.setdefault(part, {})
                inner[path[-1]] = _said(environ[name], path)
                layer = replace(self, said=name, table=table)
                layer.check()
                below = _over(below, layer.resolved())
        return below

    def resolved(self) -> Table:
        """The table under its options' own names, with paths that no longer depend on where they were written."""
        table = {key: value for key, value in self.table.items() if key != "targets"}
        targets = {
            name: _normal({"target": value} if isinstance(value, str) else value, self.folder)
            for name, value in self.table.get("targets", {}).items()
        }
        return _normal(table, self.folder) | {"targets": targets}

    def _path(self, variable: str, words: list[str], below: Table) -> list[str]:
        if words[0] != "targets" or len(words) < 3:
            return words
        names = {re.sub(r"[^a-z0-9]", "_", name.lower()): name for name in below.get("targets", {})}
        if words[1] not in names:
            raise UsageError(f"{variable}: no target {words[1]!r}{_near(words[1], names)}")
        return ["targets", names[words[1]], *words[2:]]

    def _check_targets(self, value: object) -> None:
        if not isinstance(value, dict):
            raise UsageError(f"{self.said}: write [targets.NAME], a table for each target")
        for name, table in value.items():
            if not re.fullmatch(r"[\w.@=+-]{1,100}", name):
                raise UsageError(f"{self.said}: a target's name is of letters, digits and . _ - @ + =")
            if isinstance(table, str):
                continue
            if not isinstance(table, dict):
                raise UsageError(f"{self.said}: targets.{name}: write a table, or the target alone")
            for key, inner in table.items():
                self._check_one(key, inner, f"targets.{name}.", ("target",))

    def _check_one(self, key: str, value: object, where: str, further: Sequence[str]) -> None:
        place, name = f"{self.said}: {where}{key}", _own_name(key)
        if _LIKE_A_PASSWORD.search(name) and name not in OPTIONS:
            secret = "imap_secret" if "imap" in name else "secret"
            raise UsageError(
                f'{place}: a password never stands in a file; say where it is: {secret} = "env:NAME" or "file:PATH"'
            )
        if name in further and isinstance(value, str):
            return
        probe = next((probe for probe in all_probes() if probe.name == name and isinstance(value, dict)), None)
        if probe is not None:
            assert isinstance(value, dict)
            _tuned(probe, value, place)
        elif name in OPTIONS:
            _checked(name, value, place)
        else:
            known = [*further, *OPTIONS, *_ALIASES, *(probe.name for probe in all_probes())]
            raise UsageError(f"{place}: no such option or probe{_near(name, known)}")


def _loaded(path: Path) -> Table:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path.name}: {error.strerror}") from None
    if len(content) > _MAX_FILE:
        raise UsageError(f"{path.name}: larger than {_MAX_FILE} bytes")
    try:
        return tomllib.loads(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # the reason and the place, and never the line: it may hold what should not be there
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not UTF-8"
        raise UsageError(f"{path.name}: {reason}") from None


def _tool(pyproject: Path) -> Table:
    if not (pyproject.is_file() and has_targets(pyproject)):
        return {}
    table = _loaded(pyproject).get("tool", {}).get("smtpcheck", {})
    if not isinstance(table, dict):
        raise UsageError(f"{PYPROJECT}: write [tool.smtpcheck], a table")
    return table


def _of_environment(main: Path, env: str) -> Path:
    if not _ENV_NAME.fullmatch(env):
        raise UsageError("the name of an environment is of letters, digits, - and _")
    path = main.with_name(f"{main.stem if main.name != PYPROJECT else 'smtpcheck'}.{env}.toml")
    if not path.is_file():
        names = [found.name.split(".")[-2] for found in sorted(main.parent.glob(f"{path.name.split('.')[0]}.*.toml"))]
        there = f"; there are: {', '.join(names)}" if names else ""
        raise UsageError(f"no {path.name} for the environment {env!r}{there}")
    return path


# Checking and merging


def _own_name(key: str) -> str:
    name = key.replace("-", "_")
    return _ALIASES.get(name, name)


def _normal(table: Table, folder: Path) -> Table:
    found = {}
    for key, value in table.items():
        name = _own_name(key)
        if name in _SECRETS and value.startswith("file:"):
            value = f"file:{folder / value.removeprefix('file:')}"
        elif name in _FILES and isinstance(value, str | list):
            value = [str(folder / each) for each in value] if isinstance(value, list) else str(folder / value)
        found[name] = value
    return found


def _over(below: Table, above: Table) -> Table:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _checked(name: str, value: object, place: str) -> Any:
    """The value as `parse_target` takes it."""
    kind = OPTIONS[name]
    if name in _SECRETS and not (isinstance(value, str) and _REFERENCE.fullmatch(value)):
        raise UsageError(
            f'{place}: a secret never stands in a file; write where it is, {name} = "env:NAME" or "file:PATH"'
        )
    if kind == tuple[str, ...] and isinstance(value, str):
        value = [value]
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        _mismatched(kind, place)


def _mismatched(kind: Any, place: str) -> NoReturn:
    if kind in (Mode, Stage):
        raise UsageError(f"{place} is one of: {', '.join(kind)}")
    words = {bool: "true or false", float: "a number", int: "a whole number", str: "a text in quotes"}
    raise UsageError(f"{place} takes {words.get(kind, 'a list of texts in quotes')}")


def _tuned(probe: Probe[Any], table: Mapping[str, Any], place: str) -> Probe[Any]:
    kinds = get_type_hints(type(probe))
    knobs = [field.name for field in fields(probe)]  # type: ignore[arg-type]  # every probe is a dataclass
    given = {}
    for key, value in table.items():
        if key not in knobs:
            raise UsageError(f"{place}.{key}: {probe.name} has no such knob{_near(key, knobs)}")
        try:
            given[key] = msgspec.convert(value, kinds[key])
        except msgspec.ValidationError:
            _mismatched(kinds[key], f"{place}.{key}")
    return replace(probe, **given)  # type: ignore[type-var]  # every probe is a dataclass


def _near(word: str, known: Iterable[str]) -> str:
    known = list(dict.fromkeys(known))
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}" if known else ""


def _said(text: str, path: Sequence[str]) -> Any:
    """A variable's value in the type that its option has; as text where TOML would not read it."""
    kind = OPTIONS.get(_own_name(path[-1]))
    if kind in (str, Mode, Stage) or path[-1] == "target":
        return text
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _project(merged: Table, folder: Path, environ: Surroundings) -> Project:
    shared = {key: value for key, value in merged.items() if key != "targets"}
    return Project(tuple(_entries(shared, merged.get("targets", {}), folder)), _entry("", "", shared, folder), environ)


def _entries(shared: Table, targets: Table, folder: Path) -> Iterator[Entry]:
    for name, own in targets.items():
        if not own.get("target"):
            raise UsageError(f'targets.{name}: say what to check, as target = "smtp.example.com:587"')
        yield _entry(name, own["target"], _over(shared, {k: v for k, v in own.items() if k != "target"}), folder)


def _entry(name: str, spec: str, table: Table, folder: Path) -> Entry:
    options = {key: _checked(key, value, key) for key, value in table.items() if not isinstance(value, dict)}
    knobs = {key: value for key, value in table.items() if isinstance(value, dict)}
    probes = tuple(_tuned(probe, knobs.get(probe.name, {}), probe.name) for probe in all_probes())
    return Entry(name=name, spec=spec, options=options, probes=probes, folder=folder)
