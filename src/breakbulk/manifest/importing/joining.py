"""Lines of a requirements file that ask for one distribution, under whatever spelling, become one requirement.

They are joined where pip would hold them together too: the same normalised name (PEP 503) under the same marker. Lines
whose markers differ stay apart, as each may hold elsewhere. Pure; the counterpart is `requirements`.
"""

from __future__ import annotations

from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from breakbulk.errors import ManifestError
from breakbulk.manifest.importing.drafting import without_credentials

__all__ = ["Asked", "joined"]


class Asked(NamedTuple):
    """A requirement and where it stands; `text` is how it is written, `install` its id in the manifest."""

    requirement: Requirement
    text: str
    where: str
    install: str = ""

    @property
    def key(self) -> tuple[str, str, bool]:
        """What requirements that are joined have in common; an archive's address takes no versions."""
        requirement = self.requirement
        return canonicalize_name(requirement.name), str(requirement.marker or ""), requirement.url is not None


def joined(first: Asked, second: Asked) -> Asked:
    """Return one requirement for two of equal `key`, at the place of the first.

    Raises `ManifestError` `import-contradiction`, with both lines, when nothing can satisfy the two.
    """
    both = Requirement(str(first.requirement))
    both.extras |= second.requirement.extras
    both.specifier &= second.requirement.specifier
    if first.requirement.url != second.requirement.url or both.specifier.is_unsatisfiable():
        raise ManifestError(
            f"two lines ask for {both.name}, and nothing is both",
            identifier="import-contradiction",
            where=second.where,
            why=", ".join(f"{without_credentials(each.text)!r} at {each.where}" for each in (first, second)),
            hint="take one of the lines out",
        )
    same = both == first.requirement
    return first._replace(requirement=both, text=first.text if same else str(both))
