"""How does one page speak several languages? What differs is written once in each, what does not once for all.

Which one is shown is the style sheet's business: an element of class `l` is shown in its own language only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smtpcheck.advice import LANGUAGES, Words
from smtpcheck.core import Report, Stage
from smtpcheck.report import outline
from smtpcheck.report.page.labels import labels
from smtpcheck.report.page.markup import Content, Html, tag, together
from smtpcheck.report.terminal.lines import title

NAMES = {"en": "English", "zh-CN": "中文"}
"""What each language calls itself."""


@dataclass(frozen=True, slots=True)
class Tongues:
    """The languages of a page or a fragment; the first is the one shown at the beginning."""

    words: tuple[Words, ...]

    def each(self, write: Callable[[Words], Content], element: str = "span") -> Html:
        """What `write` makes of every language, side by side; once and without an element of its own where it is
        the same in all of them.
        """
        written = [(words.lang, together(write(words))) for words in self.words]
        if len({content.source for _, content in written}) == 1:
            return written[0][1]
        return together(tag(element, content, class_="l", lang=lang) for lang, content in written)

    def about(self, report: Report) -> Tongues:
        """The same languages, with what that report knows in their advice."""
        return Tongues(tuple(words.about(report) for words in self.words))

    def ui(self, key: str) -> Html:
        """A word of the catalogue."""
        return self.each(lambda words: words.ui[key])

    def head(self, key: str) -> Html:
        """A word of the catalogue, with a capital letter."""
        return self.each(lambda words: title(words.ui[key]))

    def short(self, stage: Stage) -> Html:
        """The name of a stage where there is little room."""
        return self.each(lambda words: title(outline.short(stage, words.ui)))

    def own(self, key: str, **values: str | int) -> Html:
        """A label of the page, with a capital letter."""
        return self.each(lambda words: title(labels(words.lang)[key].format(**values)))


def tongues(lang: str, *, alone: bool = False) -> Tongues:
    """All languages, that one first; or that one alone."""
    spoken = (lang,) if alone else (lang, *(other for other in LANGUAGES if other != lang))
    return Tongues(tuple(Words(one) for one in spoken))
