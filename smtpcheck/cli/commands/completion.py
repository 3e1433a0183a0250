"""How do I get commands, options and names completed by Tab?"""

from __future__ import annotations

import click

SECTION = "for programs"
_SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="print what makes your shell complete commands and names")
@click.argument("shell", type=click.Choice(_SHELLS), metavar="bash|zsh|fish")
def command(shell: str) -> None:
    """Print the script that completes commands, options, provider hosts, faults and codes at the press of Tab.

    \b
    bash   smtpcheck completion bash > ~/.local/share/bash-completion/completions/smtpcheck
    zsh    smtpcheck completion zsh > ~/.zfunc/_smtpcheck     with ~/.zfunc in fpath, before compinit
    fish   smtpcheck completion fish > ~/.config/fish/completions/smtpcheck.fish

    For this shell alone: eval "$(smtpcheck completion bash)". Nothing is asked of the network.
    """
    from smtpcheck.cli import COMPLETE
    from smtpcheck.cli.complete import script

    click.echo(script(shell, "smtpcheck", COMPLETE), nl=False)
