"""Run a function in a process of its own, as root or as an ordinary user, and hand back what it returns or raises."""

import ctypes
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from breakbulk.store import linux, namespaces

NOBODY = 65534


def in_child(function: Callable[..., Any], *arguments: object, user: bool = False) -> Any:
    """Fork, become an ordinary user if asked to (root only), call the function."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            if user and os.geteuid() == 0:
                _become_ordinary()
            outcome: tuple[Any, BaseException | None] = (function(*arguments), None)
        except BaseException as error:  # noqa: BLE001
            traceback.print_exc()
            outcome = (None, error)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(outcome, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    value, error = pickle.loads(data)  # noqa: S301 - from our own child
    if error is not None:
        raise error
    return value


def _become_ordinary() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: /proc/self is root's after a change of ids without exec
    os.environ["HOME"] = "/nonexistent"
    if subprocess.run(["/bin/sh", "-c", f"{sys.executable} -c ''"], capture_output=True, check=False).returncode:
        sys.executable = "/usr/bin/python3"  # root's own Python lies below /root, where nobody may look


def give_to_nobody(directory: Path) -> None:
    """Make the ordinary user own a tree."""
    if os.geteuid() == 0:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def own_mounts() -> None:
    """Let this process mount what only it sees."""
    ids = (os.geteuid(), os.getegid())
    linux.unshare(linux.CLONE_NEWNS | (linux.CLONE_NEWUSER if ids[0] else 0))
    if ids[0]:
        namespaces._map_identity(*ids)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
