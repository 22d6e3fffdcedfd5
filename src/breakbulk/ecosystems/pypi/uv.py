"""The one place that starts uv.

Every call goes through `run`: the binary that the `uv` distribution brings, the user's configuration, no colour, no
download of interpreters, an empty directory of its own to start in (so that no project's `uv.toml` on the way up
changes the outcome). Output is captured and never shown as it is: `explanation` turns it into an error without
hosts and credentials.
"""

from __future__ import annotations

import atexit
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from breakbulk.ecosystems.pypi.client_configuration import client_configuration
from breakbulk.errors import PlatformError
from breakbulk.settings import Settings

__all__ = ["run"]


def run(
    arguments: list[str],
    directory: Path,
    settings: Settings,
    *,
    environment: Mapping[str, str] | None = None,
    standard_input: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run `uv ARGUMENTS` in `directory` and return how it ended, whatever its exit code.

    `environment` is added to the user's. Raises `PlatformError` when there is no uv for this machine.
    """
    import uv

    configuration = client_configuration(settings)
    command = [*arguments, "--color", "never", "--no-progress", "--no-python-downloads"]
    try:
        process = subprocess.Popen(
            [uv.find_uv_bin(), *command, *configuration.arguments],
            env={**configuration.environment, "UV_PYTHON": sys.executable, **(environment or {})},
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise PlatformError(
            "uv cannot be started",
            identifier="uv-missing",
            why=error.strerror or str(error),
            hint="install Breakbulk again: its dependency uv brings the program",
        ) from error
    return _ended(process, standard_input)


def _ended(process: subprocess.Popen[str], standard_input: str) -> subprocess.CompletedProcess[str]:
    """Wait for uv; it ends with this process too, whose threads are not waited for (`side_by_side`)."""
    atexit.register(process.kill)
    with process:
        try:
            output, errors = process.communicate(standard_input)
        finally:
            process.kill()  # nothing happens to one that has ended
            atexit.unregister(process.kill)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)
