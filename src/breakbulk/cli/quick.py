"""`breakbulk run` on the short way: a plain command line, in an environment whose plan still holds.

It is what users and schedulers start most, so nothing is imported that is not needed to start the command: no click, no
manifest, no lock. Where nothing but own sources has changed, they are locked and stored first, which takes no time
worth a display of progress. Whatever is not plain (an option besides `--environment`, a plan that does not hold, a
fault) is left to the whole program, which knows how to say it. Counterparts: `environment.plans`, `cli.main`.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["command_of", "quick_run"]

_ENVIRONMENT = ("-e", "--environment")


class _Said:
    """A reporter that says on standard error what is worth a line; nothing here takes long enough for more."""

    def begin(self, title: str, *, total: int | None = None, unit: str = "steps") -> _Said:  # noqa: ARG002
        return self

    def note(self, message: str) -> None:
        print(message, file=sys.stderr)

    def advance(self, amount: int = 1) -> None:
        pass

    def grow(self, amount: int) -> None:
        pass

    def finish(self) -> None:
        pass


def command_of(words: Sequence[str]) -> tuple[Path, tuple[str, ...]] | None:
    """Return directory and command of `[-e DIR] [--] COMMAND...`, None for every other command line."""
    rest = list(words)
    directory = Path()
    if rest[:1] and rest[0] in _ENVIRONMENT and len(rest) > 1:
        directory = Path(rest[1])
        del rest[:2]
    if rest[:1] == ["--"]:
        del rest[0]
    elif rest[:1] and rest[0].startswith("-"):
        return None
    return (directory, tuple(rest)) if rest else None


def quick_run(words: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Run a command and return its exit status; None, with nothing done, when the whole program is needed.

    Raises:
        BreakbulkError: As `environment.sandbox.run`; `current-directory-gone`.

    """
    asked = command_of(words)
    if asked is None:
        return None
    gc.disable()  # what is imported stays: looking for garbage in it costs a tenth of the start
    from breakbulk.environment.plans import find_plan, recall
    from breakbulk.environment.specification import current_directory

    path = find_plan(current_directory() / asked[0])
    plan = recall(path, environment) if path else None
    if plan is None:
        gc.enable()
        return None
    if not plan.sources_hold():
        return _with_changed_sources(*asked, environment)
    from breakbulk.environment.sandbox import run

    gc.freeze()
    gc.enable()
    return run(plan.launch(asked[1], environment), _Said())


def _with_changed_sources(directory: Path, command: tuple[str, ...], environment: Mapping[str, str]) -> int:
    from breakbulk.cli.ending import ending_tidily
    from breakbulk.library import Environment
    from breakbulk.settings import Settings

    gc.freeze()
    gc.enable()
    with ending_tidily():
        return Environment.open(directory, Settings.load(environment), _Said()).launch(command)
