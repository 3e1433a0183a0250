"""How do I test my mail in a project of mine?"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smtpcheck.cli.console import UNWRITTEN, put, stop, unwritten
from smtpcheck.cli.layout import Command
from smtpcheck.cli.target import AIM

if TYPE_CHECKING:
    from smtpcheck.core import Target

SECTION = "for programs"
_STARTER = Path(__file__).parents[1] / "starter"
_HEAD = """\
# `pytest` asks this target every question of `smtpcheck check`. More targets: more tables. More options: those of
# `check`, here for one target, above the first table for all. smtpcheck.staging.toml is laid over it by
# `pytest --smtp-env staging`.
"""


@click.command(cls=Command, short_help="write a directory of tests for a target")
@click.argument("target")
@click.option(
    "-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("mailtests"),
    show_default=True, metavar="DIR", help="where to write",
)  # fmt: skip
@AIM
def command(target: str, folder: Path, **options: Any) -> None:
    """Write a directory of tests for TARGET and for your own sending code; `pytest` in it works at once.

    No file is overwritten, and no password is written: smtpcheck.toml refers to the variable SMTPCHECK_PASSWORD.

    Exit status: 0 written, 2 usage or a file is there already, 5 a file could not be written.
    """
    from smtpcheck import advice
    from smtpcheck.report.files import PROJECT
    from smtpcheck.target.grammar import parse_target

    given = {name: value for name, value in options.items() if not (value is None or value is False or value == ())}
    files = _files(parse_target(target, **given), given, folder)
    if there := [name for name in files if os.path.lexists(folder / name)]:
        stop(f"{folder / there[0]} is there already; nothing was written")
    lang = advice.language("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        unwritten(error, str(folder), lang)
        sys.exit(UNWRITTEN)
    if not all(put(text, str(folder / name), lang, mode=PROJECT) for name, text in files.items()):
        sys.exit(UNWRITTEN)
    for name in files:
        click.echo(folder / name)
    click.echo(f"\ncd {folder} && pytest")


def _files(target: Target, given: dict[str, Any], folder: Path) -> dict[str, str]:
    """What is written, by name."""
    values = {
        "target": target.spec,
        "folder": folder.as_posix(),
        "login_fault": "qq-password-not-authcode" if target.name.endswith("qq.com") else "auth-refused",
    }
    return {
        "smtpcheck.toml": _settings(target, given),
        "test_mail.py": _filled("test_mail.py.txt", values),
        "pytest.ini": _filled("pytest.ini", values),
        "README.md": _filled("README.md", values),
        "mail.yml": _filled("mail.yml", values),
        ".gitignore": ".env\n.pytest_cache/\n__pycache__/\n",
    }


def _settings(target: Target, given: dict[str, Any]) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", target.spec.lower()).strip("-") or "mail"
    lines = [_HEAD, f"[targets.{name}]", f"target = {_toml(target.spec)}"]
    lines += [f"{key} = {_toml(_absolute(key, value))}" for key, value in given.items()]
    if target.user:
        lines += ['secret = "env:SMTPCHECK_PASSWORD"  # also read from .env', "# login = true", "# send = true"]
    return "\n".join([*lines, "", "# [chain]  # the knobs of a probe, for all targets", "# warn_days = 30", ""])


def _absolute(key: str, value: Any) -> Any:
    """What was said from here is read from the folder."""
    return str(Path(value).absolute()) if key == "ca_file" else value


def _toml(value: Any) -> str:
    # a basic string of TOML is one of JSON, but for DEL, which no option holds
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _filled(name: str, values: dict[str, str]) -> str:
    text = (_STARTER / name).read_text("utf-8")
    return re.sub(r"\{(target|folder|login_fault)\}", lambda match: values[match[1]], text)
