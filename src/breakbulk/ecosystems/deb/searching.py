"""Searching for packages that fit together, when the first try of `choosing` does not.

A complete search: it finds a set of packages if there is one, and otherwise proves that there is none and names the
relations that the proof needs. It is a satisfiability search with conflict-driven learning (Marques-Silva and Sakallah,
GRASP, 1999), over clauses that are made only when a package is chosen, so that it looks at a few hundred packages and
not at 60,000. Decisions follow the same order of preference as `choosing`, so the answer is close to what a user would
expect. Counterpart: `explaining`, which turns the proof into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from breakbulk.ecosystems.deb.relations import Group
from breakbulk.ecosystems.deb.universe import PRIORITIES, Preferences, Version

__all__ = ["Clause", "Impossible", "search"]

Kind = Literal["request", "depends", "conflicts", "single", "learned"]
_Literal = tuple[Version, bool]


class Clause:
    """At least one of `literals` is true; `owner` and `group` say which relation of which package asks for it.

    `request` is the name in a request. `roots` are the clauses a learned one was derived from.
    """

    __slots__ = ("group", "kind", "literals", "owner", "request", "roots")

    def __init__(
        self,
        kind: Kind,
        literals: Sequence[_Literal],
        *,
        owner: Version | None = None,
        group: Group = (),
        request: str = "",
        roots: frozenset[Clause] = frozenset(),
    ) -> None:
        self.kind = kind
        self.literals = tuple(literals)
        self.owner = owner
        self.group = group
        self.request = request
        self.roots = roots or frozenset({self})


class Impossible(Exception):  # noqa: N818 - a finding, not an error: `explaining` words it
    """There is no such set of packages; `clauses` cannot all be satisfied."""

    def __init__(self, clauses: frozenset[Clause]) -> None:
        super().__init__(f"{len(clauses)} relations contradict each other")
        self.clauses = clauses


def search(preferences: Preferences, wanted: Mapping[str, Sequence[Version]]) -> dict[str, Version]:
    """Return packages by name that satisfy every relation and hold one version of each wanted entry.

    Args:
        preferences: Which version of each package comes first; versions it leaves out are never chosen.
        wanted: What is asked for: names with the versions that will do, best first.

    Raises:
        Impossible: There is no such set.

    """
    clauses = _Clauses(preferences)
    search_state = _Search(clauses.of)
    for name, versions in wanted.items():
        search_state.require(Clause("request", [(each, True) for each in versions], request=name))
    return {each.name: each for each in search_state.run()}


def contradict(clauses: Iterable[Clause]) -> bool:
    """Say whether no choice satisfies all the clauses."""
    state = _Search(lambda _: ())
    try:
        for clause in clauses:
            state.require(clause)
        state.run(decide_all=True)
    except Impossible:
        return True
    return False


class _Clauses:
    """Makes the clauses of a package: what must be true once it is chosen."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    def of(self, version: Version) -> Iterator[Clause]:
        denied = (version, False)
        for other in self._preferences.order(version.name):
            if other is not version:
                yield Clause("single", [denied, (other, False)], owner=version)
        for group in version.depends:
            solutions = self._solutions(group)
            if version not in solutions:
                yield Clause("depends", [denied, *((each, True) for each in solutions)], owner=version, group=group)
        for relation in version.conflicts:
            for other in self._preferences.universe.targets(relation):
                if other.name != version.name:
                    yield Clause("conflicts", [denied, (other, False)], owner=version, group=(relation,))

    def _solutions(self, group: Group) -> dict[Version, None]:
        """Return what satisfies a group: alternatives from left to right, candidates before other versions."""
        found: dict[Version, None] = {}
        for relation in group:
            placed = [
                (place, each)
                for each in self._preferences.universe.targets(relation)
                if (place := self._place(each, relation.name)) is not None
            ]
            found |= dict.fromkeys(each for _, each in sorted(placed, key=lambda pair: pair[0]))
        return found

    def _place(self, version: Version, name: str) -> tuple[object, ...] | None:
        order = self._preferences.order(version.name)
        if version not in order:
            return None
        priority = PRIORITIES.get(version.stanza.priority, PRIORITIES["extra"])
        return (
            order.index(version),
            version.name not in self._preferences.held,
            version.name != name,
            not version.stanza.essential,
            priority,
            tuple(-part for part in self._preferences.universe.rank(version.name)),
        )


