"""Run `hook.on-activate` and `hook.on-deactivate`, with Flox's semantics.

The hook is sourced by bash, without `set -e`; its standard output goes to standard error, so that it cannot spoil the
command's. What it has exported when it ends is the environment of the services and the command. A hook that does not
reach its end (`exit`, `exec`, a syntax error, a signal) is an error; a last command that fails is not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from breakbulk.environment.lookup import find_program
from breakbulk.errors import ActivationError, CommandNotFoundError

__all__ = ["OWN_FILES", "activate", "deactivate", "write_own_file"]

OWN_FILES = "/run/breakbulk"
"""Files that a run makes for itself; in memory, readable by the caller only."""

Start = Callable[[Sequence[str], Mapping[str, str]], int]
"""Run a program (by path) with arguments and variables; return its status as a shell gives it."""

# The hook's own traps and variables must not leak, so everything of ours begins with __breakbulk. Variables are
# written by a bash of their own, from what the kernel handed it: no other program need be in the environment.
_ACTIVATE = f"""\
trap '__breakbulk_line=$LINENO' ERR
trap 'echo "$__breakbulk_line" >{OWN_FILES}/hook-line' EXIT
source {OWN_FILES}/hook.on-activate 1>&2
__breakbulk_status=$?
trap - ERR EXIT
if [ "$__breakbulk_status" -ne 0 ] && ! "$BASH" -n {OWN_FILES}/hook.on-activate 2>/dev/null; then exit 2; fi
exec "$BASH" --norc --noprofile -c '
  while IFS= read -r -d "" __breakbulk_entry; do printf "%s\\0" "$__breakbulk_entry"; done </proc/self/environ
  echo complete >&3' >{OWN_FILES}/hook-variables 3>{OWN_FILES}/hook-complete
"""
_OF_BASH = ("_", "SHLVL", "OLDPWD")


def activate(script: str, environment: Mapping[str, str], start: Start) -> dict[str, str]:
    """Run `hook.on-activate` and return the variables after it.

    Raises:
        ActivationError: `hook-needs-bash`, `hook-failed`.

    """
    write_own_file("hook.on-activate", script)
    status = start([_bash(environment), "--norc", "--noprofile", "-c", _ACTIVATE], environment)
    if not _read_own_file("hook-complete"):
        raise _failed(status)
    entries = os.fsdecode(_read_own_file("hook-variables")).split("\0")[:-1]
    after = dict(entry.partition("=")[::2] for entry in entries)
    for name in _OF_BASH:
        after.pop(name, None)
    return after | {"PWD": environment["PWD"]}


def deactivate(script: str, environment: Mapping[str, str], start: Start) -> int:
    """Run `hook.on-deactivate`; return its status, which changes nothing any more. Raises `ActivationError`."""
    path = write_own_file("hook.on-deactivate", script)
    return start([_bash(environment), "--norc", "--noprofile", "-c", f"source {path} 1>&2"], environment)


def write_own_file(name: str, text: str) -> str:
    """Write a file of this run and return its path."""
    os.makedirs(OWN_FILES, mode=0o700, exist_ok=True)
    path = f"{OWN_FILES}/{name}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return path


def _read_own_file(name: str) -> bytes:
    try:
        with open(f"{OWN_FILES}/{name}", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _bash(environment: Mapping[str, str]) -> str:
    try:
        return find_program("bash", environment["PATH"])
    except CommandNotFoundError:
        raise ActivationError(
            "the manifest has hooks or services, but the environment has no bash to run them",
            identifier="hook-needs-bash",
            hint='breakbulk install deb:bash, or set options.base = "minimal"',
        ) from None


def _failed(status: int) -> ActivationError:
    line = _read_own_file("hook-line").decode().strip()
    return ActivationError(
        f"the hook ended with status {status} before its end",
        identifier="hook-failed",
        where="hook.on-activate",
        why=f"the last command that failed is in line {line}" if line else None,
        hint="what it wrote is above; write `return` instead of `exit`, and `( exec command )` instead of `exec`",
    )
