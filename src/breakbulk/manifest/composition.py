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
from breakbulk.manifest.merging import CURRENT, Folded, Layer, Override, fold
from breakbulk.manifest.reading import MANIFEST_NAME, Document, directory_of, manifest_in, parse_document, read_document
from breakbulk.manifest.schema import (
    GitInstall,
    IncludedDirectory,
    IncludedRemote,
    Install,
    Manifest,
    PathInstall,
)

__all__ = ["Composed", "Resolver", "compose", "no_hub"]

Resolver = Callable[[IncludedRemote], Manifest]
"""Fetches the manifest of an environment on a hub; raises `NotFoundError` or `NetworkError`."""

_MOST_NESTED = 64


@dataclass(frozen=True)
class Composed:
    """A manifest with everything it includes.

    Attributes:
        manifest: Merged; its `include` is empty.
        directory: Where its relative paths start.
        provenance: By key path of an entry (`install.pandas`, `hook.on-activate`) the manifests that wrote it, in the
            order in which their text stands there; the manifest itself is `Current manifest`, one that `base` includes
            as `inner` is `base/inner`.
        warnings: Entries that a manifest took over from one below it.
        inputs: The files read, absolute.

    """

    manifest: Manifest
    directory: Path
    provenance: dict[str, tuple[str, ...]]
    warnings: tuple[Override, ...]
    inputs: tuple[Path, ...]


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
    return _Composition(resolve).of_file(path.absolute(), text).composed


@dataclass(frozen=True)
class _Part:
    """A composed manifest with the documents in which its faults are found, by the names in its provenance."""

    composed: Composed
    documents: dict[str, Document]


class _Composition:
    """One run: what has been composed is not read twice, what is being composed may not include itself."""

    def __init__(self, resolve: Resolver) -> None:
        self.resolve = resolve
        self.finished: dict[Path, _Part] = {}
        self.open: list[Path] = []

    def of_file(self, path: Path, text: str | None = None) -> _Part:
        identity = path.resolve()
        if identity not in self.finished:
            self.open.append(identity)
            document = read_document(path) if text is None else parse_document(text, str(path))
            self.finished[identity] = self._compose(document, path)
            self.open.pop()
        return self.finished[identity]

    def _compose(self, document: Document, path: Path) -> _Part:
        directory = directory_of(path)
        layers: list[Layer] = []
        documents = {CURRENT: document}
        inputs = [path]
        for index, included in enumerate(document.manifest.include.environments):
            where = document.where(("include", "environments", index))
            layer, part = self._layer(_explicit(included), directory, where)
            _refuse_twice(layer.name, layers, where)
            layers.append(layer)
            if part is not None:
                documents |= {name: part.documents[inner] for inner, name in _names(part, layer.name)}
                inputs += [file for file in part.composed.inputs if file not in inputs]
        folded = fold([*layers, Layer(CURRENT, document.manifest)])
        _check(folded, documents)
        composed = Composed(folded.manifest, directory, folded.provenance, folded.overrides, tuple(inputs))
        return _Part(composed, documents)

    def _layer(
        self, included: IncludedDirectory | IncludedRemote, directory: Path, where: str
    ) -> tuple[Layer, _Part | None]:
        if isinstance(included, IncludedRemote):
            name = included.name or PurePosixPath(included.remote).name
            return Layer(name, self._remote(included, where)), None
        path = self._included_file(included, directory, where)
        part = self.of_file(path)
        name = included.name or directory_of(path).resolve().name
        manifest = _rebased(part.composed.manifest, PurePosixPath(included.dir))
        return Layer(name, manifest, part.composed.provenance), part

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


def _names(part: _Part, layer: str) -> list[tuple[str, str]]:
    return [(inner, layer if inner == CURRENT else f"{layer}/{inner}") for inner in part.documents]


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


def _check(folded: Folded, documents: dict[str, Document]) -> None:
    """Check the rules on the whole; a fault is found in the manifest that wrote the entry."""
    try:
        rules.check(folded.manifest)
    except Fault as fault:
        raise fault.error(_where(fault.path, folded.provenance, documents)) from None


def _where(path: KeyPath, provenance: dict[str, tuple[str, ...]], documents: dict[str, Document]) -> str:
    for length in range(len(path), 0, -1):
        names = provenance.get(render(path[:length]))
        if names is not None:
            return documents[names[-1]].where(path) if names[-1] in documents else names[-1]
    return documents[CURRENT].where(path)
