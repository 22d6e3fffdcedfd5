"""What a change reaches: every object that somebody may need who runs the generation it makes live.

    change ─► lock ─────────► archives of packages, where the hub has them
           ├► manifest
           ├► archives        own sources, constraints
           └► prepared sets ► prepared packages

A collection keeps all of it, a mirror brings it, a check looks for it: they agree because they ask here. To lock such
an environment again, the histories of the published packages in it are needed too, so a mirror brings them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from packageurl import PackageURL

from breakbulk.ecosystems.hub.catalogue import Release
from breakbulk.hub.hub import Hub
from breakbulk.hub.records import Blob, Change, PreparedPackage
from breakbulk.lock.model import Lock, Package
from breakbulk.lock.variants import every_variant
from breakbulk.manifest.reading import from_builtins
from breakbulk.manifest.schema import CatalogInstall

__all__ = [
    "Reached",
    "documents",
    "every_archive",
    "mirrored",
    "own_archives",
    "prepared_packages",
    "published_for",
    "published_in",
]

_ONLY_ON_HUBS = frozenset({"source", "hub"})


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """An object, and what it is, in words."""

    blob: Blob
    what: str


def documents(change: Change) -> Iterator[Reached]:
    """Yield what says what else there is: lock, manifest, lists of prepared packages. All small."""
    where = f"{change.environment}:{change.generation}"
    yield Reached(blob=change.lock, what=f"the lock of {where}")
    if change.manifest is not None:
        yield Reached(blob=change.manifest, what=f"the manifest of {where}")
    for system, blob in sorted(change.prepared.items()):
        yield Reached(blob=blob, what=f"the list of prepared packages of {where} for {system}")


def own_archives(change: Change) -> Iterator[Reached]:
    """Yield what no index has: archives of own sources, constraints."""
    for blob in change.archives:
        yield Reached(blob=blob, what=f"the archive {blob.sha256[:16]} of {change.environment}:{change.generation}")


def prepared_packages(hub: Hub, change: Change) -> Iterator[tuple[str, PreparedPackage]]:
    """Yield the prepared packages of all systems, by directory name; raises as `Hub.prepared`."""
    for system in sorted(change.prepared):
        yield from sorted(hub.prepared(change, system).packages.items())


def every_archive(lock: Lock) -> Iterator[Package]:
    """Yield every package of a lock once, and each variant as the package that it is for its machines."""
    seen: set[str] = set()
    for system in lock.systems.values():
        for package in system.packages:
            for each in every_variant(package):
                if each.sha256 not in seen:
                    seen.add(each.sha256)
                    yield each


def mirrored(hub: Hub, change: Change, lock: Lock) -> Iterator[Reached]:
    """Yield what a hub has of a change beyond what it names itself: packages published there, and prepared ones."""
    where = f"{change.environment}:{change.generation}"
    for package in _of_hubs(every_archive(lock)):
        yield Reached(blob=Blob(sha256=package.sha256, size=package.size), what=f"{package.id} of {where}")
    for name, prepared in prepared_packages(hub, change):
        yield Reached(blob=prepared.blob, what=f"the prepared {name.partition('-')[2]} of {where}")


def published_in(lock: Lock) -> frozenset[str]:
    """Return the packages that were published on a hub and that a lock names, as `owner/name`."""
    urls = (PackageURL.from_string(each.purl) for each in every_archive(lock) if each.ecosystem == "hub")
    return frozenset(f"{url.namespace}/{url.name}" for url in urls)


def published_for(release: Release) -> frozenset[str]:
    """Return the packages of a hub that a release needs when it runs, as `owner/name`."""
    installs = from_builtins({"install": release.runtime}).install.values()
    paths = (str(each.pkg_path) for each in installs if isinstance(each, CatalogInstall))
    return frozenset(path for path in paths if "/" in path)


def _of_hubs(packages: Iterable[Package]) -> Iterator[Package]:
    return (package for package in packages if package.ecosystem in _ONLY_ON_HUBS)
