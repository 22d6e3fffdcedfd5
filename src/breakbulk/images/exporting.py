"""From an environment that is realised to an ordinary image, in a directory, a file, or a registry.

    trees ─► layers, in parallel ─► configuration ─► manifest ─► where it goes

Guarantees: the image has the bytes of the trees, compared with their records while they are read; equal environments
give equal images, whoever exports them; an image is there whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.ecosystems.source.scratch import scratch
from breakbulk.images.archiving import Layer, write_layer
from breakbulk.images.configuration import configuration, image_manifest, own_variables
from breakbulk.images.content import Tree, read_tree
from breakbulk.images.entrypoint import ENTRYPOINT, entrypoint_layer
from breakbulk.images.layering import LayerPlan, plan
from breakbulk.images.layout import Image
from breakbulk.images.variables import settled
from breakbulk.lock.files import identity
from breakbulk.lock.model import Lock
from breakbulk.manifest.schema import ContainerizeConfig, Manifest
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.bundle import trees_of
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout

__all__ = ["Exported", "imaged"]

_SHELLS = {"bash": "usr/bin/bash", "sh": "usr/bin/sh"}


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported.

    Attributes:
        name: What the image is called in itself.
        reference: What it is called where it goes: `owner/name:3`.
        lock: Of the environment.
        manifest: Composed.
        system: Whose packages are realised.
        lowers: Their directories, the top one first.
        base: The base package's, which is one of them.

    """

    name: str
    reference: str
    lock: Lock
    manifest: Manifest
    system: str
    lowers: tuple[Path, ...]
    base: Path | None


@contextmanager
def imaged(exported: Exported, settings: Settings, reporter: Reporter = SILENT) -> Iterator[Image]:
    """Give the image of an environment; its layers are files that are gone afterwards.

    Raises:
        IntegrityError: `tree-damaged`.
        ActivationError: `hook-needs-bash`, `image-needs-shell`.
        UsageError: `image-name-reserved`.
        StoreError: `disk-full`, `record-damaged`.

    """
    layout = Layout(settings.store)
    trees = [read_tree(layout, lower) for lower in trees_of(layout, exported.lowers)]
    base = next((tree for tree in trees if exported.base and tree.name == exported.base.name), None)
    plans = plan(base, [tree for tree in trees if tree is not base])
    variables, own = _variables(exported, trees), _own_layer(exported, trees)
    try:
        with scratch(settings.cache / "images") as place:
            layers = _written([*plans, *([own] if own else [])], place, settings, reporter)
            yield _image(exported, layers, variables, entrypoint=own is not None, shell=_shell(trees))
    except OSError as error:
        raise store_fault(error, settings.cache, variable="BREAKBULK_CACHE") from error


def _variables(exported: Exported, trees: Sequence[Tree]) -> dict[str, str]:
    own = own_variables(exported.name, exported.manifest, _own_trees(trees))
    return own | settled(exported.manifest.vars, own)


def _own_layer(exported: Exported, trees: Sequence[Tree]) -> LayerPlan | None:
    own = own_variables(exported.name, exported.manifest, _own_trees(trees))
    shells = {name: any(path in tree.leaves for tree in trees) for name, path in _SHELLS.items()}
    return entrypoint_layer(exported.manifest, settled(exported.manifest.vars, own), shells)


def _own_trees(trees: Sequence[Tree]) -> list[str]:
    """Return the names below /opt that have programs."""
    parts = (path.split("/") for tree in trees for path in tree.leaves)
    return sorted({part[1] for part in parts if len(part) == 3 and part[0] == "opt" and part[2] == "bin"})


def _shell(trees: Sequence[Tree]) -> str | None:
    return next((f"/{path}" for path in _SHELLS.values() if any(path in tree.leaves for tree in trees)), None)


def _written(plans: Sequence[LayerPlan], place: Path, settings: Settings, reporter: Reporter) -> list[Layer]:
    """Archive layers, the largest first, and return them in the order given."""
    task = reporter.begin("archiving layers", total=len(plans))

    def write(number: int) -> Layer:
        layer = write_layer(plans[number].title, plans[number].leaves, place / str(number))
        task.advance()
        return layer

    order = sorted(range(len(plans)), key=lambda number: -_size(plans[number]))
    try:
        written = dict(zip(order, side_by_side(write, order, threads=settings.jobs), strict=True))
    finally:
        task.finish()
    return [written[number] for number in range(len(plans))]


def _size(planned: LayerPlan) -> int:
    return sum(leaf.entry.size for leaf in planned.leaves.values())


def _image(
    exported: Exported, layers: Sequence[Layer], variables: dict[str, str], *, entrypoint: bool, shell: str | None
) -> Image:
    said = configuration(
        exported.manifest.containerize.config or ContainerizeConfig(),
        exported.system,
        layers,
        variables,
        entrypoint=ENTRYPOINT if entrypoint else None,
        shell=shell,
    )
    manifest = image_manifest(
        said,
        layers,
        name=exported.name,
        digest=identity(exported.lock),
        packages=exported.lock.systems[exported.system].packages,
    )
    return Image(layers=layers, configuration=said, manifest=manifest, reference=exported.reference)
