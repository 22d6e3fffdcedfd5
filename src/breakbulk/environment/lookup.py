"""Find the program of a command in the environment, and say what is wrong when it cannot be started.

Exit codes are the shell's: 127 for a command that is not there, 126 for one that cannot be executed (POSIX, 2.8.2).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator

from breakbulk.errors import BreakbulkError, CommandNotExecutableError, CommandNotFoundError

__all__ = ["find_program", "unexecutable"]


def find_program(name: str, path: str) -> str:
    """Return the file that `name` means, as execvp(3) would find it.

    Raises:
        CommandNotFoundError: With the nearest names there are.
        CommandNotExecutableError: It is a directory, or has no permission to be executed.

    """
    candidates = [name] if "/" in name else [os.path.join(folder, name) for folder in path.split(":")]
    found = [candidate for candidate in candidates if os.path.exists(candidate)]
    for candidate in found:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    if found:
        raise _refused(found[0])
    raise _missing(name, path)


def unexecutable(program: str, number: int) -> BreakbulkError:
    """Return the error for a program that the kernel refuses to execute with errno `number`."""
    if number == errno.ENOENT:  # the file is there, so what is missing is its interpreter
        return CommandNotExecutableError(
            f"{program} cannot be executed, as its interpreter is missing",
            identifier="interpreter-missing",
            where=_interpreter(program) or program,
            hint="install the package that brings the interpreter, or correct the first line of the script",
        )
    return CommandNotExecutableError(f"{program} cannot be executed", where=program, why=os.strerror(number))


def _refused(program: str) -> CommandNotExecutableError:
    if os.path.isdir(program):
        return CommandNotExecutableError(f"{program} is a directory", where=program)
    return CommandNotExecutableError(
        f"{program} has no permission to be executed", where=program, hint=f"chmod +x {program}"
    )


def _missing(name: str, path: str) -> CommandNotFoundError:
    if "/" in name:
        return CommandNotFoundError(
            f"{name} does not exist in the environment",
            where=name,
            hint="give the name of a program in the environment, or show a directory of this machine with --mount",
        )
    near = _nearest(name, set(_programs(path)))
    return CommandNotFoundError(
        f"the environment has no command {name!r}",
        where=f"PATH={path}",
        why=f"the nearest names are {', '.join(near)}" if near else None,
        hint=f"find the package that brings it: breakbulk search {name}",
    )


def _programs(path: str) -> Iterator[str]:
    for folder in path.split(":"):
        if os.path.isdir(folder):
            yield from os.listdir(folder)


def _nearest(name: str, programs: Iterable[str]) -> list[str]:
    """Return at most three names that differ from `name` in few letters; difflib cannot be imported in the root."""
    close = max(1, len(name) // 3)
    candidates = (program for program in programs if abs(len(program) - len(name)) <= close)
    rated = sorted((_distance(name, program), program) for program in candidates)
    return [program for distance, program in rated if distance <= close][:3]


def _distance(first: str, second: str) -> int:
    """Return how many letters to insert, remove or replace (Levenshtein)."""
    row = list(range(len(second) + 1))
    for above, letter in enumerate(first, start=1):
        diagonal, row[0] = row[0], above
        for column, other in enumerate(second, start=1):
            replaced = diagonal + (letter != other)
            diagonal, row[column] = row[column], min(replaced, row[column] + 1, row[column - 1] + 1)
    return row[-1]


def _interpreter(program: str) -> str | None:
    with open(program, "rb") as file:
        line = file.readline(256)
    return line[2:].strip().decode(errors="replace") if line.startswith(b"#!") else None
