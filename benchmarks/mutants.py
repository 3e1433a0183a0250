"""Do the tests notice when the program is changed? A seeded sample of changes, each tried in a copy of the tree.

    python -m benchmarks.mutants [--count N] [--seed S] [--minutes M] [--jobs J] [--map FILE] [--tests T ...] [PATH ...]

A change (benchmarks/mutations.py says which there are) is noticed when a test fails with it, twice, that passes
without it. First all tests run once while it is noted which functions each of them calls; for each change those are
asked that call the function changed, the most particular first, until one fails. `--map FILE` keeps what was noted for
another run. PATH limits the sample to files and folders, `--tests` limits who is asked. Printed are the share that was
noticed and, as differences, what was not: either the tests have a hole, or the change shows in no behaviour. Exit
status 1 below 95 %. The tree itself is not touched.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path

from benchmarks.mutations import Mutation, mutations

ROOT = Path(__file__).parent.parent
SHARE = 0.95
# Seconds for the tests of one change, and for noting who calls what.
PATIENCE, MAPPING = 240.0, 2400.0
# Tests asked about one change: the most particular ones first and alone, then as many of the others, side by side.
FIRST, THEN = 30, 200
WORKERS = 6
# Texts, and the faults themselves: what they hold is said nowhere else that a test could compare them with.
_TEXTS = ("smtpcheck/advice/en/", "smtpcheck/advice/zh_CN/", "smtpcheck/lab/table/")
# They measure time, or install the program anew, or are told by other programs what they see.
_NEVER = ("tests/test_budget.py", "tests/test_readme.py", "tests/test_notebooks.py", "tests/servers")
# Tables and the module that reads them.
_READERS = (
    ("smtpcheck/diagnosis/reply/", "smtpcheck/diagnosis/replies.py"),
    ("smtpcheck/diagnosis/errors.toml", "smtpcheck/diagnosis/paste.py"),
    ("smtpcheck/diagnosis/harmless.toml", "smtpcheck/report/changes.py"),
)
_PLUGIN = """
import json, os, sys, threading, uuid
import pytest

ROOT, FAILED, CALLS = {root!r}, {failed!r}, {calls!r}
seen, called = {{}}, set()

def pytest_runtest_logreport(report):
    if report.failed:
        with open(FAILED, "a") as file:
            file.write(json.dumps(report.nodeid) + "\\n")

def note(frame, event, arg):
    if event == "call":
        code = frame.f_code
        if code.co_filename.startswith(ROOT):
            called.add((code.co_filename, code.co_firstlineno))

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    if CALLS:
        called.clear()
        threading.setprofile(note)
        sys.setprofile(note)
    yield
    if CALLS:
        sys.setprofile(None)
        threading.setprofile(None)
        seen[item.nodeid] = sorted(path[len(ROOT):] + ":" + str(line) for path, line in called)

def pytest_sessionfinish():
    if CALLS and seen:
        with open(os.path.join(CALLS, uuid.uuid4().hex), "w") as file:
            json.dump(seen, file)
"""
Calls = Mapping[str, Sequence[str]]
"""For each test the functions that it calls, as path:line."""


class Fate(StrEnum):
    """What became of a change."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Tried:
    """A change with its fate, and by whom it was noticed."""

    mutation: Mutation
    fate: Fate
    by: str = ""


class OutOfTimeError(Exception):
    """The tests of a change took longer than they may."""


@dataclass(slots=True)
class Copy:
    """A copy of the tree to change, and one to compare with."""

    changed: Path
    clean: Path
    unsteady: set[str] = field(default_factory=set)
    """Tests that fail without a change as well, or now and then."""

    def noticed_by(self, tests: Sequence[str], ends: float) -> str:
        """The first test that fails with the change and not without it; empty for none. Raises OutOfTimeError."""
        while asked := [test for test in tests if test not in self.unsteady]:
            failed = pytest_run(self.changed, asked, ends)
            if not failed:
                return ""
            if failed == [_BROKEN]:
                return _BROKEN
            again = pytest_run(self.changed, failed, ends)
            alike = pytest_run(self.clean, failed, ends)
            if real := [test for test in again if test not in alike]:
                return real[0]
            self.unsteady.update(failed)
        return ""


