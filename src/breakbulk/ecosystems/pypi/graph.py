"""Who needs whom among the chosen distributions.

uv's lock does not say which extras brought a dependency in, so the edges are found again from what each wheel requires:
markers are evaluated for the target, once for every extra that somebody asks of the distribution. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from breakbulk.ecosystems.pypi.requirements import Wanted
from breakbulk.ecosystems.pypi.target import Target
from breakbulk.lock.model import package_id

__all__ = ["Edges", "edges"]


class Edges(msgspec.Struct, frozen=True):
    """By distribution: the ids of those it needs, and what it is there for."""

    dependencies: dict[str, tuple[str, ...]]
    why: dict[str, tuple[str, ...]]


def _reason(install: str) -> str:
    """Return `hub:tool` for `@hub:tool/pandas`, which a package of the hub needs; `install.web` for `web`."""
    return install[1:].partition("/")[0] if install.startswith("@") else f"install.{install}"


def edges(requires: Mapping[str, Iterable[str]], wanted: Iterable[Wanted], target: Target) -> Edges:
    """Return the edges among the distributions in `requires`, whose values are their lines of Requires-Dist."""
    parsed = {name: _parsed(lines) for name, lines in requires.items()}
    needs: dict[str, set[str]] = {name: set() for name in requires}
    reasons: dict[str, set[str]] = {name: set() for name in requires}
    open_ends: list[tuple[str, str]] = []
    for each in wanted:
        if each.name in needs:
            reasons[each.name].add(_reason(each.install))
            open_ends += [(each.name, extra) for extra in ("", *each.requirement.extras)]
    seen: set[tuple[str, str]] = set()
    while open_ends:
        name, extra = open_ends.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in _applying(parsed[name], extra, target):
            other = canonicalize_name(requirement.name)
            if other in needs:
                open_ends += [(other, more) for more in ("", *requirement.extras)]
                if other != name:
                    needs[name].add(package_id("pypi", other))
                    reasons[other].add(package_id("pypi", name))
    return Edges(
        {name: tuple(sorted(found)) for name, found in needs.items()},
        {name: tuple(sorted(found)) for name, found in reasons.items()},
    )


def _parsed(lines: Iterable[str]) -> list[Requirement]:
    requirements = []
    for line in lines:
        try:
            requirements.append(Requirement(line))
        except InvalidRequirement:  # uv reads more forgivingly; an edge that cannot be read is not drawn
            continue
    return requirements


def _applying(requirements: Iterable[Requirement], extra: str, target: Target) -> Iterable[Requirement]:
    environment = {**target.markers(), "extra": canonicalize_name(extra) if extra else ""}
    return [each for each in requirements if each.marker is None or each.marker.evaluate(environment)]
