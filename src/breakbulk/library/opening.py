"""From what a user wrote to an environment: a directory goes first, then the name of an environment on a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from breakbulk.environment.specification import current_directory
from breakbulk.library.environment import Environment
from breakbulk.library.runnable import Runnable
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from breakbulk.library.remote import RemoteEnvironment

__all__ = ["names_remote", "open_environment"]


def open_environment(
    place: Path | str | None, settings: Settings, reporter: Reporter = SILENT, *, frozen: bool = False
) -> Runnable:
    """Return the environment in the directory `place`, else the one of that name on the hub.

    None means the current directory, or the nearest above it that has a manifest. A directory that is not there never
    means one above it.

    Raises:
        NotFoundError: `directory-missing`, it is neither; `manifest-not-found`.
        UsageError: `reference-invalid`, `current-directory-gone`.

    """
    if place is None or not names_remote(place):
        return Environment.open(place or ".", settings, reporter, frozen=frozen)
    return _remote(str(place), settings, reporter)


def names_remote(place: Path | str) -> bool:
    """Say whether `place` is no directory, but written like an environment on a hub, well or not."""
    from breakbulk.hub.names import is_reference

    text = str(place)
    if (current_directory() / place).is_dir():
        return False
    return is_reference(text) or (not text.startswith(("/", ".")) and (":" in text or "@" in text))


def _remote(name: str, settings: Settings, reporter: Reporter) -> RemoteEnvironment:
    from breakbulk.library.remote import RemoteEnvironment

    return RemoteEnvironment.open(name, settings, reporter)
