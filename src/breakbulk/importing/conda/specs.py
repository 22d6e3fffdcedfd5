"""One line of conda's `dependencies`: channel, name, version, build. Pure.

Source: conda's `MatchSpec`, https://docs.conda.io/projects/conda-build/en/stable/resources/package-spec.html .
"""

from __future__ import annotations

import re

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

__all__ = ["CondaSpec", "parse_conda"]

_SPEC = re.compile(
    r"(?:(?P<channel>[^\s:]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<version>(?:[=<>!~]|(?<=\s)[0-9*])[^\[]*|)"
    r"(?:\[(?P<options>[^\]]*)\])?"
)
_VERSION_OPTION = re.compile(r"version\s*=\s*['\"]?([^'\",]+(?:,[^'\"=]+)*)")
_FUZZY = re.compile(r"=?\s*([0-9][A-Za-z0-9_.!+-]*?)(\.?\*)?")


class CondaSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a line asks for.

    Attributes:
        name: In lower case.
        version: A specifier of PEP 440, "" for any.
        exact: Whether `version` says all that the line says of versions and builds.

    """

    name: str
    channel: str | None
    version: str
    exact: bool = True


def parse_conda(text: str) -> CondaSpec | None:
    """Return what a line asks for, None if it is no specification."""
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        return None
    option = _VERSION_OPTION.search(match["options"] or "")
    written = match["version"].strip() or (option[1].strip() if option else "")
    version, build = _without_build(written)
    specifier = _specifier(version)
    exact = specifier is not None and not build
    return CondaSpec(name=match["name"].lower(), channel=match["channel"], version=specifier or "", exact=exact)


def _without_build(text: str) -> tuple[str, str]:
    """Return the version and the build of `=1.2=py311_0`, `==1.2=0` or `1.2 py311_0`."""
    match = re.fullmatch(r"(==?|)\s*([^=<>!~,|\s]+)(?:=|\s+)([^=<>!~,|\s]+)", text)
    return (f"{match[1]}{match[2]}", match[3]) if match else (text, "")


def _specifier(version: str) -> str | None:
    """Return a version of conda as PEP 440 has it, None where it has no such thing."""
    if version in {"", "*", "=*"}:
        return ""
    match = _FUZZY.fullmatch(version)
    if match and not version.startswith("=="):
        version = f"=={match[1]}.*"
    try:
        return ",".join(sorted(map(str, SpecifierSet(version.replace(" ", "")))))
    except InvalidSpecifier:
        return None
