"""Which packages of a lock have licences that the manifest does not allow: `options.allow`. Pure.

A licence is an SPDX expression (https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/) where the archive says
one: of `A OR B` one must be allowed, of `A AND B` both; `A WITH exception` is a licence of its own unless `A` is
allowed. What is no expression must be allowed word for word. Nobody's silence is a permission: a package that does not
say its licence is refused as soon as licences are listed.
"""

from __future__ import annotations

from collections.abc import Iterable

from breakbulk.errors import ResolutionError
from breakbulk.lock.model import Lock, Package
from breakbulk.manifest.schema import Allow

__all__ = ["is_allowed", "refuse_licences"]

_UNFREE = "licenseref-debian-non-free"
_SHOWN_MAX = 8


def refuse_licences(lock: Lock, allow: Allow | None) -> None:
    """Raise `ResolutionError` (`licence-refused`) when the lock has a package whose licence is not allowed."""
    if allow is None:
        return
    packages = {package.id: package for system in lock.systems.values() for package in system.packages}
    refused = [package for package in packages.values() if not _passes(package, allow)]
    if refused:
        shown = ", ".join(f"{package.id} ({package.license or 'unknown'})" for package in refused[:_SHOWN_MAX])
        more = f" and {len(refused) - _SHOWN_MAX} more" if len(refused) > _SHOWN_MAX else ""
        raise ResolutionError(
            f"{len(refused)} packages have licences that options.allow does not allow",
            identifier="licence-refused",
            where="options.allow",
            why=f"{shown}{more}",
            hint="add the licences to options.allow.licenses, or do without what brings these packages "
            "(`breakbulk explain NAME`)",
        )


def is_allowed(licence: str | None, allowed: Iterable[str]) -> bool:
    """Say whether a licence is allowed by a list of SPDX identifiers, or of the same words."""
    known = {word.casefold() for word in allowed}
    return licence is not None and (licence.casefold() in known or _holds(licence.casefold(), known))


def _passes(package: Package, allow: Allow) -> bool:
    if allow.unfree is False and (package.license or "").casefold().startswith(_UNFREE):
        return False
    return not allow.licenses or is_allowed(package.license, allow.licenses)


def _holds(expression: str, known: set[str]) -> bool:
    for joint, decide in ((" or ", any), (" and ", all)):
        parts = _split(expression, joint)
        if len(parts) > 1:
            return decide(_holds(part, known) for part in parts)
    inner = expression.strip()
    if inner.startswith("(") and inner.endswith(")"):
        return _holds(inner[1:-1], known)
    return inner in known or inner.partition(" with ")[0] in known


def _split(expression: str, joint: str) -> list[str]:
    """Split at a joint that is outside of all parentheses."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(expression):
        depth += (letter == "(") - (letter == ")")
        if depth == 0 and expression.startswith(joint, position):
            parts.append(expression[start:position])
            start = position + len(joint)
    return [*parts, expression[start:]]
