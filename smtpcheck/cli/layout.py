"""How is help laid out? Commands and options under headings, short enough to be read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click

SECTIONS = ("ask", "read", "practise", "for programs")
"""The headings of `smtpcheck --help` in their order; a command says its own as SECTION, others follow."""
MORE = "more"
BUG = 4
"""The exit status of a bug of ours."""
_NARROWEST = 20
_NEAR = 0.5

Record = tuple[str, str]


class Option(click.Option):
    """An option that stands under a heading of its command's help."""

    def __init__(self, *args: Any, section: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.section = section


def under(section: str) -> Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """`click.option` for the options that stand under this heading."""
    return partial(click.option, cls=Option, section=section)


class Command(click.Command):
    """A command whose options stand under the headings that they name; those without one come first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, heading by heading in the order of their declaration."""
        params = [param for param in self.get_params(ctx) if not isinstance(param, click.Argument)]
        found = [(getattr(param, "section", ""), param.get_help_record(ctx)) for param in params]
        records = [(section, record) for section, record in found if record]
        if len(records) > 1 and not records[-1][0]:  # --help, which click adds last
            records[-1] = (records[-2][0], records[-1][1])
        _write(formatter, records)


class Commands(click.Group):
    """The commands are the files of commands/: a command is `command` in a file of its name, hyphens as underscores."""

    bug = BUG
    """The status of a bug of ours; a command that has statuses of its own says which as its `bug`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the files."""
        files = (Path(__file__).parent / "commands").glob("[a-z]*.py")
        return sorted(path.stem.replace("_", "-") for path in files)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its file imported only now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = _module(cmd_name).command
        command.name = cmd_name
        self.bug = getattr(command, "bug", BUG)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word; for a word that is none, what was probably meant."""
        word = args[0]
        if word.startswith("-") or ctx.resilient_parsing or word in self.list_commands(ctx):
            return super().resolve_command(ctx, args)
        raise click.UsageError(self._meant(ctx, word), ctx)

    def _meant(self, ctx: click.Context, word: str) -> str:
        shown = ascii(word[:60])
        if near := difflib.get_close_matches(word, self.list_commands(ctx), n=2, cutoff=_NEAR):
            return f"no command {shown}; did you mean {' or '.join(near)}?"
        if "@" in word or "." in word or ":" in word:
            # not repeated: it may be user:password@host
            return "no command of that name; to ask a server or an account: smtpcheck check TARGET"
        return f"no command {shown}; known: {', '.join(self.list_commands(ctx))}"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under the headings that their files name."""
        names = self.list_commands(ctx)
        room = max(formatter.width - 6 - max(map(len, names)), _NARROWEST)
        records = []
        for name in names:
            command = self.get_command(ctx, name)
            if command and not command.hidden:
                section = getattr(_module(name), "SECTION", MORE)
                records.append((section, (name, command.get_short_help_str(room))))
        _write(formatter, sorted(records, key=_place))


def _place(record: tuple[str, Record]) -> tuple[int, str]:
    section = record[0]
    last = len(SECTIONS) + (section == MORE)
    return (SECTIONS.index(section) if section in SECTIONS else last, section)


def _module(command: str) -> Any:
    return import_module(f"smtpcheck.cli.commands.{command.replace('-', '_')}")


def _write(formatter: click.HelpFormatter, records: Iterable[tuple[str, Record]]) -> None:
    """Definition lists under their headings, all with the same first column."""
    sections: dict[str, list[Record]] = {}
    for section, record in records:
        sections.setdefault(section, []).append(record)
    widest = max((len(term) for several in sections.values() for term, _ in several), default=0)
    for section, several in sections.items():
        with formatter.section(section[:1].upper() + section[1:] if section else "Options"):
            column = min(widest, 30)
            formatter.write_dl([(term.ljust(column), about) for term, about in several], col_max=column)
