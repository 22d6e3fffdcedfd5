"""Push an environment in a directory to a hub: lock, realise, gather what no index has, hand it to `hub.push`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from breakbulk.ecosystems.registry import ecosystems, with_catalogue
from breakbulk.ecosystems.source import anchored
from breakbulk.errors import IntegrityError, NotFoundError, UsageError
from breakbulk.hub.hub import Hub
from breakbulk.hub.names import Reference
from breakbulk.hub.push import Outgoing, Pushed, push
from breakbulk.hub.records import Authorship, Blob, Recorded
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.uploads import Item
from breakbulk.library.catalogue import HubCatalogue
from breakbulk.library.environment import Environment
from breakbulk.library.remote import open_remembering
from breakbulk.library.runnable import running_system
from breakbulk.library.upstream import Upstream, read_upstream, write_upstream
from breakbulk.lock.model import Lock, Package
from breakbulk.lock.variants import every_variant
from breakbulk.manifest.schema import Install
from breakbulk.manifest.writing import manifest_text
from breakbulk.settings import Settings
from breakbulk.store.layout import Layout

__all__ = ["publish"]


def publish(
    environment: Environment,
    reference: Reference,
    by: Authorship,
    *,
    sign: Signer = nobody,
    force: bool = False,
) -> Pushed:
    """Push an environment under the name `reference`, and remember in its directory that it was.

    Raises:
        UsageError: `reference-pinned`, a push allots the generation itself.
        HubError: `push-diverged`, and others as `hub.push` has them.
        BreakbulkError: What locking and realising raise.

    """
    if reference.pinned:
        raise UsageError(
            "a push allots the generation itself",
            identifier="reference-pinned",
            where=str(reference),
            hint=f"breakbulk push {reference.environment}",
        )
    lock = environment.current_lock()
    realised = environment.realise()
    hub = open_remembering(environment.settings)
    known = _upstream(environment, hub.url, reference)
    outgoing = Outgoing(
        environment=reference.environment,
        lock=lock,
        manifest=_manifest(environment),
        system=running_system(),
        trees=realised.trees,
        files=tuple(_files(environment, lock)),
        based_on=known.generations if known else None,
    )
    pushed = push(
        hub,
        outgoing,
        by,
        environment.settings,
        sign=sign,
        trusts=lambda change: sign is nobody or _is_vouched_for(hub, change, environment.settings),
        force=force,
        reporter=environment.reporter,
    )
    _remember(environment, hub.url, pushed, known)
    return pushed


def _is_vouched_for(hub: Hub, recorded: Recorded, settings: Settings) -> bool:
    """Say whether a key that this machine believes has signed a change: what we sign ourselves, we vouch for."""
    from breakbulk.hub.judging import Verifier

    try:
        Verifier(hub, settings, required=True).check(recorded)
    except IntegrityError:
        return False
    return True


def _upstream(environment: Environment, url: str, reference: Reference) -> Upstream | None:
    """Return what the directory knows of this name on this hub."""
    known = read_upstream(environment.directory)
    return known if known and (known.hub, known.environment) == (url, reference.environment) else None


def _remember(environment: Environment, url: str, pushed: Pushed, known: Upstream | None) -> None:
    change = pushed.recorded.change
    before = known or read_upstream(environment.directory)
    upstream = Upstream(
        hub=url,
        environment=change.environment,
        generation=change.generation,
        generations=change.generations,
        digest=change.digest,
        absent=before.absent if before else (),
    )
    write_upstream(environment.directory, upstream)


def _manifest(environment: Environment) -> bytes:
    """Return the manifest as it is pushed: as the user wrote it, unless it includes directories that are only here."""
    composed = environment.composed
    if len(composed.inputs) == 1:
        return environment.manifest_path.read_bytes()
    environment.reporter.note("the directories that the manifest includes are merged into what is pushed")
    included = ", ".join(path.parent.name for path in composed.inputs[1:])
    return manifest_text(composed.manifest, f"Composed when it was pushed; it included {included}.").encode()


def _files(environment: Environment, lock: Lock) -> Iterator[Item]:
    """Yield what no index has: archives that were made here, those of packages of a hub, and constraints."""
    manifest = anchored(environment.manifest, environment.directory)
    locked = (package for system in lock.systems.values() for package in system.packages)
    packages = {each.sha256: each for package in locked for each in every_variant(package)}
    for package in packages.values():
        if package.ecosystem in {"source", "hub"} or _made_here(package, environment.settings).exists():
            install = manifest.install.get(package.source or "")
            yield Item(
                blob=Blob(sha256=package.sha256, size=package.size),
                what=f"the archive of {package.id}",
                content=partial(_archive, package, install, environment.settings),
            )
    for name, sha256 in lock.inputs.items():
        path = environment.directory / name
        yield Item(blob=Blob(sha256=sha256, size=path.stat().st_size), what=name, content=path.read_bytes)


def _archive(package: Package, install: Install | None, settings: Settings) -> Path:
    """Return the archive of an own source, made again where it is gone, or of a package of a hub."""
    made = _made_here(package, settings)
    if made.exists():
        return made
    ours = ecosystems() if package.ecosystem == "source" else with_catalogue(HubCatalogue(settings))
    places = ours[package.ecosystem].locate(package, install, settings)
    found = next((place.path for place in places if place.path), None)
    if found is None:
        raise NotFoundError(
            f"the archive of {package.id} is neither here nor on the hub",
            identifier="archive-gone",
            where=str(made),
            hint="push the environment it comes from again, from where its source is",
        )
    return found


def _made_here(package: Package, settings: Settings) -> Path:
    return Layout(settings.store).archives / package.sha256
