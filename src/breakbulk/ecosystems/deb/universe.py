"""All packages that may be chosen from: several indices seen as one, with a preference among versions.

A `Version` is one package in one version, wherever it was found. `Universe` joins the indices of all suites and answers
which versions a relation admits, as Debian policy 7 and Multi-Arch define it. `Preferences` decide which version of a
package comes first, as apt's pins do (apt_preferences(5)). Both only look up; deciding is `choosing`'s and
`searching`'s work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from breakbulk.ecosystems.deb.index import Index, Stanza
from breakbulk.ecosystems.deb.relations import Group, Relation, parse_field, parse_provides
from breakbulk.ecosystems.deb.versions import VersionKey, key

__all__ = ["PRIORITIES", "Preferences", "Universe", "Version", "Volume"]

PRIORITIES = {"required": 1, "important": 2, "standard": 3, "optional": 4, "extra": 5}
"""Debian policy 2.5, most important first."""
PINNED_BY_TARGET = 990
"""What `apt --target-release` gives a release (apt_preferences(5))."""
UNRANKED = 1 << 60


class Volume:
    """One index with the suite it belongs to: `pin` is the suite's priority, `component` such as `main`."""

    def __init__(self, index: Index, *, suite: str, component: str, pin: int, origin: str) -> None:
        self.index = index
        self.suite = suite
        self.component = component
        self.pin = pin
        self.origin = origin


class Version:
    """One package in one version; two are the same only if they are the same object."""

    def __init__(self, stanza: Stanza, volume: Volume) -> None:
        self.stanza = stanza
        self.volume = volume
        self.pin = volume.pin
        self.suites = {volume.suite}

    @property
    def name(self) -> str:
        """Return the package's name."""
        return self.stanza.name

    @property
    def version(self) -> str:
        """Return the version as text."""
        return self.stanza.version

    @cached_property
    def key(self) -> VersionKey:
        """Return what the version sorts by."""
        return key(self.stanza.version)

    @cached_property
    def depends(self) -> tuple[Group, ...]:
        """Groups of `Pre-Depends` and `Depends`, in apt's order."""
        return (*parse_field(self.stanza.pre_depends), *parse_field(self.stanza.depends))

    @cached_property
    def conflicts(self) -> tuple[Relation, ...]:
        """Relations of `Conflicts` and `Breaks`: neither may be true of another chosen package."""
        groups = (*parse_field(self.stanza.conflicts), *parse_field(self.stanza.breaks))
        return tuple(alternative for group in groups for alternative in group)

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        """Return what it provides, with the version it provides it in."""
        return parse_provides(self.stanza.provides)

    def __repr__(self) -> str:
        return f"{self.name} {self.version}"


