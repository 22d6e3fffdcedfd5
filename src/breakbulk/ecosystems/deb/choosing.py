"""Choosing packages as apt does: greedy, one pass, the first alternative that can be had.

This is a model of what `apt-get install` (apt 2.6) does on an empty system, so that an environment holds what a Debian
user expects. The rules, each observable with `apt-get -o Debug::pkgDepCache::AutoInstall=1`:

* The user's packages are marked first, then each is completed with what it needs, depth first, in the order of
  `Pre-Depends`, then `Depends`.
* A group that a marked package satisfies is left alone. Otherwise its alternatives are tried from left to right; those
  of one alternative are sorted: the package of that name, then Essential, then more important ones (policy 2.5), then
  those that apt met last in its indices.
* A package with a dependency that no candidate satisfies is discarded at once, one whose dependencies fail later too.
  What was marked for its sake stays marked, and falls away at the end, when nothing needs it.
* A package that conflicts with marked ones unmarks these, unless they are protected: asked for by the user, alone in
  satisfying what he asked for, or in the middle of being completed.

A greedy pass can end with something broken. `Choice.broken` says so; then `searching` finds the answer, or proves that
there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from breakbulk.ecosystems.deb.relations import Group, Relation
from breakbulk.ecosystems.deb.universe import PRIORITIES, Preferences, Version

__all__ = ["choose", "closure", "order_of_targets", "violations"]

MAX_DEPTH = 3000
"""apt gives up a chain of dependencies there."""
_FRAMES_PER_LEVEL = 4


def choose(preferences: Preferences, wanted: Sequence[str]) -> dict[str, Version] | None:
    """Return the packages apt would install for `wanted`, by name; None when it would end with something broken.

    Args:
        preferences: Which version of each package comes first.
        wanted: Names of real packages.

    """
    sys.setrecursionlimit(max(sys.getrecursionlimit(), MAX_DEPTH * _FRAMES_PER_LEVEL))
    marking = _Marking(preferences)
    ordered = sorted(dict.fromkeys(wanted), key=preferences.universe.rank)
    for name in ordered:
        marking.protected.add(name)
        marking.mark(name, complete=False, by_user=True)
    for name in ordered:
        marking.mark(name, complete=True, by_user=True)
    marked = marking.marked
    if any(name not in marked for name in ordered) or next(violations(preferences, marked), None):
        return None
    return closure(preferences, marked, ordered)


def violations(preferences: Preferences, marked: dict[str, Version]) -> Iterator[tuple[Version, Group]]:
    """Yield every relation of a chosen package that the others break."""
    targets = preferences.universe.targets
    for version in marked.values():
        for group in version.depends:
            if not any(marked.get(each.name) is each for relation in group for each in targets(relation)):
                yield version, group
        for relation in version.conflicts:
            if any(marked.get(each.name) is each and each.name != version.name for each in targets(relation)):
                yield version, (relation,)


def closure(preferences: Preferences, marked: dict[str, Version], roots: Iterable[str]) -> dict[str, Version]:
    """Return those of the marked packages that the roots need, by every way that satisfies a dependency."""
    needed: dict[str, Version] = {}
    waiting = [marked[name] for name in roots]
    while waiting:
        version = waiting.pop()
        if version.name in needed:
            continue
        needed[version.name] = version
        for group in version.depends:
            for relation in group:
                found = (each for each in preferences.universe.targets(relation) if marked.get(each.name) is each)
                waiting.extend(found)
    return needed


def order_of_targets(preferences: Preferences, relation: Relation) -> list[Version]:
    """Return the candidates that satisfy a relation in apt's order of preference (`CompareProviders`)."""
    candidate = preferences.candidate
    found = [each for each in preferences.universe.targets(relation) if candidate(each.name) is each]
    if len(found) > 1:
        found.sort(key=lambda each: _merit(preferences, relation, each))
    return found


def _merit(preferences: Preferences, relation: Relation, version: Version) -> tuple[object, ...]:
    stanza = version.stanza
    return (
        stanza.name not in preferences.held,
        stanza.name != relation.name,
        not stanza.essential,
        not stanza.important,
        PRIORITIES.get(stanza.priority, PRIORITIES["extra"]),
        tuple(-part for part in preferences.universe.rank(stanza.name)),
    )


