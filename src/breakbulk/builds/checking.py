"""Build twice and compare: whether a recipe is reproducible, and if not, which files differ and why.

Two workplaces at once, in different directories of this machine; the second build starts at another time (a zip file
counts in steps of two seconds), with its files copied in the opposite order, and does another number of things at once.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import msgspec

from breakbulk.builds.building import Built, Ground, keep, open_source, produce
from breakbulk.builds.differences import Difference, compare_items, reason
from breakbulk.builds.recipes import Recipe
from breakbulk.builds.workplace import workplace
from breakbulk.reporting import Reporter

__all__ = ["Checked", "check"]

_APART_S = 2.0
_POLL_S = 0.05
_READ_MAX_BYTES = 64 << 20


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What building twice gave: the first build, and where the second one differs."""

    built: Built
    differences: tuple[Difference, ...]

    @property
    def reproducible(self) -> bool:
        """Whether both gave the same bytes."""
        return not self.differences


def check(recipe: Recipe, ground: Ground, reporter: Reporter) -> Checked:
    """Build a recipe twice, and say where the two differ; raises what `build` raises."""
    source = open_source(ground)
    jobs = ground.settings.jobs
    with (
        workplace(recipe, source, ground.settings) as here,
        workplace(recipe, source, ground.settings, turned=True) as there,
    ):
        begun = time.time()
        version, first = produce(recipe, ground, here, reporter, jobs=jobs)
        while time.time() - begun < _APART_S:
            time.sleep(_POLL_S)
        again = time.time()
        _, second = produce(recipe, ground, there, reporter, jobs=1 if jobs > 1 else 2)
        explain = partial(_explain, first.root, second.root, (begun, again))
        differences = compare_items(first.items, second.items, explain)
        return Checked(built=keep(recipe, ground, source, version, first), differences=differences)


def _explain(first: Path, second: Path, moments_s: tuple[float, float], path: str) -> str | None:
    one, other = first / path, second / path
    if max(one.stat().st_size, other.stat().st_size) > _READ_MAX_BYTES:
        return None
    return reason(one.read_bytes(), other.read_bytes(), moments_s=moments_s)
