"""Give the caller a name inside: `whoami`, `ssh` and shell prompts look the user up in /etc/passwd.

The packages know root and Debian's system users only. The lines are added to the run's own copy of the files.
"""

from __future__ import annotations

import os

__all__ = ["ensure_known"]


def ensure_known(name: str, home: str, shell: str) -> None:
    """Add the present user and group to /etc/passwd and /etc/group where they are missing; raise `OSError`."""
    uid, gid = os.getuid(), os.getgid()
    _add("/etc/passwd", uid, f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}")
    _add("/etc/group", gid, f"{name}:x:{gid}:")


def _add(path: str, number: int, line: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    fields = [entry.split(":") for entry in text.splitlines()]
    if any(len(entry) > 2 and entry[2] == str(number) for entry in fields):
        return
    name, rest = line.split(":", 1)
    new = f"user{number}:{rest}" if any(entry[0] == name for entry in fields) else line
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + ("" if text.endswith("\n") or not text else "\n") + new + "\n")
