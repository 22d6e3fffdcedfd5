"""The program's first lines: the short way where it will do, else the whole program."""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["like_the_command", "main"]


def main() -> int:
    """Run the command line of this process and return its exit code; where Control-C ended it, do not return."""
    return like_the_command(_status())


def _status() -> int:
    if sys.argv[1:2] == ["run"]:
        from breakbulk.cli.ending import Terminated
        from breakbulk.cli.quick import quick_run
        from breakbulk.errors import BreakbulkError

        try:
            status = quick_run(sys.argv[2:], os.environ)
        except (BreakbulkError, KeyboardInterrupt, Terminated) as error:
            from breakbulk.cli.main import fail

            return fail(sys.argv[1:], error)
        if status is not None:
            return status
    from breakbulk.cli.main import main as whole

    return whole()


def like_the_command(status: int) -> int:
    """Return the status; where Control-C ended the command, end by it as well, so that a script around us stops too.

    A shell that waits for us goes on with its script when we end by ourselves, whatever our status. The interpreter
    ends itself by SIGINT after a `KeyboardInterrupt` that nobody takes, when all that is to be put away has been.
    """
    if getattr(status, "signal", None) == signal.SIGINT:
        sys.excepthook = lambda *_: None  # what there is to say has been said
        raise KeyboardInterrupt
    return status
