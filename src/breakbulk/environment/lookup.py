"""Find the program of a command in the environment, and say what is wrong when it cannot be started.

Exit codes are the shell's: 127 for a command that is not there, 126 for one that cannot be executed (POSIX, 2.8.2).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

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
    import difflib  # only where a program is missing

    near = difflib.get_close_matches(name, set(_programs(path)), n=3)
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


def _interpreter(program: str) -> str | None:
    with open(program, "rb") as file:
        line = file.readline(256)
    return line[2:].strip().decode(errors="replace") if line.startswith(b"#!") else None
