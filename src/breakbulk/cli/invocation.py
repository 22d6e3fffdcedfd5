"""One call of the program: what every command may be asked for, and where its output goes.

Standard output holds what was asked for, and with `--json` exactly one JSON document. Progress, notes and hints go to
standard error, and nowhere with `--quiet`. This is the one place that turns the process's environment into `Settings`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakbulk.cli.failures import OutputError
from breakbulk.cli.rendering import Style, wants_colour
from breakbulk.errors import UsageError
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.cli.progress import Progress
    from breakbulk.hub.hub import Hub
    from breakbulk.library import Environment, Runnable
    from breakbulk.reporting import Task, Unit

__all__ = ["Invocation", "abandon_output"]

Text = str | Callable[[], str]


class Invocation:
    """What one call was asked for beyond the command's own arguments.

    Attributes:
        json: Print one JSON document instead of text.
        quiet: Print neither progress nor notes nor hints.
        directory: `--environment`, None to look for a manifest from the current directory upwards; where there is no
            such directory it may name an environment on a hub.
        argv: The words after the program's name.

    """

    def __init__(self, argv: list[str], environ: Mapping[str, str]) -> None:
        self.argv = argv
        self.environ = environ
        self.json = False
        self.quiet = False
        self.directory: Path | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings; raises `UsageError` naming the variable that is wrong."""
        return Settings.load(self.environ)

    @cached_property
    def style(self) -> Style:
        """Emphasis for standard output."""
        return Style(wants_colour(sys.stdout, self.environ))

    @cached_property
    def error_style(self) -> Style:
        """Emphasis for standard error."""
        return Style(wants_colour(sys.stderr, self.environ))

    @cached_property
    def progress(self) -> Progress:
        """The display of progress; draws nothing for work of less than a second."""
        from breakbulk.cli.progress import progress_for

        return progress_for(sys.stderr, self.environ, quiet=self.quiet)

    def begin(self, title: str, *, total: int | None = None, unit: Unit = "steps") -> Task:
        """Start a piece of work; the invocation is the `Reporter`, so that a run without any imports no display."""
        return self.progress.begin(title, total=total, unit=unit)

    def note(self, message: str) -> None:
        """Tell something worth a line."""
        self.progress.note(message)

    def environment(self, *, frozen: bool = False) -> Environment:
        """Open the environment in the directory of `--environment` or in the current one, to change it.

        With `frozen` the environment never locks by itself. Raises `NotFoundError`; `UsageError` for one on a hub.
        """
        from breakbulk.library import Environment
        from breakbulk.library.opening import names_remote

        if self.directory is not None and names_remote(self.directory):
            raise _cannot_be_changed(str(self.directory))
        return Environment.open(self.directory or Path(), self.settings, self, frozen=frozen)

    def runnable(self, *, frozen: bool = False) -> Runnable:
        """Open the environment of `--environment`, which may be on a hub, or of the current directory."""
        from breakbulk.library.opening import open_environment

        return open_environment(self.directory, self.settings, self, frozen=frozen)

    @cached_property
    def hub(self) -> Hub:
        """The configured hub."""
        from breakbulk.hub.opening import open_hub

        return open_hub(self.settings)

    def show(self, document: Any, text: Text) -> None:
        """Print what the user asked to see: the document with `--json`, else the text; both may be functions."""
        if self.json:
            self.print_json(document() if callable(document) else document)
        elif shown := text() if callable(text) else text:
            _write(shown)

    def report(self, document: Any, text: Text) -> None:
        """Print what was done: the document with `--json`, else the text unless `--quiet`."""
        if self.json or not self.quiet:
            self.show(document, text)

    def suggest(self, command: str) -> None:
        """Tell the next thing to try, on standard error."""
        if not (self.json or self.quiet):
            self.close()
            print(f"{self.error_style.faint('next:')} {command}", file=sys.stderr)

    def print_json(self, document: Any) -> None:
        """Print the one document of a `--json` call; paths and other values of ours become text."""
        import msgspec

        encoded = msgspec.json.format(msgspec.json.encode(document, enc_hook=os.fspath), indent=2)
        _write(encoded.decode())

    def close(self) -> None:
        """Take the progress display off the terminal; it comes back when more is reported."""
        if "progress" in self.__dict__:
            self.progress.close()


def abandon_output() -> None:
    """Point standard output nowhere, so that the interpreter's last flush does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _cannot_be_changed(name: str) -> UsageError:
    return UsageError(
        f"{name} is on a hub, and this command needs an environment in a directory",
        identifier="environment-on-hub",
        where=f"--environment {name}",
        why="what is pushed never changes",
        hint=f"`breakbulk pull {name} --into DIRECTORY`, change it there, and `breakbulk push` it",
    )


def _write(text: str) -> None:
    """Print to standard output; raises `OutputError` when it is full, `BrokenPipeError` when nobody reads it."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_output()
        raise OutputError("cannot write standard output", why=error.strerror) from error
