"""Do the notebooks run from top to bottom and look right, and do our objects show themselves wherever IPython runs?"""

from __future__ import annotations

import ast
import asyncio
import html as stdlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from smtpcheck import notebook
from smtpcheck.core import Report, Verdict
from tests.report import samples
from tests.report.samples import ALL, HERE
from tests.report.test_cells import chain_facts
from tests.test_leaks import forms

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 50.0
"""For one notebook, the start of its kernel included; the timeout of a test is a minute."""

# The first cell of the copy that is run: nothing in the kernel may leave this machine.
GUARD = """
from tests.servers.loopback import guarded as _guarded
_guard = _guarded()
_escapes = _guard.__enter__()
"""
# Its last cell; the only one whose output may hold the passwords, for the search in all others.
AFTER = """
import threading
from smtpcheck.lab import Practice
_accounts = [(each.target, each.password) for each in list(globals().values()) if isinstance(each, Practice)]
{"escapes": _escapes, "accounts": _accounts, "threads": [thread.name for thread in threading.enumerate()]}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A notebook after its run."""

    name: str
    cells: dict[str, NotebookNode]
    """Of code, by id."""
    after: dict[str, Any]
    seconds: float
    left: tuple[str, ...]
    """What is in the kernel's temporary and working folders after its end."""
    alive: bool

    def said(self, cell: str, mime: str = "text/html") -> str:
        """What a cell shows in one format, as a reader sees it."""
        found = [output.data[mime] for output in self.cells[cell].outputs if mime in output.get("data", {})]
        text = "\n".join(found)
        return stdlib.unescape(re.sub(r"<[^>]*>", "", text)) if mime == "text/html" else text


async def execute(path: Path, home: Path) -> Ran:
    """Run a copy in a kernel whose files, temporary ones too, are all in `home`, and whose sockets are files there.

    Then, as people do, the first cell and all cells once more, so that its servers start beside those that still run.
    """
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    again = [nbformat.v4.new_code_cell(cell.source, id=f"again-{n}") for n, cell in enumerate([code[0], *code])]
    book.cells.insert(0, nbformat.v4.new_code_cell(GUARD, id="guard"))
    book.cells += again
    book.cells.append(nbformat.v4.new_code_cell(AFTER, id="after"))
    folders = {name: home / name.lower() for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "HOME", "TMPDIR", "CWD")}
    for folder in folders.values():
        folder.mkdir()
    env = os.environ | {name: str(folder) for name, folder in folders.items()} | {"PYTHONPATH": str(ROOT), "LANG": "C"}
    env = {name: value for name, value in env.items() if not name.startswith(("SMTPCHECK_", "LC_"))}
    manager = AsyncKernelManager(transport="ipc", ip=str(home / "k"), connection_file=str(home / "kernel.json"))
    resources = {"metadata": {"path": str(folders["CWD"])}}
    client = NotebookClient(book, km=manager, timeout=20, startup_timeout=20, resources=resources)
    began = time.monotonic()
    async with asyncio.timeout(SECONDS):
        await client.async_execute(env=env, cleanup_kc=True)
    cells = {cell.id: cell for cell in book.cells if cell.cell_type == "code"}
    after = ast.literal_eval(cells.pop("after").outputs[0].data["text/plain"])
    left = tuple(str(each) for name in ("TMPDIR", "CWD") for each in folders[name].iterdir())
    return Ran(path.name, cells, after, time.monotonic() - began, left, await manager.is_alive())


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.name)
def ran(request: pytest.FixtureRequest) -> Iterator[Ran]:
    """Every notebook, run once."""
    with tempfile.TemporaryDirectory(prefix="nb-") as home:  # short: a socket's name has 107 characters at most
        yield asyncio.run(execute(request.param, Path(home)))


@pytest.fixture
def tour(ran: Ran) -> Ran:
    """The tour; the other notebooks have tests of their own."""
    assert ran.name == "tour.ipynb"
    return ran