_BROKEN = "nothing can be imported"


def pytest_run(
    tree: Path, tests: Sequence[str], ends: float, calls: Path | None = None, workers: int = WORKERS
) -> list[str]:
    """The tests that fail there, as far as the first. With `calls`, a folder: all, and who calls what is noted there.

    Raises OutOfTimeError.
    """
    failed = tree / "mutants_failed"
    failed.unlink(missing_ok=True)
    plugin = _PLUGIN.format(root=f"{tree}/", failed=str(failed), calls=str(calls or ""))
    (tree / "mutants_plugin.py").write_text(plugin)
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "mutants_plugin"]
    command += [] if calls else ["-x"]
    command += ["-n", str(workers)] if workers and (calls or len(tests) > FIRST) else []
    command += [word for path in _NEVER for word in ("--ignore", path)] if calls else []
    try:
        run = subprocess.run(
            [*command, *tests],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)},
            capture_output=True,
            timeout=max(1.0, ends - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        raise OutOfTimeError from None
    if failed.exists():
        return list(dict.fromkeys(json.loads(line) for line in failed.read_text().splitlines()))
    # 4: a test of that name is not there any more, as its parameters come from the table changed; 5: nothing to ask
    return [] if run.returncode in (0, 5) else [_BROKEN]


def noted(tree: Path, tests: Sequence[str], workers: int = WORKERS) -> Calls:
    """All tests run once; which functions each of them calls. Raises OutOfTimeError, and ValueError where none ran."""
    with tempfile.TemporaryDirectory() as folder:
        pytest_run(tree, tests, time.monotonic() + MAPPING, Path(folder), workers)
        files = [json.loads(file.read_text()) for file in Path(folder).iterdir()]
    if not files:
        raise ValueError("no test ran")
    return {test: calls for file in files for test, calls in file.items()}


def asked(mutation: Mutation, calls: Calls, seed: int) -> Iterator[tuple[str, ...]]:
    """Who may notice, in two turns: those that call the changed function, else those that call any of its module."""
    path = next((reader for start, reader in _READERS if mutation.path.startswith(start)), mutation.path)
    path = path if path.endswith(".py") else f"{path.removesuffix('.toml')}.py"
    found = [test for test, places in calls.items() if mutation.function and mutation.function in places]
    if not found:
        found = [test for test, places in calls.items() if any(place.startswith(f"{path}:") for place in places)]
    found.sort(key=lambda test: (len(calls[test]), test))
    first = found[:FIRST]
    # a few parameters of every test rather than all parameters of one
    kin: dict[str, list[str]] = {}
    for test in found[FIRST:]:
        kin.setdefault(test.partition("[")[0], []).append(test)
    for tests in kin.values():
        random.Random(seed).shuffle(tests)  # noqa: S311  # a sample, no secret
    rest = [test for turn in zip_longest(*kin.values()) for test in turn if test]
    yield from (turn for turn in (tuple(first), tuple(rest[:THEN])) if turn)


def sample(root: Path, paths: Sequence[str], count: int, seed: int) -> list[Mutation]:
    """As many changes as wanted, by chance over all of those files; the same for the same seed and tree."""
    files = {
        path
        for given in paths
        for path in ([root / given] if (root / given).is_file() else (root / given).rglob("*"))
        if path.suffix in (".py", ".toml")
    }
    names = sorted(name for path in files if not (name := str(path.relative_to(root))).startswith(_TEXTS))
    found = [mutation for name in names for mutation in mutations(name, (root / name).read_bytes())]
    return random.Random(seed).sample(found, min(count, len(found)))  # noqa: S311  # a sample, no secret


@contextmanager
def copied(root: Path) -> Iterator[Copy]:
    """Two copies in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for name in ("changed", "clean"):
            shutil.copytree(root, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__", ".git", ".venv"))
        yield Copy(Path(folder) / "changed", Path(folder) / "clean")


def attempt(copy: Copy, mutation: Mutation, calls: Calls, seed: int) -> Tried:
    """Make the change, ask the tests, take it back."""
    path, source = copy.changed / mutation.path, (copy.clean / mutation.path).read_bytes()
    path.write_bytes(mutation.applied(source))
    ends = time.monotonic() + PATIENCE
    try:
        for tests in asked(mutation, calls, seed):
            if by := copy.noticed_by(tests, ends):
                return Tried(mutation, Fate.NOTICED, by)
    except OutOfTimeError:
        return Tried(mutation, Fate.UNDECIDED)
    finally:
        path.write_bytes(source)
    return Tried(mutation, Fate.SURVIVED)


def tried(
    root: Path, chosen: Sequence[Mutation], calls: Calls, *, minutes: float, jobs: int, seed: int
) -> tuple[list[Tried], set[str]]:
    """The fates of the changes, as many as the time allows, and the tests that can't be relied on."""
    ends, waiting = time.monotonic() + minutes * 60, list(reversed(chosen))

    def work() -> tuple[list[Tried], set[str]]:
        done = []
        with copied(root) as copy:
            while waiting and time.monotonic() < ends:
                one = attempt(copy, waiting.pop(), calls, seed)
                done.append(one)
                print(f"{one.fate:9} {one.mutation.path}: {one.mutation.kind} {one.by}", file=sys.stderr, flush=True)
            return done, copy.unsteady

    with ThreadPoolExecutor(jobs) as pool:
        parts = [future.result() for future in [pool.submit(work) for _ in range(jobs)]]
    return [one for done, _ in parts for one in done], {test for _, tests in parts for test in tests}


def told(root: Path, done: Sequence[Tried], unsteady: set[str], seed: int) -> tuple[str, float]:
    """What is printed, and the share that was noticed."""
    survivors = [one for one in done if one.fate is Fate.SURVIVED]
    decided = [one for one in done if one.fate is not Fate.UNDECIDED]
    lines = [f"{one.mutation.diff((root / one.mutation.path).read_bytes())}\n" for one in survivors]
    lines += [f"fails now and then, or without a change too, and was not asked: {test}" for test in sorted(unsteady)]
    noticed = len(decided) - len(survivors)
    share = noticed / len(decided) if decided else 0.0
    lines.append(
        f"{noticed} of {len(decided)} changes noticed: {share:.0%} (wanted {SHARE:.0%});"
        f" {len(done) - len(decided)} undecided; seed {seed}"
    )
    return "\n".join(lines), share


def main(words: Sequence[str] | None = None) -> int:
    """Print what was noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30, help="for the changes; noting who calls what comes before")
    parser.add_argument("--jobs", type=int, default=1, help="changes at a time")
    parser.add_argument("--map", type=Path, help="keep here, and read from here, who calls what")
    parser.add_argument("--tests", nargs="+", default=["tests"])
    parser.add_argument("paths", nargs="*", default=["smtpcheck"])
    given = parser.parse_args(words)
    if given.map and given.map.exists():
        calls = json.loads(given.map.read_text())
    else:
        with copied(ROOT) as copy:
            calls = noted(copy.clean, given.tests)
        if given.map:
            given.map.write_text(json.dumps(calls))
    chosen = sample(ROOT, given.paths, given.count, given.seed)
    done, unsteady = tried(ROOT, chosen, calls, minutes=given.minutes, jobs=given.jobs, seed=given.seed)
    text, share = told(ROOT, done, unsteady, given.seed)
    print(text)
    return 0 if share >= SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
