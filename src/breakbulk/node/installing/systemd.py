"""The machine's systemd, as far as an installation needs it: which service runs containerd, and our own.

Everything else on a node is plain files, so that a machine without systemd is installed in the same way and only the
restart is left to whoever looks after it. Counterparts: `units` writes what is started here, `installation` decides.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from breakbulk.errors import PlatformError

__all__ = ["active", "disable", "enable", "reload_units", "restart", "run_command", "runs_here"]

_TIMEOUT_S = 120.0


def runs_here(root: Path = Path("/")) -> bool:
    """Say whether systemd runs this machine; sd_booted(3)."""
    return (root / "run/systemd/system").is_dir()


def active(units: Sequence[str]) -> str | None:
    """Return the first of these units that is active, None when none is or nobody can tell."""
    try:
        return next(
            (unit for unit in units if _called("systemctl", "is-active", "--quiet", unit).returncode == 0), None
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def restart(unit: str) -> None:
    """Restart a unit; raise `PlatformError` (`restart-failed`)."""
    run_command(("systemctl", "restart", unit))


def enable(unit: str) -> None:
    """Start a unit now, anew if it runs, and at every boot; raise `PlatformError` (`restart-failed`)."""
    run_command(("systemctl", "enable", unit))
    run_command(("systemctl", "restart", unit))


def disable(unit: str) -> None:
    """Stop a unit, for good; raise `PlatformError` (`restart-failed`)."""
    run_command(("systemctl", "disable", "--now", unit))


def reload_units() -> None:
    """Have systemd read the files of units again; raise `PlatformError` (`restart-failed`)."""
    run_command(("systemctl", "daemon-reload"))


def run_command(argv: Sequence[str]) -> None:
    """Run a command that starts or stops something; raise `PlatformError` (`restart-failed`) with what it said."""
    try:
        ended = _called(*argv)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(argv, str(error)) from error
    if ended.returncode != 0:
        raise _failed(argv, ended.stderr.strip()[-500:] or f"it ended with {ended.returncode}")


def _called(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        check=False,
    )


def _failed(argv: Sequence[str], why: str) -> PlatformError:
    return PlatformError(
        "a service could not be restarted",
        identifier="restart-failed",
        where=" ".join(argv),
        why=why,
        hint="see `journalctl -e`; when it runs again, `breakbulk node doctor` says what is left to do",
    )
