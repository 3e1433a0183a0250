"""Is the house built as planned? Rooms, secrets, blind handlers, sizes and probes, read from the syntax trees."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from smtpcheck.contract import Probe
from smtpcheck.core import Kind, Rule, Severity, Stage
from smtpcheck.probes import probes
from smtpcheck.report.saved.json import facts_type
from smtpcheck.report.saved.values import refusals

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "smtpcheck"
TESTS = ROOT / "tests"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the ground up: a room may import itself and what is below it.
ROOMS = (
    "core", "aliases", "wire", "target", "net", "messages", "conversation", "route", "consent", "contract", "probes",
    "settings",
    "diagnosis", "run", "advice", "report", "pasted",
)  # fmt: skip
FRONT_DOORS = {"__init__", "__main__", "api", "cli", "notebook", "pytest_plugin"}
LAB_KNOWS = {"core", "aliases", "wire", "lab"}
# What anybody may take from the package itself.
CONSTANTS = {"__version__"}

LONGEST_FUNCTION = 80
# Replacements of our objects in tests, each with its reason; nothing else is patched.
REPLACED = {
    "tests/test_leaks.py": 2,  # the control: with masking switched off (and on again) the search must find the secret
}
# Names that libraries call.
HOOKS = {"get_command", "get_completion_args", "do_handshake"}  # click.Group, click.shell_completion, ssl.SSLObject
CLUMSY = {"utils", "util", "models", "base", "helpers", "common", "misc"}


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def for_types_only(module: ast.Module) -> set[ast.AST]:
    return {
        inner
        for node in ast.walk(module)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, dotted name under smtpcheck) of every import, also within functions and by `import_module("...")`."""
    typed = for_types_only(module)
    for node in ast.walk(module):
        if node in typed:
            continue
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=source, names=names, level=level):
                prefix = "smtpcheck.?" if level else source or ""
                found = [f"{prefix}.{alias.name}" for alias in names]
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                found = [name] if ast.unparse(function).endswith(("import_module", "__import__")) else []
            case _:
                continue
        for name in found:
            if name.split(".")[0] == "smtpcheck":
                yield node.lineno, name.partition(".")[2]


def objections(path: Path, module: ast.Module) -> Iterator[str]:
    """What a file imports that its room may not know."""
    mine = room(path)
    if mine in FRONT_DOORS:
        return
    for line, name in imported(module):
        other, _, rest = name.partition(".")
        if name in CONSTANTS:
            continue
        if mine == "lab":
            allowed = other in LAB_KNOWS
        elif mine == other:
            # the door of the room may look inside, and probes never know each other
            allowed = mine != "probes" or path.stem == "__init__"
        else:
            allowed = other in ROOMS and ROOMS.index(other) < ROOMS.index(mine)
        if not allowed:
            yield f"{place(path)}:{line} imports {other}.{rest}"


def borrowed(module: ast.Module) -> Iterator[str]:
    """Names with an underscore that a file takes from another of ours."""
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(module=source, names=names) if (source or "").split(".")[0] == "smtpcheck":
                yield from (n.name for n in names if re.match("_[^_]", n.name))


def test_what_has_an_underscore_is_used_in_its_own_file() -> None:
    assert not {place(path): found for path in SOURCES if (found := list(borrowed(tree(path))))}


def test_the_rule_for_underscores_can_fail() -> None:
    assert list(borrowed(ast.parse("from smtpcheck.run.schedule import Schedule, _stage_of"))) == ["_stage_of"]
    assert not list(borrowed(ast.parse("from smtpcheck import __version__\nfrom os import _exit")))


def test_every_file_has_its_room() -> None:
    assert {room(path) for path in SOURCES} <= {*ROOMS, *FRONT_DOORS, "lab"}


def test_imports_point_down_only() -> None:
    assert not [objection for path in SOURCES for objection in objections(path, tree(path))]