class Universe:
    """Every version in every volume, for one architecture; `volumes` in the order of apt's sources."""

    def __init__(self, volumes: Sequence[Volume], architecture: str) -> None:
        self.volumes = tuple(volumes)
        self.architecture = architecture
        self._versions: dict[str, tuple[Version, ...]] = {}
        self._providers: dict[str, tuple[tuple[Version, str | None], ...]] = {}
        self._targets: dict[Relation, tuple[Version, ...]] = {}
        self._ranks: dict[str, tuple[int, int]] = {}

    def versions(self, name: str) -> tuple[Version, ...]:
        """Return the versions of a package, newest first; of two equal ones the first volume's stands for both."""
        if (known := self._versions.get(name)) is None:
            merged: dict[tuple[str, str], Version] = {}
            for volume in self.volumes:
                for stanza in volume.index.stanzas(name):
                    if stanza.architecture not in {self.architecture, "all"}:
                        continue
                    found = merged.setdefault((stanza.version, stanza.sha256), Version(stanza, volume))
                    found.pin = max(found.pin, volume.pin)
                    found.suites.add(volume.suite)
            known = self._versions[name] = tuple(sorted(merged.values(), key=lambda each: each.key, reverse=True))
        return known

    def add(self, extra: Version) -> None:
        """Add a version that no volume offers any more (one of the lock, remembered)."""
        known = self.versions(extra.name)
        if all(each.version != extra.version for each in known):
            merged = (*known, extra)
            self._versions[extra.name] = tuple(sorted(merged, key=lambda each: each.key, reverse=True))

    def providers(self, name: str) -> tuple[tuple[Version, str | None], ...]:
        """Return the versions that provide `name`, with the version they provide it in (policy 7.5)."""
        if (known := self._providers.get(name)) is None:
            owners = dict.fromkeys(owner for volume in self.volumes for owner in volume.index.providers(name))
            known = self._providers[name] = tuple(
                (version, provided.version or None)
                for owner in owners
                for version in self.versions(owner)
                for provided in version.provides
                if provided.name == name
            )
        return known

    def targets(self, relation: Relation) -> tuple[Version, ...]:
        """Return every version, real ones first, of which the relation is true."""
        if (known := self._targets.get(relation)) is None:
            known = self._targets[relation] = tuple(dict.fromkeys(self._find_targets(relation)))
        return known

    def rank(self, name: str) -> tuple[int, int]:
        """Return where apt would have met the name first: (volume, position)."""
        if (known := self._ranks.get(name)) is None:
            ranks = ((number, volume.index.rank(name)) for number, volume in enumerate(self.volumes))
            found = next(((number, rank) for number, rank in ranks if rank is not None), (UNRANKED, 0))
            known = self._ranks[name] = found
        return known

    def essential(self) -> list[str]:
        """Return the names of the Essential set (policy 3.8)."""
        return sorted({name for volume in self.volumes for name in volume.index.essential()})

    def _find_targets(self, relation: Relation) -> list[Version]:
        """Apply the qualifier (policy 7.1; Multi-Arch specification): `:any` needs `Multi-Arch: allowed`."""
        if relation.qualifier not in {None, "any", "native", self.architecture}:
            return []
        real = [each for each in self.versions(relation.name) if relation.admits(each.version)]
        provided = [each for each, version in self.providers(relation.name) if relation.admits(version)]
        found = [*real, *provided]
        if relation.qualifier == "any":
            return [each for each in found if each.stanza.multi_arch == "allowed"]
        return found


class Preferences:
    """Which version of a package comes first.

    Args:
        universe: Where versions come from.
        held: Versions to keep while nothing forces them to move, by package name.
        chosen: Versions of which the manifest admits no other, by package name.
        targets: Suites that a package asked for comes from; they apply to names outside `settled`.
        settled: Names whose ordinary version the rest of the environment needs.

    """

    def __init__(
        self,
        universe: Universe,
        *,
        held: Mapping[str, str] | None = None,
        chosen: Mapping[str, Sequence[Version]] | None = None,
        targets: frozenset[str] = frozenset(),
        settled: frozenset[str] = frozenset(),
    ) -> None:
        self.universe = universe
        self.held = held or {}
        self._chosen = chosen or {}
        self._targets = targets
        self._settled = settled
        self._orders: dict[str, tuple[Version, ...]] = {}

    def order(self, name: str) -> tuple[Version, ...]:
        """Return the versions of a package that may be chosen, best first."""
        if (known := self._orders.get(name)) is None:
            chosen = self._chosen.get(name)
            versions = self.universe.versions(name) if chosen is None else chosen
            ranked = sorted(versions, key=self._merit, reverse=True)
            known = self._orders[name] = tuple(each for each in ranked if self.pin(each) > 0)
        return known

    def candidate(self, name: str) -> Version | None:
        """Return the version apt would call the candidate."""
        return next(iter(self.order(name)), None)

    def pin(self, version: Version) -> int:
        """Return the priority of a version as in apt_preferences(5); one below 1 is never chosen."""
        if version.name not in self._settled and version.suites & self._targets:
            return max(PINNED_BY_TARGET, version.pin)
        return version.pin

    def _merit(self, version: Version) -> tuple[bool, int, VersionKey]:
        return self.held.get(version.name) == version.version, self.pin(version), version.key