class _Marking:
    """The state of one pass: what is marked, what may not be unmarked, what was given up."""

    def __init__(self, preferences: Preferences) -> None:
        self.preferences = preferences
        self.targets = preferences.universe.targets
        self.marked: dict[str, Version] = {}
        self.protected: set[str] = set()
        self.discarded: set[str] = set()

    def candidate(self, name: str) -> Version | None:
        return None if name in self.discarded else self.preferences.candidate(name)

    def mark(self, name: str, *, complete: bool, by_user: bool = False, depth: int = 0) -> bool:
        """Mark a package, and with `complete` what it needs; False when it cannot be had."""
        protected = name in self.protected
        version = self.candidate(name)
        if version is None or depth > MAX_DEPTH or (protected and not by_user and name not in self.marked):
            return False
        if not protected and name in self.marked and not self._is_broken(version):
            return True
        if complete and not self._is_satisfiable(version):
            if not protected:
                self._discard(name)
            return False
        if by_user:
            self.marked[name] = version
        if not complete:
            self.marked[name] = version
            return True
        return self._complete(version, by_user=by_user, protected=protected, depth=depth)

    def _complete(self, version: Version, *, by_user: bool, protected: bool, depth: int) -> bool:
        """Make room for a package, then mark what it needs; it is protected meanwhile."""
        lenient = protected or by_user
        groups = [group for group in version.depends if protected or not self._is_satisfied(group)]
        failed = not self._make_room(version, protected=protected, lenient=lenient)
        if failed and not lenient:
            return False
        self.marked[version.name] = version
        self.protected.add(version.name)
        satisfied = self._mark_needed(groups, protected=protected, lenient=lenient, depth=depth)
        if not protected:
            self.protected.discard(version.name)
        if not satisfied and not lenient:
            self._discard(version.name)
        return satisfied and not failed

    def _make_room(self, version: Version, *, protected: bool, lenient: bool) -> bool:
        """Unmark what conflicts with a package; False when something of it is protected."""
        succeeded = True
        for relation in version.conflicts:
            for other in self._candidates(relation):
                if other.name == version.name:
                    continue
                if other.name in self.marked and other.name in self.protected:
                    succeeded = False
                    if not lenient:
                        return False
                    continue
                self.marked.pop(other.name, None)
                if protected:
                    self.discarded.add(other.name)
                    self.protected.add(other.name)
        return succeeded

    def _mark_needed(self, groups: list[Group], *, protected: bool, lenient: bool, depth: int) -> bool:
        succeeded = True
        for group in groups:
            if self._is_satisfied(group):
                if protected and not self._protect_only_solution(group, depth):
                    succeeded = False
            elif not self._mark_one_of(group, protected=protected, depth=depth):
                succeeded = False
                if not lenient:
                    return False
        return succeeded

    def _protect_only_solution(self, group: Group, depth: int) -> bool:
        """Protect what alone satisfies a group of a protected package, and complete it as such."""
        possible = self._solutions(group)
        if len(possible) != 1 or possible[0].name in self.protected:
            return True
        self.protected.add(possible[0].name)
        return self.mark(possible[0].name, complete=True, depth=depth + 1)

    def _mark_one_of(self, group: Group, *, protected: bool, depth: int) -> bool:
        possible = self._solutions(group)
        for version in possible:
            if self.candidate(version.name) is not version:
                continue
            if protected and len(possible) == 1:
                if not self.mark(version.name, complete=False, depth=depth + 1):
                    continue
                self.protected.add(version.name)
            if self.mark(version.name, complete=True, depth=depth + 1):
                return True
        return False

    def _solutions(self, group: Group) -> list[Version]:
        """Return what could satisfy a group, best first, without what was given up for good."""
        found = dict.fromkeys(version for relation in group for version in self._candidates(relation))
        return [each for each in found if each.name in self.marked or each.name not in self.protected]

    def _candidates(self, relation: Relation) -> list[Version]:
        ordered = order_of_targets(self.preferences, relation)
        return [each for each in ordered if each.name not in self.discarded]

    def _is_satisfied(self, group: Group) -> bool:
        marked = self.marked
        for relation in group:
            for each in self.targets(relation):
                if marked.get(each.name) is each:
                    return True
        return False

    def _is_satisfiable(self, version: Version) -> bool:
        """Say whether every dependency has a candidate, or something marked, that satisfies it."""
        for group in version.depends:
            if self._is_satisfied(group):
                continue
            for relation in group:
                if any(self.candidate(each.name) is each for each in self.targets(relation)):
                    break
            else:
                return False
        return True

    def _is_broken(self, version: Version) -> bool:
        if any(not self._is_satisfied(group) for group in version.depends):
            return True
        return any(
            self.marked.get(each.name) is each and each.name != version.name
            for relation in version.conflicts
            for each in self.targets(relation)
        )

    def _discard(self, name: str) -> None:
        self.marked.pop(name, None)
        self.discarded.add(name)
