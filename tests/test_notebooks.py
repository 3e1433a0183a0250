"""Do the notebooks run from top to bottom and look right, and do our objects show themselves wherever IPython runs?"""

from __future__ import annotations

import ast
import asyncio
import concurrent.futures
import html as stdlib
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from IPython.core.formatters import DisplayFormatter
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

import smtpcheck
from smtpcheck import notebook
from smtpcheck.core import Report, Stage, Verdict
from smtpcheck.lab import Background, background
from smtpcheck.probes import probes
from tests.notebook_outputs import SHOWN
from tests.report import samples
from tests.report.notebook.test_cells import chain_facts
from tests.report.samples import ALL, HERE
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
import gc
import threading
from smtpcheck.lab import Practice
_accounts = [(each.target, each.password) for each in gc.get_objects() if isinstance(each, Practice)]
{"escapes": _escapes, "accounts": _accounts, "threads": [thread.name for thread in threading.enumerate()]}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A notebook after its run."""

    name: str
    cells: dict[str, NotebookNode]
    """Of code, by id."""
    after: dict[str, Any]
    left: tuple[str, ...]
    """What is in the kernel's temporary and working folders after its end."""
    alive: bool

    def said(self, cell: str) -> str:
        """What a cell shows, as a reader sees it: its HTML where there is any, else its text."""
        found = []
        for output in self.cells[cell].outputs:
            page = output.get("data", {}).get("text/html")
            text = stdlib.unescape(re.sub(r"<[^>]*>", "", page)) if page else output.get("data", {}).get("text/plain")
            found.append(text or output.get("text", ""))
        return "\n".join(found)


async def execute(path: Path, home: Path, **environ: str) -> Ran:
    """Run a copy in a kernel whose files, temporary ones too, are all in `home`, and whose sockets are files there."""
    book = nbformat.read(path, as_version=4)
    book.cells.insert(0, nbformat.v4.new_code_cell(GUARD, id="guard"))
    book.cells.append(nbformat.v4.new_code_cell(AFTER, id="after"))
    folders = {name: home / name.lower() for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "HOME", "TMPDIR", "CWD")}
    for folder in folders.values():
        folder.mkdir()
    env = os.environ | {name: str(folder) for name, folder in folders.items()} | {"PYTHONPATH": str(ROOT), "LANG": "C"}
    env = {name: value for name, value in env.items() if not name.startswith(("SMTPCHECK_", "LC_"))} | environ
    manager = AsyncKernelManager(transport="ipc", ip=str(home / "k"), connection_file=str(home / "kernel.json"))
    resources = {"metadata": {"path": str(folders["CWD"])}}
    client = NotebookClient(book, km=manager, timeout=20, startup_timeout=40, resources=resources)
    async with asyncio.timeout(SECONDS):
        await client.async_execute(env=env, cleanup_kc=True)
    cells = {cell.id: cell for cell in book.cells if cell.cell_type == "code"}
    after = ast.literal_eval(cells.pop("after").outputs[0].data["text/plain"])
    left = tuple(str(each) for name in ("TMPDIR", "CWD") for each in folders[name].iterdir())
    return Ran(path.name, cells, after, left, await manager.is_alive())


async def in_turn(path: Path, turns: asyncio.Semaphore) -> Ran:
    async with turns:
        with tempfile.TemporaryDirectory(prefix="nb-") as home:  # short: a socket's name has 107 characters at most
            return await execute(path, Path(home))


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> Iterator[dict[Path, concurrent.futures.Future[Ran]]]:
    """Every notebook that a test of this session asks for, run once, two kernels at a time beside the tests."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    wanted = dict.fromkeys(item.callspec.params["ran"] for item in items if "ran" in item.callspec.params)
    loop, turns = asyncio.new_event_loop(), asyncio.Semaphore(2)
    thread = threading.Thread(target=loop.run_forever, name="kernels", daemon=True)
    thread.start()
    coming = {path: asyncio.run_coroutine_threadsafe(in_turn(path, turns), loop) for path in wanted}
    yield coming
    for each in coming.values():
        each.cancel()
    asyncio.run_coroutine_threadsafe(ended(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


async def ended() -> None:
    """Wait for what was cancelled: it still stops its kernels."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.name)
