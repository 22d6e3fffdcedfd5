"""Own sources that are not here: of an included environment of a hub, or of one that was pulled.

A hub keeps the archives that were made of them, and the lock they were pushed with says which. Their packages are
*kept*: taken into the lock as they are, for as long as nobody puts a source where the manifest says. Counterpart:
`ecosystems.source`, which makes archives of all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from breakbulk.hub.names import Reference
from breakbulk.library.including import Includes
from breakbulk.library.upstream import Upstream, has_come_without_source
from breakbulk.lock.model import Lock, Package
from breakbulk.manifest.composition import Composed
from breakbulk.manifest.faults import render
from breakbulk.manifest.schema import GitInstall, Install, Manifest, PathInstall
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings
from breakbulk.store.layout import Layout

__all__ = ["Kept", "bring", "kept_sources", "without_sources_elsewhere"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A source that is not here, the environment that has its archive, and its package there by system."""

    install: str
    origin: Reference
    packages: dict[str, Package]


def kept_sources(
    composed: Composed, includes: Includes, upstream: Upstream | None, previous: Lock | None
) -> tuple[Kept, ...]:
    """Return the sources of a composed manifest that are not here.

    Args:
        composed: The manifest.
        includes: What its includes of a hub are.
        upstream: What its directory has to do with a hub.
        previous: Its lock so far.

    """
    found = []
    for name, install in composed.manifest.install.items():
        if not _is_local(install):
            continue
        if origin := includes.origin(composed.provenance[render(("install", name))]):
            found.append(Kept(install=name, origin=origin[0], packages=_packages(origin[1], name)))
        elif upstream and previous and _was_pulled_without(name, install, composed.directory, upstream):
            found.append(Kept(install=name, origin=_reference(upstream), packages=_packages(previous, name)))
    return tuple(found)


def bring(kept: Iterable[Kept], settings: Settings, reporter: Reporter) -> None:
    """Fetch the archives of kept sources that are not among those made here: to lock, each is looked into.

    Raises:
        NotFoundError: `source-not-pushed`.
        IntegrityError, NetworkError: As `hub.fetching`.

    """
    layout = Layout(settings.store)
    for each in kept:
        packages = {package.sha256: package for package in each.packages.values()}
        missing = [package for sha256, package in packages.items() if not (layout.archives / sha256).exists()]
        if missing:
            from breakbulk.hub.fetching import bring_sources
            from breakbulk.library.remote import open_remembering

            reporter.note(f"fetching the source {each.install} of {each.origin.environment} from the hub")
            bring_sources(open_remembering(settings), missing, layout, str(each.origin))


def without_sources_elsewhere(manifest: Manifest, elsewhere: Iterable[str] | None = None) -> Manifest:
    """Return a manifest that does not say where sources are which are not here: nobody is to look for them here.

    Args:
        manifest: Composed.
        elsewhere: Ids of those installs; None means every source in a directory.

    """
    gone = None if elsewhere is None else set(elsewhere)
    here = {
        name: install
        for name, install in manifest.install.items()
        if not (_is_local(install) if gone is None else name in gone)
    }
    return msgspec.structs.replace(manifest, install=here)


def _is_local(install: Install) -> bool:
    """Say whether a source is on the machine of whoever wrote the manifest."""
    return isinstance(install, PathInstall) or (
        isinstance(install, GitInstall) and install.git.startswith(("./", "../"))
    )


def _was_pulled_without(name: str, install: Install, directory: Path, upstream: Upstream) -> bool:
    return (
        name in upstream.absent
        and isinstance(install, PathInstall)
        and has_come_without_source(install, directory, upstream.files)
    )


def _packages(lock: Lock, install: str) -> dict[str, Package]:
    return {
        system: package
        for system, locked in lock.systems.items()
        for package in locked.packages
        if package.ecosystem == "source" and package.source == install
    }


def _reference(upstream: Upstream) -> Reference:
    owner, _, name = upstream.environment.partition("/")
    return Reference(owner=owner, name=name, digest=upstream.digest)
