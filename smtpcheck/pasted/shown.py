"""How is the answer to a pasted text shown? What was said, what may be behind it, and what decides."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from smtpcheck import advice
from smtpcheck.advice.examples import SEEN, STANDARD
from smtpcheck.advice.values import about
from smtpcheck.core import Confidence, Scalar
from smtpcheck.pasted.answer import Answer, Candidate, Named
from smtpcheck.report import escape
from smtpcheck.report.terminal.lines import NARROWEST, Line, Sheet, printed
from smtpcheck.target import providers

MAX_SAID = 300
"""Characters of what was pasted that are shown again."""
MAX_CANDIDATES = 8
_UNKNOWN = "…"
_TYPED = ("address", "exchange")
"""What stands in commands of the advice and is a name."""


@cache
def words(lang: str) -> Mapping[str, str]:
    """The words of a language by key, those of a table by "table.key"; English for one not spoken here."""
    known = tomllib.loads(files("smtpcheck.pasted").joinpath("answer.toml").read_text("utf-8"))
    found = known.get(lang, known["en"])
    flat = {key: text for key, text in found.items() if isinstance(text, str)}
    tables = {key: table for key, table in found.items() if key not in flat}
    return MappingProxyType(
        flat | {f"{name}.{key}": text for name, table in tables.items() for key, text in table.items()}
    )


def render(answer: Answer, *, lang: str = "en", width: int = 80) -> str:
    """The answer as lines for a terminal of `width` cells, without escape sequences."""
    sheet = Sheet(advice.Words(lang), max(width, NARROWEST))
    ours = words(lang)
    lines: list[Line] = []
    if answer.bounce:
        count = len({one.recipient for one in answer.named if one.recipient}) + answer.left
        lines += [((ours["bounce"].format(count=count), "bold"),), ()]
    if answer.accepted:
        lines += [*sheet.para("", ours["accepted"], indent=0), ()]
    for place, one in enumerate(answer.named):
        lines += [*([()] if place else []), *_one(one, answer, sheet, ours)]
    if answer.left:
        lines += [(), ((ours["left"].format(count=answer.left), ""),)]
    if not answer.named:
        lines += sheet.para("", ours["unknown-text"], indent=0)
    if not answer.known:
        lines += sheet.para("", ours["unknown-next"], indent=0)
    return printed(lines, False)


def _one(one: Named, answer: Answer, sheet: Sheet, ours: Mapping[str, str]) -> list[Line]:
    lines = sheet.para("", escape.visible(one.said, MAX_SAID), indent=0, style="bold")
    if one.recipient:
        fate = ours.get(f"action-{one.action}", "")
        told = escape.visible(one.recipient, 120) + (f"{ours['joint']}{fate}" if fate else "")
        lines += sheet.para(f"{ours['recipient']}: ", told)
    if one.is_reply:
        lines += sheet.para("", _where(one, sheet, ours))
    if not one.candidates:
        return lines + sheet.para("", ours["unknown-reply"].format(meaning=meaning(one, sheet.words.lang)))
    alone = len(one.candidates) == 1
    lines += [(("  " + ours["likely" if alone else "possible"], ""),)]
    known = {**STANDARD, **(about(escape.visible(answer.host, 120)) if answer.host else {})}
    for number, candidate in enumerate(one.candidates[:MAX_CANDIDATES], 1):
        lines += _candidate(f"{number}. ", candidate, _seen(one, answer, ours), known, sheet, ours, full=alone)
    return lines + sheet.more(len(one.candidates) - MAX_CANDIDATES)


def _where(one: Named, sheet: Sheet, ours: Mapping[str, str]) -> str:
    if one.stage:
        return ours["at"].format(stage=sheet.ui[f"stage.{one.stage}"])
    stages = dict.fromkeys(sheet.ui[f"stage.{c.stage}"] for c in one.candidates if c.stage)
    return ours["known-at"].format(stages=ours["joint"].join(stages)) if stages else ours["anywhere"]


def _candidate(
    label: str,
    candidate: Candidate,
    seen: Mapping[str, Scalar],
    known: Mapping[str, Scalar],
    sheet: Sheet,
    ours: Mapping[str, str],
    *,
    full: bool,
) -> list[Line]:
    lang = sheet.words.lang
    if advice.entry(candidate.code, lang) is None:
        return sheet.para(label, f"{candidate.code}: {ours['no-text']}", indent=3)
    told = _told(candidate.code, lang, seen, known)
    aside = [ours["only-at"].format(provider=_name(candidate.provider, lang))] if candidate.provider else []
    lines = sheet.para(label, f"{candidate.code}{''.join(f' ({text})' for text in aside)}", indent=3)
    lines += sheet.para("", told.summary, indent=6)
    if full and candidate.confidence is Confidence.LIKELY:
        return [
            *lines,
            *sheet.para("", told.why, indent=6),
            *sheet.numbered(told.steps),
            *sheet.para("", told.otherwise),
        ]
    if told.decides:
        lines += sheet.para(f"{ours['decided-by']}: ", told.decides, indent=6)
    return lines


def _told(code: str, lang: str, seen: Mapping[str, Scalar], known: Mapping[str, Scalar] = STANDARD) -> advice.Entry:
    """The entry with what the text says; what only an observation would know is left open."""
    entry = advice.entry(code, lang)
    subject = str(seen["subject"])
    open_ = {name for text in (entry.texts if entry else ()) for name in advice.placeholders(text)} - known.keys()
    # a command with an example can be read and corrected, one with a gap can't
    examples = {**{name: SEEN[name] for name in _TYPED}, "name": known["host"]}
    told = advice.told(code, lang, {**dict.fromkeys(open_, _UNKNOWN), **examples, **seen}, subject, known)
    unsaid = entry is not None and not advice.placeholders(entry.summary) <= {*seen, "subject"}
    return replace(told, summary=told.short) if told.short and unsaid else told


def _seen(one: Named, answer: Answer, ours: Mapping[str, str]) -> dict[str, Scalar]:
    """What the advice may be filled with; harmless, and masked already."""
    seen: dict[str, Scalar] = {"subject": escape.visible(answer.host, 120) or ours["server"]}
    if one.code:
        seen |= {"code": one.code, "enhanced": one.enhanced, "text": escape.visible(one.text, 160)}
    else:
        seen |= {"code": escape.visible(one.said, 160), "enhanced": one.enhanced, "text": ""}
    if one.recipient:
        seen["address"] = escape.visible(one.recipient, 120)
    return seen


def _name(provider: str, lang: str) -> str:
    row = next((row for row in providers.providers() if row.id == provider), None)
    return provider if row is None else row.name_zh if lang == "zh-CN" else row.name


def meaning(one: Named, lang: str = "en") -> str:
    """What the codes alone say: class and subject of RFC 3463, else the digits of RFC 5321 section 4.2.1."""
    ours = words(lang)
    number = one.enhanced or str(one.code)
    kind = ours.get(f"class.{number[:1]}", "")
    about = ours.get(f"subject.{number.split('.')[1]}" if one.enhanced else f"reply.{number[1:2]}", "")
    return f"{number}: {ours['joint'].join(filter(None, (kind, about)))}"
