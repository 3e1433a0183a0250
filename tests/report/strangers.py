"""What if every text in a report were a stranger's? The same report with his words in each of them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from smtpcheck.core import Report

# what the parts of a page are chosen by, and what is checked when it is written
KEPT = frozenset({"probe", "code", "secret", "imap_secret"})

ATTACKS: Mapping[str, str] = {
    "html": "</code></pre></details><script>alert(1)</script><img src=x onerror=alert(1)><!-- &lt;b&gt; &#x27;\"'",
    "ansi": "\x1b[2J\x1b]0;own\x07\x9b31m\x1b]8;;http://evil.test\x07link\x1b]8;;\x07\r\x08",
    "formula": '=HYPERLINK("http://evil.test","x")',
    "plus": "+cmd|' /C calc'!A0",
    "minus": "-2+3+cmd|' /C calc'!A0",
    "at": "@SUM(1+9)*cmd|' /C calc'!A0",
    "tab": "\t=1+1",
    "full-width": "＝1+1",
    "xml": "]]>\x00\x01\x0b\ufffe\uffff<!ENTITY x SYSTEM 'file:///etc/passwd'>&x;",
    "markdown": "[click](http://evil.test) ![x](http://evil.test/x.png) `a` ``b`` | c | **d** _e_ ~~f~~ $g$",
    "autolink": "www.evil.test http://evil.test <http://evil.test> ftp://evil.test x@evil.test",
    "markdown-blocks": "\n# heading\n\n- item\n> quote\n```\nfence\n~~~\n---\n| a | b |\n|---|---|\n    code",
    "markdown-number": "1. one\n2) two",
    "mention": "@octocat #1 GH-1 octo/repo#2 https://evil.test/a?b=c mailto:x@evil.test",
    "lines": 'a\nb\r\nc\u2028d\u2029e\x85f\nsmtpcheck_verdict{target="x"} 1\n250 OK',
    "tap": "\nok 1 - fine # TODO later\nnot ok 2 # SKIP no\nBail out! now\n1..0 # skip all\n  ---\n  ...\npragma +x\\",
    "json": '"}],"verdict":"healthy","x":[{"a":"\\u0000 \\',
    "placeholder": "{0} {{1}} [text](place) %s %(x)s ${HOME} {name}",
    "bidi": "\u202eevil\u2066\u2069\u200f\u200bzero\ufeff\u00ad",
    "shell": "'; touch pwned; $(touch pwned) `touch pwned` \"|touch pwned& -oProxyCommand=x \\\n touch pwned\n#",
    "perfdata": "ok | time=0s;;;0 'a'=1",
    "surrogate": "\ud800 \udcff",
}
"""What a banner, a reply, a certificate or a name may carry, by what it aims at."""


def everywhere(value: Any, words: str, kept: frozenset[str] = KEPT, *, ahead: bool = False) -> Any:
    """`value` with `words` after, or ahead of, each of its texts, bytes too; empty ones stay empty: there is none."""
    if is_dataclass(value) and not isinstance(value, type):
        changed = {
            field.name: everywhere(getattr(value, field.name), words, kept, ahead=ahead)
            for field in fields(value)
            if field.init and field.name not in kept
        }
        return replace(value, **changed)
    if isinstance(value, Mapping):
        return {
            everywhere(k, words, kept, ahead=ahead): everywhere(v, words, kept, ahead=ahead) for k, v in value.items()
        }
    if isinstance(value, tuple):
        return tuple(everywhere(one, words, kept, ahead=ahead) for one in value)
    if isinstance(value, bytes):
        said = words.encode("utf-8", "surrogatepass")
        return (said + value if ahead else value + said) if value else value
    if isinstance(value, str) and not isinstance(value, Enum):
        return (words + value if ahead else value + words) if value else value
    return value


def attacked(report: Report, attack: str) -> tuple[Report, Report]:
    """The report with that attack after and ahead of every text."""
    return saying(report, ATTACKS[attack]), saying(report, ATTACKS[attack], ahead=True)


def saying(report: Report, words: str, *, ahead: bool = False) -> Report:
    """The report with these words in every text; its findings are about their results all the same."""
    return _agreeing(everywhere(report, words, ahead=ahead))


def _agreeing(report: Report) -> Report:
    def about(result: Any) -> Any:
        return replace(result, findings=tuple(replace(f, subject=str(result.subject)) for f in result.findings))

    return replace(report, results=tuple(map(about, report.results)))
