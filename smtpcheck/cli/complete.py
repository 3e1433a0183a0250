"""What does a shell run at the press of Tab? click's scripts; bash's own, because it cuts words at @ and colon."""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish")
# https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html#index-COMP_005fWORDBREAKS: what is put into
# COMPREPLY replaces the word after the last of these, so `mx:q` has to be answered with `qq.com`; but an @ belongs to
# the word after it (rl_special_prefixes, of bash's own completion of host names), so `me@q` with `@qq.com`.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' response completion type value
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1")
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain) COMPREPLY+=("$value") ;;
        esac
    done
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]] && compopt -o nospace
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Whole words from the line itself, answered by the part after the last break."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that is being typed."""
        line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))]
        words = split_arg_string(line)[1:]
        typing = bool(words) and not line[-1].isspace()
        return (words[:-1], words[-1]) if typing else (words, "")

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Without what stands before the cursor up to the last break."""
        typed = self.get_completion_args()[1]
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set("@:=")
        kept = max((place + (char != "@") for place, char in enumerate(typed) if char in breaks), default=0)
        value = item.value[kept:] if item.value.startswith(typed[:kept]) else item.value
        return f"{item.type},{value}"


add_completion_class(Bash)


def script(shell: str, prog_name: str, variable: str) -> str:
    """What a shell reads at its start; ValueError for a shell that is not known here."""
    import click

    found = get_completion_class(shell) if shell in SHELLS else None
    if found is None:
        raise ValueError(f"no completion for {shell[:20]!a}; known: {', '.join(SHELLS)}")
    return found(click.Command(prog_name), {}, prog_name, variable).source()