@pytest.mark.parametrize(
    ("file", "code", "allowed"),
    [
        ("net/door.py", "from smtpcheck.wire import dns", True),
        ("net/door.py", "import smtpcheck.wire.dns", True),
        ("net/door.py", "from smtpcheck.net import failures", True),
        ("net/door.py", "from smtpcheck import __version__", True),
        ("net/door.py", "import smtpcheck", False),
        ("net/door.py", "from smtpcheck import run", False),
        ("net/door.py", "from .run import run", False),
        ("net/door.py", "def f():\n    import smtpcheck.probes.mx", False),
        ("net/door.py", "import importlib\nimportlib.import_module('smtpcheck.run')", False),
        ("net/door.py", "if TYPE_CHECKING:\n    from smtpcheck.run import run", True),
        ("net/door.py", "if TYPE_CHECKING:\n    pass\nelse:\n    from smtpcheck.run import run", False),
        ("core.py", "from smtpcheck.wire import ProtocolError", False),
        ("core.py", "from smtpcheck.report.frames import COLUMNS", False),
        ("net/door.py", "from smtpcheck.report.frames import frame", False),
        ("route.py", "from smtpcheck.net.door import Door", True),
        ("target/grammar.py", "from smtpcheck.conversation.plan import Plan", False),
        ("probes/mx.py", "from smtpcheck.probes.port import Port", False),
        ("probes/mx.py", "from smtpcheck.probes import port", False),
        ("probes/mx.py", "from smtpcheck.lab import Lab", False),
        ("report/page/html.py", "from smtpcheck.report.saved.values import dump", True),
        ("lab/dnsd.py", "from smtpcheck.lab.listeners import Listener", True),
        ("lab/dnsd.py", "from smtpcheck.net.door import Door", False),
        ("run/schedule.py", "from smtpcheck.cli import main", False),
        ("run/schedule.py", "from smtpcheck.report.saved import json", False),
        ("cli/commands/lab.py", "from smtpcheck.lab import Lab", True),
    ],
)
def test_the_rule_for_imports_can_fail(file: str, code: str, allowed: bool) -> None:
    assert (not list(objections(PACKAGE / file, ast.parse(code)))) is allowed


# Secrets and blind handlers


def test_a_secret_is_revealed_in_one_place() -> None:
    users = {
        place(path)
        for path in SOURCES
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.Attribute) and node.attr in ("reveal", "_value") and path.name != "credentials.py")
        or (isinstance(node, ast.Constant) and node.value == "reveal")
    }
    assert users == {"smtpcheck/wire/sasl.py"}


def blind(module: ast.Module) -> list[int]:
    """Lines of handlers that take every exception and do not raise it again."""
    return [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)))
        and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]


def suppresses_all(module: ast.Module) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).endswith("suppress")
        and any(ast.unparse(arg) in ("Exception", "BaseException") for arg in node.args)
    ]


def test_one_blind_handler() -> None:
    found = Counter(
        {room(path): len(blind(tree(path)) + suppresses_all(tree(path))) for path in SOURCES if "lab" not in path.parts}
    )
    assert found["run"] == 1
    for name, count in found.items():
        assert count <= (name in FRONT_DOORS or name == "run"), name
    assert not [place(path) for path in SOURCES if room(path) == "lab" and blind(tree(path))]


# Files are written in one place


# Other writing, each with its reason.
WRITERS = {
    "smtpcheck/report/files.py",
    "smtpcheck/cli/console.py",  # the null device, for a stream that takes nothing any more
    "smtpcheck/pytest_plugin/runs.py",  # an empty file that claims a target among workers
}


def written(module: ast.Module) -> Iterator[str]:
    """The calls that may write a file."""
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        values = [*node.args, *(word.value for word in node.keywords)]
        modes = [str(value.value) for value in values if isinstance(value, ast.Constant)]
        opened = text.split(".")[-1] == "open" and any(re.fullmatch("[rbt+]*[wxa+][rbt+]*", mode) for mode in modes)
        named = text.endswith((".write_text", ".write_bytes", "mkstemp", "NamedTemporaryFile")) or text == "os.open"
        if opened or named:
            yield f"{node.lineno}: {text}"


def test_one_function_writes_files() -> None:
    found = {place(path) for path in SOURCES if room(path) != "lab" and list(written(tree(path)))}
    assert found == WRITERS


@pytest.mark.parametrize(
    "code", ["Path(x).write_text(y)", "path.write_bytes(y)", "open(x, 'w')", "path.open(mode='ab')", "os.open(x, 1)"]
)
def test_the_rule_for_writers_can_fail(code: str) -> None:
    assert list(written(ast.parse(code)))


# Tests never replace our modules


def own_names(module: ast.Module) -> set[str]:
    """Names in a test file that stand for a module or an object of ours."""
    names = {"smtpcheck"}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "smtpcheck":
            names |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.asname and alias.name.startswith("smtpcheck")}
    return names


def patched(module: ast.Module) -> Iterator[str]:
    ours = own_names(module)
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names) if any(alias.name.startswith(("unittest.mock", "mock")) for alias in names):
                yield f"{node.lineno}: mock"
            case ast.ImportFrom(module="unittest.mock" | "mock"):
                yield f"{node.lineno}: mock"
            case ast.ImportFrom(module="unittest", names=names) if any(alias.name == "mock" for alias in names):
                yield f"{node.lineno}: mock"
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr" | "setitem"), args=[target, *_]):
                text = target.value if isinstance(target, ast.Constant) else ast.unparse(target)
                if str(text).split(".")[0] in ours:
                    yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Attribute) and ast.unparse(target).split(".")[0] in ours:
                        yield f"{node.lineno}: {ast.unparse(node)}"


