"""What may be behind a text that somebody pastes? A reply, a traceback, a transcript or a bounce, read offline.

The same tables as for a live check: the rows of reply/, and errors.toml for what programs say. A text proves less than
an observation, so that nothing here is certain.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

from smtpcheck.core import Confidence, Finding, Scalar, Severity, Stage, Target, TargetKind
from smtpcheck.diagnosis.words import replies
from smtpcheck.pasted import quotes
from smtpcheck.pasted.masking import Masked
from smtpcheck.target import providers
from smtpcheck.wire import dsn
from smtpcheck.wire.smtp import readable

MAX_INPUT = 2**20
"""Octets; a transcript with a large attachment in it is still taken."""
MAX_NAMED = 100
"""What is told of one text; a notice about more recipients is told up to here, and said so."""
_MAX_NAMES = 40
# "EOF"
_SHORTEST_ERROR = 3
# Every row is tried on each of these lines.
_MAX_WORDLESS = 500
# Octets: "DT:SPM" is too short to be known by itself, "authentication failed" is not.
_SHORTEST_WORDS = 8

_HOST = re.compile(r"(?<![\w.-])(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,18}(?![\w-])", re.IGNORECASE)
_CODE_LINE = re.compile(r"""\s*(?:File "|at [\w.$<>]+\(|at .{0,200}:\d+:\d+|~*\^+~*\s*$|raise |return |Traceback )""")
_STATUS_FAILED = re.compile(r"[45]\.")


class ErrorRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of errors.toml; its head says what the fields mean."""

    text: str
    among: tuple[str, ...]
    source: str
    like: str
    unlike: tuple[str, ...]
    stage: Stage | None = None
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cause that fits; `provider` is the only one (its id) for which it does, empty: any."""

    code: str
    confidence: Confidence
    stage: Stage | None = None
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One thing that the text says, masked, and what may be behind it; without candidates it is not known here."""

    said: str
    candidates: tuple[Candidate, ...]
    code: int = 0
    """Of the reply; 0 where it is none."""
    enhanced: str = ""
    text: str = ""
    stage: Stage | None = None
    """Where it was said; None: the text does not say, and all stages were tried."""
    recipient: str = ""
    action: str = ""
    """What became of the recipient, as RFC 3464 section 2.3.3 calls it."""

    @property
    def is_reply(self) -> bool:
        """It has a code of RFC 5321 or of RFC 3463."""
        return bool(self.code or self.enhanced)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in a text, in its order, what is known first."""

    named: tuple[Named, ...]
    host: str
    """The first host of a known provider that the text mentions."""
    bounce: bool = False
    """It is a delivery status notification."""
    accepted: bool = False
    """The text shows that the server took the message."""
    left: int = 0
    """Recipients that are not told."""

    @property
    def known(self) -> bool:
        """At least one cause is named."""
        return any(one.candidates for one in self.named)


