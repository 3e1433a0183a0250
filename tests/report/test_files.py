"""Does the one function that writes files keep the old one, keep others out, and know what can't be renamed over?"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smtpcheck.report import files

LONG = "x" * 200_000


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_a_report_is_its_owners_alone_whatever_stood_there(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "r.json"
    if before is not None:
        path.write_text("old")
        path.chmod(before)
    files.write(path, "neu: ü\n")
    assert (path.read_bytes(), mode(path)) == ("neu: ü\n".encode(), 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_project_keeps_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write(tmp_path / "test_mail.py", "", mode=files.PROJECT)
    finally:
        os.umask(before)
    assert mode(tmp_path / "test_mail.py") == 0o640


@pytest.mark.parametrize("aim", ["other.json", "absent.json", "/dev/full"])
def test_a_symbolic_link_is_replaced_and_never_followed(tmp_path: Path, aim: str) -> None:
    (tmp_path / "other.json").write_text("somebody's")
    link = tmp_path / "r.json"
    link.symlink_to(aim)
    files.write(link, "mine")
    assert (link.is_symlink(), link.read_text(), mode(link)) == (False, "mine", 0o600)
    assert (tmp_path / "other.json").read_text() == "somebody's"
    assert not (tmp_path / "absent.json").exists()


def test_the_content_is_on_the_disk_before_the_old_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, synced = tmp_path / "r.json", []
    path.write_text("old")

    def fsync(opened: int) -> None:
        synced.append((os.fstat(opened).st_size, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    files.write(path, "newer")
    assert synced == [(5, "old")]


def test_a_reader_of_the_old_file_reads_on_in_it(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old and whole")
    with path.open() as reader:
        files.write(path, "new")
        assert reader.read() == "old and whole"


def test_the_old_file_survives_a_disk_that_is_full_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("old and whole")
    code = (
        "import resource, signal, sys; from smtpcheck.report import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    files.write(sys.argv[1], 'x' * 200_000)\n"
        "except OSError as error:\n    print(error.errno, error.filename, error.filename2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == f"{errno.EFBIG} {path} None\n"
    assert path.read_text() == "old and whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("absent/r.json", errno.ENOENT),
        ("file/r.json", errno.ENOTDIR),
        ("folder", errno.EISDIR),
        ("fifo", errno.ENXIO),
        ("/dev/full", errno.ENOSPC),
        ("/dev/fd/987654", errno.EBADF),
        ("", errno.ENOENT),
    ],
)
def test_what_can_not_be_written_is_named_as_it_was_given(tmp_path: Path, name: str, number: int) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    before = sorted(tmp_path.rglob("*"))
    given = str(tmp_path / name) if name else ""
    with pytest.raises(OSError) as caught:
        files.write(given, "text")
    assert (caught.value.errno, caught.value.filename) == (number, given)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("r" * 250 + ".json")
    files.write(path, "text")
    assert path.read_text() == "text"


def test_a_fifo_that_somebody_reads_gets_all_of_it(tmp_path: Path) -> None:
    fifo, heard = tmp_path / "fifo", []
    os.mkfifo(fifo)
    held = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # a reader is there before the writer, whatever the thread does
    reader = threading.Thread(target=lambda: heard.append(fifo.read_text()))
    reader.start()
    files.write(fifo, LONG)
    reader.join(20)
    os.close(held)
    assert heard == [LONG]
    assert stat.S_ISFIFO(fifo.lstat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_in_a_file_is_written_on_and_not_replaced(tmp_path: Path, name: str) -> None:
    code = f"import os; from smtpcheck.report import files; os.write(1, b'first '); files.write({name!r}, 'then')"
    out = tmp_path / "out"
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, timeout=60, check=True)
    assert out.read_text() == "first then"