class _Search:
    """Assignments with their levels and reasons; propagates, learns from conflicts, jumps back."""

    def __init__(self, expand: Callable[[Version], Iterable[Clause]]) -> None:
        self._expand = expand
        self._values: dict[Version, bool] = {}
        self._levels: dict[Version, int] = {}
        self._reasons: dict[Version, Clause | None] = {}
        self._trail: list[Version] = []
        self._level = 0
        self._next = 0
        self._watching: dict[_Literal, list[Clause]] = {}
        self._positive: list[Clause] = []
        self._first_open = 0
        self._expanded: set[Version] = set()

    def require(self, clause: Clause) -> None:
        """Add a clause of the outset."""
        self._solve_conflict(self._add(clause))

    def run(self, *, decide_all: bool = False) -> list[Version]:
        """Return the chosen versions; raise `Impossible`."""
        while True:
            if conflict := self._propagate():
                self._solve_conflict(conflict)
            elif (choice := self._choose(decide_all=decide_all)) is not None:
                self._level += 1
                self._assign(choice, value=True, reason=None)
            else:
                return [version for version in self._trail if self._values[version]]

    def _choose(self, *, decide_all: bool) -> Version | None:
        """Return the best version for the first clause that nothing satisfies yet."""
        values = self._values
        while self._first_open < len(self._positive):
            clause = self._positive[self._first_open]
            asks = decide_all or clause.owner is None or values.get(clause.owner, False)
            if asks and not any(values.get(version) is wanted for version, wanted in clause.literals):
                return next(version for version, wanted in clause.literals if wanted and version not in values)
            self._first_open += 1
        return None

    def _add(self, clause: Clause) -> Clause | None:
        self._watch(clause)
        return self._examine(clause)

    def _watch(self, clause: Clause) -> None:
        for literal in clause.literals:
            self._watching.setdefault(literal, []).append(clause)
        if any(wanted for _, wanted in clause.literals):
            self._positive.append(clause)

    def _examine(self, clause: Clause) -> Clause | None:
        """Assign what a clause leaves no choice about; return the clause when it is violated."""
        open_literal: _Literal | None = None
        for version, wanted in clause.literals:
            value = self._values.get(version)
            if value is wanted:
                return None
            if value is None:
                if open_literal is not None:
                    return None
                open_literal = version, wanted
        if open_literal is None:
            return clause
        self._assign(open_literal[0], value=open_literal[1], reason=clause)
        return None

    def _assign(self, version: Version, *, value: bool, reason: Clause | None) -> None:
        self._values[version] = value
        self._levels[version] = self._level
        self._reasons[version] = reason
        self._trail.append(version)

    def _propagate(self) -> Clause | None:
        while self._next < len(self._trail):
            version = self._trail[self._next]
            value = self._values[version]
            if value:
                self._expand_once(version)
            for clause in self._watching.get((version, not value), ()):
                if violated := self._examine(clause):
                    return violated  # the version is looked at again, should it survive the jump back
            self._next += 1
        return None

    def _expand_once(self, version: Version) -> None:
        if version in self._expanded:
            self._first_open = 0  # its clauses are open again
            return
        self._expanded.add(version)
        for clause in self._expand(version):
            self._watch(clause)

    def _solve_conflict(self, conflict: Clause | None) -> None:
        """Learn from a violated clause and jump back to where it leaves a choice."""
        if conflict is None:
            return
        if self._highest(conflict) == 0:
            raise Impossible(self._proof(conflict))
        learned, level = self._analyse(conflict)
        self._jump_back(level)
        if violated := self._add(learned):
            self._solve_conflict(violated)

    def _highest(self, clause: Clause) -> int:
        return max((self._levels[version] for version, _ in clause.literals), default=0)

    def _analyse(self, conflict: Clause) -> tuple[Clause, int]:
        """Return the clause of the first unique implication point, and the level to go back to."""
        level = self._highest(conflict)
        literals = dict(conflict.literals)
        roots = set(conflict.roots)
        for version in reversed(self._trail):
            at_level = [each for each in literals if self._levels[each] == level]
            if len(at_level) == 1:
                break
            if version not in literals or self._levels[version] != level:
                continue
            reason = self._reasons[version]
            assert reason is not None, "a decision is the last of its level"  # noqa: S101
            del literals[version]
            literals |= {each: wanted for each, wanted in reason.literals if each is not version}
            roots |= reason.roots
        back = max((self._levels[each] for each in literals if self._levels[each] < level), default=0)
        return Clause("learned", list(literals.items()), roots=frozenset(roots)), back

    def _proof(self, conflict: Clause) -> frozenset[Clause]:
        """Return the original clauses from which a conflict without any decision follows."""
        roots = set(conflict.roots)
        waiting = [version for version, _ in conflict.literals]
        seen: set[Version] = set()
        while waiting:
            version = waiting.pop()
            if version not in seen and (reason := self._reasons[version]) is not None:
                seen.add(version)
                roots |= reason.roots
                waiting += [each for each, _ in reason.literals]
        return frozenset(roots)

    def _jump_back(self, level: int) -> None:
        while self._trail and self._levels[self._trail[-1]] > level:
            version = self._trail.pop()
            del self._values[version], self._levels[version], self._reasons[version]
        self._level = level
        self._first_open = 0
        self._next = min(self._next, len(self._trail))
