"""The packages of Debian in an image, and which of them somebody asked for. Pure.

apt notes in `extended_states` what came along; where it is missing, what nothing else depends on was asked for. What
every Debian has is never asked for. Sources: dpkg(1) and deb-control(5) for `status`, apt's `extended_states`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from breakbulk.ecosystems.deb.stanzas import paragraphs, parse_paragraph

__all__ = ["EXTENDED_STATES", "STATUS", "DebianPackage", "asked_for", "installed"]

STATUS = re.compile(r"var/lib/dpkg/status(?:\.d/[^/]+)?")
EXTENDED_STATES = "var/lib/apt/extended_states"
_NAMES = re.compile(r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]+)")
_OF_EVERY_DEBIAN = {"required", "important"}


class DebianPackage(msgspec.Struct, frozen=True, kw_only=True):
    """An installed package; `needs` and `provides` are names."""

    name: str
    version: str
    needs: frozenset[str]
    provides: frozenset[str]
    everywhere: bool


def installed(files: Mapping[str, bytes | None]) -> list[DebianPackage]:
    """Return the packages that the databases of dpkg, and those of images without dpkg, name."""
    texts = (data for path, data in files.items() if data is not None and STATUS.fullmatch(path))
    found: dict[str, DebianPackage] = {}
    for text in texts:
        for paragraph in paragraphs(text.decode("utf-8", "replace")):
            fields = parse_paragraph(paragraph)
            if (
                "package" in fields
                and "version" in fields
                and fields.get("status", "ok installed").endswith(" installed")
            ):
                found[fields["package"]] = _package(fields)
    return [found[name] for name in sorted(found)]


def asked_for(packages: Iterable[DebianPackage], extended_states: bytes | None) -> list[DebianPackage]:
    """Return the packages that did not just come along."""
    own = [package for package in packages if not package.everywhere]
    if extended_states is not None:
        automatic = _automatic(extended_states.decode("utf-8", "replace"))
        return [package for package in own if package.name not in automatic]
    needed = {name for package in packages for name in package.needs}
    return [package for package in own if needed.isdisjoint({package.name, *package.provides})]


def _package(fields: Mapping[str, str]) -> DebianPackage:
    return DebianPackage(
        name=fields["package"],
        version=fields["version"],
        needs=_names(fields.get("depends", "")) | _names(fields.get("pre-depends", "")),
        provides=_names(fields.get("provides", "")),
        everywhere=fields.get("essential") == "yes" or fields.get("priority") in _OF_EVERY_DEBIAN,
    )


def _names(field: str) -> frozenset[str]:
    return frozenset(_NAMES.findall(field))


def _automatic(text: str) -> set[str]:
    found = map(parse_paragraph, paragraphs(text))
    return {fields.get("package", "") for fields in found if fields.get("auto-installed") == "1"}
