"""`breakbulk completion`: the code that teaches a shell the words of Breakbulk; it is click's own.

Counterpart of `completing`, which that code asks while the user types.
"""

from __future__ import annotations

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation

__all__ = ["command"]


@declare(
    "completion",
    ('eval "$(breakbulk completion bash)"', "Complete in this shell; put the line into ~/.bashrc for all of them."),
    (
        "breakbulk completion fish > ~/.config/fish/completions/breakbulk.fish",
        "Complete in fish from its next start on.",
    ),
    environment=False,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(invocation: Invocation, shell: str) -> None:
    """Print code that completes Breakbulk's words in your shell.

    Commands, options, installed packages and the names of services are completed.
    """
    from click.shell_completion import get_completion_class

    from breakbulk.cli.main import COMPLETION_VARIABLE, PROGRAM, program

    completer = get_completion_class(shell)
    if completer is None:
        raise click.BadParameter(f"there is no completion for {shell}")
    source = completer(program, {}, PROGRAM, COMPLETION_VARIABLE).source()
    invocation.show({"shell": shell, "script": source}, source.rstrip())
