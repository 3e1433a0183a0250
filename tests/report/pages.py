"""How do tests read a page? Its tags in order, and its text as it is shown in one language."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = ("br", "meta", "input")


class Page(HTMLParser):
    """The tags, the attributes and the text of one language, and whether every tag is closed in order."""

    def __init__(self, source: str, lang: str = "en") -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._lang = lang
        self._open: list[tuple[str, bool]] = []
        """Each open tag, and whether it is in another language."""
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        given = dict(attrs)
        hidden = self._hidden or (given.get("class") == "l" and given.get("lang") != self._lang)
        if tag not in VOID:
            self._open.append((tag, hidden))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((tag, ""))

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        names = [name for name, _ in self._open]
        if self._hidden or "style" in names:
            return
        self.text.append(data)
        if self.headings and self.headings[-1][0] in names:
            self.headings[-1] = (self.headings[-1][0], self.headings[-1][1] + data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("a processing instruction")


def text_of(source: str, lang: str = "en") -> str:
    """What a reader of that language sees, on one line."""
    return " ".join("".join(Page(source, lang).text).split())


def plain(text: str) -> str:
    """A text of the catalogue as the page shows it."""
    return " ".join(text.replace("`", "").split())
