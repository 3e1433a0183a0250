"""What is a test here? One question about one target; it fails with a cause, and is skipped when it got no answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from smtpcheck import advice, settings
from smtpcheck.contract import Probe
from smtpcheck.core import Status
from smtpcheck.pytest_plugin import runs_of
from smtpcheck.pytest_plugin.answer import Failed, Told, failure, screen_of, told
from smtpcheck.pytest_plugin.runs import Run, properties
from smtpcheck.report import questions
from smtpcheck.report.questions import UNTESTED, Answer
from smtpcheck.settings import Entry, Project
from smtpcheck.target.grammar import UsageError

_BRIEF = ("short", "line", "no")
"""Styles of --tb that leave no room for a screen."""


class SettingsFile(pytest.File):
    """smtpcheck.toml, or pyproject.toml: its targets."""

    def collect(self) -> Iterator[pytest.Collector]:
        """A group of questions for each target."""
        try:
            project = runs_of(self.config).project(self.path)
            for name, entry in _labels(project.entries).items():
                yield Group.from_parent(self, name=name, entry=entry, project=project)
        except UsageError as error:
            raise self.CollectError(str(error)) from None


class Group(pytest.Collector):
    """A target: its questions, answered by one run."""

    def __init__(self, *, entry: Entry, project: Project, **node: Any) -> None:
        super().__init__(**node)
        self.entry, self.project = entry, project
        self.extra_keyword_matches.add(entry.name)

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each question that this target raises, in the order of the way."""
        try:
            target = runs_of(self.config).target(self.entry, self.project)
        except UsageError as error:
            raise self.CollectError(f"{self.entry.name}: {error}") from None
        for probe in questions.questions(target, self.entry.probes):
            yield Question.from_parent(self, name=probe.name, probe=probe)

    @property
    def key(self) -> str:
        """Under which its run is known in this session; the same for `smtp_report`, where the root folder names it."""
        root = (self.config.rootpath / settings.SETTINGS, self.config.rootpath / settings.PYPROJECT)
        other = isinstance(self.parent, SettingsFile) and self.path not in root
        return f"{self.path}::{self.entry.name}" if other else self.entry.name

    @property
    def selected(self) -> list[str]:
        """The questions that are to be answered, in order."""
        items = (item for item in self.session.items if isinstance(item, Question))
        return [item.name for item in items if item.group.key == self.key]

    def run(self) -> Run:
        """The one run, as far as the items selected need it; all of it where a test asks for the report."""
        everything = any("smtp_report" in getattr(item, "fixturenames", ()) for item in self.session.items)
        wanted = None if everything else frozenset(self.selected)
        return runs_of(self.config).run(self.key, self.entry, self.project, wanted)


class Question(pytest.Item):
    """One question about one target."""

    def __init__(self, *, probe: Probe[Any], **node: Any) -> None:
        super().__init__(**node)
        self._probe = probe
        self._told: Told | None = None
        self.add_marker(pytest.mark.smtpcheck)
        if self.config.pluginmanager.hasplugin("xdist"):
            self.add_marker(pytest.mark.xdist_group(f"smtpcheck-{self.group.key}"))

    @property
    def group(self) -> Group:
        """Its target."""
        assert isinstance(self.parent, Group)
        return self.parent

    def runtest(self) -> None:
        """Fail with what the report says, or skip with the reason why it says nothing."""
        run = self.group.run()
        if run.report is None:
            if self.name != self.group.selected[0]:
                pytest.skip(run.failed)
            raise Failed(run.failed)  # once is enough
        words = advice.Words(advice.language())
        withheld = bool(run.withheld) and self._probe.intrusive
        if withheld:
            answer = Answer(probe=self.name, status=Status.INCONCLUSIVE, why=run.withheld)
        else:
            answer = questions.answer(run.report, self.name, words)
        self._told = told(run.report, answer, words, self.group.name, withheld=withheld)
        unanswered = run.report.diagnosis if answer.status in UNTESTED else None
        said = properties(run.report, told=answer.told or unanswered)
        self.user_properties += [*said, ("smtpcheck_status", answer.status.value)]
        if answer.status in (Status.FAIL, Status.BUG):
            raise failure(run.report, answer, words, self._told.line, brief=self.config.option.tbstyle in _BRIEF)
        if answer.status in UNTESTED or answer.status is Status.SKIPPED:
            pytest.skip(f"{words.ui[f'status.{answer.status}']}: {answer.why}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The cause, the evidence and the steps; a traceback only of what is our mistake."""
        if isinstance(excinfo.value, Failed):
            path, line, _ = self.reportinfo()
            return screen_of(excinfo.value, str(path), line)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the target is written."""
        return self.path, settings.line_of(self.path, self.group.entry.name), f"{self.name} of {self.group.name}"

    def smtpcheck_tell(self, report: pytest.TestReport) -> None:
        """Give the answer along with pytest's report; a skip belongs to the settings, not to this file."""
        if report.when != "call":
            return
        if self._told:
            report.__dict__["smtpcheck"] = self._told.plain()
        if report.skipped and isinstance(report.longrepr, tuple):
            path, line, _ = self.reportinfo()
            report.longrepr = (str(path), line + 1, report.longrepr[2])


def _labels(entries: Sequence[Entry]) -> dict[str, Entry]:
    """What the ids call each target: as it is written, with its name where two are written alike."""
    times = Counter(entry.spec for entry in entries)
    return {
        _label(entry.spec if times[entry.spec] == 1 else f"{entry.name}={entry.spec}", entry.name): entry
        for entry in entries
    }


def _label(spec: str, name: str) -> str:
    """An IPv6 address is no part of an id, in which `::` and `[` mean something."""
    return spec if "::" not in spec and "[" not in spec else name.replace("::", "--").translate({91: "", 93: ""})


# The command line


def _named(config: pytest.Config) -> list[tuple[Entry, Project]]:
    project = runs_of(config).project()
    entries = (project.entry(spec) for spec in config.getoption("smtp_target"))
    return [(entry, project) for entry in {entry.name: entry for entry in entries}.values()]


def refused(config: pytest.Config) -> str:
    """Why the targets of the command line make no sense; empty when they do."""
    try:
        for entry, project in _named(config):
            runs_of(config).target(entry, project)
    except UsageError as error:
        return f"--smtp-target: {error}"
    return ""


def of_command_line(session: pytest.Session) -> list[pytest.Collector]:
    """A group for each target of the command line."""
    return [
        Group.from_parent(session, name=label, nodeid=label.replace("/", "_"), entry=entry, project=project)
        for entry, project in _named(session.config)
        for label in (_label(entry.spec, entry.name),)
    ]
