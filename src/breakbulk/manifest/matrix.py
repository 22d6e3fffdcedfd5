"""One recipe for many packages: the combinations of a `[build]` table's matrix, and what each is called.

Pure, and a function of the values alone: the order of keys in the file, which a lock does not keep, decides nothing.
Keys count in alphabetical order, but `version` last, so that a recipe `airflow` with `version` and `variant` gives
`airflow-full-3-1-1`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from breakbulk.manifest.schema import Build

__all__ = ["VERSION", "combinations", "naming", "package_name"]

VERSION = "version"
"""The key of a matrix that is also the version of its packages, unless the recipe gives another."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^A-Za-z0-9_+]+")
_DASHES = re.compile(r"-{2,}")


def combinations(build: Build) -> Iterator[dict[str, str]]:
    """Yield the values of each package that a recipe makes; one without values where there is no matrix."""
    keys = _ordered(build.matrix)
    for values in itertools.product(*(build.matrix[key] for key in keys)):
        combination = dict(zip(keys, values, strict=True))
        if not any(excluded.items() <= combination.items() for excluded in build.exclude):
            yield combination


def naming(recipe: str, build: Build) -> str:
    """Return the pattern of the names: the recipe's own, or its name and every value."""
    return build.name or "-".join((recipe, *(f"{{{key}}}" for key in _ordered(build.matrix))))


def package_name(recipe: str, build: Build, values: Mapping[str, str]) -> str:
    """Return what the package of one combination is called.

    A value is lower-cased, and what cannot be part of a name becomes a dash (`3.1.1`: `3-1-1`). An empty value leaves
    nothing, not even its dash. Raises `KeyError` for a placeholder that is no key of the matrix.
    """
    if not build.matrix:
        return build.name or recipe
    filled = _PLACEHOLDER.sub(lambda found: _UNSAFE.sub("-", values[found[1]].lower()), naming(recipe, build))
    return _DASHES.sub("-", filled).strip("-")


def _ordered(matrix: Mapping[str, object]) -> list[str]:
    return sorted(matrix, key=lambda key: (key == VERSION, key))
