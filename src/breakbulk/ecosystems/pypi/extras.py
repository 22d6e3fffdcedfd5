"""Extras that the manifest asks for must be there: uv only warns of one that is not, and installs less than was meant.

What dependencies ask of each other is left alone, as a user cannot correct it. Pure; the counterpart is `resolution`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from packaging.utils import canonicalize_name

from breakbulk.ecosystems.pypi.metadata import Metadata
from breakbulk.ecosystems.pypi.requirements import Wanted
from breakbulk.errors import ResolutionError

__all__ = ["check_extras", "extras_of"]

_IN_MARKER = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")


def check_extras(asked: Iterable[Wanted], chosen: Mapping[str, tuple[str, Metadata]]) -> None:
    """Raise `ResolutionError` `extra-unknown` for an extra that the chosen version of a distribution does not have.

    `chosen` holds version and metadata by name; distributions that a marker left out are not in it.
    """
    for each in asked:
        if each.name in chosen:
            version, metadata = chosen[each.name]
            known = extras_of(metadata)
            for extra in sorted(each.requirement.extras):
                if canonicalize_name(extra) not in known:
                    raise _unknown(each, extra, version, sorted(known))


def extras_of(metadata: Metadata) -> frozenset[str]:
    """Return the normalised names of a distribution's extras: declared, or only named by a marker, which works too."""
    named = (extra for line in metadata.requires for extra in _IN_MARKER.findall(line.partition(";")[2]))
    return frozenset(canonicalize_name(extra) for extra in (*metadata.extras, *named))


def _unknown(asked: Wanted, extra: str, version: str, known: list[str]) -> ResolutionError:
    near = get_close_matches(canonicalize_name(extra), known, n=1)
    advice = "ask for a version that has it, or leave it out"
    return ResolutionError(
        f"{asked.name} {version} has no extra {extra!r}",
        identifier="extra-unknown",
        where=f"install.{asked.install}",
        why=f"its extras are {', '.join(known)}" if known else "it has no extras",
        hint=f"did you mean {near[0]}? otherwise {advice}" if near else advice,
    )
