"""From what is asked for to the packages of an environment: the order in which the parts decide.

First the pass that does as apt (`choosing`); if that ends with something broken, the complete search (`searching`); if
there is nothing to be found, the reason in words (`explaining`). Pure but for reading indices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from breakbulk.ecosystems.deb.choosing import choose, closure
from breakbulk.ecosystems.deb.explaining import explain
from breakbulk.ecosystems.deb.requesting import Asked
from breakbulk.ecosystems.deb.searching import Impossible, search
from breakbulk.ecosystems.deb.universe import Preferences, Universe, Version
from breakbulk.errors import ResolutionError

__all__ = ["resolve_packages"]


def resolve_packages(
    universe: Universe,
    asked: Sequence[Asked],
    *,
    held: Mapping[str, str] | None = None,
    suites: Mapping[str, frozenset[str]] | None = None,
) -> dict[str, Version]:
    """Return the chosen packages by name.

    Args:
        universe: What may be chosen from.
        asked: What is asked for.
        held: Versions of the lock that stay while nothing forces them to move, by package name.
        suites: What the suites that single installs name stand for.

    Raises:
        ResolutionError: `resolution-impossible`; `why` tells from the manifest down to the contradiction.

    """
    names = list(dict.fromkeys(each.name for each in asked))
    chosen = _admitted(universe, asked)
    targets = frozenset(name for each in asked if each.suite for name in (suites or {}).get(each.suite, ()))
    settled = _settled(universe, asked, held) if targets else frozenset()
    preferences = Preferences(universe, held=held, chosen=chosen, targets=targets, settled=settled)
    return choose(preferences, names) or _searched(preferences, names, asked)


def _admitted(universe: Universe, asked: Iterable[Asked]) -> dict[str, tuple[Version, ...]]:
    """Return the versions that every install of a name admits, for names with such a restriction."""
    admitted: dict[str, tuple[Version, ...]] = {}
    for each in asked:
        if each.admitted is not None:
            so_far = admitted.get(each.name, universe.versions(each.name))
            admitted[each.name] = tuple(version for version in so_far if version in each.admitted)
    return admitted


def _settled(universe: Universe, asked: Sequence[Asked], held: Mapping[str, str] | None) -> frozenset[str]:
    """Return the names that the environment needs without the installs that come from suites of their own."""
    ordinary = [each for each in asked if each.suite is None]
    preferences = Preferences(universe, held=held, chosen=_admitted(universe, ordinary))
    return frozenset(choose(preferences, [each.name for each in ordinary]) or ())


def _searched(preferences: Preferences, names: Sequence[str], asked: Sequence[Asked]) -> dict[str, Version]:
    try:
        found = search(preferences, {name: preferences.order(name) for name in names})
    except Impossible as impossible:
        raise ResolutionError(
            "no set of Debian packages satisfies the manifest",
            where=preferences.universe.architecture,
            why=explain(impossible.clauses, preferences.universe, lambda name: _described(name, asked)),
            hint="leave one of the packages out, ask for another version, or add a suite to options.suite",
        ) from None
    return closure(preferences, found, names)


def _described(name: str, asked: Iterable[Asked]) -> str:
    wishes = [
        f"{each.why if each.why != 'base' else 'options.base'} needs {each.text}" for each in asked if each.name == name
    ]
    return " and ".join(wishes)
