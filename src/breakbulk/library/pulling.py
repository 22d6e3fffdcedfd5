"""Pull an environment of a hub into a directory: its manifest, with comments, and its lock, to be changed there.

Files that somebody has changed are never overwritten unasked. Own sources stay behind, as a hub keeps what was made of
them: until somebody puts a source where the manifest says, the lock goes on naming the archive on the hub (`upstream`).
"""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path, PurePosixPath

import msgspec

from breakbulk.errors import IntegrityError, StoreError, UsageError
from breakbulk.hub.layout import object_key
from breakbulk.hub.names import Reference
from breakbulk.hub.records import Change
from breakbulk.library.remote import RemoteEnvironment, told_of
from breakbulk.library.upstream import Upstream, has_come_without_source, read_upstream, write_upstream
from breakbulk.lock.files import LOCK_FILE
from breakbulk.lock.replacing import replace_file
from breakbulk.manifest.reading import MANIFEST_NAME
from breakbulk.manifest.schema import PathInstall
from breakbulk.manifest.writing import manifest_text
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.milestones import passed
from breakbulk.store.realise import Realised

__all__ = ["Pulled", "pull"]


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome.

    Attributes:
        change: What was pulled.
        directory: Where to.
        written: Names of files that are new or have changed.
        absent: Ids of installs whose source was not pulled.
        realised: None when that was not wanted.

    """

    change: Change
    directory: Path
    written: tuple[str, ...]
    absent: tuple[str, ...]
    realised: Realised | None


def pull(
    reference: Reference,
    into: Path,
    settings: Settings,
    reporter: Reporter = SILENT,
    *,
    force: bool = False,
    realise: bool = True,
) -> Pulled:
    """Write what `reference` means into the directory `into`, and realise it.

    Raises:
        UsageError: `pull-would-overwrite`, a file of that name was changed here, or has nothing to do with a hub.
        StoreError: `directory-not-writable`.
        IntegrityError: What the hub gives is not what was promised; object and environment are named.
        BreakbulkError: What resolving and realising raise.

    """
    remote = RemoteEnvironment(reference, settings, reporter)
    with told_of(remote.place):
        files = _files(remote)
    passed("pull-fetched")
    before = read_upstream(into)
    if not force:
        _refuse_overwriting(files, into, before)
    written = _write(files, into)
    upstream = _upstream(remote, files, into)
    write_upstream(into, upstream)
    passed("pull-written")
    return Pulled(
        change=remote.recorded.change,
        directory=into,
        written=written,
        absent=upstream.absent,
        realised=remote.realise() if realise else None,
    )


def _files(remote: RemoteEnvironment) -> dict[str, bytes]:
    """Return what is written, by name; the lock last, as it is of use with all others only."""
    change, lock = remote.recorded.change, remote.lock
    constraints = {name: _constraints(remote, name, sha256) for name, sha256 in lock.inputs.items() if _inside(name)}
    manifest = remote.hub.blob(change.manifest) if change.manifest else _made_manifest(remote)
    return {**constraints, MANIFEST_NAME: manifest, LOCK_FILE: remote.hub.blob(change.lock)}


def _made_manifest(remote: RemoteEnvironment) -> bytes:
    return manifest_text(remote.manifest, f"From {remote.place}, which was pushed without a manifest.").encode()


def _constraints(remote: RemoteEnvironment, name: str, sha256: str) -> bytes:
    key = object_key(sha256)
    data = remote.hub.objects.get(key)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise IntegrityError(f"{name} is not what was locked", where=f"{remote.hub.url}/{key}")
    return data


def _inside(name: str) -> bool:
    """Say whether a file that the manifest names is in its directory; others are not ours to write."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _refuse_overwriting(files: dict[str, bytes], into: Path, before: Upstream | None) -> None:
    for name, data in files.items():
        path = into / name
        if not path.exists():
            continue
        present = path.read_bytes()
        unchanged = before is not None and before.files.get(name) == hashlib.sha256(present).hexdigest()
        if present != data and not unchanged:
            raise UsageError(
                f"{name} is here already, and is another",
                identifier="pull-would-overwrite",
                where=str(path),
                hint="pull into an empty directory with --into DIRECTORY, or overwrite it with --force",
            )


def _write(files: dict[str, bytes], into: Path) -> tuple[str, ...]:
    written = []
    try:
        for name, data in files.items():
            path = into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_bytes() != data:
                replace_file(path, data, 0o644)
                written.append(name)
            passed("pull-file-written")
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise StoreError(
            "what is pulled cannot be written",
            identifier="disk-full" if full else "directory-not-writable",
            where=str(error.filename or into),
            why=error.strerror,
            hint="make room" if full else "pull into a directory of yours with --into DIRECTORY",
        ) from error
    return tuple(written)


def _upstream(remote: RemoteEnvironment, files: dict[str, bytes], into: Path) -> Upstream:
    change = remote.recorded.change
    absent = (
        name
        for name, install in remote.manifest.install.items()
        if isinstance(install, PathInstall) and has_come_without_source(install, into, files)
    )
    return Upstream(
        hub=remote.hub.url,
        environment=change.environment,
        generation=change.generation,
        generations=change.generations,
        digest=change.digest,
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        absent=tuple(sorted(absent)),
    )
