"""What the pods of this node hold in the store: a pin for every environment that one of them names.

Guarantees: `hold` says that an environment is there only while it is pinned, and looks under the store's lock, so that
a collection has either seen the pin or taken the trees away before we look. Pins outlive agent and machine; whoever
begins anew takes back those of pods that have gone. A mount needs no pin, a pod between two starts does. Counterparts:
`realising`, which pins what it makes; `store.roots`, `collecting`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from breakbulk.errors import NotFoundError
from breakbulk.lock.replacing import replace_file
from breakbulk.node.records import MountPlan, plan_path
from breakbulk.store.layout import Layout
from breakbulk.store.roots import unpin
from breakbulk.store.using import using

__all__ = ["Target", "hold", "is_pinned", "let_go", "pin_name", "present", "root_of", "sweep"]

_PREFIX = "node~"


class Target(msgspec.Struct, frozen=True, order=True):
    """An environment to be present on this node: `owner/name`, and 64 hexadecimal digits."""

    environment: str
    digest: str

    def __str__(self) -> str:
        return f"{self.environment}@sha256:{self.digest}"


def pin_name(target: Target) -> str:
    """Return the name of the pin of pods; it tells people what it is of."""
    key = hashlib.sha256(str(target).encode()).hexdigest()[:16]
    return f"{_PREFIX}{target.environment.replace('/', '~')}~{key}"


def is_pinned(layout: Layout, target: Target) -> bool:
    """Say whether a pod of this node names it, or did when the agent was told last."""
    return _pin(layout, target).exists()


def root_of(layout: Layout, target: Target) -> Path:
    """Return the root that a realisation leaves, whose time is that of its last use; there or not."""
    return layout.roots / "environments" / target.environment.replace("/", "~") / target.digest


def hold(layout: Layout, state: str, target: Target) -> MountPlan | None:
    """Pin an environment that is present, and return its plan; None where something of it is missing. `OSError`."""
    with using(layout):
        plan = MountPlan.read(state, target.environment, target.digest)
        if plan is None or not all(os.path.isdir(lower) for lower in plan.lowers):
            return None
        return plan if _pinned(layout, target) else None


def let_go(layout: Layout, target: Target) -> None:
    """Take the pin back; how recently it was used is told by its root."""
    with using(layout), contextlib.suppress(NotFoundError):
        unpin(layout, pin_name(target))


def sweep(layout: Layout, wanted: Collection[Target], before: float) -> int:
    """Take back the pins of pods that have gone, if they are from `before` (Unix time); return how many there were."""
    names = {pin_name(target) for target in wanted}
    with using(layout):
        pins = [layout.roots / "pins" / name for name in _listed(layout.roots / "pins") if name.startswith(_PREFIX)]
        gone = [pin for pin in pins if pin.name not in names and pin.stat().st_mtime < before]
        for pin in gone:
            pin.unlink()
    return len(gone)


def present(state: str) -> list[Target]:
    """Return the environments that have a plan, the one whose plan is newest first."""
    found = []
    for name in _listed(f"{state}/plans"):
        owner, _, rest = name.removesuffix(".json").partition("~")
        short, _, digest = rest.rpartition("~")
        with contextlib.suppress(OSError, ValueError):
            path = plan_path(state, f"{owner}/{short}", digest)
            found.append((os.stat(path).st_mtime, Target(f"{owner}/{short}", digest)))
    return [target for _, target in sorted(found, reverse=True)]


def _pinned(layout: Layout, target: Target) -> bool:
    """Pin what a realisation has left a root of, or keep it pinned; tell whether it is."""
    pin, root = _pin(layout, target), root_of(layout, target)
    with contextlib.suppress(FileNotFoundError):
        os.utime(root)  # it has been used
    with contextlib.suppress(FileNotFoundError):
        os.utime(pin)
        return True
    try:
        lock = root.read_bytes()
    except FileNotFoundError:
        return False
    pin.parent.mkdir(parents=True, exist_ok=True)
    replace_file(pin, lock, 0o644)
    return True


def _pin(layout: Layout, target: Target) -> Path:
    return layout.roots / "pins" / pin_name(target)


def _listed(directory: str | os.PathLike[str]) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
