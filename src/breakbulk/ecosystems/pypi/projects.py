"""A Python project in a directory becomes a wheel, through its own build back end.

uv makes an isolated environment with what the project's `[build-system]` asks for and calls the back end (PEP 517).
SOURCE_DATE_EPOCH is fixed, so that equal sources give equal bytes as far as the back end heeds it. The back end is the
user's own code and runs with the user's rights. Counterpart: `ecosystems.source`, which decides what is built and keeps
the result.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from breakbulk.ecosystems.pypi import uv
from breakbulk.ecosystems.pypi.explanation import plain
from breakbulk.errors import BuildError
from breakbulk.settings import Settings

__all__ = ["wheel_of_project"]

_SOURCE_DATE_EPOCH = "315532800"  # 1980-01-01, the first day that a zip file can name
_TAIL_LINES = 20


def wheel_of_project(
    directory: Path,
    settings: Settings,
    *,
    into: Path,
    python: str | None = None,
    snapshot: str | None = None,
    origin: Path | None = None,
) -> Path:
    """Build the wheel of the project in `directory` and return its path in the directory `into`.

    Args:
        directory: Holds `pyproject.toml` or `setup.py`.
        settings: The user's environment: indexes and credentials for what the build needs.
        into: An existing directory.
        python: Version or path of the Python to build with; by default the one that runs this program.
        snapshot: What the build needs is resolved as of this date (RFC 3339).
        origin: The user's directory that `directory` is a passing copy of; errors name it.

    Raises:
        BuildError: The back end fails (the end of its output is `why`), or gives no wheel or several.

    """
    with tempfile.TemporaryDirectory(prefix="breakbulk-uv-", dir=into) as scratch:
        output = Path(scratch, "wheels")
        arguments = ["build", "--wheel", "--out-dir", str(output), str(directory.absolute())]
        arguments += ["--python", python] if python else []
        arguments += ["--exclude-newer", snapshot] if snapshot else []
        environment = {"SOURCE_DATE_EPOCH": _SOURCE_DATE_EPOCH, "PYTHONHASHSEED": "0"}
        answer = uv.run(arguments, Path(scratch), settings, environment=environment)
        wheels = sorted(output.glob("*.whl"))
        if answer.returncode != 0 or len(wheels) != 1:
            raise _failed(origin or directory, answer.stderr + answer.stdout, len(wheels))
        return wheels[0].rename(into / wheels[0].name)


def _failed(directory: Path, output: str, wheels: int) -> BuildError:
    lines = [line for line in plain(output).splitlines() if line.strip()]
    return BuildError(
        "the Python project cannot be built" if wheels == 0 else f"building the Python project gave {wheels} wheels",
        where=str(directory),
        why="\n".join(lines[-_TAIL_LINES:]) or None,
        hint=f"run `uv build --wheel {directory}` to see everything that it says",
    )
