"""Indices of archives on this machine: fetched when due, believed only when proven, kept compiled.

    releases/<key>/state     the last accepted Release of one suite at one mirror, and when it was last asked for
    indices/<sha256>-<n>     compiled indices, by the digest of their text (`index`)

Whatever is returned here has been proven: the Release by its signature, expiry and date, an index by size and digest
in the Release. A mirror that cannot be reached is bridged by what was accepted before, as long as it has not expired.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from breakbulk.ecosystems.deb.configuration import Configuration
from breakbulk.ecosystems.deb.decompression import decompressed
from breakbulk.ecosystems.deb.fetching import Document, Fetcher, Missing, Unchanged
from breakbulk.ecosystems.deb.index import FORMAT, compile_index, is_intact
from breakbulk.ecosystems.deb.release import (
    IndexFile,
    Release,
    check_current,
    check_not_replayed,
    check_suite,
    index_files,
    parse_release,
)
from breakbulk.ecosystems.deb.signatures import verify_clear_signed, verify_detached
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import IntegrityError, NetworkError, NotFoundError, StoreError
from breakbulk.settings import Settings

__all__ = ["FRESH_S", "Archives"]

FRESH_S = 3600.0
"""Seconds during which a suite is not asked for again: mirrors are updated every six hours, most suites daily."""
KEPT_INDICES = 4
"""Compiled indices kept per suite and component, so that locked packages that left the index can still be resolved."""


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one suite at one mirror; `release` None means that the mirror has no such suite."""

    release: Release | None
    checked: float
    etag: str | None = None
    modified: str | None = None
    compiled: dict[str, tuple[str, ...]] = {}


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_State).decode


