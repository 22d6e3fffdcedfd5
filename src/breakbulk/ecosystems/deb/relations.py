"""Relations between packages: `Depends`, `Conflicts`, `Provides` and their like as values.

Syntax: Debian policy 7.1. A field is a comma-separated list of groups, a group alternatives separated by `|`. Binary
indices hold no architecture or build-profile restrictions, so these are not read. Parsed fields are cached: the same
`libc6 (>= 2.34)` occurs thousands of times.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from breakbulk.ecosystems.deb.versions import Operator, satisfies
from breakbulk.errors import IntegrityError

__all__ = ["Group", "Relation", "parse_field", "parse_provides"]

_ALTERNATIVE = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9+._-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"\s*(?:\(\s*(?P<operator><<|<=|>=|>>|=|<|>)\s*(?P<version>[^\s)]+)\s*\))?\s*"
)
_OPERATORS: dict[str, Operator] = {
    "<<": "<<", "<=": "<=", "<": "<=", "=": "=", ">=": ">=", ">": ">=", ">>": ">>",
}  # fmt: skip


class Relation(NamedTuple):
    """One alternative: a name, perhaps with an architecture qualifier and a bound on the version."""

    name: str
    qualifier: str | None = None
    operator: Operator | None = None
    version: str = ""

    def admits(self, version: str | None) -> bool:
        """Say whether a package of that version is meant; None is a `Provides` without version (policy 7.5)."""
        if self.operator is None:
            return True
        return version is not None and satisfies(version, self.operator, self.version)

    def __str__(self) -> str:
        name = self.name if self.qualifier is None else f"{self.name}:{self.qualifier}"
        return name if self.operator is None else f"{name} ({self.operator} {self.version})"


Group = tuple[Relation, ...]
"""Alternatives, the preferred one first."""


@lru_cache(maxsize=1 << 16)
def parse_field(field: str) -> tuple[Group, ...]:
    """Return the groups of a relationship field; raise `IntegrityError` for one that is malformed."""
    return tuple(
        tuple(_parse_alternative(alternative, field) for alternative in group.split("|"))
        for group in field.split(",")
        if group.strip()
    )


def parse_provides(field: str) -> tuple[Relation, ...]:
    """Return what a `Provides` field provides; each has no operator, or `=`."""
    return tuple(group[0] for group in parse_field(field) if group[0].operator in {None, "="})


def _parse_alternative(text: str, field: str) -> Relation:
    match = _ALTERNATIVE.fullmatch(text)
    if match is None:
        raise IntegrityError(
            f"malformed relation {text.strip()!r}",
            identifier="deb-index-invalid",
            where=f"field {field[:120]!r}",
            hint="the index is signed by its archive and wrong: report it to the archive, or use another suite",
        )
    operator = _OPERATORS[match["operator"]] if match["operator"] else None
    return Relation(match["name"], match["qualifier"], operator, match["version"] or "")