def ran(request: pytest.FixtureRequest, runs: dict[Path, concurrent.futures.Future[Ran]]) -> Ran:
    """A notebook after its run."""
    return runs[request.param].result(SECONDS)


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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_begins_with_its_question_and_ends_with_the_servers(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    first, last = book.cells[0], book.cells[-1]
    assert first.cell_type == "markdown"
    assert re.match(r"# .*[?？]" if path.name != "tour.ipynb" else "# A tour of smtpcheck", first.source)
    assert last.source == "lab.stop()"
    assert len(book.cells) <= (60 if path.name == "tour.ipynb" else 28)


def test_every_notebook_is_in_the_list_and_every_probe_in_a_notebook() -> None:
    listed = re.findall(r"\]\((\S+\.ipynb)\)", (ROOT / "notebooks" / "README.md").read_text("utf-8"))
    assert sorted(set(listed)) == [path.name for path in NOTEBOOKS]
    asked = {
        name for path in NOTEBOOKS for name in re.findall(r'probe(?: == |\()\\?"(\w+)\\?"', path.read_text("utf-8"))
    }
    assert asked <= {probe.name for probe in probes()}
    assert {"mx", "address", "submission", "port", "greeting", "tls", "chain", "issuer", "mode", "auth"} <= asked
    assert {"clock", "envelope", "delivery"} <= asked


# As run


def test_a_notebook_runs_without_a_complaint(ran: Ran) -> None:
    outputs = [output for cell in ran.cells.values() for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"execute_result", "display_data"}
    assert all(cell.execution_count for cell in ran.cells.values())


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


def table(name: str, cells: dict[str, tuple[str, ...]]) -> list[Any]:
    return [pytest.param(ROOT / "notebooks" / f"{name}.ipynb", cell, parts) for cell, parts in cells.items()]


@pytest.mark.parametrize(
    ("ran", "cell", "parts"),
    [row for name, cells in SHOWN.items() for row in table(name, cells)],
    indirect=["ran"],
    ids=lambda one: one.stem if isinstance(one, Path) else one if isinstance(one, str) else "",
)
def test_a_cell_shows_what_its_text_promises(ran: Ran, cell: str, parts: tuple[str, ...]) -> None:
    said = ran.said(cell)
    assert not [part for part in parts if part not in said], said


def test_what_every_cell_shows_is_known(ran: Ran) -> None:
    loud = {name for name, cell in ran.cells.items() if cell.outputs and name != "guard"}
    assert loud == set(SHOWN[Path(ran.name).stem])


# A notebook about one diagnosis


@pytest.fixture(scope="module")
def practice() -> Iterator[Background]:
    with background() as running:
        yield running


def generated(reports: list[Report], *, lang: str = "en", **environ: str) -> Ran:
    """The notebook of these reports after its run, with a lab that still runs."""
    with tempfile.TemporaryDirectory(prefix="nb-") as home:
        path = Path(home, "why.ipynb")
        path.write_text(smtpcheck.render(reports, "ipynb", lang=lang), encoding="utf-8")
        return asyncio.run(execute(path, Path(home), **environ))


def test_a_generated_notebook_explains_and_asks_again(practice: Background) -> None:
    account = practice.start("auth-refused", password='canary/+="pässword')
    report = smtpcheck.check(**account.arguments)
    attempts = account.smtp.ledger.auths

    ran = generated([report], lang="zh-CN", SMTPCHECK_PASSWORD=account.password)

    assert ran.after["escapes"] == []
    for cell in ("report", "again"):
        assert "✗ 有故障" in ran.said(cell)
        assert "535 5.7.8" in ran.said(cell)
    assert "-> AUTH PLAIN <secret>" in ran.said("transcript")
    assert ran.said("compare").count("('broken', 'auth-credentials-refused')") == 2
    assert "✓ chain" in ran.said("probe-chain")
    assert "✗ auth" in ran.said("probe-auth")
    assert account.smtp.ledger.auths == attempts + 1, "one attempt in the whole notebook"
    said = {name: cell.source + "".join(map(str, cell.outputs)) for name, cell in ran.cells.items()}
    assert leaks(said, [(account.target, account.password)]) == set()


def test_without_a_password_and_anybody_to_ask_nothing_logs_in_and_nothing_is_sent(practice: Background) -> None:
    account = practice.start("delivered")
    report = smtpcheck.check(**account.arguments)
    attempts, sent = account.smtp.ledger.auths, len(account.smtp.ledger.messages)
    assert (attempts, sent) == (1, 1)

    ran = generated([report])

    assert "✓ healthy up to delivery" in ran.said("report")
    assert "✓ healthy up to certificate; login, delivery not tested" in ran.said("again")
    assert (account.smtp.ledger.auths, len(account.smtp.ledger.messages)) == (1, 1)


def test_a_strangers_report_can_not_name_what_is_read_or_allowed_here(
    practice: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("not a password for them")
    (tmp_path / "key").chmod(0o600)
    monkeypatch.delenv("SMTPCHECK_PASSWORD", raising=False)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "")
    account = practice.start("healthy")
    report = smtpcheck.check(account.target, **account.options)
    theirs = {
        "secret": f"file:{tmp_path / 'key'}",
        "allow": ("unverified-auth", "host:smtp.attacker.test"),
        "send": True,
        "imap": "imap.attacker.test",
        "message": "/etc/passwd",
    }
    stranger = replace(report, target=replace(report.target, **theirs, until=Stage.DELIVERY))

    target, password = notebook.aim(stranger)

    assert password is None
    assert (target.secret, target.allow, target.send, target.message, target.until) == ("", (), False, "", None)
    assert target.imap == ""
    assert (target.dns, target.ca_file) == (report.target.dns, report.target.ca_file)
    assert notebook.aim(stranger, allow=("unverified-auth",))[0].allow == ("unverified-auth",)
    with pytest.raises(smtpcheck.UsageError):
        notebook.aim(replace(report, target=replace(report.target, ehlo="x\r\nMAIL FROM:<>")))


def test_the_password_is_the_environments_or_typed_and_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: prompts.append(prompt) or "typed")
    monkeypatch.setenv("SMTPCHECK_PASSWORD", "known")
    target, password = notebook.aim(samples.refused())
    assert (target.secret, password is not None, prompts) == ("env:SMTPCHECK_PASSWORD", True, [])
    monkeypatch.delenv("SMTPCHECK_PASSWORD")
    target, password = notebook.aim(samples.refused())
    assert (target.secret, password is not None) == ("env:SMTPCHECK_PASSWORD", True)
    assert "me@example.test" in prompts[0]
    assert notebook.aim(samples.healthy(password=False))[1] is None
    assert len(prompts) == 1


