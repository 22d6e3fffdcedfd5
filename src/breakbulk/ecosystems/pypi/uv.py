"""The one place that starts uv.

Every call goes through `run`: the binary that the `uv` distribution brings, the user's configuration, no colour, no
download of interpreters, an empty directory of its own to start in (so that no project's `uv.toml` on the way up
changes the outcome). Output is captured and never shown as it is: `explanation` turns it into an error without
hosts and credentials.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from breakbulk.ecosystems.programs import run_program
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
        return run_program(
            [uv.find_uv_bin(), *command, *configuration.arguments],
            environment={**configuration.environment, "UV_PYTHON": sys.executable, **(environment or {})},
            directory=directory,
            standard_input=standard_input,
        )
    except OSError as error:
        raise PlatformError(
            "uv cannot be started",
            identifier="uv-missing",
            why=error.strerror or str(error),
            hint="install Breakbulk again: its dependency uv brings the program",
        ) from error