def test_no_private_module_of_another_package_is_used() -> None:
    found = {
        f"{place(path)}: {name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        if any(part.startswith("_") for part in name.split(".")) and name != "__future__"
    }
    assert not found


def test_no_test_replaces_our_modules() -> None:
    found = {place(path): list(patched(tree(path))) for path in sorted(TESTS.rglob("*.py"))}
    assert {name: lines for name, lines in found.items() if len(lines) != REPLACED.get(name, 0)} == {}


@pytest.mark.parametrize(
    "code",
    [
        "from unittest.mock import patch",
        "from unittest import mock",
        "import unittest.mock",
        "from smtpcheck import net\nmonkeypatch.setattr(net, 'DNS_TIMEOUT', 1)",
        "import smtpcheck.net as n\nmp.setattr(n.Door, 'ask', None)",
        "monkeypatch.setattr('smtpcheck.net.Door', None)",
        "from smtpcheck import net\nnet.DNS_TIMEOUT = 1",
        "from smtpcheck.net import Door\nDoor.ask = None",
    ],
)
def test_the_rule_for_tests_can_fail(code: str) -> None:
    assert list(patched(ast.parse(code)))


# Names, questions, sizes


def test_a_module_starts_with_its_question() -> None:
    assert not [place(path) for path in SOURCES if "?" not in (ast.get_docstring(tree(path)) or "").split("\n")[0]]


def test_names_say_something() -> None:
    assert not [place(path) for path in SOURCES if path.stem in CLUMSY]
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = {node.name for path in SOURCES for node in ast.walk(tree(path)) if isinstance(node, kinds)}
    assert {name for name in names if re.match("(get|do|handle|process)_[a-z]", name)} <= HOOKS  # handle_EHLO is one
    assert not {name for name in names if name.endswith(("Manager", "Helper", "Util", "Utils", "Impl"))}


