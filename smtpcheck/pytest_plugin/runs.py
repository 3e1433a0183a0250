"""Who runs a target's check, and when? The first test that needs it, once a session, also when xdist has workers."""

from __future__ import annotations

import contextlib
import json as plain
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from smtpcheck import api, settings
from smtpcheck.contract import Probe
from smtpcheck.core import Diagnosis, Report, Target
from smtpcheck.probes import classes
from smtpcheck.report import files, questions
from smtpcheck.report.saved import json
from smtpcheck.run.prepare import settled
from smtpcheck.settings import Entry, Project, Surroundings
from smtpcheck.target.credentials import Secret, SecretError, resolve
from smtpcheck.target.grammar import UsageError

# Seconds that another worker is waited for beyond the deadline of its check.
_PATIENCE = 15.0
_LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a check: a report, or why there is none; `withheld`: why nobody logged in."""

    report: Report | None = None
    failed: str = ""
    withheld: str = ""


class Runs:
    """The checks of one session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._done: dict[str, Run] = {}
        self._projects: dict[Path | None, Project] = {}
        shared = getattr(config, "workerinput", {}).get("smtpcheck_shared", "")
        self._shared = Path(shared) if shared else None

    def project(self, file: Path | None = None) -> Project:
        """What the root folder says, or one settings file of another place. Raises UsageError."""
        root = self._config.rootpath
        if file in (root / settings.SETTINGS, root / settings.PYPROJECT):
            file = None
        if file not in self._projects:
            env = self._config.getoption("smtp_env")
            self._projects[file] = settings.read(root, Surroundings(os.environ), env=env, file=file)
        return self._projects[file]

    def target(self, entry: Entry, project: Project) -> Target:
        """What to check, as far as was consented to. Raises UsageError."""
        return settled(settings.aimed(entry, project.environ, **self._flags()))

    def run(self, key: str, entry: Entry, project: Project, wanted: Collection[str] | None) -> Run:
        """The check of that target, made now if it was not yet; `wanted` are the questions, None: all."""
        if key not in self._done:
            target = self.target(entry, project)

            def check() -> Run:
                return _checked(target, entry, project, wanted)

            waits = target.deadline + (target.wait if target.send else 0.0) + _PATIENCE
            self._done[key] = _once(self._shared, key, check, waits) if self._shared else check()
        return self._done[key]

    def checker(self, node: pytest.Item) -> Callable[..., Report]:
        """What `smtp_check` calls."""

        def check(target: str, *, password: str | Secret | None = None, **options: Any) -> Report:
            __tracebackhide__ = True
            password = Secret(password) if isinstance(password, str) else password
            try:
                report = self._given(target, options, password)
            except (UsageError, SecretError) as error:  # in the words alone: our frames are no help to the caller
                raise UsageError(_said(error)) from None
            node.user_properties += properties(report, told=report.diagnosis)
            return report

        return check

    def reporter(self, node: pytest.Item) -> Callable[..., Report]:
        """What `smtp_report` calls."""

        def report(name: str = "") -> Report:
            __tracebackhide__ = True
            try:
                found = self._named(name)
            except UsageError as error:
                raise UsageError(_said(error)) from None
            node.user_properties += properties(found, told=found.diagnosis)
            return found

        return report

    def _given(self, target: str, options: dict[str, Any], password: Secret | None) -> Report:
        environ = settings.surroundings(self._config.rootpath, Surroundings(os.environ))
        if password is not None or options.get("secret"):
            options.setdefault("login", True)
        entry = settings.given(target, options, Path.cwd())
        aim = settings.aimed(entry, environ, **self._flags())
        return _asked(settled(aim), entry.probes, environ, password)

    def _named(self, name: str) -> Report:
        project = self.project()
        names = [entry.name for entry in project.entries]
        entry = project.named(name or names[0]) if name or len(names) == 1 else None
        if entry is None:
            raise UsageError(f"smtp_report takes the name of a target; there are: {', '.join(names) or 'none'}")
        done = self.run(entry.name, entry, project, None)
        if done.report is None:
            raise UsageError(done.failed)
        return done.report

    def _flags(self) -> dict[str, bool]:
        return {flag: self._config.getoption(f"smtp_{flag}") for flag in ("login", "send")}


def properties(report: Report, *, told: Diagnosis | None = None) -> list[tuple[str, object]]:
    """What the JUnit file says of a report, or of one of its questions."""
    found: list[tuple[str, object]] = [
        ("smtpcheck_target", report.target.spec),
        ("smtpcheck_verdict", report.verdict.value),
    ]
    if told:
        found += [("smtpcheck_code", told.code), ("smtpcheck_confidence", told.confidence.value)]
    return found


def _checked(target: Target, entry: Entry, project: Project, wanted: Collection[str] | None) -> Run:
    """The check, without a login where the secret is not to be had."""
    aim, probes = questions.narrowed(target, entry.probes, wanted) if wanted is not None else (target, entry.probes)
    withheld = ""
    try:
        password = resolve(aim.secret, project.environ) if aim.secret else None
    except SecretError as error:
        withheld, password = _said(error), None
        aim = settled(settings.aimed(settings.without_login(entry), project.environ))
    try:
        return Run(_asked(aim, probes, project.environ, password), withheld=withheld)
    except UsageError as error:
        return Run(failed=_said(error))


def _asked(target: Target, probes: Sequence[Probe[Any]], environ: Mapping[str, str], password: Secret | None) -> Report:
    """Speak to the network. Raises UsageError and SecretError."""
    if password is None and target.secret:
        password = resolve(target.secret, environ)
    mail = None
    if target.imap_secret:
        try:
            mail = resolve(target.imap_secret, environ)
        except SecretError:  # said by the check itself: the mailbox could not be looked into
            target = replace(target, imap_secret="")
    return api.check(target, password=password, imap_password=mail, probes=probes)


def _said(error: Exception) -> str:
    return ": ".join(map(str, error.args))


# Workers of xdist


def _once(folder: Path, key: str, check: Callable[[], Run], seconds: float) -> Run:
    """Whoever claims the target first checks it, the others read what came of it: nobody logs in twice."""
    name = sha256(key.encode()).hexdigest()[:24]
    kept = folder / f"{name}.json"
    try:
        os.close(os.open(folder / f"{name}.claim", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return _awaited(kept, seconds)
    except OSError as error:  # workers of another machine do not see the folder
        return Run(failed=f"the workers can't share a check: {error.strerror}")
    run = check()
    # a full disk costs the other workers their report, and they say so; it takes nothing from what is known here
    with contextlib.suppress(OSError):
        files.write(kept, _dumped(run))
    return run


def _awaited(kept: Path, seconds: float) -> Run:
    ends = time.monotonic() + seconds
    while not kept.is_file():
        if time.monotonic() > ends:
            return Run(failed="the worker that checked this target has not come back; it is not checked a second time")
        time.sleep(_LOOK_AGAIN)
    return _loaded(kept.read_text("utf-8"))


def _dumped(run: Run) -> str:
    report = api.render(run.report, "json") if run.report else ""
    return plain.dumps({"report": report, "failed": run.failed, "withheld": run.withheld})


def _loaded(text: str) -> Run:
    read = plain.loads(text)
    report = json.decode(read["report"], json.catalog(classes())) if read["report"] else None
    return Run(report, read["failed"], read["withheld"])
