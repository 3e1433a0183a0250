"""Which changes to the tables of words does nobody notice? `python -m tests.diagnosis.mutants` prints the share.

Each mutant is one change of the loaded tables in memory: a row deleted, moved or with another's causes, a pattern, an
exception, a stage or a provider taken away. It is noticed when a text of expected_*.toml then means another thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from msgspec.structs import replace

from smtpcheck.core import Stage
from smtpcheck.diagnosis.words import replies
from smtpcheck.diagnosis.words.replies import File, Written
from smtpcheck.pasted import answer
from tests.diagnosis.meanings import Case, answered, error_cases, misheard, misread, reply_cases


class Mutant(NamedTuple):
    """A changed table of replies; `touched` are the rows that the change may show in, as widened where it widens."""

    kind: str
    name: str
    files: tuple[File, ...]
    touched: tuple[replies.Row, ...]


def _named(place: int, row: Written) -> str:
    return f"row {place}, {row.cause or row.among[0]}"


def _with(files: Sequence[File], number: int, rows: Iterable[Written]) -> tuple[File, ...]:
    return (*files[:number], replace(files[number], reply=tuple(rows)), *files[number + 1 :])


def _changed(row: Written) -> Iterator[tuple[str, str, Written | None]]:
    """The row with less in it, None: without it."""
    yield "delete a row", "", None
    for place, (pattern, _) in enumerate(row.text):
        if len(row.text) > 1:
            less = replace(row, text=row.text[:place] + row.text[place + 1 :])
            yield "delete a pattern", pattern, less
    if row.unless:
        yield "empty unless", "", replace(row, unless=())
    for stage in row.stages:
        if len(row.stages) > 1:
            yield (
                "delete a stage",
                stage,
                replace(row, stage=tuple(other for other in row.stages if other is not stage)),
            )
    if row.provider:
        yield "count for every provider", "", replace(row, provider="")
    for provider in row.providers:
        if len(row.providers) > 1:
            yield "delete a provider", provider, replace(row, provider=tuple({*row.providers} - {provider}))


_WIDER = ("empty unless", "count for every provider")


def _alone(file: File, *rows: Written) -> tuple[replies.Row, ...]:
    return replies.spread([replace(file, reply=rows)])


def _exchanged(one: Written, other: Written) -> tuple[Written, Written]:
    return (
        replace(one, cause=other.cause, among=other.among),
        replace(other, cause=one.cause, among=one.among),
    )


def of_replies(files: Sequence[File]) -> Iterator[Mutant]:
    """All changes, one at a time, of the rows of replies."""
    place = -1
    for number, file in enumerate(files):
        rows = file.reply
        for at, row in enumerate(rows):
            place += 1
            name = _named(place, row)
            itself = _alone(file, row)
            for kind, what, less in _changed(row):
                kept = (*rows[:at], *([less] if less else []), *rows[at + 1 :])
                touched = _alone(file, less) if less and kind in _WIDER else itself
                yield Mutant(kind, f"{name} {what}".strip(), _with(files, number, kept), touched)
            others = (*rows[:at], *rows[at + 1 :])
            yield Mutant("move a row to the front", name, _with(files, number, (row, *others)), itself)
            yield Mutant("move a row to the end", name, _with(files, number, (*others, row)), itself)
            for far in (1, 2, 5, 11):
                then = (at + far) % len(rows)
                if rows[then].names == row.names:
                    continue
                mixed = list(rows)
                mixed[at], mixed[then] = _exchanged(row, rows[then])
                yield Mutant("exchange causes", f"{name} and {far} further", _with(files, number, mixed), itself)
        for key, patterns in file.beside.items():
            for gone in range(len(patterns)):
                left = {**file.beside, key: patterns[:gone] + patterns[gone + 1 :]}
                milder = replace(file, beside=left)
                touched = _alone(milder, *(row for row in rows if key in row.unless))
                changed = (*files[:number], milder, *files[number + 1 :])
                yield Mutant("delete an exception", f"{key} {gone}", changed, touched)


def _witnesses() -> Iterator[Case]:
    """The rows' own examples, wherever they count: whether a moved row changes anything at all is seen by them."""
    table = replies.rows()
    for row in replies.written():
        for stage in row.stages:
            for provider in row.providers:
                for _, example in row.text:
                    case = Case(example, (), stage, provider)
                    yield replace(case, names=answered(table, case))


def _concerned(cases: Mapping[Stage | None, Sequence[Case]], rows: tuple[replies.Row, ...]) -> list[Case]:
    """Those cases which the rows alone would answer: of others the change makes nothing else."""
    codes = {code for row in rows for code in row.codes}
    stages = dict.fromkeys(row.stage for row in rows)
    near = (case for stage in stages for case in cases.get(stage, ()) if int(case.said[:3]) in codes)
    return [case for case in near if answered(rows, case)]