def test_functions_fit_on_a_screen() -> None:
    long = [
        f"{place(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]
    assert not long


# Where a module is tested: in the mirrored folder under its name, or here

# Rooms of many files of one kind, each file of which the same test goes over.
TESTED_TOGETHER = {
    "cli/commands": "cli/test_commands.py",
    "diagnosis/causes": "test_faults.py",
    "lab": "lab/test_faults.py",
    "probes": "probes/test_rules.py",
    "report/formats": "report/test_formats.py",
}
# Modules that are tested by what is built of them.
TESTED_IN = {
    "__main__": "cli/test_commands.py",
    "advice/examples": "test_values.py",
    "advice/values": "test_values.py",
    "cli/commands/completion": "cli/test_complete.py",
    "cli/commands/diff": "cli/test_compare.py",
    "cli/commands/explain": "pasted/test_answer.py",
    "cli/commands/history": "cli/test_compare.py",
    "cli/commands/nagios": "cli/test_report.py",
    "cli/commands/replay": "cli/test_unwritten.py",
    "cli/commands/report": "cli/test_report.py",
    "cli/commands/send": "test_send.py",
    "cli/commands/settings": "report/test_snippets.py",
    "cli/commands/suite": "test_suite.py",
    "cli/console": "cli/test_unwritten.py",
    "cli/demo": "cli/test_commands.py",
    "cli/words": "cli/test_complete.py",
    "contract": "test_run.py",
    "conversation/line": "test_zoo.py",
    "conversation/mailbox": "test_mailbox.py",
    "conversation/session": "test_zoo.py",
    "diagnosis/case": "diagnosis/test_guards.py",
    "diagnosis/verdict": "test_faults.py",
    "diagnosis/words/causes": "diagnosis/words/test_replies.py",
    "diagnosis/words/login": "diagnosis/words/test_replies.py",
    "net/channel": "test_mailbox.py",
    "net/https": "test_faults.py",
    "notebook": "test_notebooks.py",
    "pasted/masking": "pasted/test_answer.py",
    "pasted/quotes": "pasted/test_answer.py",
    "pasted/shown": "pasted/test_answer.py",
    "pytest_plugin/answer": "pytest_plugin/test_items.py",
    "pytest_plugin/practice": "pytest_plugin/test_fixtures.py",
    "pytest_plugin/summary": "pytest_plugin/test_items.py",
    "report/compared/aspects": "report/compared/test_changes.py",
    "report/compared/trend": "report/compared/test_history.py",
    "report/escape": "report/terminal/test_screen.py",
    "report/outline": "report/page/test_html.py",
    "report/page/details": "report/page/test_html.py",
    "report/page/labels": "report/page/test_html.py",
    "report/page/languages": "report/page/test_html.py",
    "report/page/markup": "report/page/test_html.py",
    "report/page/overview": "report/page/test_html.py",
    "report/page/pictures/drawing": "report/page/pictures/test_waterfall.py",
    "report/page/pictures/signs": "report/page/pictures/test_way.py",
    "report/plain": "report/test_machines.py",
    "report/saved/pseudonyms": "report/saved/test_redact.py",
    "report/saved/replay": "report/saved/test_earlier.py",
    "report/saved/values": "report/saved/test_json.py",
    "report/terminal/lines": "report/terminal/test_screen.py",
    "run/masking": "test_echoes.py",
    "run/prepare": "test_run.py",
    "run/schedule": "test_run.py",
    "wire/certificate": "wire/test_inspectors.py",
    "wire/challenges": "wire/test_sasl.py",
    "wire/mistakes": "wire/test_sasl.py",
    "wire/utf7": "wire/test_imap.py",
}


def mirrored(path: Path) -> Path:
    inner = path.relative_to(PACKAGE)
    return TESTS / inner.with_name(f"test_{inner.name}")


def where_tested(path: Path) -> Path:
    """The test of a module, which may not exist."""
    if mirrored(path).exists():
        return mirrored(path)
    name = path.relative_to(PACKAGE).with_suffix("")
    return TESTS / TESTED_IN.get(name.as_posix(), TESTED_TOGETHER.get(name.parent.as_posix(), mirrored(path)))


def test_every_module_has_a_test_that_can_be_found() -> None:
    """A package's door is tested with what it leads to."""
    modules = [path for path in SOURCES if path.name != "__init__.py"]
    assert not [place(path) for path in modules if not where_tested(path).is_file()]


def test_the_table_of_tests_names_what_is_there_and_only_where_no_test_has_the_name() -> None:
    assert not [name for name in TESTED_IN if not (PACKAGE / f"{name}.py").is_file()]
    assert not [name for name in TESTED_IN if mirrored(PACKAGE / f"{name}.py").exists()]
    assert not [test for test in {*TESTED_IN.values(), *TESTED_TOGETHER.values()} if not (TESTS / test).is_file()]


# The checklist of a probe


ALL = probes()


def test_every_file_of_the_room_is_one_probe() -> None:
    files = {path.stem for path in (PACKAGE / "probes").glob("*.py")} - {"__init__"}
    assert Counter(probe.name for probe in ALL) == Counter(files)


def test_a_code_has_one_rule_whoever_finds_it() -> None:
    found: dict[str, set[Rule]] = {}
    for rule in (rule for probe in ALL for rule in probe.rules):
        found.setdefault(rule.code, set()).add(rule)
    assert not {code: known for code, known in found.items() if len(known) > 1}


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_checklist(probe: Probe[Any]) -> None:
    cls = type(probe)
    assert cls.__module__ == f"smtpcheck.probes.{probe.name}"
    assert cls.__mro__[1] is Probe, "one level of inheritance"
    assert dataclasses.is_dataclass(cls)
    assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert hash(probe) == hash(cls()), "its knobs are values with defaults"
    assert cls.__doc__
    assert re.fullmatch(r"[a-z][a-z0-9]*", probe.name), "a CLI word, a TOML table, an anchor"
    assert probe.patience is None or probe.patience >= 0


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_rules(probe: Probe[Any]) -> None:
    assert probe.rules
    for rule in probe.rules:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.code)
        assert isinstance(rule.severity, Severity)
        assert isinstance(rule.stage, Stage)
        found = probe.found(rule.code, value=1)
        assert (found.code, found.severity, found.stage, found.seen) == (
            rule.code,
            rule.severity,
            rule.stage,
            {"value": 1},
        )


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_every_code_found_is_a_rule(probe: Probe[Any]) -> None:
    codes = {rule.code for rule in probe.rules}
    for node in ast.walk(tree(PACKAGE / "probes" / f"{probe.name}.py")):
        match node:
            case ast.Call(func=ast.Attribute(attr="found"), args=[ast.Constant(value=str(code)), *_]):
                assert code in codes


@pytest.mark.parametrize("probe", ALL, ids=lambda probe: probe.name)
def test_facts(probe: Probe[Any]) -> None:
    facts = facts_type(type(probe))
    assert dataclasses.is_dataclass(facts)
    assert facts.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert facts.__name__.endswith("Facts")
    assert not list(refusals(facts))
    hints = get_type_hints(facts)
    shared = {"broke": Kind | None, "stage": Stage, "raw": bytes}  # what `Result` reads, whichever probe it is
    assert all(hints[name] == kind for name, kind in shared.items() if name in hints)