# Practice servers


def test_the_lab_of_the_first_cell_ends_the_one_before() -> None:
    before = set(threading.enumerate())
    first = notebook.lab()
    account = first.start("healthy")
    second = notebook.lab()
    try:
        assert "stopped" in repr(first)
        assert "running" in repr(second)
        with pytest.raises(RuntimeError, match="the lab is stopped"):
            first.start("healthy")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", account.port), timeout=5)
        again = second.start("healthy")
        assert smtpcheck.check(**again.arguments).verdict is Verdict.HEALTHY
    finally:
        second.stop()
        second.stop()
    assert not {thread for thread in threading.enumerate() if thread.name == "smtpcheck-lab"} - before


# pytest in a cell


def test_pytest_runs_a_folder_and_shows_what_it_said(tmp_path: Path, display: DisplayFormatter) -> None:
    text = "def test_good(): pass\ndef test_bad():\n    said = '<b>\x1b[31m'\n    assert said == 1\n"
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    bad = notebook.pytest(tmp_path, "-q", "-p", "no:cacheprovider")
    assert (bad.status, bad.passed) == (1, False)
    assert "1 failed, 1 passed" in repr(bad)
    page = shown(display, bad) or ""
    assert "1 failed, 1 passed" in page
    assert "<b>" not in page
    assert "\x1b" not in page
    wrong = notebook.pytest(tmp_path, "--no-such-option")
    assert wrong.status > 1
    assert "--no-such-option" in wrong.output


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
    assert (shown(display, results[:2]) or "").count('class="smtpcheck ') == 2
    assert (shown(display, results) or "").count('class="smtpcheck ') == 1


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


def test_several_reports_are_a_table_of_verdicts(display: DisplayFormatter) -> None:
    reports = [samples.healthy(), samples.refused(), samples.hostile()]
    page = shown(display, notebook.table(reports)) or ""
    assert page == shown(display, tuple(reports))
    assert page.count("<tr") == 3
    assert "healthy up to login" in page
    assert "auth-credentials-refused</code>" in page
    assert "<script" not in page
    assert "me@example.test" in repr(notebook.table(reports))
    assert "\x1b" not in repr(notebook.table(reports))


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
