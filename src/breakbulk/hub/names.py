"""Names of environments on a hub, as users, locks and pod annotations write them.

    owner/name                 the live generation
    owner/name:12              generation 12 (`owner/name@12` is read, never written)
    owner/name@sha256:<hex>    the environment with this digest, of whatever generation

Names are lowercase, so that two of them never differ by case alone, and safe as one component of a path or an address.
"""

from __future__ import annotations

import re

import msgspec

from breakbulk.errors import UsageError

__all__ = ["Reference", "is_reference", "parse_reference"]

_WORD = r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?"
_REFERENCE = re.compile(
    rf"(?P<owner>{_WORD})/(?P<name>{_WORD})"
    r"(?::(?P<generation>[1-9][0-9]{0,8}))?"
    r"(?:@(?:sha256:(?P<digest>[0-9a-f]{64})|(?P<at>[1-9][0-9]{0,8})))?",
    re.ASCII,
)


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """An environment on a hub, and which of its generations: by number, by digest, by both, or the live one."""

    owner: str
    name: str
    generation: int | None = None
    digest: str | None = None

    @property
    def environment(self) -> str:
        """`owner/name`, without a generation."""
        return f"{self.owner}/{self.name}"

    @property
    def pinned(self) -> bool:
        """Whether it means the same environment for ever."""
        return self.generation is not None or self.digest is not None

    def __str__(self) -> str:
        number = "" if self.generation is None else f":{self.generation}"
        return self.environment + number + (f"@{self.digest}" if self.digest else "")


def is_reference(text: str) -> bool:
    """Say whether `text` can name an environment on a hub; a directory of that name goes first."""
    return _match(text) is not None


def parse_reference(text: str) -> Reference:
    """Return what `text` names; raise `UsageError` `reference-invalid`."""
    match = _match(text)
    if match is None:
        raise UsageError(
            "this is not the name of an environment on a hub",
            identifier="reference-invalid",
            where=repr(text[:200]),
            why="owner and name are lowercase letters and digits, with `.`, `_` and `-` inside, up to 64 each",
            hint="write OWNER/NAME, OWNER/NAME:GENERATION or OWNER/NAME@sha256:DIGEST",
        )
    number = match["generation"] or match["at"]
    return Reference(
        owner=match["owner"],
        name=match["name"],
        generation=int(number) if number else None,
        digest=f"sha256:{match['digest']}" if match["digest"] else None,
    )


def _match(text: str) -> re.Match[str] | None:
    match = _REFERENCE.fullmatch(text)
    return None if match and match["generation"] and match["at"] else match
