"""How does a report look as a page? One file that opens anywhere: verdict, way, cause, what to do, then all the rest.

No script, nothing fetched. Everything is written by markup.py, which escapes; the look is page.css. Both languages are
in the one file; which of them is shown is chosen on the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from smtpcheck.advice import Words
from smtpcheck.core import Alternative, Diagnosis, Report, Stage, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.page import details, overview
from smtpcheck.report.page.labels import moment, opening
from smtpcheck.report.page.languages import NAMES, Tongues, tongues
from smtpcheck.report.page.markup import Content, Html, document, prose, tag
from smtpcheck.report.page.pictures.clock import clocks
from smtpcheck.report.page.pictures.signs import icon
from smtpcheck.report.page.pictures.way import way
from smtpcheck.report.terminal.lines import title

MAX_RAW = 600
"""Characters of a raw line under a diagnosis."""


def render(report: Report, *, lang: str = "en") -> str:
    """The report as a whole page, self-contained; `fragment.render` is for a page that others begin."""
    spoken = tongues(lang)
    spec = escape.visible(report.target.spec, 120)
    name = f"{title(outline.headline(report, spoken.words[0].ui))} - {spec} - smtpcheck"
    return _page(name, body(report, spoken), spoken)


def render_many(reports: Sequence[Report], *, lang: str = "en") -> str:
    """Several reports as one page: a table of their verdicts first, which leads to each, to be unfolded."""
    spoken = tongues(lang)
    folded = [overview.folded(i, one, body(one, spoken, several=True), spoken) for i, one in enumerate(reports)]
    name = f"{overview.headline(reports, spoken.words[0])} - smtpcheck"
    return _page(name, tag("main", overview.overview(reports, spoken), *folded), spoken)


def _page(name: str, content: Html, spoken: Tongues) -> str:
    return document(style(), _choice(spoken), content, title=name, lang=spoken.words[0].lang)


def _choice(spoken: Tongues) -> Html:
    """The languages to choose from; without a script, so that a style rule does the rest."""
    first = spoken.words[0].lang
    choices = [
        (
            tag("input", type="radio", name="tongue", id=f"tongue-{lang}", checked=lang == first, autocomplete="off"),
            tag("label", NAMES[lang], for_=f"tongue-{lang}", lang=lang),
        )
        for lang in NAMES
        if any(words.lang == lang for words in spoken.words)
    ]
    return tag("fieldset", tag("legend", spoken.own("language"), class_="vh"), choices, class_="tongues")


@cache
def style() -> str:
    """The style sheet of the page."""
    return files("smtpcheck.report.page").joinpath("page.css").read_text("utf-8")


def body(report: Report, spoken: Tongues, *, several: bool = False) -> Html:
    """What one report has to say, from the verdict down, in a main or, where there are several, a section."""
    told = [_diagnosis(report, one, spoken, first=i == 0) for i, one in enumerate(report.diagnoses)]
    folded = [tag("h2", spoken.own("details")), *details.parts(report, spoken)]
    return tag(
        "section" if several else "main",
        _verdict(report, spoken, "h3" if several else "h1"),
        _way(report, spoken),
        _open(report, spoken),
        told,
        tag("section", folded, class_="folded"),
        None if several else tag("footer", tag("p", _maker(report))),
    )


# The verdict and the way


def _verdict(report: Report, spoken: Tongues, heading: str) -> Html:
    status = outline.OF_VERDICT[report.verdict]
    about = (moment(report.started), tag("span", spoken.each(lambda words: outline.effort(report, words.ui))))
    said = (
        tag(heading, spoken.each(lambda words: headline(report, words)), class_="said"),
        tag("p", spoken.each(lambda words: _lead(report, words)), class_="lead") if report.diagnosis else None,
        tag("p", spoken.own("several-fit"), class_="fit") if _several_fit(report) else None,
        tag("p", tag("bdi", escape.visible(report.target.spec, 120)), class_="target"),
        tag("p", about, class_="about"),
    )
    return tag("header", icon(status), tag("div", said), class_=f"verdict s-{status}")


def headline(report: Report, words: Words) -> str:
    """The verdict, and where it broke."""
    said = title(outline.headline(report, words.ui))
    if report.diagnosis and report.verdict is Verdict.BROKEN:
        said = outline.colon(said, words.ui) + words.ui[f"stage.{report.diagnosis.stage}"]
    return said


def _lead(report: Report, words: Words) -> str:
    return opening(words.summary(escape.diagnosis(report.diagnosis))) if report.diagnosis else ""


def _several_fit(report: Report) -> bool:
    return bool(report.diagnosis and report.diagnosis.alternatives)


def _way(report: Report, spoken: Tongues) -> Html:
    notes: list[Content] = []
    if untested := outline.untested(report):
        told = spoken.each(
            lambda words: (
                outline.colon(title(words.ui["head.not-tested"]), words.ui) + outline.stage_list(untested, words.ui)
            )
        )
        notes.append(tag("p", told, class_="faint"))
    if outline.login_skipped(report):
        notes.append(tag("p", spoken.head("sentence.login-skipped"), class_="faint"))
    return tag("section", tag("h2", spoken.own("way")), way(report, spoken), *notes, class_="card")


def _open(report: Report, spoken: Tongues) -> Html | None:
    """What kept the verdict from being known, or the check from its end."""

    def said(words: Words) -> Html | None:
        told = [] if report.complete else [title(words.ui["sentence.interrupted"])]
        told += [title(words.ui["sentence.bug"])] if report.verdict is Verdict.BUG else []
        told += [*outline.shortfalls(report, words.ui), *outline.unknown(report, words.ui)]
        return tag("ul", [tag("li", text) for text in told]) if told else None

    content = spoken.each(said, "div")
    return tag("section", content, class_="card open") if said(spoken.words[0]) else None


# A diagnosis


def _diagnosis(report: Report, recorded: Diagnosis, spoken: Tongues, *, first: bool) -> Html:
    told, spoken = escape.diagnosis(recorded), spoken.about(report)
    summary = tag("p", spoken.each(lambda words: opening(words.summary(told))), class_="summary")
    why = any(words.why(told) for words in spoken.words)
    return tag(
        "section",
        tag("h2", spoken.head("head.cause" if first else "head.also-broken"), " ", _sure(told.confidence, spoken)),
        None if first else summary,  # the verdict leads with it
        tag("p", tag("bdi", told.subject), class_="where") if told.subject else None,
        tag("div", spoken.each(lambda words: prose(words.why(told)), "p"), class_="why") if why else None,
        _evidence(report, recorded, spoken),
        _steps(told, spoken),
        _alternatives(told, spoken),
        class_="card diagnosis" if first else "card diagnosis second",
    )


def _sure(confidence: str, spoken: Tongues) -> Html:
    return tag("span", spoken.ui(f"confidence.{confidence}"), class_=f"chip c-{confidence}")


def _evidence(report: Report, recorded: Diagnosis, spoken: Tongues) -> Html | None:
    figure = clocks(report, spoken) if recorded.stage is Stage.CLOCK else None
    rows = [_observation(report, recorded, i, figure, spoken) for i in range(len(recorded.evidence))]
    return _part("evidence", tag("ul", rows, class_="evidence"), spoken) if rows else None


def _observation(report: Report, recorded: Diagnosis, i: int, figure: Html | None, spoken: Tongues) -> Html:
    """One piece of evidence: who, at which stage, and what; a reading of the clock as its picture."""
    one = recorded.evidence[i]

    def said(words: Words) -> str:
        return outline.testimony(recorded, report, words, MAX_RAW)[i][1]

    who = tag("strong", spoken.each(lambda words: opening(words.ui[f"who.{one.who}"])))
    by = tag("p", who, " ", tag("span", spoken.ui(f"stage.{one.stage}"), class_="faint"))
    if one.raw:
        shown = tag("code", spoken.each(said))
    else:
        shown = figure or tag("span", spoken.each(lambda words: opening(said(words))))
    return tag("li", by, tag("div", shown, class_="said"), class_=f"w-{one.who}")


def _steps(told: Diagnosis, spoken: Tongues) -> Html | None:
    def written(words: Words) -> list[Content]:
        steps = [tag("li", prose(text)) for _, text in words.steps(told)]
        otherwise = words.otherwise(told)
        after = tag("p", prose(opening(otherwise)), class_="otherwise") if otherwise else None
        return [tag("ol", steps, class_="steps") if steps else None, after]

    content = spoken.each(written, "div")
    return _part("what-to-do", content, spoken) if any(written(spoken.words[0])) else None


def _alternatives(told: Diagnosis, spoken: Tongues) -> Html | None:
    rows = [tag("li", _alternative(told, one, spoken)) for one in told.alternatives]
    return _part("could-also-be", tag("ul", rows, class_="alternatives"), spoken) if rows else None


def _alternative(told: Diagnosis, one: Alternative, spoken: Tongues) -> tuple[Content, ...]:
    other = replace(told, code=one.code)
    summary = tag("strong", spoken.each(lambda words: opening(words.summary(other))))
    label = tag("span", spoken.each(lambda w: outline.colon(title(w.ui["head.decided-by"]), w.ui)), class_="faint")
    decides = any(words.decided_by(told, one) for words in spoken.words)
    content = (label, spoken.each(lambda words: prose(words.decided_by(told, one))))
    return tag("p", summary, " ", _sure(one.confidence, spoken)), tag("p", *content) if decides else None


def _part(name: str, content: Content, spoken: Tongues) -> Html:
    return tag("div", tag("h3", spoken.head(f"head.{name}")), content, class_="part")


def _maker(report: Report) -> str:
    version = escape.visible(report.environment.get("smtpcheck", ""), 40)
    return f"smtpcheck {version}".rstrip()
