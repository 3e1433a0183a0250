"""What is to be said about a code, in the reader's language? One file a code, all languages in it; read when needed.

The file stands in the folder of the code's first word: certificate/certificate-expired.toml.

A text may hold {placeholders}, filled with what a finding saw and, but for the summary, with what the report knows
(`values`). All those values come from strangers.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec

from smtpcheck import aliases
from smtpcheck.advice.examples import REPLY, SEEN, STANDARD, reply, subject_shown
from smtpcheck.core import Alternative, Diagnosis, Evidence, Finding, Reason, Report, Scalar

LANGUAGES = ("en", "zh-CN")
VALUE_LIMIT = 300
"""Characters of one value; a defence, longer than any healthy reply line."""

# Longer than any code here; a code may come from the command line or from a stranger's report.
_UI = "ui"
_CODE = re.compile(r"[a-z0-9-]{1,80}")
_VARIABLES = ("SMTPCHECK_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
_PLACE = re.compile(r" \(\{([a-z_]+)\}\)|（\{([a-z_]+)\}）|(?:: |：| )?\{([a-z_]+)\}")
# What may stand in a command line that a reader copies: no quote, no expansion, no option.
_WORD = r"[A-Za-z0-9_.:\[][A-Za-z0-9.:@_/+\[\]-]*"
_SHELL_SAFE = re.compile(_WORD)
# Values that are options or commands themselves: these and no other, whoever wrote them.
_OPTIONS = {
    "starttls": re.compile(r"(?:-starttls smtp)?"),
    "swaks_tls": re.compile(r"(?:-tls|--tls-on-connect)?"),
    "nameserver_port": re.compile(r"(?:-p [0-9]{1,5})?"),
    "by_hand": re.compile(rf"nc -C {_WORD} [0-9]{{1,5}}|openssl s_client -quiet -crlf -connect {_WORD}"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said about one code; `decides` tells a cause from its look-alikes."""

    code: str
    summary: str
    short: str = ""
    """Stands in for the summary where its values are not known, as for a cause that is only an alternative."""
    why: str = ""
    steps: tuple[str, ...] = ()
    otherwise: str = ""
    decides: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """All that is said, in the order of reading."""
        return (self.summary, self.short, self.why, *self.steps, self.otherwise, self.decides)


_KEYS = frozenset(field.name for field in fields(Entry)) - {"code"}


def language(option: str = "", environ: Mapping[str, str] = os.environ) -> str:
    """The language asked for by the option or, in POSIX's order, by the environment; en for one not spoken here."""
    asked = next((value for value in (option, *(environ.get(name, "") for name in _VARIABLES)) if value), "")
    return "zh-CN" if asked.lower().startswith("zh") else "en"


def entry(code: str, lang: str) -> Entry | None:
    """The entry of that code, in English where `lang` has none; None for a code that nobody knows.

    ValueError for a language that is none of LANGUAGES and for a file with another key or type than an entry's.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"not a language spoken here: {lang!a}")
    return _entry(code, lang) if _CODE.fullmatch(code) else None


@lru_cache(maxsize=512)
def _entry(code: str, lang: str) -> Entry | None:
    contents = _contents(code)
    content = contents.get(lang) or contents.get("en")
    if content is None:
        today = aliases.current(code)
        return entry(today, lang) if today != code else None
    if content.keys() - _KEYS:
        raise ValueError(f"{lang}/{code}: unknown keys {sorted(content.keys() - _KEYS)}")
    try:
        return msgspec.convert({"code": code, **content}, Entry)
    except msgspec.ValidationError as error:
        raise ValueError(f"{lang}/{code}: {error}") from None


@cache
def codes() -> tuple[str, ...]:
    """All codes that have a text, sorted."""
    folders = (folder for folder in files("smtpcheck.advice").iterdir() if folder.is_dir() and folder.name != _UI)
    names = (path.name.removesuffix(".toml") for folder in folders for path in folder.iterdir())
    return tuple(sorted(filter(_CODE.fullmatch, names)))


@lru_cache(maxsize=256)
def _contents(code: str) -> Mapping[str, dict[str, Any]]:
    """What the code's file says, by language; empty where there is none."""
    path = files("smtpcheck.advice") / code.partition("-")[0] / f"{code}.toml"
    contents = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    if contents.keys() - set(LANGUAGES):
        raise ValueError(f"{code}: not languages spoken here: {sorted(contents.keys() - set(LANGUAGES))}")
    return contents


@cache
def ui(lang: str) -> Mapping[str, str]:
    """The words that all renderers need, by "table.key" as in ui/; by "key" for those in no table."""
    path = files("smtpcheck.advice") / _UI / f"{lang if lang in LANGUAGES else 'en'}.toml"
    content: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    words = {key: text for key, text in content.items() if isinstance(text, str)}
    tables = {key: table for key, table in content.items() if key not in words}
    return MappingProxyType(
        words | {f"{name}.{key}": text for name, table in tables.items() for key, text in table.items()}
    )


def placeholders(text: str) -> frozenset[str]:
    """The names of the values that a text needs."""
    return frozenset(match[match.lastindex or 0] for match in _PLACE.finditer(text))


def fill(text: str, seen: Mapping[str, Scalar], subject: str) -> str:
    """The text with its values, `{subject}` among them, in one pass; "?" for a value that is not there.

    An empty value takes along the space, the colon or the brackets that would introduce it. Between backquotes
    stands what a reader may paste into a shell: for a value that could mean more there, its name is shown (NAME).
    """
    values = {**seen, "subject": subject}
    parts = text.split("`")
    return "`".join(_filled(part, values, command=bool(i % 2)) for i, part in enumerate(parts))


