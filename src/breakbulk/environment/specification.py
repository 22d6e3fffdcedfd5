"""Everything a run needs to know, as one value: what `launching` decides and `sandbox` carries out.

Nothing here touches the machine, but that `current_directory` asks where we are. Paths are absolute. The caller's
variables travel in `host`, as nothing below the command line reads `os.environ`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from breakbulk.errors import UsageError
from breakbulk.manifest.schema import Manifest

__all__ = ["STATE_DIRECTORY", "Launch", "Mount", "current_directory", "parse_mount", "parse_mounts"]

STATE_DIRECTORY = ".breakbulk"
"""Where a project keeps what can be had again: below the directory of its manifest."""


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """A file or directory of this machine that the command sees at `target`, with everything mounted below it."""

    source: Path
    target: str
    writable: bool = True


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        lowers: Directories of the packages, the first on top.
        project: Where the manifest is; visible at its own path. Of an environment on a hub: the current directory.
        directory: Where the command starts: the caller's current directory, visible at its own path.
        command: Program and arguments; None for an interactive shell, or, with `detached`, for services alone.
        host: The caller's variables.
        manifest: Variables, hook, profile and services; composed, for this system.
        name: What the prompt shows.
        state: Where is kept what can be had again: cache, logs of services, their socket.
        mounts: What else of this machine is visible.
        network: Whether the command has this machine's network; otherwise loopback alone.
        pure: Neither the home directory nor the caller's variables are visible.
        services: Names of those to start before the command and to end after it, in the same sandbox.
        detached: The services outlive the caller (`breakbulk services start`).

    """

    lowers: tuple[Path, ...]
    project: Path
    directory: Path
    command: tuple[str, ...] | None
    host: Mapping[str, str]
    manifest: Manifest
    name: str
    state: Path
    mounts: tuple[Mount, ...] = ()
    network: bool = True
    pure: bool = False
    services: tuple[str, ...] = ()
    detached: bool = False

    @property
    def cache(self) -> Path:
        """What the environment's own programs may keep between runs: `FLOX_ENV_CACHE`."""
        return self.state / "cache"

    @property
    def interactive(self) -> bool:
        """Whether the command is a shell for a person."""
        return self.command is None and not self.detached


def current_directory() -> Path:
    """Return the current directory; raise `UsageError` (`current-directory-gone`) when it has been removed."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UsageError(
            "the current directory has been removed",
            identifier="current-directory-gone",
            hint="go to one that is there: `cd /`, or `cd .` where it has been made anew",
        ) from error


def parse_mounts(words: Sequence[str], directory: Path) -> tuple[Mount, ...]:
    """Parse each of `words` with `parse_mount`."""
    return tuple(parse_mount(word, directory) for word in words)


def parse_mount(word: str, directory: Path) -> Mount:
    """Parse `PATH[:TARGET][:ro]`, `PATH` relative to `directory`; raise `UsageError` `mount-invalid`."""
    source, *rest = word.split(":")
    writable = rest[-1:] != ["ro"]
    if not writable:
        rest.pop()
    if not source or len(rest) > 1:
        raise _invalid(word, "it is not PATH, PATH:TARGET, PATH:ro or PATH:TARGET:ro")
    path = directory / source
    target = rest[0] if rest else str(path.resolve())
    if not target.startswith("/"):
        raise _invalid(word, f"the target {target!r} is not an absolute path")
    if ".." in PurePosixPath(target).parts or target.strip("/") == "":
        raise _invalid(word, f"nothing can be mounted at {target!r}")
    return Mount(source=path, target=target, writable=writable)


def _invalid(word: str, why: str) -> UsageError:
    return UsageError(
        "a mount cannot be understood",
        identifier="mount-invalid",
        where=f"--mount {word}",
        why=why,
        hint="write it as --mount /data, --mount /data:/mnt/data or --mount /data:/mnt/data:ro",
    )
