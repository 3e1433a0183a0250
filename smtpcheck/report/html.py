"""How does a report look as a page? One file that opens anywhere: verdict, way, cause, what to do, then all the rest.

No script, nothing fetched. Everything is written by markup.py, which escapes; the look is page.css.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from smtpcheck.advice import Words
from smtpcheck.core import Alternative, Diagnosis, Report, Stage, Verdict
from smtpcheck.report import details, path, picture, safe
from smtpcheck.report.labels import labels, moment, opening
from smtpcheck.report.lines import title
from smtpcheck.report.markup import Content, Html, document, prose, tag

MAX_RAW = 600
"""Characters of a raw line under a diagnosis."""


def render(report: Report, *, lang: str = "en") -> str:
    """The report as a whole page, self-contained; `fragment.render` is for a page that others begin."""
    words = Words(lang)
    spec = safe.visible(report.target.spec, 120)
    name = f"{title(path.headline(report, words.ui))} - {spec} - smtpcheck"
    return document(style(), body(report, words), title=name, lang=words.lang)


def render_many(reports: Sequence[Report], *, lang: str = "en") -> str:
    """Several reports as one page: a line of verdict for each, to be unfolded."""
    words = Words(lang)
    folded = [
        tag(
            "details",
            tag(
                "summary",
                picture.icon(path.OF_VERDICT[report.verdict], words.ui[f"verdict.{report.verdict}"]),
                tag("h2", tag("bdi", safe.visible(report.target.spec, 120))),
                tag("span", _gist(report, words), class_="aside"),
            ),
            body(report, words, "section"),
            class_="report",
        )
        for report in reports
    ]
    return document(style(), tag("main", *folded), title="smtpcheck", lang=words.lang)


def _gist(report: Report, words: Words) -> str:
    if report.diagnosis is None:
        return title(path.headline(report, words.ui))
    return opening(words.summary(safe.diagnosis(report.diagnosis)))


@cache
def style() -> str:
    """The style sheet of the page."""
    return files("smtpcheck.report").joinpath("page.css").read_text("utf-8")


def body(report: Report, words: Words, element: str = "main") -> Html:
    """What one report has to say, from the verdict down, in a main or, where there are several, a section."""
    told = [_diagnosis(report, one, words, first=i == 0) for i, one in enumerate(report.diagnoses)]
    folded = [tag("h2", title(labels(words.lang)["details"])), *details.parts(report, words)]
    return tag(
        element,
        _verdict(report, words),
        _way(report, words),
        _open(report, words),
        told,
        tag("section", folded, class_="folded"),
        tag("footer", tag("p", _maker(report))),
        lang=words.lang,
    )


# The verdict and the way


def _verdict(report: Report, words: Words) -> Html:
    status = path.OF_VERDICT[report.verdict]
    said = title(path.headline(report, words.ui))
    if report.diagnosis and report.verdict is Verdict.BROKEN:
        said = path.colon(said, words.ui) + words.ui[f"stage.{report.diagnosis.stage}"]
    about = (moment(report.started), tag("span", path.effort(report, words.ui)))
    return tag(
        "header",
        picture.icon(status, words.ui[f"verdict.{report.verdict}"]),
        tag("div", tag("h1", said), tag("p", tag("bdi", safe.visible(report.target.spec, 120)), class_="target")),
        tag("p", about, class_="about"),
        class_=f"verdict s-{status}",
    )


def _way(report: Report, words: Words) -> Html:
    notes: list[Content] = []
    if untested := path.untested(report):
        label = path.colon(title(words.ui["head.not-tested"]), words.ui)
        notes.append(tag("p", label, path.stage_list(untested, words.ui), class_="faint"))
    if path.login_skipped(report):
        notes.append(tag("p", title(words.ui["sentence.login-skipped"]), class_="faint"))
    return tag(
        "section", tag("h2", title(labels(words.lang)["way"])), picture.way(report, words), *notes, class_="card"
    )


def _open(report: Report, words: Words) -> Html | None:
    """What kept the verdict from being known, or the check from its end."""
    said = [] if report.complete else [title(words.ui["sentence.interrupted"])]
    said += [title(words.ui["sentence.bug"])] if report.verdict is Verdict.BUG else []
    said += [*path.shortfalls(report, words.ui), *path.unknown(report, words.ui)]
    return tag("section", tag("ul", [tag("li", text) for text in said]), class_="card open") if said else None


# A diagnosis


def _diagnosis(report: Report, recorded: Diagnosis, words: Words, *, first: bool) -> Html:
    told = safe.diagnosis(recorded)
    sure = tag("span", words.ui[f"confidence.{told.confidence}"], class_=f"chip c-{told.confidence}")
    why = words.why(told)
    return tag(
        "section",
        tag("h2", title(words.ui["head.cause" if first else "head.also-broken"]), " ", sure),
        tag("p", opening(words.summary(told)), class_="summary"),
        tag("p", tag("bdi", told.subject), class_="where") if told.subject else None,
        tag("div", prose(why), class_="why") if why else None,
        _evidence(report, recorded, words),
        _steps(told, words),
        _alternatives(told, words),
        class_="card diagnosis" if first else "card diagnosis second",
    )


def _evidence(report: Report, recorded: Diagnosis, words: Words) -> Html | None:
    said = path.testimony(recorded, report, words, MAX_RAW)
    figure = details.clock(report, words) if recorded.stage is Stage.CLOCK else None
    rows = []
    for one, (who, text) in zip(recorded.evidence, said, strict=True):
        shown = tag("code", text) if one.raw else figure or tag("span", opening(text))
        by = tag(
            "p",
            tag("strong", opening(who)),
            " ",
            tag("span", words.ui[f"stage.{one.stage}"], class_="faint"),
        )
        rows.append(tag("li", by, tag("div", shown, class_="said"), class_=f"w-{one.who}"))
    return _part("evidence", tag("ul", rows, class_="evidence"), words) if rows else None


def _steps(told: Diagnosis, words: Words) -> Html | None:
    steps = [tag("li", prose(text)) for _, text in words.steps(told)]
    otherwise = words.otherwise(told)
    content = [tag("ol", steps, class_="steps") if steps else None]
    content += [tag("p", prose(opening(otherwise)), class_="otherwise") if otherwise else None]
    return _part("what-to-do", content, words) if steps or otherwise else None


def _alternatives(told: Diagnosis, words: Words) -> Html | None:
    rows = [tag("li", _alternative(told, one, words)) for one in told.alternatives]
    return _part("could-also-be", tag("ul", rows, class_="alternatives"), words) if rows else None


def _alternative(told: Diagnosis, one: Alternative, words: Words) -> tuple[Content, ...]:
    sure = tag("span", words.ui[f"confidence.{one.confidence}"], class_=f"chip c-{one.confidence}")
    summary = tag("p", tag("strong", opening(words.summary(replace(told, code=one.code)))), " ", sure)
    decides = words.decided_by(told, one)
    label = tag("span", path.colon(title(words.ui["head.decided-by"]), words.ui), class_="faint")
    return summary, tag("p", label, prose(decides)) if decides else None


def _part(name: str, content: Content, words: Words) -> Html:
    return tag("div", tag("h3", title(words.ui[f"head.{name}"])), content, class_="part")


def _maker(report: Report) -> str:
    version = safe.visible(report.environment.get("smtpcheck", ""), 40)
    return f"smtpcheck {version}".rstrip()
