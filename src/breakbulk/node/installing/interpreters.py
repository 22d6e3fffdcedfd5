"""Which interpreter the runtime program is run by: the distribution's, if it can.

Only root writes it, which cannot be said of a virtual environment, and it starts in two thirds of the time that one
with a shared library takes, for every container. It needs no packages: the handler uses the standard library alone.
Counterpart: `handler`.
"""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache

__all__ = ["DISTRIBUTION_PYTHON", "runtime_python"]

DISTRIBUTION_PYTHON = "/usr/bin/python3"

_OLDEST = (3, 11)
_TIMEOUT_S = 30.0
_TRIAL = """\
import sys
sys.path.insert(0, sys.argv[1])
from breakbulk.node.handler import bundle, creating, entering, looking, main, refusing, rooting
from breakbulk.node import protocol
sys.exit(sys.version_info < {oldest})
"""
"""Imports what the handler may; the first time, this leaves its bytecode."""


@lru_cache
def runtime_python(source: str, candidate: str = DISTRIBUTION_PYTHON) -> str:
    """Return the interpreter for the handler in `source`: `candidate` if it runs it, else that of this process."""
    trial = _TRIAL.format(oldest=_OLDEST)
    try:
        done = subprocess.run(
            [candidate, "-IS", "-c", trial, source], capture_output=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return sys.executable
    return candidate if done.returncode == 0 else sys.executable
