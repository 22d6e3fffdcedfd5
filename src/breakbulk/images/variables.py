"""The manifest's variables in the words of a shell, where they can only be known when the container runs.

What `manifest.variables` would refuse when an environment starts, the shell refuses when the container does.
Counterpart: `manifest.variables`, whose grammar this translates.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping

from breakbulk.errors import ManifestError
from breakbulk.manifest.variables import expand, references, translate

__all__ = ["exports", "settled"]


def settled(variables: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Return those of `variables` whose values depend on nothing but each other and `known`."""
    found: dict[str, str] = {}
    for name in _order(variables):
        if references(name, variables[name]) <= known.keys() | found.keys():
            try:
                found[name] = expand({name: variables[name]}, {**known, **found})[name]
            except ManifestError:
                continue  # the shell says so
    return found


def exports(variables: Mapping[str, str]) -> list[str]:
    """Return lines for a shell that export `variables`, each after those it refers to."""
    return [f"{name}={translate(name, variables[name])}; export {name}" for name in _order(variables)]


def _order(variables: Mapping[str, str]) -> list[str]:
    graph = {name: sorted((references(name, text) & variables.keys()) - {name}) for name, text in variables.items()}
    return list(graphlib.TopologicalSorter(graph).static_order())
