"""What does a notebook need? Objects that show themselves, practice servers, a diagnosis again, pytest in a cell.

Objects are shown as HTML, by formatters that IPython asks; core knows nothing of it.
"""

from __future__ import annotations

import atexit
import getpass
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtpcheck import advice
from smtpcheck.core import Conversation, Finding, Report, Result, Stage, Target
from smtpcheck.target.credentials import Secret, resolve

if TYPE_CHECKING:
    from smtpcheck.lab import Background

MIME = "text/html"
FEW = 4
"""Results of a tuple that are shown in full; more make a table."""
Show = Callable[[Any], str | None]
_lang = ""
"""As `show` was told last; empty: the environment's."""


def show(*, lang: str = "", display: Any = None) -> None:
    """Tell IPython how to show reports, results, findings, transcripts and chains; text/plain stays as it is.

    Nothing happens where no IPython runs, nor a second time, so that a formatter of the user's own stays; but a `lang`
    named here replaces the language. `display` is an IPython DisplayFormatter, the running shell's by default.
    """
    global _lang
    _lang = lang or _lang
    display = display or _running()
    if display is None:
        return
    formatter = display.formatters[MIME]
    if lang or Report not in formatter.type_printers:
        _register(formatter, advice.language(lang))


def html(one: Any, *, lang: str = "") -> str | None:
    """The fragment of a report, result, transcript, chain or table, or of a tuple of them; None for anything else."""
    # late: a script that has IPython loaded but shows nothing needs no renderer
    from smtpcheck.probes.chain import ChainFacts
    from smtpcheck.report.notebook import cells, fragment

    lang = advice.language(lang)
    match one:
        case Report():
            return fragment.render(one, lang=lang)
        case Result():
            return cells.result(one, lang=lang)
        case Conversation():
            return cells.conversation(one, lang=lang)
        case ChainFacts():
            return cells.chain(one, lang=lang)
        case Table():
            return _many(one.rows, lang)
        case tuple():
            return _many(one, lang, few=FEW)
    return None


