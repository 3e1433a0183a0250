"""How do words become the lines of a terminal? Wrapped by cells, indented, coloured only when asked."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smtpcheck import advice
from smtpcheck.core import Status
from smtpcheck.report import escape
from smtpcheck.report.outline import SYMBOLS, colon

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

NARROWEST = 40
"""Cells below which nothing is wrapped any tighter."""
STYLES = {
    Status.OK: "green",
    Status.NOTE: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.INCONCLUSIVE: "bold yellow",
    Status.BLOCKED: "dim",
    Status.SKIPPED: "dim",
    Status.BUG: "bold magenta",
}
_ASCII = {
    Status.OK: "ok",
    Status.NOTE: "ok",
    Status.WARN: "!",
    Status.FAIL: "FAIL",
    Status.INCONCLUSIVE: "?",
    Status.BLOCKED: ".",
    Status.SKIPPED: "-",
    Status.BUG: "BUG",
}
# Chinese breaks between any two characters, but no line starts with a closing mark or ends with an opening one.
_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
# A short command stays on one line, to be copied whole.
_PIECES = re.compile(rf" +|`[^`]{{1,48}}`|[^ {_CJK}]+|[{_CJK}]")
_OPENING = frozenset("（「『《〈【([{“‘")
_CLOSING = frozenset("，。；：！？、）」』》〉】)]},.;:!?”’")
_JOINTS = frozenset("/.-:@,;&?=_]")

Line = tuple[tuple[str, str], ...]
"""Pieces of (text, style of rich)."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The width, the words and the symbols that lines are made with."""

    words: advice.Words
    width: int = 80
    unicode: bool = True

    @property
    def ui(self) -> Mapping[str, str]:
        """The labels of the language."""
        return self.words.ui

    def symbol(self, status: Status) -> str:
        """One sign for a status; no two that differ in meaning look alike, with or without Unicode."""
        return SYMBOLS[status] if self.unicode else _ASCII[status]

    def label(self, name: str) -> str:
        """The heading `name` as the start of a line; empty where the language has none."""
        text = self.ui.get(f"head.{name}", "")
        return colon(title(text), self.ui) if text else ""

    def head(self, name: str) -> Line:
        """The heading `name` on a line of its own."""
        return (("  " + title(self.ui[f"head.{name}"]), "bold"),)

    def more(self, count: int) -> list[Line]:
        """A line that says how many were left away, where any were."""
        if count <= 0:
            return []
        return [((f"     {self.ui['sentence.more'].format(count=count)} (-v)", "dim"),)]

    def numbered(self, texts: Sequence[str], room: int = 99) -> list[Line]:
        """The steps to take, at most `room` of them."""
        lines = [self.head("what-to-do")] if texts else []
        for number, text in enumerate(texts[:room], 1):
            lines += self.para(f"{number}. ", text, indent=3)
        return lines + self.more(len(texts) - room)

    def para(
        self,
        label: str,
        text: str,
        *,
        indent: int = 2,
        style: str = "",
        label_style: str = "",
        hang: int | None = None,
    ) -> list[Line]:
        """`label` and `text`, wrapped; further lines stand below the text, or a little in when the label is long."""
        if hang is None:
            hang = cells(label) if cells(label) <= 6 else 2
        first, further = indent + cells(label), indent + hang
        lines: list[Line] = []
        for paragraph in escape.paragraphs(text):
            for piece in wrapped(paragraph, self.width - first, self.width - further):
                start = (" " * further, "") if lines else (" " * indent + label, label_style)
                lines.append((start, (piece, style)))
            first = further
        return lines


def title(text: str) -> str:
    """With a capital letter where there are any."""
    return text[:1].upper() + text[1:]


def cells(text: str) -> int:
    """The width of a text on a terminal; a Chinese character is two cells wide."""
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str, first: int, rest: int) -> list[str]:
    """Lines of at most `first`, then `rest` cells; a piece longer than a line is cut where the line ends."""
    lines, line, room = [], "", max(first, 8)
    for piece in _pieces(text):
        if line and cells(line) + cells(piece) > room and piece.strip():
            lines.append(line.rstrip())
            line, room = "", max(rest, 8)
        line += piece
        while cells(line.rstrip()) > room:
            head = _broken(line, room)
            lines.append(head)
            line, room = line[len(head) :], max(rest, 8)
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str) -> list[str]:
    """What a line may be broken between."""
    found: list[str] = []
    for piece in _PIECES.findall(text):
        joined = found and found[-1].strip() and (found[-1][-1] in _OPENING or piece[0] in _CLOSING)
        if joined and piece.strip():
            found[-1] += piece
        else:
            found.append(piece)
    return found


def _broken(text: str, room: int) -> str:
    """As much of a long word as fits, up to a joint in its second half where there is one."""
    head = fitting(text, room)
    joint = max((place for place, char in enumerate(head) if char in _JOINTS), default=0)
    return head[: joint + 1] if joint > len(head) // 2 else head


def fitting(text: str, room: int) -> str:
    """As much of the text, at least a character, as fits `room` cells."""
    used = 0
    for place, char in enumerate(text):
        used += cells(char)
        if used > room:
            return text[: max(place, 1)]
    return text


def shortened(text: str, room: int) -> str:
    """The text on one line of at most `room` cells."""
    return text if cells(text) <= room else fitting(text, room - 3).rstrip() + "..."


def printed(lines: Sequence[Line], color: bool) -> str:
    """The lines as text, without a last line end; no escape sequence without `color`."""
    from rich.console import Console

    out = io.StringIO()
    # nothing of the environment: the caller has decided about colour and width
    console = Console(
        file=out,
        force_terminal=color,
        color_system="standard" if color else None,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={},
    )
    for line in lines:
        console.print(_text(line), soft_wrap=True)
    return out.getvalue().removesuffix("\n")


def painted(lines: Sequence[Line]) -> Group:
    """The lines as what rich paints again and again in one place; what does not fit a line is cut."""
    from rich.console import Group

    return Group(*map(_text, lines))


def _text(line: Line) -> Text:
    # a Text never reads markup, so `[...]` of a server stays what it is
    from rich.text import Text

    text = Text.assemble(*((piece, style) for piece, style in line if piece), no_wrap=True, overflow="crop")
    text.rstrip()
    return text