@cache
def error_rows() -> tuple[ErrorRow, ...]:
    """errors.toml, in the order of matching."""
    text = files("smtpcheck.pasted").joinpath("errors.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text)["error"], tuple[ErrorRow, ...])


Errors = tuple[tuple[ErrorRow, re.Pattern[str]], ...]
"""Rows in the order of matching, each with its pattern ready."""


def ready(rows: Iterable[ErrorRow]) -> Errors:
    """The rows with their patterns compiled."""
    return tuple((row, re.compile(row.text)) for row in rows)


@cache
def _errors() -> Errors:
    return ready(error_rows())


def first_error(table: Errors, line: str, stage: Stage | None) -> ErrorRow | None:
    """The first row of the table that knows that line, None where none does."""
    return next((row for row, words in table if row.stage in (None, stage) and words.search(line)), None)


def answer(pasted: bytes) -> Answer:
    """What may be behind these octets. Raises ValueError for more than MAX_INPUT, wire.ProtocolError never."""
    if len(pasted) > MAX_INPUT:
        raise ValueError(f"more than {MAX_INPUT} octets")
    notice = _notice(pasted)
    text = notice.text if notice else readable(pasted)
    excerpt = quotes.read(text)
    masked = Masked(text.split("\n"))
    mentioned, host = _mentioned(text if notice is None else f"{text}\n{_remotes(notice)}")
    found = [*_of_recipients(notice, excerpt, masked)] if notice else []
    if not found:
        found = [_of_quote(quote, mentioned, masked) for quote in excerpt.quotes]
    found = _with_errors(found, excerpt, masked) or list(_by_words(excerpt, mentioned, masked))
    found.sort(key=lambda one: not one.candidates)
    left = max(0, len(notice.recipients) - MAX_NAMED) if notice else 0
    return Answer(tuple(found[:MAX_NAMED]), host, bool(notice and notice.recipients), excerpt.accepted, left)


def _notice(pasted: bytes) -> dsn.Bounce | None:
    """The text as a bounce, None where it is neither a message nor a group of its fields."""
    from smtpcheck.wire import ProtocolError

    try:
        notice = dsn.parse_bounce(pasted)
    except ProtocolError:
        return None
    return notice if notice.recipients or dsn.looks_like_message(readable(pasted[:65536])) else None


def _remotes(notice: dsn.Bounce) -> str:
    return "\n".join(f"{one.remote} {one.address}" for one in notice.recipients)


# Replies


def _of_recipients(notice: dsn.Bounce, excerpt: quotes.Excerpt, masked: Masked) -> Iterator[Named]:
    """One for each recipient that was not delivered to; those with the same words are told one by one."""
    for one in notice.recipients[:MAX_NAMED]:
        if not _STATUS_FAILED.match(one.status or "5.") or one.action in ("delivered", "relayed", "expanded"):
            continue
        quote = quotes.quoted(one.diagnostic, excerpt.stage)
        mentioned, _ = _mentioned(f"{one.remote} {one.address}")
        if quote is None:
            quote = quotes.Quote(0, one.diagnostic, one.diagnostic or one.status, excerpt.stage)
        told = _of_quote(quote, mentioned, masked)
        yield Named(
            said=told.said,
            candidates=told.candidates or _by_error(one.diagnostic, excerpt.stage),
            code=told.code,
            enhanced=told.enhanced or one.status,
            text=told.text,
            stage=told.stage,
            recipient=one.address,
            action=one.action,
        )


def _of_quote(quote: quotes.Quote, mentioned: Sequence[str], masked: Masked) -> Named:
    return Named(
        said=masked(quote.line.strip()),
        candidates=_by_reply(quote, mentioned),
        code=quote.code,
        enhanced=quote.enhanced,
        text=masked(quote.text),
        stage=quote.stage,
        recipient=quote.recipient,
    )


def _by_reply(quote: quotes.Quote, mentioned: Sequence[str]) -> tuple[Candidate, ...]:
    """The causes that the table of replies has for these words, at that stage and provider where they are known."""
    stages = (quote.stage,) if quote.stage else tuple(dict.fromkeys(row.stage for row in replies.rows()))
    found: dict[str, Candidate] = {}
    for stage in stages:
        for provider in mentioned or ("", *_named_by_rows(quote)):
            row = replies.row_of(_finding(quote, stage, provider), _NOBODY)
            for code in filter(None, (row.cause, *row.among) if row else ()):
                before = found.get(code)
                # words that mean the same at several stages tell none
                at = stage if before is None or before.stage is stage else None
                provider_of = before.provider if before else row.provider if row else ""
                found[code] = Candidate(code, Confidence.POSSIBLE, at, provider_of)
    return _weighed(list(found.values()))


def _by_words(excerpt: quotes.Excerpt, mentioned: Sequence[str], masked: Masked) -> Iterator[Named]:
    """Words of a reply whose code was left away; only possible, since they mean another thing with another code."""
    told = 0
    for line in excerpt.lines[:_MAX_WORDLESS]:
        text = quotes.unescaped(line.strip())
        found: dict[str, Candidate] = {}
        for row in replies.rows():
            match = replies.matched(row, text) if row.provider in ("", *mentioned) or not mentioned else None
            if match and len(match[0].encode()) >= _SHORTEST_WORDS:
                for code in filter(None, (row.cause, *row.among)):
                    found.setdefault(code, Candidate(code, Confidence.POSSIBLE, row.stage, row.provider))
        if found and told < MAX_NAMED:
            told += 1
            yield Named(said=masked(line.strip()), candidates=tuple(found.values()))


_NOBODY = Target(spec="", kind=TargetKind.HOST, name="")


def _finding(quote: quotes.Quote, stage: Stage, provider: str) -> Finding:
    """What a probe would have found, had the server at hand said it there."""
    seen: dict[str, Scalar] = {"code": quote.code, "enhanced": quote.enhanced, "text": quote.text}
    return Finding("", Severity.FAIL, stage, _host_of(provider), seen)


def _named_by_rows(quote: quotes.Quote) -> tuple[str, ...]:
    """The providers at which these words would mean something of their own."""
    rows = (row for row in replies.rows() if row.provider and quote.code in row.codes)
    return tuple(dict.fromkeys(row.provider for row in rows if re.search(row.text, quote.text)))


@cache
def _host_of(provider: str) -> str:
    return next((row.smtp[0].host for row in providers.providers() if row.id == provider), "")


def _mentioned(text: str) -> tuple[tuple[str, ...], str]:
    """The providers whose hosts, exchangers or mailboxes a text names, and the first host."""
    names = dict.fromkeys(match[0].lower() for match in _HOST.finditer(text[:65536]))
    found: dict[str, str] = {}
    for name in list(names)[:_MAX_NAMES]:
        row = providers.by_host(name) or providers.by_mx(name) or providers.by_domain(name)
        if row:
            found.setdefault(row.id, name if providers.by_host(name) else "")
    return tuple(found), next((host for host in found.values() if host), "")


def _weighed(found: list[Candidate]) -> tuple[Candidate, ...]:
    """One alone is likely; a text is no observation."""
    if len(found) == 1:
        one = found[0]
        return (Candidate(one.code, Confidence.LIKELY, one.stage, one.provider),)
    return tuple(found)


# What programs say


def _with_errors(found: list[Named], excerpt: quotes.Excerpt, masked: Masked) -> list[Named]:
    """The replies, and the errors around them; how a conversation ended says nothing where a refusal is quoted."""
    refused = bool(found)
    told = {(one.code, one.enhanced) for one in found if one.candidates}
    # a bounce says the same twice, for people and for programs
    done = {masked(each.line.strip()) for each in excerpt.quotes if (each.code, each.enhanced) in told}
    done |= {one.said for one in found if one.candidates}
    seen: set[tuple[str, ...]] = set()
    for line in dict.fromkeys(excerpt.lines):
        if len(line) < _SHORTEST_ERROR or _CODE_LINE.match(line):
            continue
        row = _row(line, excerpt.stage)
        if row is None and (again := quotes.unescaped(line)) != line:
            row = _row(again, excerpt.stage)
        said = masked(line.strip())
        if row is None or (row.weak and refused) or said in done:
            continue
        among = ("quit-error-after-success",) if row.weak and excerpt.accepted else row.among
        if among in seen:
            continue
        seen.add(among)
        _put(found, said, _candidates(row, among), excerpt.stage)
        if len(seen) >= MAX_NAMED:
            break
    return found


def _put(found: list[Named], said: str, candidates: tuple[Candidate, ...], stage: Stage | None) -> None:
    """Into the reply of that line where no row of replies knew it, else as one more."""
    for place, one in enumerate(found):
        if one.said == said and not one.candidates:
            found[place] = Named(
                said=said,
                candidates=candidates,
                code=one.code,
                enhanced=one.enhanced,
                text=one.text,
                stage=one.stage,
                recipient=one.recipient,
                action=one.action,
            )
            return
    if not any({c.code for c in candidates} <= {c.code for c in one.candidates} for one in found):
        found.append(Named(said=said, candidates=candidates, stage=stage))


def _row(line: str, stage: Stage | None) -> ErrorRow | None:
    return first_error(_errors(), line, stage)


def _by_error(line: str, stage: Stage | None) -> tuple[Candidate, ...]:
    row = _row(line, stage) if line else None
    return _candidates(row, row.among) if row else ()


def _candidates(row: ErrorRow, among: Sequence[str]) -> tuple[Candidate, ...]:
    return _weighed([Candidate(code, Confidence.POSSIBLE, row.stage) for code in among])
