"""What does a page do when somebody uses it? One headless Chromium over its debugging pipe: keys, clicks, paper.

What is asked of the page runs beside its policy, so that the page is the one that people open.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser import QUIET, chromium, ended

WITHIN = 60.0
"""Seconds for one answer; a cold start on a busy machine takes several."""
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowLeft": 37}
# A browser with a debugging pipe reads from 3 and writes to 4.
_AS_3_AND_4 = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""
_NOTED = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")


@dataclass(slots=True)
class Browser:
    """One tab, and what it said without being asked."""

    folder: Path
    out: int
    back: int
    session: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    _number: int = 0
    _rest: bytes = b""
    _loaded: bool = False

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Ask the browser; RuntimeError for what it will not do."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": params}
        if self.session:
            asked["sessionId"] = self.session
        os.write(self.out, json.dumps(asked).encode() + b"\0")
        while (answer := self._heard()).get("id") != self._number:
            self._noted(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer.get("result", {})
        return result

    def _heard(self) -> dict[str, Any]:
        by = time.monotonic() + WITHIN
        while b"\0" not in self._rest:
            if not select.select([self.back], [], [], max(by - time.monotonic(), 0.0))[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self.back, 1 << 20)
            if not more:
                raise EOFError("the browser is gone")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def _noted(self, event: dict[str, Any]) -> None:
        if event.get("method") in _NOTED:
            self.said.append(event["params"])
        if event.get("method") == "Network.requestWillBeSent":
            self.fetched.append(event["params"]["request"]["url"])
        self._loaded = self._loaded or event.get("method") == "Page.loadEventFired"

    def show(self, page: str, *, width: int = 1440, dark: bool = False, paper: bool = False) -> None:
        """Open the page; `paper`: laid out as for printing."""
        source = self.folder / "page.html"
        source.write_text(page, encoding="utf-8")
        self.said.clear()
        self.fetched.clear()
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="print" if paper else "", features=[scheme])
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self._loaded = False
        self.call("Page.navigate", url=source.as_uri())
        while not self._loaded:
            self._noted(self._heard())

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript within the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """A key, as a keyboard would."""
        text = {"Enter": "\r", " ": " "}.get(key)
        given = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": _KEYS[key]}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **given, **down)
        self.call("Input.dispatchKeyEvent", **given, type="keyUp")

    def click(self, selector: str) -> None:
        """The middle of an element's first line, wherever it is on the page, as a mouse would."""
        one = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{one}.scrollIntoView({{block: 'center'}})")
        box = self.ask(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({one}.getClientRects()[0])")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    def printed(self) -> bytes:
        """The page as a PDF, on the paper that it asks for."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are neither 3 nor 4, which the browser needs."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with one empty tab, gone at the end with everything that it started."""
    to_it, out = _pipe()
    back, from_it = _pipe()
    words = [chromium(), *QUIET, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank"]
    command = [sys.executable, "-ISc", _AS_3_AND_4, str(to_it), str(from_it), *words]
    environ = {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(folder),
    }
    process = subprocess.Popen(
        command,
        pass_fds=(to_it, from_it),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environ,
        start_new_session=True,
    )
    os.close(to_it)
    os.close(from_it)
    try:
        browser = Browser(folder, out, back)
        tabs = browser.call("Target.getTargets")["targetInfos"]
        tab = next(one["targetId"] for one in tabs if one["type"] == "page")
        browser.session = browser.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            browser.call(f"{part}.enable")
        yield browser
    finally:
        ended(process.pid)
        process.wait(WITHIN)
        os.close(out)
        os.close(back)