def _filled(part: str, values: Mapping[str, Scalar], *, command: bool) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[match.lastindex or 0]
        shown = _visible(values[name]) if name in values else "?"
        if command and not _OPTIONS.get(name, _SHELL_SAFE).fullmatch(shown):
            shown = name.upper()
        return match[0].replace(f"{{{name}}}", shown) if shown else ""

    return _PLACE.sub(value, part)


def _visible(value: Scalar) -> str:
    """On one line and harmless to a terminal: controls, bidi marks and the backquote become escapes."""
    text = f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)
    shown = "".join(map(_escaped, text[: VALUE_LIMIT + 1]))
    return shown if len(shown) <= VALUE_LIMIT else shown[: VALUE_LIMIT - 1] + "…"


def _escaped(char: str) -> str:
    if char == "`":
        return r"\x60"
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def reason(why: Reason, words: Mapping[str, str]) -> str:
    """A reason in words, those of `ui`; the code itself where there is no text for it, as in a stranger's report.

    The value `at`, where there is one, says whose trouble it is, and comes first.
    """
    form = words.get(f"reason.{why.code}", why.code)
    text = fill(form, why.seen, "")
    return f"{fill('{at}', why.seen, '')}{words['list.colon']}{text}" if text and why.seen.get("at") else text


def _in_words(seen: Mapping[str, Scalar], lang: str) -> Mapping[str, Scalar]:
    """The values, `detail` in words where it is the code of a reason."""
    detail = seen.get("detail")
    if not isinstance(detail, str) or f"reason.{detail}" not in ui(lang):
        return seen
    return {**seen, "detail": reason(Reason(detail, seen), ui(lang))}


def told(
    code: str, lang: str, seen: Mapping[str, Scalar], subject: str, known: Mapping[str, Scalar] = STANDARD
) -> Entry:
    """The entry with its values: what was seen, else the standard ones in `known`; for a code without one an entry that
    says so. What decides is about a cause that did not see anything, so that only the standard values fit it.
    """
    found, seen = entry(code, lang), _in_words(seen, lang)
    if found is None:
        return Entry(code, fill(ui(lang)["sentence.unknown-code"], {"code": code}, subject))
    complete = placeholders(found.summary) <= {*seen, "subject"}
    every = {**known, **seen}
    return replace(
        found,
        summary=fill(found.summary if complete else found.short or found.summary, seen, subject),
        short=fill(found.short, seen, subject),
        why=fill(found.why, every, subject),
        steps=tuple(fill(step, every, subject) for step in found.steps),
        otherwise=fill(found.otherwise, every, subject),
        decides=fill(found.decides, known, subject),
    )


def example(code: str, lang: str) -> Entry:
    """The entry as it reads without a report: with examples for all that only a report knows."""
    found = entry(code, lang)
    quotes = found is not None and any(placeholders(text) & REPLY for text in found.texts)
    return told(code, lang, {**STANDARD, **SEEN, **(reply(code) if quotes else {})}, subject_shown())


class Words:
    """What a report says in one language; the Protocol of the same name in report/json.py, and a little more."""

    def __init__(self, lang: str, report: Report | None = None) -> None:
        self.lang = lang
        self.ui = ui(lang)
        self._report = report

    def about(self, report: Report, /) -> Words:
        """The same words, with what that report knows in their advice, where others have examples."""
        return Words(self.lang, report)

    def summary(self, diagnosis: Diagnosis, /) -> str:
        """One line: what is wrong."""
        return self._entry(diagnosis).summary

    def why(self, diagnosis: Diagnosis, /) -> str:
        """What that means; may be empty."""
        return self._entry(diagnosis).why

    def steps(self, diagnosis: Diagnosis, /) -> Sequence[tuple[str, str]]:
        """What to do, in order, as (id, text); the id is the code and a number from 1."""
        return [(f"{diagnosis.code}.{i}", text) for i, text in enumerate(self._entry(diagnosis).steps, 1)]

    def otherwise(self, diagnosis: Diagnosis, /) -> str:
        """What to do when the steps do not help."""
        return self._entry(diagnosis).otherwise

    def decided_by(self, diagnosis: Diagnosis, alternative: Alternative, /) -> str:
        """What would tell this alternative from the others."""
        return self._entry(replace(diagnosis, code=alternative.code)).decides

    def finding(self, finding: Finding, /) -> str:
        """One line: what was found."""
        return told(finding.code, self.lang, finding.seen, finding.subject).summary

    def evidence(self, evidence: Evidence, diagnosis: Diagnosis | None = None, /) -> str:
        """What this observation shows, as far as the values at hand allow; else who said it and where."""
        found = entry(evidence.text, self.lang)
        values = {**_in_words(diagnosis.seen, self.lang), "subject": diagnosis.subject} if diagnosis else {}
        if found and placeholders(found.summary) <= values.keys():
            return fill(found.summary, values, str(values.get("subject", "")))
        stage = self.ui[f"stage.{evidence.stage}"]
        return fill(self.ui[f"evidence.{evidence.who}"], {"stage": stage}, "")

    def _entry(self, diagnosis: Diagnosis) -> Entry:
        return told(diagnosis.code, self.lang, diagnosis.seen, diagnosis.subject, self._known(diagnosis))

    def _known(self, diagnosis: Diagnosis) -> Mapping[str, Scalar]:
        if self._report is None:
            return STANDARD
        # late: the way that a report took needs the DNS library, which a known code can be explained without
        from smtpcheck.advice.values import values

        return values(self._report, diagnosis.subject, diagnosis.seen)
