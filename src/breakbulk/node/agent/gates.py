"""Hold back the sandbox of a pod while something is done for it: a locked file that the runtime waits for.

    <run>/waiting/<uid>     locked until the pod is ready, or somebody has to be told why it is not

Who waits for a lock costs nothing, where a runtime handler that asks costs a Python for each of fifty pods. Nothing
depends on it: a runtime that finds no such file, or waits for long, asks as ever. The kernel unlocks when we die.
Counterparts: `handler`, whose script waits; `serving`, which answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os

from breakbulk.node.records import record_path, waiting_path

__all__ = ["Gates"]

_LOG = logging.getLogger(__name__)
_FLAGS = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Gates:
    """The gates of one node; all are open at first.

    Args:
        run: Where the runtime looks.

    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._shut: dict[str, int] = {}

    def shut(self, uid: str) -> None:
        """Have the sandbox of a pod wait."""
        if uid in self._shut:
            return
        try:
            record_path(self._run, uid)  # raises for what names no file
            descriptor = os.open(waiting_path(self._run, uid), _FLAGS, 0o600)
        except (OSError, ValueError) as error:
            _LOG.info("the sandbox of %.100r is not held back: %s", uid, error)
            return
        self._shut[uid] = descriptor
        with contextlib.suppress(BlockingIOError):  # somebody goes past a gate that a dead agent has left
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def open(self, uid: str) -> None:
        """Let the sandbox of a pod go on."""
        if (descriptor := self._shut.pop(uid, None)) is not None:
            with contextlib.suppress(OSError):
                os.unlink(waiting_path(self._run, uid))
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # whoever was forked at this moment has the same lock
            os.close(descriptor)