def _by_stage(cases: Iterable[Case]) -> dict[Stage | None, list[Case]]:
    found: dict[Stage | None, list[Case]] = {}
    for case in cases:
        found.setdefault(case.stage, []).append(case)
    return found


class Tally(NamedTuple):
    """How it went: all changes by kind, and those that nobody noticed."""

    made: dict[str, int]
    unnoticed: list[str]


def tally_replies() -> Tally:
    """Every change of the rows of replies against every text that may notice it."""
    cases, witnesses = _by_stage(reply_cases()), _by_stage(_witnesses())
    made: dict[str, int] = {}
    unnoticed = []
    for mutant in of_replies(replies.tables()):
        table = replies.spread(mutant.files)
        noticed = next(misheard(table, _concerned(cases, mutant.touched)), None)
        moved = mutant.kind.startswith("move")
        # a row that shares no words with those it passes means the same anywhere
        if moved and noticed is None and next(misheard(table, _concerned(witnesses, mutant.touched)), None) is None:
            continue
        made[mutant.kind] = made.get(mutant.kind, 0) + 1
        if noticed is None:
            unnoticed.append(f"{mutant.kind}: {mutant.name}")
    return Tally(made, unnoticed)


def alternatives(pattern: str) -> list[str]:
    """The parts of a pattern between its outermost bars."""
    parts, depth, escaped, within = [""], 0, False, False
    for char in pattern.removeprefix("(?i)"):
        if not escaped and not within:
            depth += {"(": 1, ")": -1}.get(char, 0)
        if not escaped:
            within = char == "[" or (within and char != "]")
        if char == "|" and depth == 0 and not within and not escaped:
            parts.append("")
        else:
            parts[-1] += char
        escaped = char == "\\" and not escaped
    return parts


def _shorter(row: answer.ErrorRow) -> Iterator[tuple[str, answer.ErrorRow]]:
    """The row without one of its alternatives."""
    start = "(?i)" if row.text.startswith("(?i)") else ""
    parts = alternatives(row.text)
    for gone, part in enumerate(parts):
        if len(parts) > 1:
            yield part, replace(row, text=start + "|".join(parts[:gone] + parts[gone + 1 :]))


def of_errors(table: answer.Errors) -> Iterator[tuple[str, str, answer.ErrorRow, answer.Errors]]:
    """All changes, one at a time, of the rows of errors: the kind, the name, the row, the table."""
    for place, (row, words) in enumerate(table):
        before, after = table[:place], table[place + 1 :]
        name = f"row {place}, {row.among[0]}"
        yield "delete a row", name, row, (*before, *after)
        for part, less in _shorter(row):
            yield "delete an alternative", f"{name} {part}", row, (*before, *answer.ready([less]), *after)
        if row.stage:
            wide = replace(row, stage=None)
            yield "count at every stage", name, wide, (*before, (wide, words), *after)
        yield "move a row to the front", name, row, ((row, words), *before, *after)
        yield "move a row to the end", name, row, (*before, *after, (row, words))
        for far in (1, 2, 5, 11):
            then = (place + far) % len(table)
            other, theirs = table[then]
            mixed = list(table)
            mixed[place], mixed[then] = (
                (replace(row, among=other.among), words),
                (replace(other, among=row.among), theirs),
            )
            if row.among != other.among:
                yield "exchange causes", f"{name} and {far} further", row, tuple(mixed)


@cache
def _near(row: answer.ErrorRow) -> tuple[Case, ...]:
    """Those cases which the row alone would answer."""
    alone = answer.ready([row])
    return tuple(case for case in error_cases() if answer.first_error(alone, case.said, case.stage))


def tally_errors() -> Tally:
    """Every change of the rows of errors against every text."""
    witnesses = [Case(row.like, row.among, row.stage) for row in answer.error_rows()]
    made: dict[str, int] = {}
    unnoticed = []
    for kind, name, touched, table in of_errors(answer.ready(answer.error_rows())):
        noticed = next(misread(table, _near(touched)), None)
        if kind.startswith("move") and noticed is None and next(misread(table, witnesses), None) is None:
            continue
        made[kind] = made.get(kind, 0) + 1
        if noticed is None:
            unnoticed.append(f"{kind}: {name}")
    return Tally(made, unnoticed)


def main() -> None:
    """Prints what was changed, how much of it was noticed, and the rest."""
    for title, tally in (("replies", tally_replies()), ("errors", tally_errors())):
        total = sum(tally.made.values())
        print(f"{title}: {total - len(tally.unnoticed)} of {total} changes noticed; {tally.made}")
        print(*(f"  {each}" for each in tally.unnoticed), sep="\n")


if __name__ == "__main__":
    main()
