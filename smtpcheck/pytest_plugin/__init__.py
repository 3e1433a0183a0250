"""How do I ask from pytest? Targets become tests; fixtures check servers and lend a practice server to your own tests.

Loaded into every run of pytest where smtpcheck is installed: nothing else of smtpcheck is imported until it is needed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from smtpcheck.core import Report
    from smtpcheck.lab import Background
    from smtpcheck.pytest_plugin.practice import PracticeServer
    from smtpcheck.pytest_plugin.runs import Runs

SETTINGS, PYPROJECT = "smtpcheck.toml", "pyproject.toml"
RUNS = pytest.StashKey["Runs"]()
SHARED = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flags, and what the ini file may say."""
    group = parser.getgroup("smtpcheck", "mail servers (smtpcheck)")
    group.addoption(
        "--smtp-target",
        action="append",
        default=[],
        metavar="TARGET",
        help="check this too: me@example.com, host:587, mx:example.com or a name in smtpcheck.toml; repeatable",
    )
    group.addoption("--smtp-env", default="", metavar="ENV", help="lay smtpcheck.ENV.toml over smtpcheck.toml")
    group.addoption("--smtp-login", action="store_true", help="log in where a target has an account and a secret")
    group.addoption("--smtp-send", action="store_true", help="log in and send a test message where it is said to whom")
    parser.addini(
        "smtpcheck_inconclusive",
        "what could not be tested fails the run (fail, the default), or is only told in the summary (skip)",
        default="fail",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and look into the root folder although `testpaths` names others."""
    config.addinivalue_line("markers", "smtpcheck: a question about a mail server, made from a target")
    config.addinivalue_line("markers", "smtp_fault(name, **row): the fault of the practice server that smtp_lab lends")
    if config.getini("smtpcheck_inconclusive") not in ("fail", "skip"):
        raise pytest.UsageError("smtpcheck_inconclusive is fail or skip")
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args += [str(path) for path in _of_root(config)]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the workers shared."""
    if SHARED in config.stash:
        shutil.rmtree(config.stash[SHARED], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist: the workers share one run of each target, by way of a folder of the controller's."""
    stash = node.config.stash
    _listen(node.config)
    if SHARED not in stash:
        stash[SHARED] = Path(tempfile.mkdtemp(prefix="smtpcheck-"))
    node.workerinput["smtpcheck_shared"] = str(stash[SHARED])


# Collection


def _of_root(config: pytest.Config) -> list[Path]:
    """The root folder's file that may hold targets."""
    if (own := config.rootpath / SETTINGS).is_file():
        return [own]
    project = config.rootpath / PYPROJECT
    # before any TOML is read, which would take milliseconds of every run
    return [project] if project.is_file() and b"tool.smtpcheck" in project.read_bytes() else []


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The root folder's settings, or those named on the command line; never what lies in a folder further down."""
    if file_path.suffix != ".toml":
        return None
    named = parent.session.isinitpath(file_path) and file_path.name != PYPROJECT
    if not named and file_path not in _of_root(parent.config):
        return None
    from smtpcheck.pytest_plugin.items import SettingsFile

    _listen(parent.config)
    file: pytest.Collector = SettingsFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The targets of the command line stand beside the files."""
    report = yield
    if isinstance(collector, pytest.Session) and collector.config.getoption("smtp_target"):
        from smtpcheck.pytest_plugin.items import of_command_line

        _listen(collector.config)
        report.result += of_command_line(collector)
    return report


@pytest.hookimpl(tryfirst=True)  # before xdist's, which lets nobody else have a look
def pytest_collection(session: pytest.Session) -> None:
    """A target of the command line that makes no sense ends the run before it starts."""
    if session.config.getoption("smtp_target"):
        from smtpcheck.pytest_plugin.items import refused

        if said := refused(session.config):
            raise pytest.UsageError(said)


# Reports


def _listen(config: pytest.Config) -> None:
    """Listen to the reports of tests from now on; a run without targets does not pay for it, test by test."""
    if not config.pluginmanager.hasplugin("smtpcheck-told"):
        config.pluginmanager.register(_Told(config), "smtpcheck-told")


class _Told:
    """What was answered, counted where pytest ends: in the one process, or in the controller of xdist."""

    def __init__(self, config: pytest.Config) -> None:
        self._inconclusive = config.getini("smtpcheck_inconclusive")
        self._worker = hasattr(config, "workerinput")
        self._answers: list[dict[str, Any]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """What was answered goes along with the report, also from a worker of xdist."""
        report = yield
        tell: Callable[[pytest.TestReport], None] | None = getattr(item, "smtpcheck_tell", None)
        if tell:
            tell(report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the answer."""
        if answer := getattr(report, "smtpcheck", None):
            self._answers.append(answer)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What could not be tested is not green, unless the ini file says so."""
        if self._answers and not self._worker and self._inconclusive == "fail":
            from smtpcheck.pytest_plugin.summary import untested

            if untested(self._answers) and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The verdicts, the warnings, and loudly what could not be tested."""
        if self._answers:
            from smtpcheck.pytest_plugin.summary import write

            write(terminalreporter, self._answers, self._inconclusive)


# Fixtures


def runs_of(config: pytest.Config) -> Runs:
    """The session's checks."""
    if RUNS not in config.stash:
        from smtpcheck.pytest_plugin.runs import Runs

        config.stash[RUNS] = Runs(config)
    return config.stash[RUNS]


@pytest.fixture
def smtp_check(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """Check a server: `smtp_check("host:587", **options)` gives its Report.

    It logs in with `login=True`, a `password` or a `secret` only, and sends with `send=True` only.
    """
    return runs_of(request.config).checker(request.node)


@pytest.fixture
def smtp_report(request: pytest.FixtureRequest) -> Callable[..., Report]:
    """The report of a target in smtpcheck.toml: `smtp_report("work")`; one run serves all tests of the session."""
    return runs_of(request.config).reporter(request.node)


@pytest.fixture(scope="session")
def _smtp_range() -> Iterator[Background]:
    from smtpcheck.pytest_plugin.practice import practice_range

    with practice_range() as running:
        yield running


@pytest.fixture
def smtp_lab(request: pytest.FixtureRequest, _smtp_range: Background) -> PracticeServer:
    """A practice server on this machine, for your own mail code: `smtp_lab.host`, `.port`, `.user`, `.password` ...

    `@pytest.mark.smtp_fault("auth-refused")` chooses what is wrong with it; without the marker all is in order.
    """
    from smtpcheck.pytest_plugin.practice import lent

    return lent(_smtp_range, request.node)
