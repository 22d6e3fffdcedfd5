"""What every command is: a purpose, an explanation, examples, and the options they all have.

A command's docstring is its help, so a command is declared in one place. `declare` adds `--json`, `--quiet`, `--help`
and, unless told otherwise, `--environment`; their values are found in the `Invocation` that each command is handed
first. Counterpart of `main`, which makes that invocation and turns what a command returns into the exit code.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any, TypeVar

import click

from breakbulk.cli.invocation import Invocation

__all__ = ["CONTEXT", "Command", "Group", "declare"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
Callback = TypeVar("Callback", bound=Callable[..., int | None])
Example = tuple[str, str]
"""A command line, and what it does."""


class Command(click.Command):
    """A command with examples below its help."""

    def __init__(self, *args: Any, examples: tuple[Example, ...] = (), **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples."""
        _write_examples(self.examples, formatter)


class Group(click.Group):
    """A command with commands of its own, and with examples."""

    command_class = Command

    def __init__(self, *args: Any, examples: tuple[Example, ...] = (), **attributes: Any) -> None:
        super().__init__(*args, context_settings=CONTEXT, **attributes)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples."""
        _write_examples(self.examples, formatter)


def declare(
    name: str, *examples: Example, environment: bool = True, **settings: Any
) -> Callable[[Callable[..., int | None]], Command]:
    """Return a decorator that makes a function a command; the function is handed the `Invocation` first.

    Args:
        name: What the user types.
        examples: At least one, each with what it does.
        environment: Whether the command has `--environment`.
        settings: More for click's context, as `allow_interspersed_args`.

    """

    def decorate(function: Callable[..., int | None]) -> Command:
        make = click.command(name, cls=Command, examples=examples, context_settings={**CONTEXT, **settings})
        made = make(update_wrapper(partial(_call, function), function))
        made.params += _shared_options(environment=environment)
        return made

    return decorate


def _call(function: Callable[..., int | None], /, **arguments: Any) -> int | None:
    invocation = click.get_current_context().find_object(Invocation)
    return function(invocation, **arguments)


def _shared_options(*, environment: bool) -> list[click.Parameter]:
    options: list[click.Parameter] = []
    if environment:
        options.append(
            click.Option(
                ["-e", "--environment"],
                metavar="DIR|OWNER/NAME[:N]",
                type=click.Path(path_type=Path),
                expose_value=False,
                is_eager=True,
                callback=_keep("directory"),
                help="The directory of the manifest, by default looked for from here upwards; or an environment of the "
                "hub.",
            )
        )
    for names, attribute, meaning in (
        (["-q", "--quiet"], "quiet", "Print only what was asked for, and errors."),
        (["--json"], "json", "Print one JSON document, errors too."),
    ):
        options.append(
            click.Option(
                names, is_flag=True, is_eager=True, expose_value=False, callback=_keep(attribute), help=meaning
            )
        )
    return options


def _keep(attribute: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a click callback that puts an option's value into the invocation."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if (invocation := ctx.find_object(Invocation)) is not None:
            setattr(invocation, attribute, value)
        return value

    return keep


def _write_examples(examples: tuple[Example, ...], formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples"):
        for line, meaning in examples:
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")
            with formatter.indentation(), formatter.indentation():
                formatter.write_text(meaning)
