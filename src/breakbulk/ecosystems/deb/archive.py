"""Indices of suites on this machine: fetched when they are new, proven by the Release, kept compiled.

    indices/<sha256>-<n>     compiled indices (`index`), by the digest of their text

An index is used when its size and digest, compressed and uncompressed, are those of the signed Release. The last few
of each suite stay, so that locked packages that left the archive can still be resolved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from breakbulk.ecosystems.deb.decompression import decompressed
from breakbulk.ecosystems.deb.fetching import Document, Fetcher
from breakbulk.ecosystems.deb.index import FORMAT, compile_index, is_intact
from breakbulk.ecosystems.deb.memory import Memory
from breakbulk.ecosystems.deb.release import IndexFile, Release, index_files
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import IntegrityError, NotFoundError

__all__ = ["KEPT_INDICES", "Archive"]

KEPT_INDICES = 4
"""Compiled indices kept per suite and component."""


class Archive:
    """Gives compiled indices, below `directory`."""

    def __init__(self, directory: Path, fetcher: Fetcher, memory: Memory) -> None:
        self._directory = directory
        self._fetcher = fetcher
        self._memory = memory

    def indices(self, source: Source, release: Release, component: str, architecture: str) -> list[Path]:
        """Return the compiled indices of a component, made now where they are new.

        Raises:
            NotFoundError: `deb-component-unknown`.
            IntegrityError: `deb-index-mismatch`: not what the Release promises; `deb-index-invalid`: no index at all.

        """
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
        state = self._memory.load(source)
        compiled = state.compiled if state else {}
        paths = (self._directory / name for names in compiled.values() for name in names[1:])
        return [path for path in paths if is_intact(path)]

    def _compiled(self, source: Source, release: Release, forms: list[IndexFile]) -> Path:
        """Return the compiled form of an index, made now if it is new."""
        plain = next((form for form in forms if form.path.endswith("Packages")), None)
        name = f"{(plain or forms[0]).sha256}-{FORMAT}"
        target = self._directory / name
        if not is_intact(target):
            with self._memory.locked(source):
                if not is_intact(target):
                    text = self._fetch_index(source, release, forms, plain)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._remember(source, forms[0].path, name)  # first: what is there unknown is never removed
                    compile_index(text.decode(errors="replace"), target, where=f"{source.suite} {forms[0].path}")
        return target

    def _remember(self, source: Source, path: str, name: str) -> None:
        """Note which compiled index is current, and remove those that are too old to be asked for."""
        state = self._memory.load(source)
        if state is None:
            return
        names = (name, *(each for each in state.compiled.get(path, ()) if each != name))
        for forgotten in names[KEPT_INDICES:]:
            (self._directory / forgotten).unlink(missing_ok=True)
        compiled = {**state.compiled, path: names[:KEPT_INDICES]}
        self._memory.save(source, msgspec.structs.replace(state, compiled=compiled))

    def _fetch_index(
        self, source: Source, release: Release, forms: Sequence[IndexFile], plain: IndexFile | None
    ) -> bytes:
        """Return the text of an index from the first of its forms that the mirror has."""
        for form in forms:
            body = self._fetch_file(source, release, form)
            if body is None:
                continue
            if plain is None:
                return decompressed(body, form.path, limit=None)
            text = decompressed(body, form.path, limit=plain.size)
            _check(text, plain, source)
            return text
        raise _mismatch(source, forms[0], "the mirror does not have it")

    def _fetch_file(self, source: Source, release: Release, form: IndexFile) -> bytes | None:
        for place in _places(source, release, form):
            found = self._fetcher.fetch(place, limit=form.size, title=f"{source.suite} {form.path}")
            if isinstance(found, Document):
                _check(found.body, form, source)
                return found.body
        return None


def _places(source: Source, release: Release, form: IndexFile) -> list[str]:
    """Return where a file may be had: by digest, which a mirror still has while it is updated, and by name."""
    parent = form.path.rpartition("/")[0]
    directory = f"{source.directory}/{parent}".rstrip("/")
    by_hash = [f"{directory}/by-hash/SHA256/{form.sha256}"] if release.by_hash else []
    return [*by_hash, f"{source.directory}/{form.path}"]


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
