"""Why no set of packages satisfies a manifest, in words: who asks for what, down to the contradiction.

Counterpart of `searching`, whose proof names the relations that contradict each other. The proof is first reduced until
every relation in it is needed; then told in the order in which one leads to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from breakbulk.ecosystems.deb.relations import Group, Relation
from breakbulk.ecosystems.deb.searching import Clause, contradict
from breakbulk.ecosystems.deb.universe import Universe, Version

__all__ = ["explain"]

LARGEST_REDUCED = 200
"""Relations of a proof that is reduced: reducing takes one small search for each."""


def explain(clauses: frozenset[Clause], universe: Universe, describe: Callable[[str], str]) -> str:
    """Return the reasons, separated by semicolons; `describe` says what asks for a name (`install.x needs y`)."""
    ordered = _in_order(_reduced(sorted(clauses, key=_sort_key)))
    words = [text for clause in ordered if (text := _words(clause, universe, describe))]
    return "; ".join(dict.fromkeys(words))


def _reduced(clauses: list[Clause]) -> list[Clause]:
    """Leave out every clause without which the contradiction remains."""
    if len(clauses) > LARGEST_REDUCED:
        return clauses
    kept = list(clauses)
    for clause in reversed(clauses):
        fewer = [each for each in kept if each is not clause]
        if contradict(fewer):
            kept = fewer
    return kept


def _in_order(clauses: Sequence[Clause]) -> list[Clause]:
    """Return requests first, then what each chosen package asks for, breadth first."""
    told: list[Clause] = [clause for clause in clauses if clause.kind == "request"]
    for clause in told:  # grows while it is read
        reached = {version for version, wanted in clause.literals if wanted}
        told += [each for each in clauses if each.owner in reached and each not in told]
    return told + [clause for clause in clauses if clause not in told]


def _sort_key(clause: Clause) -> tuple[str, str, str]:
    return clause.request, repr(clause.owner), _group_words(clause.group)


def _words(clause: Clause, universe: Universe, describe: Callable[[str], str]) -> str:
    match clause.kind:
        case "request":
            return describe(clause.request)
        case "depends":
            return f"{clause.owner!r} needs {_group_words(clause.group)}{_offered(clause, universe)}"
        case "conflicts":
            return _conflict_words(clause)
        case _:
            return ""


def _conflict_words(clause: Clause) -> str:
    other = next(version for version, _ in clause.literals if version is not clause.owner)
    relation = clause.group[0]
    words = f"{clause.owner!r} conflicts with {relation}"
    if other.name != relation.name:
        return f"{words}, which {other.name} provides"
    return words if relation.operator is None else f"{words}, and it would be {other.version}"


def _offered(clause: Clause, universe: Universe) -> str:
    """Say what there is instead, when nothing satisfies a dependency."""
    if len(clause.literals) > 1:
        return ""
    return ", " + "; ".join(offered(relation, universe) for relation in clause.group)


def offered(relation: Relation, universe: Universe) -> str:
    """Say which versions of a package there are, and where: `only 1.9 in bookworm`."""
    versions: Iterable[Version] = universe.versions(relation.name)
    found = [f"{version.version} in {version.volume.suite}" for version in versions]
    if found:
        return f"only {' and '.join(found[:3])}"
    provided = [
        f"{provider!r} provides it" + (f" as {version}" if version else " without a version")
        for provider, version in universe.providers(relation.name)
    ]
    return " and ".join(provided[:3]) or "which no suite has"


def _group_words(group: Group) -> str:
    return " | ".join(str(relation) for relation in group)
