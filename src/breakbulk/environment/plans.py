"""What a launch needs, remembered for as long as nothing that decides it has changed.

Between `breakbulk run` and its command stand a manifest that is composed, a lock that is compared with it, and a store
that is asked for each package: 60 milliseconds that give the same answer every time. A plan is that answer, kept in the
project's `.breakbulk` with witnesses: the size, time and inode of every file that was read. It is used only if each is
as it was and every directory of packages is there; otherwise the long way is taken, and writes a new plan.

Where only own sources have changed, the long way is short as well, and `cli.quick` takes it by itself.

As Git does with its index, a file that changed at the moment of writing is never trusted: such a plan is not written.
Counterparts: `library`, which writes plans, and `cli.quick`, which uses them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from breakbulk.environment.specification import STATE_DIRECTORY, Launch, current_directory
from breakbulk.manifest.schema import Hook, Manifest, Options, Profile, Service

__all__ = ["Plan", "find_plan", "recall", "remember"]

_FORMAT = 1
_RACE_NS = 20_000_000  # file systems stamp in steps of a scheduler tick, 10 ms at most
_SOURCES_MAX = 5_000  # entries; looking at more takes longer than the long way
_VARIABLES = ("BREAKBULK_STORE", "BREAKBULK_CACHE", "BREAKBULK_CPU", "XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME")
_MANIFESTS = ("breakbulk.toml", ".flox")

Witness = tuple[str, int, int, int]
"""A path, and the size, time of change (ns) and inode it had; -1 thrice when it was not there."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a launch that does not depend on its command line.

    Attributes:
        format: Of this file; another one is not read.
        program: Witness of this module: another version of Breakbulk decides anew.
        variables: Those of the caller that decide where store and cache are.
        user: User id.
        witnesses: Every file that decided the plan, but
        sources: the files and directories of own sources.
        lowers: Directories of the packages, the first on top.
        project: Where the manifest is.
        hook, profile, services, options, vars: Of the composed manifest.

    """

    format: int
    program: Witness
    variables: dict[str, str]
    user: int
    witnesses: tuple[Witness, ...]
    sources: tuple[Witness, ...]
    lowers: tuple[str, ...]
    project: str
    vars: dict[str, str]
    hook: Hook
    profile: Profile
    services: dict[str, Service]
    options: Options

    def sources_hold(self) -> bool:
        """Say whether the user's own sources are as they were."""
        return all(_witness(witness[0]) == witness for witness in self.sources)

    def launch(self, command: tuple[str, ...], host: Mapping[str, str]) -> Launch:
        """Return the launch of a command from the current directory; raise `UsageError` when that is gone."""
        project = Path(self.project)
        return Launch(
            lowers=tuple(map(Path, self.lowers)),
            project=project,
            directory=current_directory(),
            command=command,
            host=host,
            manifest=Manifest(
                vars=self.vars, hook=self.hook, profile=self.profile, services=self.services, options=self.options
            ),
            name=project.name,
            state=project / STATE_DIRECTORY,
        )


def find_plan(directory: Path) -> Path | None:
    """Return where the plan of `directory`'s environment would be: beside the nearest manifest, None without one.

    A directory that is not there has none: its name may be that of an environment on a hub.
    """
    if not directory.is_dir():
        return None
    for candidate in (directory, *directory.parents):
        if any(os.path.lexists(candidate / name) for name in _MANIFESTS):
            return candidate / STATE_DIRECTORY / "plan"
    return None


def remember(
    project: Path,
    manifest: Manifest,
    lowers: Iterable[Path],
    *,
    read: Iterable[Path],
    trees: Iterable[Path],
    environment: Mapping[str, str],
) -> None:
    """Write the plan of an environment that has just been realised; where that cannot be done, do without.

    Args:
        project: Where the manifest is.
        manifest: Composed.
        lowers: Directories of the packages.
        read: Files that decided the lock: manifests, the lock, constraints.
        trees: Directories of own source.
        environment: Of the caller.

    """
    now = time.time_ns()
    witnesses = [_witness(os.fspath(path)) for path in read]
    sources = []
    for tree in trees:
        for path in _walk(os.fspath(tree)):
            sources.append(_witness(path))
            if len(sources) > _SOURCES_MAX:
                return
    if any(changed > now - _RACE_NS for _, _, changed, _ in (*witnesses, *sources)):
        return
    plan = Plan(
        format=_FORMAT,
        program=_witness(__file__),
        variables=_variables(environment),
        user=os.geteuid(),
        witnesses=tuple(witnesses),
        sources=tuple(sources),
        lowers=tuple(map(os.fspath, lowers)),
        project=os.fspath(project.resolve()),
        vars=manifest.vars,
        hook=manifest.hook,
        profile=manifest.profile,
        services=manifest.services,
        options=manifest.options,
    )
    _write(project / STATE_DIRECTORY / "plan", msgspec.json.encode(plan))


def recall(path: Path, environment: Mapping[str, str]) -> Plan | None:
    """Return the plan at `path` if it is this user's, and what decided it is as it was; ask it about `sources_hold`."""
    try:
        with path.open("rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            if about.st_uid != os.geteuid() or about.st_mode & 0o022:
                return None
            plan = msgspec.json.decode(file.readall(), type=Plan)
    except (OSError, msgspec.MsgspecError):
        return None
    current = (
        plan.format == _FORMAT
        and plan.user == os.geteuid()
        and plan.program == _witness(__file__)
        and plan.variables == _variables(environment)
        and all(_witness(witness[0]) == witness for witness in plan.witnesses)
        and all(map(os.path.isdir, plan.lowers))
    )
    return plan if current else None


def _witness(path: str) -> Witness:
    try:
        about = os.lstat(path)
    except OSError:
        return (path, -1, -1, -1)
    return (path, about.st_size, max(about.st_mtime_ns, about.st_ctime_ns), about.st_ino)


def _walk(top: str) -> Iterator[str]:
    """Yield a directory and everything below it but Git's and our own state, whose changes are no changes of source."""
    yield top
    if not os.path.isdir(top):
        return
    with os.scandir(top) as entries:
        for entry in entries:
            if entry.name in {".git", STATE_DIRECTORY}:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
            else:
                yield entry.path


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: environment[name] for name in _VARIABLES if name in environment}


def _write(path: Path, data: bytes) -> None:
    half = path.with_name(f"plan.{os.getpid()}")
    with contextlib.suppress(OSError):  # a project that cannot be written, a full disk: the long way goes on working
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            half.replace(path)
        except OSError:
            half.unlink(missing_ok=True)
