"""Say what is wrong where containerd looks: in the log that it has given to runc.

containerd takes the message of the last line with the level `error` and puts it into an event of the pod. Source:
`getLastRuntimeError` of containerd's shim; the lines are those of logrus, as runc writes them.
"""

from __future__ import annotations

import json
import os
import sys
import time

from breakbulk.errors import BreakbulkError
from breakbulk.node.handler.invocation import Invocation

__all__ = ["refuse"]


def refuse(error: BreakbulkError, invocation: Invocation) -> None:
    """Write the error to the log of an invocation, to standard error where it has none or that cannot be written."""
    text = f"breakbulk: {error}"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({"level": "error", "msg": text, "time": moment})
    if invocation.log_format != "json":
        line = f'time="{moment}" level=error msg={json.dumps(text)}'
    if not _append(invocation.log, line):
        sys.stderr.write(f"{text}\n")


def _append(path: str, line: str) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError:
        return False
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{line}\n")
    return True
