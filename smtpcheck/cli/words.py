"""How may a word of the command line go on? Offline, from what this release knows; imported when a shell asks."""

from __future__ import annotations

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

Items = list[CompletionItem[str]]


def targets(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """Providers' hosts and their ports, and the mail domains after an @ or mx:."""
    from smtpcheck.target.providers import providers

    head, at, _ = typed.rpartition("@") if "@" in typed else typed.rpartition("mx:")
    if at:
        return _fitting((f"{head}{at}{domain}" for row in providers() for domain in row.domains), typed)
    scheme = next((start for start in ("smtp://", "smtps://") if typed.startswith(start)), "")
    endpoints = [one for row in providers() for one in row.smtp]
    if ":" in typed.removeprefix(scheme):
        return _fitting((f"{scheme}{one.host}:{one.port}" for one in endpoints), typed)
    return _fitting((scheme + one.host for one in endpoints), typed) + _fitting(("mx:",), typed or "-")


def codes(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """The codes that `explain` knows."""
    from smtpcheck import advice

    return _fitting(advice.codes(), typed)


def faults(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """The faults that can be practised."""
    from smtpcheck.lab.faults import rows

    return _fitting(rows(), typed)


def mechanisms(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """The SASL mechanisms spoken here."""
    from smtpcheck.wire.sasl import KNOWN

    return _fitting(sorted(KNOWN), typed.upper())


def consents(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """What `--allow` takes."""
    from smtpcheck.target.credentials import PREFIX
    from smtpcheck.target.grammar import CONSENTS

    return _fitting((*CONSENTS, PREFIX), typed)


def stages(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """What `--until` takes."""
    from smtpcheck.target.grammar import UNTIL

    return _fitting(UNTIL, typed)


def libraries(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """What `settings --for` takes."""
    from smtpcheck.report import snippets

    return _fitting(snippets.names(), typed)


def files(_ctx: click.Context, _param: click.Parameter, typed: str) -> Items:
    """Files, as the shell completes them."""
    return [CompletionItem(typed, type="file")]


def _fitting(words: Iterable[str], typed: str) -> Items:
    return [CompletionItem(word) for word in sorted(set(words)) if word.startswith(typed)]
