"""How does an object show itself in a notebook? As HTML, by formatters that IPython asks; core knows nothing of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from smtpcheck import advice
from smtpcheck.core import Conversation, Finding, Report, Result

MIME = "text/html"
FEW = 4
"""Results of a tuple that are shown in full; more make a table."""
Show = Callable[[Any], str | None]


def show(*, lang: str = "", display: Any = None) -> None:
    """Tell IPython how to show reports, results, findings, transcripts and chains; text/plain stays as it is.

    Nothing happens where no IPython runs, nor a second time, so that a formatter of the user's own stays; but a `lang`
    named here replaces the language. `display` is an IPython DisplayFormatter, the running shell's by default.
    """
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
    from smtpcheck.report import cells, fragment

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


def table(many: Iterable[Result[Any]] | Iterable[Finding]) -> Table:
    """Results or findings as a table, also those picked by hand: `table(r for r in report.results if ...)`."""
    return Table(tuple(many))


@dataclass(frozen=True, slots=True, repr=False)
class Table:
    """Results, or findings, one row each; as text too, for where no HTML is shown."""

    rows: tuple[Any, ...]

    def __repr__(self) -> str:
        return "\n".join(_line(row) for row in self.rows) or "(none)"

    def _repr_html_(self) -> str:
        return html(self) or ""


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
    from smtpcheck.report import cells

    kinds = {type(row) for row in rows}
    if kinds == {Result}:
        return cells.results(rows, lang=lang) if len(rows) > few else "".join(cells.result(r, lang=lang) for r in rows)
    if kinds == {Finding}:
        return cells.findings(rows, lang=lang)
    if kinds == {Conversation}:
        return "".join(cells.conversation(row, lang=lang) for row in rows)
    return None


def _line(row: Result[Any] | Finding) -> str:
    from smtpcheck.report import safe

    status = row.status if isinstance(row, Result) else row.severity
    name = row.probe if isinstance(row, Result) else row.code
    return f"{status:<12} {safe.visible(name, 40):<28} {safe.visible(str(row.subject), 120)}"
