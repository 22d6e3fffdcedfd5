"""Where an environment in a directory was pulled from or pushed to last: `.breakbulk/upstream`.

It says which generation a push is based on, so that nobody undoes another's push unnoticed, and which own sources did
not come with the manifest: their archives are on the hub, and the lock stays as it is for as long as nothing is put in
their place. It can be lost without harm, as all of `.breakbulk`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from breakbulk.environment.specification import STATE_DIRECTORY
from breakbulk.lock.files import LOCK_FILE
from breakbulk.lock.replacing import replace_file
from breakbulk.manifest.reading import MANIFEST_NAME
from breakbulk.manifest.schema import PathInstall

__all__ = ["Upstream", "has_come_without_source", "read_upstream", "write_upstream"]

_FILE = "upstream"
_OURS = frozenset({MANIFEST_NAME, LOCK_FILE, STATE_DIRECTORY, ".gitignore"})


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """What a directory has to do with a hub.

    Attributes:
        hub: The hub's address, without credentials.
        environment: `owner/name`.
        generation: The one that was pulled or pushed.
        generations: How many there were then.
        digest: Of the environment.
        files: SHA-256 of what was pulled, by name: what still has it was not changed by anybody here.
        absent: Ids of installs whose source was not pulled, as a hub keeps archives and no sources.

    """

    hub: str
    environment: str
    generation: int
    generations: int
    digest: str
    files: dict[str, str] = {}
    absent: tuple[str, ...] = ()


def read_upstream(directory: Path) -> Upstream | None:
    """Return what is known of a directory, None when it has nothing to do with a hub."""
    try:
        return msgspec.json.decode((directory / STATE_DIRECTORY / _FILE).read_bytes(), type=Upstream)
    except (OSError, msgspec.MsgspecError):
        return None


def write_upstream(directory: Path, upstream: Upstream) -> None:
    """Write down what a directory has to do with a hub; where that cannot be done, do without."""
    with contextlib.suppress(OSError):
        (directory / STATE_DIRECTORY).mkdir(exist_ok=True)
        replace_file(directory / STATE_DIRECTORY / _FILE, msgspec.json.encode(upstream), 0o644)


def has_come_without_source(install: PathInstall, directory: Path, pulled: Iterable[str]) -> bool:
    """Say whether nothing has been put where a source would be.

    It is absent, or holds what was pulled and no more; `pulled` are the names of those files.
    """
    place = directory / install.path
    try:
        names = {entry.name for entry in place.iterdir()}
    except NotADirectoryError:
        return False
    except OSError:
        return True
    ours = _OURS | {Path(name).parts[0] for name in pulled}
    return not names or (place.resolve() == directory.resolve() and names <= ours)
