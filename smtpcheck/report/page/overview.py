"""How did several targets do? A table with a line for each, which leads to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from smtpcheck.advice import Words
from smtpcheck.core import Report, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.page.labels import labels, opening
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Html, tag
from smtpcheck.report.page.pictures.signs import icon
from smtpcheck.report.terminal.lines import title

_TOP = "overview"
_COLUMNS = ("verdict", "target", "stage", "cause")
_ORDER = (Verdict.BROKEN, Verdict.INCONCLUSIVE, Verdict.BUG, Verdict.HEALTHY)


def headline(reports: Sequence[Report], words: Words) -> str:
    """How many there are, and how many of each verdict."""
    many = Counter(report.verdict for report in reports)
    names = labels(words.lang)
    counted = [
        names["of-these"].format(count=many[verdict], verdict=words.ui[f"verdict.{verdict}"])
        for verdict in _ORDER
        if many[verdict]
    ]
    total = names["counted"].format(count=len(reports))
    return outline.colon(title(total), words.ui) + words.ui["list.separator"].join(counted)


def overview(reports: Sequence[Report], tongues: Tongues) -> Html:
    """The verdicts in numbers, then one line for each report."""
    heads = [tag("th", tongues.own(key), scope="col") for key in _COLUMNS]
    rows = [_row(i, report, tongues) for i, report in enumerate(reports)]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="overview")
    name = tag("h1", tongues.each(lambda words: headline(reports, words)))
    return tag("section", name, table, class_="card", id=_TOP)


def _row(number: int, report: Report, tongues: Tongues) -> Html:
    status = outline.OF_VERDICT[report.verdict]
    target = tag("bdi", escape.visible(report.target.spec, 120))
    word = tag("span", tongues.head(f"verdict.{report.verdict}"), class_="word")
    broken = report.diagnosis.stage if report.diagnosis else None
    return tag(
        "tr",
        tag("td", icon(status), " ", word, class_="verdict-word"),
        tag("th", tag("a", target, href=f"#{_anchor(number)}"), scope="row"),
        tag("td", tongues.head(f"stage.{broken}") if broken else None, class_="stage-name"),
        tag("td", gist(report, tongues)),
        class_=f"s-{status}",
    )


def gist(report: Report, tongues: Tongues) -> Html:
    """The cause in a line, else how far it went well."""

    def said(words: Words) -> str:
        if report.diagnosis is None:
            return title(outline.headline(report, words.ui))
        return opening(words.summary(escape.diagnosis(report.diagnosis)))

    return tongues.each(said)


def folded(number: int, report: Report, body: Html, tongues: Tongues) -> Html:
    """One report below its name; the verdict is in the table and within."""
    target = tag("h2", tag("bdi", escape.visible(report.target.spec, 120)))
    # a browser opens what is folded around the place that a link leads to: around, so the name is within
    back = tag("p", tag("a", tongues.own("back"), href=f"#{_TOP}"), class_="back")
    inner = tag("div", body, back, id=_anchor(number))
    return tag("details", tag("summary", icon(outline.OF_VERDICT[report.verdict]), target), inner, class_="report")


def _anchor(number: int) -> str:
    return f"report-{number + 1}"