# As stored


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs_and_with_names_for_its_cells(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert path.read_text("utf-8") == nbformat.writes(book) + "\n", "written by nbformat, so that a diff is small"
    for cell in book.cells:
        assert re.fullmatch("[a-z]+(-[a-z]+)*", cell.id)
        assert not cell.metadata
        if cell.cell_type == "code":
            assert cell.execution_count is None
            assert cell.outputs == []
            assert len(cell.source.splitlines()) <= 15
    assert len({cell.id for cell in book.cells}) == len(book.cells)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec.name == "python3"


def test_there_is_a_tour() -> None:
    assert "tour.ipynb" in [path.name for path in NOTEBOOKS]


# As run


def test_a_notebook_runs_without_a_complaint_and_in_time(ran: Ran) -> None:
    outputs = [output for cell in ran.cells.values() for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}
    assert all(cell.execution_count for cell in ran.cells.values())
    assert ran.seconds < SECONDS


def test_a_notebook_leaves_nothing_behind_and_never_leaves_this_machine(ran: Ran) -> None:
    assert ran.after["escapes"] == []
    assert not [name for name in ran.after["threads"] if name.startswith("smtpcheck")]
    assert ran.left == ()
    assert not ran.alive


def leaks(texts: dict[str, str], accounts: list[tuple[str, str]]) -> set[str]:
    """The cells in which a password stands, in any form."""
    wanted = {form for user, password in accounts for form in forms(password, user)}
    return {cell for cell, text in texts.items() for form in wanted if form in text or form in stdlib.unescape(text)}


def test_no_password_is_in_any_output(ran: Ran) -> None:
    texts = {name: "".join(map(str, cell.outputs)) for name, cell in ran.cells.items()}
    assert ran.after["accounts"]
    assert all(len(password) > 12 for _, password in ran.after["accounts"])
    assert leaks(texts, ran.after["accounts"]) == set()


def test_the_search_would_find_a_password() -> None:
    account = ("me@lab.test", 'practice/+="0123')
    said = {
        "plain": f"x{account[1]}x",
        "html": f"<p>{stdlib.escape(account[1])}</p>",
        "base64": "AG1lQGxhYi50ZXN0AHByYWN0aWNlLys9IjAxMjM=",
        "none": "AUTH PLAIN <secret>",
    }
    assert leaks(said, [account]) == {"plain", "html", "base64"}


# What a cell of the tour has to show
SHOWN = {
    "check-healthy": ("✓ healthy up to login", "login ✓", "Transcript"),
    "check-broken": ("✗ broken", "login ✗", "Cause (certain): ", "535 5.7.8 Error", "What to do"),
    "chinese": ("✗ 有故障", "登录 ✗", "原因（确定）", "535 5.7.8 Error", "怎么办"),
    "submission": ("✓ submission", "source", "srv"),
    "mx": ("✓ mx", "exchange smtp.mx-healthy.lab.test"),
    "address": ("✓ address", "addresses 127.0.0.1", "nodata"),
    "port": ("✗ port", "port-refused"),
    "greeting": ("✓ greeting", "220 smtp.healthy.lab.test", "STARTTLS", "AUTH LOGIN PLAIN"),
    "tls": ("✓ tls", "TLSv1.3"),
    "mode": ("✗ mode", "mode-mismatch", "found", "starttls"),
    "chain": ("✗ chain", "chain-expired", "notBefore / notAfter", "subjectAltName"),
    "chain-facts": ("roots_source", "CN=smtp.healthy.lab.test"),
    "issuer": ("✓ issuer", "issuer-completes"),
    "auth": ("✗ auth", "auth-refused", "mechanism", "PLAIN"),
    "envelope": ("✓ envelope", "you@lab.test", "250 OK"),
    "clock": ("✗ clock", "clock-behind", "offset"),
    "transcript": ("== connected to", "-> EHLO", "<- 250", "-> AUTH PLAIN <secret>", "<- 535 5.7.8", "✗ login"),
    "findings": ("✗ broken", "certificate", "chain-wrong-host"),
    "results": ("✗ broken", "chain", "· not reached", "auth"),
    "knob": ("✓ note", "clock-inexact"),
}


@pytest.mark.parametrize("cell", SHOWN)
def test_a_cell_of_the_tour_shows_what_it_says(tour: Ran, cell: str) -> None:
    said = tour.said(cell)
    missing = [part for part in SHOWN[cell] if part not in said]
    assert not missing, said


def test_the_tours_values(tour: Ran) -> None:
    assert tour.said("verdict-values", "text/plain") == "('broken', 'auth-credentials-refused', 'auth', 'certain')"
    assert tour.said("offline", "text/plain") == "(True, True)"


def test_every_other_output_of_the_tour_is_known(tour: Ran) -> None:
    others = {name for name in tour.cells if name not in SHOWN and not name.startswith("again-")}
    assert others == {"guard", "lab-start", "lab-stop", "verdict-values", "offline"}


# Wherever IPython runs


@pytest.fixture
def display() -> DisplayFormatter:
    """IPython's choice of formats, as in a shell, with our objects known to it."""
    made = DisplayFormatter()
    notebook.show(lang="en", display=made)
    return made


def shown(display: DisplayFormatter, one: object) -> str | None:
    formats, _ = display.format(one)
    return formats.get("text/html")


def test_objects_show_themselves(display: DisplayFormatter) -> None:
    report = samples.refused()
    facts = chain_facts("expired")
    parts = {
        "login ✗": report,
        "<strong>auth</strong>": report.results[-2],
        "-&gt; <strong><bdi>AUTH PLAIN &lt;secret&gt;": report.conversations[0],
        "notBefore / notAfter": facts,
        "<strong>chain</strong>": (samples.result("chain", HERE, outcome=facts),),
        "auth-refused</code>": report.findings,
        "<tr": notebook.table(report.results),
    }
    for part, one in parts.items():
        assert part in re.sub(r"</?span[^>]*>", "", shown(display, one) or ""), part


def test_few_results_are_shown_in_full_and_many_as_a_table(display: DisplayFormatter) -> None:
    results = samples.healthy().results
    assert (shown(display, results[:2]) or "").count('class="smtpcheck"') == 2
    assert (shown(display, results) or "").count('class="smtpcheck"') == 1


@pytest.mark.parametrize("one", [(), (1, 2), ("a",), (HERE,), (samples.healthy(), HERE), 1, None, [HERE]])
def test_other_objects_are_shown_as_before(display: DisplayFormatter, one: object) -> None:
    assert display.format(one) == DisplayFormatter().format(one)


class Rich(NamedTuple):
    """A tuple that knows how to show itself."""

    value: int

    def _repr_html_(self) -> str:
        return f"<b>{self.value}</b>"


def test_tuples_of_others_keep_their_own_ways(display: DisplayFormatter) -> None:
    assert shown(display, Rich(7)) == "<b>7</b>"
    theirs = DisplayFormatter()
    theirs.formatters["text/html"].for_type(tuple, lambda value: f"{len(value)} values")
    for lang in ("en", "zh-CN"):
        notebook.show(lang=lang, display=theirs)
        assert shown(theirs, (1, 2)) == "2 values"
        assert "<table" in (shown(theirs, samples.refused().findings) or "")


def test_plain_text_stays_as_it_is(display: DisplayFormatter) -> None:
    for one in (samples.refused(), samples.refused().conversations[0], samples.refused().results):
        assert display.format(one)[0]["text/plain"] == DisplayFormatter().format(one)[0]["text/plain"]


def test_a_formatter_of_the_users_own_stays() -> None:
    theirs = DisplayFormatter()
    theirs.formatters["text/html"].for_type(Report, lambda report: "mine")
    notebook.show(display=theirs)
    assert shown(theirs, samples.healthy()) == "mine"


def test_the_language_is_the_one_named_last(display: DisplayFormatter) -> None:
    notebook.show(lang="zh-CN", display=display)
    notebook.show(display=display)
    assert "有故障" in (shown(display, samples.refused()) or "")
    assert "故障" in (shown(display, samples.refused().results[-2]) or "")
    assert "有故障" in (notebook.html(samples.refused(), lang="zh-CN") or "")


def test_nothing_happens_where_no_shell_runs() -> None:
    notebook.show()
    notebook.show(lang="zh-CN")


def test_a_table_has_a_line_for_each_row() -> None:
    report = samples.refused()
    assert repr(notebook.table(r for r in report.results if r.status == "fail")) == (
        f"fail         auth                         {HERE}"
    )
    assert "auth-refused" in repr(notebook.table(report.findings))
    assert repr(notebook.table(())) == "(none)"
    assert notebook.table(())._repr_html_() == ""
    assert "\x1b" not in repr(notebook.table(ALL["hostile"].results))
    assert report.verdict is Verdict.BROKEN