def table(many: Iterable[Report] | Iterable[Result[Any]] | Iterable[Finding]) -> Table:
    """Reports, results or findings as a table, also those picked by hand: `table(r for r in report.results if ...)`."""
    return Table(tuple(many))


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Reports, results, or findings, one row each; as text too, for where no HTML is shown."""

    rows: tuple[Any, ...]

    def __repr__(self) -> str:
        return "\n".join(_line(row) for row in self.rows) or "(none)"

    def _repr_html_(self) -> str:
        return html(self) or ""


# Practice servers

_labs: list[Background] = []


def lab() -> Background:
    """Practice servers for the cells that follow; those of the last call end first, and all end with the kernel.

    `lab.start(NAME)` gives an account to check, `smtpcheck.check(**account.arguments)`; `lab.stop()` ends it.
    """
    from smtpcheck.lab import Background

    if not _labs:
        atexit.register(_stop)
    _stop()
    _labs.append(Background())
    return _labs[0]


def _stop() -> None:
    while _labs:
        _labs.pop().stop()


# A diagnosis again

# Of a report that came from somebody else: what would read this machine's files and variables, send a message or hand
# a password to a server that did not verify or that this user never named. All can be named again.
_LEFT_BEHIND = frozenset(
    {"spec", "kind", "name", "secret", "imap_secret", "imap", "allow", "send", "message", "attach"}
)


def aim(report: Report, **options: Any) -> tuple[Target, Secret | None]:
    """What a report's target is asked with once more, and the password: `check(target, password=password)`.

    Nothing is sent, no consent of then (`allow`) is taken over, and the report's own references to a password are not
    followed, for it may come from a stranger; `options` name such things anew. The password is SMTPCHECK_PASSWORD or
    typed in, and kept nowhere; None, and no login, where there is none or the report's check had none.
    """
    from smtpcheck.target.grammar import default_secret, parse_target

    then, plain = report.target, parse_target(report.target.spec)
    names = [field.name for field in fields(Target) if field.name not in _LEFT_BEHIND]
    given = {name: getattr(then, name) for name in names if getattr(then, name) != getattr(plain, name)}
    if given.get("until") in (Stage.DATA, Stage.DELIVERY):
        del given["until"]
    reference, password = default_secret(os.environ), None
    if then.secret:
        password = resolve(reference) if reference else _typed(parse_target(then.spec, **given))
        if password is None:  # an envelope that nobody logged in for would only be refused
            given = {name: value for name, value in given.items() if name not in ("until", "recipients")}
    secret = "env:SMTPCHECK_PASSWORD" if password else ""
    return parse_target(then.spec, **{**given, "secret": secret, **options}), password


def _typed(target: Target) -> Secret | None:
    """None for an empty answer, and where nobody can be asked."""
    from smtpcheck.report import escape

    whose = target.user if target.user == target.spec else f"{target.user} ({target.spec})"
    prompt = advice.ui(advice.language(_lang))["book.password"].format(user=escape.visible(whose, 240))
    try:
        said = getpass.getpass(prompt)
    except (EOFError, NotImplementedError):  # no terminal; a kernel that runs without anybody before it
        return None
    return Secret(said) if said else None


# pytest in a cell


@dataclass(frozen=True, slots=True, repr=False)
class Ran:
    """A run of pytest: its exit status and all it said."""

    status: int
    output: str

    @property
    def passed(self) -> bool:
        """Tests were there, and none failed."""
        return self.status == 0

    def __repr__(self) -> str:
        return self.output

    def _repr_html_(self) -> str:
        from smtpcheck.report.notebook import cells

        return cells.console(self.output, good=self.passed)


def pytest(what: str | os.PathLike[str] = ".", *arguments: str, seconds: float = 600) -> Ran:
    """Run the tests of a folder or a file, or the checks of a target as tests, in a process of its own.

    `arguments` are pytest's own: `"-k", "tls"`. A target is what `check` takes; its tests are those of smtpcheck's
    plugin, and neither log in nor send unless an argument says so. Raises subprocess.TimeoutExpired.
    """
    environ = os.environ | {"COLUMNS": "100", "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "pytest", "--color=no"]
    with tempfile.TemporaryDirectory(prefix="smtpcheck-") as empty:
        if Path(what).exists():
            command += [os.fspath(what), *arguments]
            folder = None
        else:  # in an empty folder, where no tests of others are
            command += [f"--smtp-target={os.fspath(what)}", "-p", "no:cacheprovider", f"--rootdir={empty}", *arguments]
            folder = empty
        done = subprocess.run(  # noqa: S603  # no shell, and pytest reads what follows the sign of equality as a value
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    # on standard error are warnings of plugins and, where pytest did not begin or end as it should, the reason
    said = done.stdout + (done.stderr if done.returncode > 1 else b"")
    return Ran(done.returncode, said.decode("utf-8", "replace"))


def _running() -> Any:
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "display_formatter", None)


def _register(formatter: Any, lang: str) -> None:
    from smtpcheck.probes.chain import ChainFacts

    for kind in (Report, Result, Conversation, ChainFacts, Table):
        formatter.for_type(kind, partial(html, lang=lang))
    earlier = formatter.type_printers.get(tuple)
    formatter.for_type(tuple, _OfTuple(getattr(earlier, "earlier", earlier), lang))


@dataclass(frozen=True, slots=True)
class _OfTuple:
    """What probes and reports give back are plain tuples; every other tuple is shown as it was before."""

    earlier: Show | None
    lang: str

    def __call__(self, value: tuple[Any, ...]) -> str | None:
        if type(value) is tuple and (shown := html(value, lang=self.lang)):
            return shown
        if self.earlier:
            return self.earlier(value)
        own = getattr(type(value), "_repr_html_", None)  # a named tuple's, which a formatter for tuple hides
        return own(value) if own else None


def _many(rows: Sequence[Any], lang: str, *, few: int = 0) -> str | None:
    """Objects of one kind; None for a mixture and for strangers."""
    from smtpcheck.report.notebook import cells

    kinds = {type(row) for row in rows}
    if kinds == {Result}:
        return cells.results(rows, lang=lang) if len(rows) > few else "".join(cells.result(r, lang=lang) for r in rows)
    if kinds == {Report}:
        return cells.reports(rows, lang=lang)
    if kinds == {Finding}:
        return cells.findings(rows, lang=lang)
    if kinds == {Conversation}:
        return "".join(cells.conversation(row, lang=lang) for row in rows)
    return None


def _line(row: Report | Result[Any] | Finding) -> str:
    from smtpcheck.report import escape

    if isinstance(row, Report):
        cause = row.diagnosis.code if row.diagnosis else ""
        return f"{row.verdict:<12} {escape.visible(cause, 40):<28} {escape.visible(row.target.spec, 120)}"
    status = row.status if isinstance(row, Result) else row.severity
    name = row.probe if isinstance(row, Result) else row.code
    return f"{status:<12} {escape.visible(name, 40):<28} {escape.visible(str(row.subject), 120)}"
