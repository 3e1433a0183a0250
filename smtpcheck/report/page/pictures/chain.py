"""Does the chain of certificates hang together, and is each of them valid now? From the server's own to the root."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from smtpcheck.advice import Words
from smtpcheck.core import Report, Result, Status
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report import escape
from smtpcheck.report.page.labels import labels, moment
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Content, Html, Value, tag, together
from smtpcheck.report.page.pictures.drawing import FAINT, PAPER, TONES, canvas, percent
from smtpcheck.report.page.pictures.signs import icon
from smtpcheck.wire.certificate import CertificateFacts

MAX_CHAINS = 8
MAX_CERTIFICATES = 10
"""Of one chain; an honest one has two to four."""
MAX_NAMES = 40
"""Names of one certificate; large providers have a few dozen."""
_UNKNOWN = frozenset({"issuer-unknown", "leaf-unverified"})
_OF_TIME = frozenset({"expired", "not-yet-valid"})


def chains(report: Report, tongues: Tongues) -> Html | None:
    """Every chain that was shown, the same one once; None where none was."""
    found: dict[tuple[bytes, ...], tuple[Result[Any], ChainFacts]] = {}
    for result in report.results:
        if isinstance(result.facts, ChainFacts) and result.facts.certificates:
            found.setdefault(result.facts.chain, (result, result.facts))
    shown = list(found.values())[:MAX_CHAINS]
    several = len(shown) > 1
    return together(_named(result, chain(facts, tongues), several) for result, facts in shown) if shown else None


def _named(result: Result[Any], drawn: Html, named: bool) -> Html:
    name = tag("p", tag("bdi", escape.visible(str(result.subject), 120)), class_="where") if named else None
    return together(name, drawn)


def chain(facts: ChainFacts, tongues: Tongues) -> Html:
    """One certificate a box, each signed by the one below it; what is missing is drawn as missing."""
    shown = facts.certificates[:MAX_CERTIFICATES]
    boxes = [_certificate(i, one, facts, tongues) for i, one in enumerate(shown)]
    checked = tag("p", tongues.own("checked-at"), " ", moment(facts.at), class_="faint")
    return together(tag("ol", boxes, _absent(facts, tongues), class_="chain", role="list"), checked)


def _certificate(position: int, one: CertificateFacts, facts: ChainFacts, tongues: Tongues) -> Html:
    role = "leaf" if position == 0 else "root" if one.self_signed else "intermediate"
    shown = ", ".join(one.san[:MAX_NAMES]) + (" ..." if len(one.san) > MAX_NAMES else "")
    names = escape.visible(shown, 1000) if shown else tongues.own("no-names")
    rows: list[tuple[Content, Content]] = [(tongues.own("issuer"), tag("bdi", escape.visible(one.issuer, 240)))]
    if position == 0:
        rows.append((tongues.own("names"), names))
    rows.append((tongues.own("key"), escape.visible(f"{one.key} {one.bits}, {one.signature_hash}".rstrip(", "), 80)))
    rows.append((tongues.own("fingerprint"), tag("code", escape.visible(one.sha256, 80))))
    name = tag("strong", tag("bdi", escape.visible(one.subject, 240)))
    return tag(
        "li",
        tag("p", tag("span", tongues.own(role), class_="chip"), " ", name),
        [_flaw(text) for text in _flaws(position, one, facts, tongues)],
        tag("div", tongues.each(lambda words: validity(one, facts.at, words), "div"), class_="validity"),
        tag("dl", [(tag("dt", label), tag("dd", content)) for label, content in rows], class_="pairs"),
    )


def _flaw(text: Content) -> Html:
    return tag("p", icon(Status.FAIL), " ", tag("strong", text), class_="flaw s-fail")


def _flaws(position: int, one: CertificateFacts, facts: ChainFacts, tongues: Tongues) -> Iterator[Content]:
    """Why nobody should trust this one, where the picture does not show it by itself."""
    if position == 0 and not facts.verdict.host.matched:
        yield tongues.own("other-name", name=escape.visible(facts.name, 120))
    for flaw in facts.verdict.flaws:
        mine = flaw.subject == one.subject if flaw.subject else flaw.depth == position
        # the missing link and the time are drawn
        if mine and flaw.code not in _UNKNOWN | _OF_TIME:
            yield escape.visible(flaw.text, 160)


# The time of a certificate


def validity(one: CertificateFacts, at: datetime, words: Words) -> Html:
    """The span of a certificate with the moment of the check on it, and what that means."""
    names = labels(words.lang)
    span = names["until"].format(start=f"{one.not_before:%Y-%m-%d}", end=f"{one.not_after:%Y-%m-%d}")
    good = one.not_before <= at <= one.not_after
    state = _told(one, at, words)
    told = tag(
        "p", icon(Status.OK if good else Status.FAIL), tag("strong", state), " ", tag("span", span, class_="faint")
    )
    return together(_span(one.not_before, one.not_after, at, good, f"{state}{words.ui['list.separator']}{span}"), told)


def _told(one: CertificateFacts, at: datetime, words: Words) -> str:
    if at > one.not_after:
        keys, gap = ("days-over", "hours-over", "minutes-over"), at - one.not_after
    elif at < one.not_before:
        keys, gap = ("days-to-go", "hours-to-go", "minutes-to-go"), one.not_before - at
    else:
        keys, gap = ("days-left", "hours-left", "minutes-left"), one.not_after - at
    counts = [int(gap.total_seconds() / size) for size in (86400, 3600, 60)]
    # two of the smaller unit say more than one of the larger
    key, count = next(((key, n) for key, n in zip(keys, counts, strict=True) if n > 1), (keys[-1], counts[-1]))
    return labels(words.lang)[key].format(count=count)


def _span(start: datetime, end: datetime, at: datetime, good: bool, told: str) -> Html:
    first, last = min(start, at), max(end, at)
    room = max((last - first).total_seconds(), 1.0)

    def place(when: datetime) -> float:
        return (when - first).total_seconds() / room * 0.92 + 0.04

    now, tone = place(at), TONES[Status.OK if good else Status.FAIL]
    valid: dict[str, Value] = {
        "x": percent(place(start)),
        "y": 9,
        "height": 8,
        "rx": 4,
        "width": percent(place(end) - place(start)),
    }
    bar = tag("rect", class_="bar", fill=tone if good else "none", stroke=tone, stroke_width=1.5, **valid)
    parts = (
        tag("line", x1="0%", x2="100%", y1=13, y2=13, stroke=FAINT, stroke_width=1.5, stroke_dasharray="2 3"),
        bar,
        tag("line", class_="now", x1=percent(now), x2=percent(now), y1=1, y2=25, stroke="currentColor", stroke_width=2),
        tag("circle", class_="now", cx=percent(now), cy=13, r=4.5, fill=PAPER, stroke="currentColor", stroke_width=2),
    )
    return canvas(26, parts, name=told, class_=f"span s-{'ok' if good else 'fail'}")


# What is not there


def _absent(facts: ChainFacts, tongues: Tongues) -> Html | None:
    """The issuer that the last certificate of the chain names and the server left out."""
    last = facts.certificates[-1]
    flaws = {flaw.code for flaw in facts.verdict.flaws}
    unknown = bool(flaws & _UNKNOWN)
    # what is wrong with the time or the name alone was found along a chain that led to a root
    known = facts.verdict.answered and flaws <= _OF_TIME
    if last.self_signed or not (unknown or known):
        return None
    status = Status.FAIL if unknown else Status.OK
    name = tag("strong", tag("bdi", escape.visible(last.issuer, 240)))
    told = tag("span", tongues.own("not-sent" if unknown else "in-store"))
    return tag("li", tag("p", icon(status), " ", name, " ", told), class_=f"absent s-{status}")