class Archives:
    """Gives proven Releases and indices; collects `notes` that the user should read.

    Args:
        settings: Cache, apt's directory, retries.
        fetcher: Does the transfers.
        configuration: apt's own.
        now: Seconds since the epoch.
        always: Ask every mirror, however fresh the last answer is.

    """

    def __init__(
        self, settings: Settings, fetcher: Fetcher, configuration: Configuration, *, now: float, always: bool = False
    ) -> None:
        self._settings = settings
        self._fetcher = fetcher
        self._configuration = configuration
        self._now = now
        self._always = always
        self._root = settings.cache / "deb"
        self.notes: list[str] = []

    def release(self, source: Source, *, at: float | None = None) -> Release | None:
        """Return the current Release of a suite; None when the mirror has no such suite.

        Args:
            source: The suite and its mirror.
            at: The moment it must be valid at, for a snapshot; None is now.

        """
        with self._locked(source) as directory:
            state = self._load(directory)
            if state is not None and self._is_fresh(state, source, at):
                return state.release
            renewed = self._renew(source, state, at)
            if renewed is not state:
                _write(directory / "state", _encode(renewed))
        return renewed.release

    def indices(self, source: Source, release: Release, component: str, architecture: str) -> list[Path]:
        """Return the compiled indices of a component; raise `NotFoundError` when the suite has no such component."""
        wanted = index_files(release, source, component, architecture)
        if not wanted:
            raise NotFoundError(
                f"the suite {source.suite!r} has no component {component!r} for {architecture}",
                identifier="deb-component-unknown",
                where=source.where,
                hint="correct the components in options.suite or in apt's sources",
            )
        return [self._compiled(source, release, forms) for forms in wanted]

    def former_indices(self, source: Source) -> list[Path]:
        """Return compiled indices that this suite had before, newest first."""
        state = self._load(self._directory(source))
        compiled = state.compiled if state else {}
        names = (name for names in compiled.values() for name in names[1:])
        return [path for name in names if (path := self._root / "indices" / name).is_file()]

    # -- Release files

    def _is_fresh(self, state: _State, source: Source, at: float | None) -> bool:
        """Say whether a mirror need not be asked: it was lately, and what it said is still believable."""
        if self._always or not 0 <= self._now - state.checked < FRESH_S:
            return False
        if state.release is not None:
            try:
                self._check_current(state.release, source, at)
            except IntegrityError:
                return False
        return True

    def _renew(self, source: Source, state: _State | None, at: float | None) -> _State:
        validators = Document(b"", state.etag, state.modified) if state and state.release else None
        try:
            found = self._fetch_release(source, validators)
        except NetworkError as error:
            if state is None or state.release is None:
                raise
            self._check_current(state.release, source, at)
            self.notes.append(f"{source.suite}: the mirror cannot be reached, its last index is used ({error.message})")
            return state
        if isinstance(found, Missing):
            return _State(release=None, checked=self._now)
        if isinstance(found, Unchanged):
            return self._confirmed(state, source, at)
        release = parse_release(found.body.decode(errors="replace"), source.where)
        check_suite(release, source)
        self._check_current(release, source, at)
        if state is not None and state.release is not None:
            check_not_replayed(release, state.release, source)
        compiled = state.compiled if state else {}
        return _State(release=release, checked=self._now, etag=found.etag, modified=found.modified, compiled=compiled)

    def _confirmed(self, state: _State | None, source: Source, at: float | None) -> _State:
        """Return the state that the mirror says is still current."""
        if state is None or state.release is None:
            raise NetworkError(
                "the mirror says that nothing changed, but was not asked that",
                identifier="deb-mirror-refuses",
                where=source.where,
                hint="a proxy between answers wrongly; use another mirror",
            )
        self._check_current(state.release, source, at)
        return msgspec.structs.replace(state, checked=self._now)

    def _fetch_release(self, source: Source, validators: Document | None) -> Document | Missing | Unchanged:
        """Return the verified text of `InRelease`, or of `Release` with `Release.gpg` beside it."""
        directory = self._settings.apt_directory
        signed = self._fetcher.fetch(f"{source.directory}/InRelease", validators=validators)
        if isinstance(signed, Document):
            text = verify_clear_signed(signed.body, source, directory)
            return Document(text, signed.etag, signed.modified)
        if isinstance(signed, Unchanged):
            return signed
        plain = self._fetcher.fetch(f"{source.directory}/Release")
        signature = self._fetcher.fetch(f"{source.directory}/Release.gpg")
        if not isinstance(plain, Document):
            return Missing()
        if not isinstance(signature, Document):
            raise IntegrityError(
                f"the suite {source.suite!r} is not signed",
                identifier="deb-signature-missing",
                where=source.where,
                hint="use an archive that is signed; Breakbulk does not honour trusted=yes",
            )
        return Document(verify_detached(plain.body, signature.body, source, directory))

    def _check_current(self, release: Release, source: Source, at: float | None) -> None:
        try:
            check_current(release, source, self._now if at is None else min(at, self._now))
        except IntegrityError as error:
            if self._is_exempt(error, source):
                self.notes.append(f"{error.message}; apt's configuration of this machine allows it")
                return
            raise

    def _is_exempt(self, error: IntegrityError, source: Source) -> bool:
        if error.reference == "deb-release-expired" and source.check_valid_until is not None:
            return not source.check_valid_until
        names = {
            "deb-release-expired": "Acquire::Check-Valid-Until",
            "deb-release-not-yet-valid": "Acquire::Check-Date",
        }
        return not self._configuration.flag(names[error.reference], default=True)

    # -- indices

    def _compiled(self, source: Source, release: Release, forms: list[IndexFile]) -> Path:
        """Return the compiled form of an index, made now if it is new."""
        plain = next((form for form in forms if form.path.endswith("Packages")), None)
        name = f"{(plain or forms[0]).sha256}-{FORMAT}"
        target = self._root / "indices" / name
        if not is_intact(target):
            with self._locked(source) as directory:
                if not is_intact(target):
                    text = self._fetch_index(source, release, forms[0], plain)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    compile_index(text.decode(errors="replace"), target, where=f"{source.suite} {forms[0].path}")
                self._remember(directory, forms[0].path, name)
        return target

    def _remember(self, directory: Path, path: str, name: str) -> None:
        """Note which compiled index is current, and remove those that are too old to be asked for."""
        state = self._load(directory)
        if state is None:
            return
        names = (name, *(each for each in state.compiled.get(path, ()) if each != name))
        for forgotten in names[KEPT_INDICES:]:
            (self._root / "indices" / forgotten).unlink(missing_ok=True)
        compiled = {**state.compiled, path: names[:KEPT_INDICES]}
        _write(directory / "state", _encode(msgspec.structs.replace(state, compiled=compiled)))

    def _fetch_index(self, source: Source, release: Release, form: IndexFile, plain: IndexFile | None) -> bytes:
        body = self._fetch_file(source, release, form)
        if plain is None or plain is form:
            return decompressed(body, form.path, limit=None)
        text = decompressed(body, form.path, limit=plain.size)
        _check(text, plain, source)
        return text

    def _fetch_file(self, source: Source, release: Release, form: IndexFile) -> bytes:
        parent, _, _ = form.path.rpartition("/")
        places = [f"{source.directory}/{form.path}"]
        if release.by_hash:
            places.insert(
                0, f"{source.directory}/{parent}/by-hash/SHA256/{form.sha256}".replace("//by-hash", "/by-hash")
            )
        for place in places:
            found = self._fetcher.fetch(place, limit=form.size, title=f"{source.suite} {form.path}")
            if isinstance(found, Document):
                _check(found.body, form, source)
                return found.body
        raise _mismatch(source, form, "the mirror does not have it")

    # -- files

    def _directory(self, source: Source) -> Path:
        words = (source.directory, *source.signed_by)
        return self._root / "releases" / hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]

    @contextlib.contextmanager
    def _locked(self, source: Source) -> Iterator[Path]:
        """Hold the suite's lock: of two processes one fetches, and replays are judged against what was accepted."""
        directory = self._directory(source)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unwritable(directory, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield directory
        except OSError as error:
            raise _unwritable(directory, error) from error
        finally:
            os.close(descriptor)

    def _load(self, directory: Path) -> _State | None:
        """Return the remembered state; one that cannot be read is none at all."""
        try:
            return _decode((directory / "state").read_bytes())
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            self.notes.append(f"a remembered index could not be read and is fetched anew ({directory.name})")
            return None


def _check(body: bytes, file: IndexFile, source: Source) -> None:
    if len(body) != file.size:
        told = f"more than {file.size}" if len(body) > file.size else f"{len(body)} of {file.size}"
        raise _mismatch(source, file, f"it has {told} bytes")
    if (found := hashlib.sha256(body).hexdigest()) != file.sha256:
        raise _mismatch(source, file, f"its SHA-256 is {found}, the signed Release says {file.sha256}")


def _mismatch(source: Source, file: IndexFile, why: str) -> IntegrityError:
    return IntegrityError(
        f"the index {file.path} of the suite {source.suite!r} is not what its Release file promises",
        identifier="deb-index-mismatch",
        where=source.where,
        why=why,
        hint="the mirror is being updated, or damaged: try again in some minutes, then another mirror",
    )


def _unwritable(directory: Path, error: OSError) -> StoreError:
    return StoreError(
        "the cache of Debian indices cannot be used",
        identifier="cache-unwritable",
        where=str(error.filename or directory),
        why=error.strerror,
        hint="free some space, or set BREAKBULK_CACHE to a directory of yours",
    )


def _write(path: Path, content: bytes) -> None:
    """Replace a file, complete or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
