"""How is HTML written so that text stays text? A `str` is always escaped; only this module makes `Html`.

Tags and attributes come from lists without script, source or event, and a link leads within the page: what is not on
them can't be written.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from smtpcheck.report import escape

CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
TAGS = frozenset(
    {
        *("html", "head", "body", "meta", "title", "style", "main", "header", "section", "footer", "div", "nav"),
        *("h1", "h2", "h3", "p", "ol", "ul", "li", "dl", "dt", "dd", "figure", "figcaption", "details", "summary"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td", "span", "strong", "bdi", "code", "time", "br"),
        *("a", "fieldset", "legend", "label", "input"),
        *("svg", "desc", "g", "path", "circle", "rect", "line", "text"),
    }
)
ATTRIBUTES = frozenset(
    {
        *("aria-hidden", "aria-label", "charset", "class", "colspan", "content", "datetime", "http-equiv", "id"),
        *("lang", "name", "open", "role", "scope", "tabindex", "autocomplete", "checked", "for", "type", "href"),
        *("cx", "cy", "d", "dx", "height", "r", "rx", "text-anchor", "viewBox", "width"),
        *("x", "x1", "x2", "y", "y1", "y2"),
        *(
            "fill",
            "font-size",
            "opacity",
            "overflow",
            "stroke",
            "stroke-dasharray",
            "stroke-linecap",
            "stroke-linejoin",
        ),
        *("stroke-width",),
    }
)
# What these attributes may say: a link leads within the page, a choice is one of a few, a colour fetches nothing.
_CLOSED = {
    "href": re.compile(r"#[a-z][a-z0-9-]*"),
    "type": re.compile(r"radio"),
    "fill": re.compile(r"none|currentColor|#[0-9a-f]{3,6}|var\(--[a-z-]+, #[0-9a-f]{3,6}\)"),
    "stroke": re.compile(r"none|currentColor|#[0-9a-f]{3,6}|var\(--[a-z-]+, #[0-9a-f]{3,6}\)"),
}
_VOID = frozenset({"br", "meta", "input"})
_UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True)
class Html:
    """Finished markup; no `str`, so that the two can't be mixed up."""

    source: str


Value: TypeAlias = "str | float | bool | None"
"""Of an attribute."""
Content: TypeAlias = "str | Html | Iterable[Content] | None"


def together(*content: Content) -> Html:
    """The contents one after the other; None is nothing."""
    return Html("".join(_source(one) for one in content))


def tag(name: str, /, *content: Content, **attributes: Value) -> Html:
    """An element; `class_` is class and `_` is `-`, an attribute that is None or False is left away.

    ValueError for a tag or an attribute that is not on the lists, and for a value that would lead out of the page.
    """
    if name not in TAGS:
        raise ValueError(f"no such tag here: {name!a}")
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(start if name in _VOID else f"{start}{together(*content).source}</{name}>")


def document(style: str, *content: Content, title: str, lang: str) -> str:
    """A whole page that can't fetch or run anything; ValueError for a style sheet that would end its element."""
    if "<" in style:
        raise ValueError("a style sheet without < only")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=CONTENT_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *content), lang=lang).source}\n"


def prose(text: str) -> Html:
    """A text of the catalogue, in lines; what stands between backquotes is a command."""
    parts = "\n".join(escape.paragraphs(text)).split("`")
    return together(tag("code", _lines(part)) if i % 2 else _lines(part) for i, part in enumerate(parts))


def _lines(text: str) -> Iterable[Content]:
    for i, line in enumerate(text.split("\n")):
        yield tag("br") if i else None
        yield line


def _source(content: Content) -> str:
    match content:
        case None:
            return ""
        case Html(source):
            return source
        case str():
            return _escaped(content)
    return "".join(_source(one) for one in content)


def _attribute(key: str, value: Value) -> str:
    name = key.rstrip("_").replace("_", "-")
    if name not in ATTRIBUTES:
        raise ValueError(f"no such attribute here: {name!a}")
    if value is None or value is False:
        return ""
    if name in _CLOSED and not _CLOSED[name].fullmatch(str(value)):
        raise ValueError(f"{name} may not say here: {value!a:.80}")
    return f" {name}" if value is True else f' {name}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    """Escaped, and without a character that moves, hides or turns what stands around it."""
    return html.escape(escape.visible(text, _UNLIMITED), quote=True)
