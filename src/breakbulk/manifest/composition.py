"""Compose the manifest of an environment from those it includes.

Reads the files of `include.environments`, and theirs, and hands them to `merging`, lowest priority first, the manifest
itself last. Guarantees that the result has no `include`, that its relative paths start at the including manifest, and
that it keeps the rules which only the whole can break, such as a service that depends on an included one.

Environments on a hub come through a resolver, so that this package needs to know no hub. As in Flox, one that comes
from a hub cannot include a directory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from breakbulk.errors import ManifestError, NotFoundError
from breakbulk.manifest import rules
from breakbulk.manifest.faults import Fault, KeyPath, render
from breakbulk.manifest.merging import CURRENT, Folded, Layer, Origin, Override, Removal, fold
from breakbulk.manifest.reading import MANIFEST_NAME, Document, directory_of, manifest_in, parse_document, read_document
from breakbulk.manifest.schema import (
    GitInstall,
    IncludedDirectory,
    IncludedRemote,
    Install,
    Manifest,
    PathInstall,
)

__all__ = ["Composed", "Resolver", "compose", "no_hub", "refuse_overrides"]

Resolver = Callable[[IncludedRemote], Manifest]
"""Fetches the manifest of an environment on a hub; raises `NotFoundError` or `NetworkError`."""

_MOST_NESTED = 64


@dataclass(frozen=True)
class Composed:
    """A manifest with everything it includes.

    Attributes:
        manifest: Merged; its `include` is empty.
        directory: Where its relative paths start.
        origins: By key path of an entry (`install.pandas`, `hook.on-activate`) what which manifest wrote; the manifest
            itself is `Current manifest`, one that `base` includes as `inner` is `base/inner`.
        warnings: Entries that a manifest took over from one below it.
        removals: Entries that a manifest took out of what it includes.
        documents: The manifests that were read from files, by the names in `origins`.
        inputs: The files read, absolute.

    """

    manifest: Manifest
    directory: Path
    origins: dict[str, Origin]
    warnings: tuple[Override, ...]
    removals: tuple[Removal, ...]
    documents: dict[str, Document]
    inputs: tuple[Path, ...]

    @property
    def provenance(self) -> dict[str, tuple[str, ...]]:
        """Who wrote each entry, in the order in which their text stands there."""
        return {key: tuple(part.by for part in origin.parts) for key, origin in self.origins.items()}

    def place(self, name: str, path: KeyPath) -> str:
        """Return `file:line` where the manifest `name` writes the entry `path`; the name alone if it has no file."""
        return self.documents[name].where(path) if name in self.documents else name


def no_hub(included: IncludedRemote) -> Manifest:
    """Refuse environments on a hub: the resolver where none is configured."""
    raise NotFoundError(
        f"the included environment {included.remote} is on a hub, and no hub is configured",
        identifier="hub-needed",
        where=included.remote,
        hint="include a copy in a directory instead: { dir = '../name' }",
    )


def compose(path: Path, *, resolve: Resolver = no_hub, text: str | None = None) -> Composed:
    """Return the manifest at `path` with everything that it includes.

    With `text` it is composed as if the file held that: an edit can be judged before it is written.

    Raises `ManifestError` with file and line: `include-cycle`, `include-duplicate-name`, `include-too-deep`, and what
    `reading` raises for any of the files; `NotFoundError` for an environment that does not exist.
    """
    return _Composition(resolve).of_file(path.absolute(), text)


def refuse_overrides(composed: Composed) -> None:
    """Raise `ManifestError` `override-not-allowed`, with every place, if an entry was taken over without a `remove`."""
    if not composed.warnings:
        return
    first = composed.origins[composed.warnings[0].key].path
    raise ManifestError(
        f"{len(composed.warnings)} of what is included is overridden without being removed",
        identifier="override-not-allowed",
        where=composed.place(composed.warnings[0].by, first),
        why="; ".join(_said(warning, composed) for warning in composed.warnings),
        hint="say that it is meant: remove = ["
        + ", ".join(f"'{key}'" for key in dict.fromkeys(warning.key for warning in composed.warnings))
        + "] at the top of the manifest that overrides",
    )


def _said(warning: Override, composed: Composed) -> str:
    path = composed.origins[warning.key].path
    places = " and ".join(composed.place(name, path) for name in warning.of)
    return f"{warning} ({composed.place(warning.by, path)} over {places})"


class _Composition:
    """One run: what has been composed is not read twice, what is being composed may not include itself."""

    def __init__(self, resolve: Resolver) -> None:
        self.resolve = resolve
        self.finished: dict[Path, Composed] = {}
        self.open: list[Path] = []

    def of_file(self, path: Path, text: str | None = None) -> Composed:
        identity = path.resolve()
        if identity not in self.finished:
            self.open.append(identity)
            document = read_document(path) if text is None else parse_document(text, str(path))
            self.finished[identity] = self._compose(document, path)
            self.open.pop()
        return self.finished[identity]

    def _compose(self, document: Document, path: Path) -> Composed:
        directory = directory_of(path)
        layers: list[Layer] = []
        documents = {CURRENT: document}
        inputs = [path]
        for index, included in enumerate(document.manifest.include.environments):
            where = document.where(("include", "environments", index))
            layer, inner = self._layer(_explicit(included), directory, where)
            _refuse_twice(layer.name, layers, where)
            layers.append(layer)
            if inner is not None:
                documents |= {_name(layer.name, name): found for name, found in inner.documents.items()}
                inputs += [file for file in inner.inputs if file not in inputs]
        folded = _fold([*layers, Layer(CURRENT, document.manifest)], document)
        composed = Composed(
            folded.manifest,
            directory,
            folded.origins,
            folded.overrides,
            folded.removals,
            documents,
            tuple(inputs),
        )
        _check(composed)
        return composed

    def _layer(
        self, included: IncludedDirectory | IncludedRemote, directory: Path, where: str
    ) -> tuple[Layer, Composed | None]:
        if isinstance(included, IncludedRemote):
            name = included.name or PurePosixPath(included.remote).name
            return Layer(name, self._remote(included, where)), None
        path = self._included_file(included, directory, where)
        inner = self.of_file(path)
        name = included.name or directory_of(path).resolve().name
        manifest = _rebased(inner.manifest, PurePosixPath(included.dir))
        return Layer(name, manifest, inner.origins, inner.removals), inner

    def _included_file(self, included: IncludedDirectory, directory: Path, where: str) -> Path:
        path = manifest_in(directory / included.dir)
        if path is None:
            raise NotFoundError(
                f"the included environment {included.dir} has no {MANIFEST_NAME}",
                identifier="include-not-found",
                where=where,
                hint="correct the directory, which is relative to the manifest that includes it",
            )
        if path.resolve() in self.open:
            circle = [*self.open[self.open.index(path.resolve()) :], path.resolve()]
            raise ManifestError(
                "the environments include each other in a circle",
                identifier="include-cycle",
                where=where,
                why=" -> ".join(str(directory_of(file)) for file in circle),
                hint="take one of them out of include.environments",
            )
        if len(self.open) >= _MOST_NESTED:
            raise ManifestError(
                f"environments are included more than {_MOST_NESTED} deep",
                identifier="include-too-deep",
                where=where,
                hint="include them side by side",
            )
        return path

    def _remote(self, included: IncludedRemote, where: str) -> Manifest:
        manifest = self.resolve(included)
        if manifest.include.environments:
            raise ManifestError(
                f"the environment {included.remote} on the hub still includes others",
                identifier="include-not-composed",
                where=where,
                hint="publish it again: what is published is composed, and cannot include directories",
            )
        return manifest


def _explicit(included: IncludedDirectory | IncludedRemote | str) -> IncludedDirectory | IncludedRemote:
    """Return an include with its short form spelled out."""
    if not isinstance(included, str):
        return included
    return rules.parse_included(included) or IncludedRemote(remote=included)


def _refuse_twice(name: str, layers: list[Layer], where: str) -> None:
    if any(layer.name == name for layer in layers):
        raise ManifestError(
            f"multiple environments in include.environments have the name {name!r}",
            identifier="include-duplicate-name",
            where=where,
            hint="give one of them another with the key `name`",
        )


def _name(layer: str, inner: str) -> str:
    return layer if inner == CURRENT else f"{layer}/{inner}"


def _fold(layers: list[Layer], document: Document) -> Folded:
    try:
        return fold(layers)
    except Fault as fault:
        raise fault.error(document.where(fault.path)) from None


def _rebased(manifest: Manifest, directory: PurePosixPath) -> Manifest:
    """Return `manifest` with paths that are relative to `directory` made relative to where that one starts."""
    installs = {name: _rebased_install(install, directory) for name, install in manifest.install.items()}
    options = manifest.options
    if options.constraints is not None:
        constraints = tuple(str(directory / file) for file in options.constraints)
        options = msgspec.structs.replace(options, constraints=constraints)
    return msgspec.structs.replace(manifest, install=installs, options=options)


def _rebased_install(install: Install, directory: PurePosixPath) -> Install:
    if isinstance(install, PathInstall):
        return msgspec.structs.replace(install, path=str(directory / install.path))
    if isinstance(install, GitInstall) and install.git.startswith(("./", "../")):
        return msgspec.structs.replace(install, git=str(directory / install.git))
    return install


def _check(composed: Composed) -> None:
    """Check the rules on the whole; a fault is found in the manifest that wrote the entry."""
    try:
        rules.check(composed.manifest)
    except Fault as fault:
        raise fault.error(_where(fault.path, composed)) from None


def _where(path: KeyPath, composed: Composed) -> str:
    for length in range(len(path), 0, -1):
        origin = composed.origins.get(render(path[:length]))
        if origin is not None:
            return composed.place(origin.parts[-1].by, path)
    return composed.place(CURRENT, path)
