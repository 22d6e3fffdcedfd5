"""The program `breakbulk`: find the command, call it, turn whatever comes of it into output and an exit code.

Every millisecond here is paid by each `breakbulk run`, so a command's module is imported when it is called, and nothing
but click is imported before. Counterpart of `declaration`, which says what a command is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from breakbulk.cli.declaration import Group
from breakbulk.cli.ending import ending_tidily
from breakbulk.cli.failures import BROKEN_PIPE, InterruptionError, as_error, rendered
from breakbulk.cli.invocation import Invocation, abandon_output

__all__ = ["SECTIONS", "fail", "main", "program"]

PROGRAM = "breakbulk"
COMPLETION_VARIABLE = "_BREAKBULK_COMPLETE"
HELP = """Run workloads in environments of PyPI and Debian packages, without container images.

An environment is declared in a manifest (breakbulk.toml), locked to exact packages (breakbulk.lock), and run from one
read-only mount of its packages, which are kept once per machine.
"""
SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": ("init", "search"),
    "Packages": ("install", "uninstall", "list", "edit", "explain"),
    "Lock": ("lock", "diff"),
    "Run": ("run", "shell", "services"),
    "Store": ("realise", "store"),
    "Build": ("build", "publish"),
    "Hub": ("push", "pull", "history", "show", "switch", "rollback", "key", "verify", "hub"),
    "Move": ("import", "export"),
    "Kubernetes": ("cluster", "node", "doctor"),
    "Your shell": ("completion",),
}
"""The commands by the headings of `--help`; each is `command` of the module of its name in `commands`."""


class _Program(Group):
    """The root of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        loaded: click.Command = import_module(f"breakbulk.cli.commands.{cmd_name}").command
        return loaded

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0][:1] != "-" and self.get_command(ctx, args[0]) is None:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=self.list_commands(ctx), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        for title, names in SECTIONS.items():
            with formatter.section(title):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl(
                    [(name.ljust(width), found.get_short_help_str(90)) for name, found in commands if found]
                )


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        print(f"{PROGRAM} {version(PROGRAM)}")
        ctx.exit()


program = _Program(
    PROGRAM,
    help=HELP,
    no_args_is_help=False,
    invoke_without_command=False,
    examples=(
        ("breakbulk init && breakbulk install pypi:rich deb:jq", "Make an environment and put two packages into it."),
        ("breakbulk run -- jq --version", "Run a command in it."),
    ),
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version.",
        )
    ],
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `argv` is without the program's name."""
    invocation = Invocation(list(sys.argv[1:] if argv is None else argv), os.environ)
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        return shell_complete(program, {"obj": invocation}, PROGRAM, COMPLETION_VARIABLE, instruction)
    try:
        try:
            with ending_tidily():
                code = _call(invocation)
                invocation.close()
        except (SystemExit, BrokenPipeError):
            raise
        except BaseException as exception:  # noqa: BLE001 - here every exception becomes an error of ours
            code = _fail(invocation, exception)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()
        return BROKEN_PIPE
    return code


def _call(invocation: Invocation) -> int:
    words = invocation.argv or ["--help"]
    try:
        with program.make_context(PROGRAM, list(words), obj=invocation) as context:
            return program.invoke(context) or 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as exception:
        print(exception.format_message())
        return 0


def _fail(invocation: Invocation, exception: BaseException) -> int:
    """Show the error that `exception` stands for and return its exit code."""
    invocation.close()
    error = as_error(exception, argv=invocation.argv, environ=invocation.environ)
    if invocation.json or (isinstance(exception, click.UsageError) and _asks_for_json(invocation.argv)):
        invocation.print_json(error.as_dict())
    else:
        print(rendered(error, invocation.error_style), file=sys.stderr)
    return _of_control_c() if isinstance(error, InterruptionError) else error.exit_code


def _of_control_c() -> int:
    """Return the exit code 130 as `start` sees it, which ends the process by the signal."""
    import signal

    from breakbulk.environment.signals import ExitStatus

    return ExitStatus.of_signal(signal.SIGINT)


def fail(argv: Sequence[str], exception: BaseException) -> int:
    """Show the error of a command line that was not run by `main`, and return its exit code."""
    return _fail(Invocation(list(argv), os.environ), exception)


def _asks_for_json(argv: Sequence[str]) -> bool:
    """Say whether a command line that could not be parsed has `--json` among the words before `--`."""
    words = list(argv)
    return "--json" in (words[: words.index("--")] if "--" in words else words)
