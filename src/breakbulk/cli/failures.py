"""Turn whatever ended a command into one error with an identifier, a text and an exit code.

Breakbulk's own errors come as they are; click's become `usage`; anything else is a fault of Breakbulk and becomes
`internal-error`, with the traceback in a file that a user can send. A user never sees a raw traceback unless
`BREAKBULK_DEBUG=1` asks for it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from breakbulk.cli.ending import Terminated
from breakbulk.cli.rendering import Style, indented
from breakbulk.errors import BreakbulkError, UsageError

__all__ = [
    "BROKEN_PIPE",
    "InternalError",
    "InterruptionError",
    "OutputError",
    "TerminationError",
    "as_error",
    "rendered",
]

BROKEN_PIPE = 141
"""Exit code when nobody reads the output any more: that of a program ended by SIGPIPE."""
_DEBUG = "BREAKBULK_DEBUG"
_AGAIN = "run the same command again to go on from here"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


class InternalError(BreakbulkError):
    """Breakbulk itself is at fault; `where` names the file with the report."""

    identifier = "internal-error"
    exit_code = 79


class InterruptionError(BreakbulkError):
    """The user pressed Control-C; what was complete is kept, nothing half-made is left.

    The process ends by SIGINT, which a shell shows as 130, so that a script or loop around it stops as well.
    """

    identifier = "interrupted"
    exit_code = 130


class TerminationError(BreakbulkError):
    """SIGTERM came; what was complete is kept, nothing half-made is left."""

    identifier = "terminated"
    exit_code = 143


class OutputError(BreakbulkError):
    """Standard output cannot be written."""

    identifier = "output"
    exit_code = 78


def as_error(exception: BaseException, *, argv: Sequence[str], environ: Mapping[str, str]) -> BreakbulkError:
    """Return the error to show for `exception`; writes a report file when it is unexpected."""
    if isinstance(exception, BreakbulkError):
        return exception
    if isinstance(exception, click.UsageError):
        return _usage_error(exception)
    if isinstance(exception, click.ClickException):
        return UsageError(exception.format_message().rstrip("."))
    if isinstance(exception, (KeyboardInterrupt, click.Abort)):
        return InterruptionError("interrupted", hint=_AGAIN)
    if isinstance(exception, Terminated):
        return TerminationError("ended by SIGTERM", hint=_AGAIN)
    return _internal_error(exception, argv, environ)


def rendered(error: BreakbulkError, look: Style) -> str:
    """Return the error as text: `error[IDENTIFIER]: what`, then where, why and fix, one line each."""
    lines = [f"{look.bad(f'error[{error.reference}]')}: {indented(error.message, 2)}"]
    for label, value in (("where", error.where), ("why", error.why), ("fix", error.hint)):
        if value:
            lines.append(f"  {look.strong(label)}: {indented(value, len(label) + 4)}")
    return "\n".join(lines)


def _usage_error(exception: click.UsageError) -> UsageError:
    """Return click's complaint in our form, with the nearest right word as the fix."""
    path = exception.ctx.command_path if exception.ctx else "breakbulk"
    near, message = None, exception.format_message()
    if isinstance(exception, (click.exceptions.NoSuchCommand, click.exceptions.NoSuchOption)):
        near, message = exception.possibilities, exception.message
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return UsageError(message.rstrip("."), where=path, hint=f"{hint}see `{path} --help`")


def _internal_error(exception: BaseException, argv: Sequence[str], environ: Mapping[str, str]) -> InternalError:
    import traceback

    report = _report(exception, argv)
    if environ.get(_DEBUG):
        print(report, file=sys.stderr)
    summary = "".join(traceback.format_exception_only(exception)).strip().splitlines()[-1]
    return InternalError(
        f"Breakbulk failed unexpectedly: {_without_credentials(summary)}",
        where=str(_written(report, environ)),
        hint=f"please report it with that file; {_DEBUG}=1 shows the traceback",
    )


def _report(exception: BaseException, argv: Sequence[str]) -> str:
    """Return what a maintainer needs to know, without credentials in addresses."""
    import traceback
    from importlib.metadata import PackageNotFoundError, version

    try:
        release = version("breakbulk")
    except PackageNotFoundError:
        release = "unknown"
    system = os.uname()
    facts = (
        f"breakbulk {release}, Python {sys.version.split()[0]}, {system.sysname} {system.release} {system.machine}",
        f"command: breakbulk {' '.join(argv)}",
        "",
        "".join(traceback.format_exception(exception)),
    )
    return _without_credentials("\n".join(facts))


def _written(report: str, environ: Mapping[str, str]) -> Path:
    """Write the report below the cache, or where temporary files go when that cannot be written."""
    import tempfile
    import time

    from breakbulk.settings import Settings

    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
    try:
        path = Settings.load(environ).cache / "reports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(report)
    except (OSError, BreakbulkError):
        with tempfile.NamedTemporaryFile("w", prefix="breakbulk-report-", suffix=".txt", delete=False) as file:
            file.write(report)
        return Path(file.name)
    return path


def _without_credentials(text: str) -> str:
    return _CREDENTIALS.sub("", text)
