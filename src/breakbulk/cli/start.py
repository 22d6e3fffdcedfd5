"""The program's first lines: the short way where it will do, else the whole program."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line of this process and return its exit code."""
    if sys.argv[1:2] == ["run"]:
        from breakbulk.cli.quick import quick_run
        from breakbulk.errors import BreakbulkError

        try:
            status = quick_run(sys.argv[2:], os.environ)
        except (BreakbulkError, KeyboardInterrupt) as error:
            from breakbulk.cli.main import fail

            return fail(sys.argv[1:], error)
        if status is not None:
            return status
    from breakbulk.cli.main import main as whole

    return whole()
