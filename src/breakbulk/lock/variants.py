"""Which archive of a package a machine takes, when there is one for each of several levels of x86-64. Pure.

The levels are those of the psABI (https://gitlab.com/x86-psABIs/x86-64-ABI, "Micro-architecture levels"); each holds
the ones below. What is chosen is an ordinary package with that archive's digest, so that its tree in a store, and its
prepared form on a hub, are its own. Counterpart: `store.processor`, which knows the machine.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from breakbulk.errors import PlatformError
from breakbulk.lock.model import LockedSystem, Package

__all__ = ["LEVELS", "chosen", "chosen_of", "every_variant", "level_of"]

_FLAGS = {
    "x86_64-v2": "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3",
    "x86_64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86_64-v4": "avx512bw avx512cd avx512dq avx512f avx512vl",
}
"""What each level adds, in the words of /proc/cpuinfo: `abm` is LZCNT."""

LEVELS = ("x86_64-v1", *_FLAGS)
"""Lowest first."""


def level_of(flags: Iterable[str]) -> str:
    """Return the highest level of a processor with these flags."""
    has = frozenset(flags)
    level = LEVELS[0]
    for higher, needed in _FLAGS.items():
        if not has.issuperset(needed.split()):
            break
        level = higher
    return level


def chosen(package: Package, level: str) -> Package:
    """Return the package with the archive that a machine of `level` takes: the highest that it can run.

    Raises `PlatformError` `cpu-unsupported` when even the lowest is too high.
    """
    if package.cpu is None:
        return package
    fitting = [each for each in every_variant(package) if LEVELS.index(each.cpu or LEVELS[0]) <= LEVELS.index(level)]
    if not fitting:
        raise PlatformError(
            f"{package.name} {package.version} does not run on this processor",
            identifier="cpu-unsupported",
            where=package.id,
            why=f"it was built for {package.cpu} and higher, this is {level}",
            hint="run it on a newer machine, or have it built for a lower level (`cpu` of its recipe)",
        )
    return fitting[-1]


def chosen_of(system: LockedSystem, level: str) -> LockedSystem:
    """Return a system with what a machine of `level` takes of each package."""
    return msgspec.structs.replace(system, packages=tuple(chosen(package, level) for package in system.packages))


def every_variant(package: Package) -> tuple[Package, ...]:
    """Return the package with each of its archives, the lowest level first; without levels, itself."""
    plain = msgspec.structs.replace(package, variants=())
    return (
        plain,
        *(
            msgspec.structs.replace(
                plain, cpu=each.cpu, file=each.file, size=each.size, sha256=each.sha256, tree=each.tree
            )
            for each in package.variants
        ),
    )
