"""What does a real browser make of a page? Headless Chromium, started for one look and gone again."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from smtpcheck.report.page.markup import CONTENT_POLICY

WITHIN = 40.0
"""Seconds for one look; about one is usual, a cold start on a busy machine takes several."""
CSP = f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_POLICY.replace(chr(39), "&#x27;")}">'
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    # nothing but the file itself, whatever the page or the browser would like to have
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>"),
    *("--enable-logging=stderr", "--v=0"),
)
_SAID = re.compile(r"CONSOLE[:(].*")
# Headless Chromium has no window narrower than 500 pixels, but a frame may be.
_FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><title>frame</title>
<iframe style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>"""
# Written into a copy of the page, whose policy would forbid it; the answer is an attribute of the frame's own page.
_RULER = """<script>
if (OPEN) document.querySelectorAll('details').forEach(one => { one.open = true });
const page = document.documentElement, wide = innerWidth + 0.5;
const inside = one => !one.closest('.vh') && (one.closest('.talk') === null || one.matches('.talk'));
const over = [...document.querySelectorAll('body *')].filter(one => inside(one) && !one.closest('svg'))
  .filter(one => one.getBoundingClientRect().right > wide || one.getBoundingClientRect().left < -0.5);
const first = document.querySelector('h1').getBoundingClientRect();
parent.document.documentElement.dataset.seen = JSON.stringify({
  width: innerWidth, scroll: page.scrollWidth, over: over.map(one => one.tagName + '.' + one.className),
  dark: matchMedia('(prefers-color-scheme: dark)').matches, paper: getComputedStyle(document.body).backgroundColor,
  title: document.title, fetched: performance.getEntriesByType('resource').length,
  verdict: [first.top, first.bottom, first.height, getComputedStyle(document.querySelector('h1')).visibility],
  height: page.scrollHeight, open: [...document.querySelectorAll('details')].filter(one => one.open).length,
});
</script>"""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a page, and what it said to the console."""

    dom: str
    console: tuple[str, ...]
    seen: dict[str, Any]
    """What the ruler measured, in CSS pixels; empty for a page as it is."""

    @property
    def title(self) -> str:
        """The title after everything that would run has run."""
        found = re.search(r"<title>(.*?)</title>", self.dom, re.DOTALL)
        return found[1] if found else ""


def chromium() -> str:
    """The full path of Chromium; the test is skipped, with the package to install, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("needs chromium: apt-get install chromium fonts-wqy-zenhei")
    return found


def opened(page: str, folder: Path) -> Look:
    """The page as it is, with its own policy."""
    dom, said = _run(page, folder, "--dump-dom")
    return Look(dom.decode("utf-8"), said, {})


def measured(page: str, folder: Path, *, width: int, dark: bool = False, unfolded: bool = False) -> Look:
    """A copy of the page without its policy, with a script that measures it."""
    assert CSP in page
    ruler = _RULER.replace("OPEN", str(unfolded).lower())
    copy = page.replace(CSP, "").replace("</body>", ruler + "</body>")
    frame = _FRAME.format(width=width, page=html.escape(copy, quote=True))
    dom, said = _run(frame, folder, "--dump-dom", "--window-size=1600,1000", _scheme(dark))
    seen = _root(dom.decode("utf-8")).get("data-seen")
    assert seen, "the ruler did not run"
    return Look(dom.decode("utf-8"), said, json.loads(seen))


def photographed(page: str, folder: Path, *, width: int, height: int = 900, dark: bool = False) -> bytes:
    """The page as a PNG."""
    picture = folder / "page.png"
    _run(page, folder, f"--screenshot={picture}", f"--window-size={width},{height}", _scheme(dark))
    return picture.read_bytes()


def printed(page: str, folder: Path) -> bytes:
    """The page as a PDF, on paper of the browser's usual size."""
    paper = folder / "page.pdf"
    _run(page, folder, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    return paper.read_bytes()


def _scheme(dark: bool) -> str:
    return f"--blink-settings=preferredColorScheme={0 if dark else 1}"


def _run(page: str, folder: Path, *options: str) -> tuple[bytes, tuple[str, ...]]:
    source, profile = folder / "page.html", folder / "profile"
    source.write_text(page, encoding="utf-8")
    shutil.rmtree(profile, ignore_errors=True)
    command = [chromium(), *QUIET, f"--user-data-dir={profile}", *options, source.as_uri()]
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(folder),
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, start_new_session=True
    ) as process:
        try:
            out, errors = process.communicate(timeout=WITHIN)
        finally:
            ended(process.pid)
    assert process.returncode == 0, errors.decode("utf-8", "replace")[-2000:]
    return out, tuple(_SAID.findall(errors.decode("utf-8", "replace")))


def ended(group: int) -> None:
    """Nothing of this browser may outlive the look."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _root(dom: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "html":
                found.update(attrs)

    Reader().feed(dom)
    return found
