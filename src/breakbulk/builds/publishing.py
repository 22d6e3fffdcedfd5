"""Publish what was built: bring the archives to a hub, then record one change of each package.

    built ─► release (archives, what it needs) ─► lease ─► what is missing is sent ─► change

Guarantees: a change is recorded only when its archives are on the hub; who is killed before leaves objects that nobody
refers to; publishing the same again records nothing. What is published names the commit it was built from, so a project
with changes that are not committed is refused, unless the publication is to say that it is `dirty`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from breakbulk.builds.building import Built, Ground, open_source
from breakbulk.builds.recipes import runtime_installs
from breakbulk.ecosystems.hub.catalogue import Artifact, Release
from breakbulk.ecosystems.source.git_command import run_git
from breakbulk.ecosystems.source.selection import RESULT
from breakbulk.environment.specification import STATE_DIRECTORY
from breakbulk.errors import BuildError, HubError, PlatformError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.leases import pushing
from breakbulk.hub.names import parse_reference
from breakbulk.hub.packages import Publication, PublishedPackages, RecordedPublication, Source
from breakbulk.hub.records import Authorship, Blob
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.uploads import Item, Metered, missing, upload
from breakbulk.manifest.decoding import encode
from breakbulk.manifest.schema import CatalogInstall, DebInstall, Install, Options, PypiInstall
from breakbulk.reporting import Reporter
from breakbulk.store.layout import Layout
from breakbulk.store.milestones import passed

__all__ = ["Published", "publish", "releases_of", "source_of"]

_DEFAULT_SUITE = "bookworm"


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for one package: the change that has it, whether it is ours, and what was really sent."""

    recorded: RecordedPublication
    new: bool
    bytes_sent: int


def source_of(ground: Ground, *, dirty: bool) -> Source:
    """Return what the project is now: the digest of its files, and the commit they are of.

    Raises:
        BuildError: `project-dirty`, something is not committed, or the project is in no Git repository; unless `dirty`.

    """
    tree = open_source(ground).tree
    revision, changed = _git(ground)
    if (revision is None or changed) and not dirty:
        raise BuildError(
            "what is not committed cannot be published",
            identifier="project-dirty",
            where=str(ground.directory),
            why=f"not committed: {', '.join(changed[:5])}" if revision else "the project is in no Git repository",
            hint="commit it, so that others can tell from what it was built; or publish with --dirty",
        )
    return Source(tree=tree, revision=revision, dirty=bool(changed) or revision is None)


def releases_of(built: Sequence[Built], owner: str, ground: Ground) -> tuple[Release, ...]:
    """Return one release for each package name, with the archives of all its levels of CPU.

    Raises:
        UsageError: `reference-invalid`: owner or name cannot be those of a package on a hub.
        BuildError: `runtime-package-unsupported`.

    """
    named = itertools.groupby(sorted(built, key=lambda each: each.package.name), key=lambda each: each.package.name)
    return tuple(_release(f"{owner}/{name}", list(group), ground) for name, group in named)


def publish(
    hub: Hub,
    release: Release,
    source: Source,
    by: Authorship,
    ground: Ground,
    *,
    sign: Signer = nobody,
    reporter: Reporter,
) -> Published:
    """Publish a release, whose archives are in this store; raises what the hub and its backend raise."""
    objects = Metered(hub.objects)
    packages = PublishedPackages(objects)
    items = [_item(artifact, ground) for artifact in release.artifacts]
    with pushing(hub.objects, [object_key(item.blob.sha256) for item in items], reporter) as lease:
        _send(objects, items, ground, reporter)
        lease.check()
        recorded = packages.commit(release.package, _following(release, source, by), sign)
        passed("package-recorded")
        _send(objects, items, ground, reporter)
        if lost := missing(objects, items, threads=ground.settings.downloads):
            raise _incomplete(hub.url, release.package, lost)
    found = recorded or packages.history(release.package)[-1]
    return Published(recorded=found, new=recorded is not None, bytes_sent=objects.bytes)


def _send(objects: Metered, items: Sequence[Item], ground: Ground, reporter: Reporter) -> None:
    threads = ground.settings.downloads
    upload(objects, missing(objects, items, threads=threads), threads=threads, reporter=reporter)
    objects.settle()


def _following(
    release: Release, source: Source, by: Authorship
) -> Callable[[RecordedPublication | None], Publication | None]:
    """Return what makes the change after the newest one; None when that says the same."""
    blank = Publication(
        package=release.package,
        number=1,
        release=release,
        source=source,
        author=by.author,
        host=by.host,
        command=by.command,
        time=by.time,
    )

    def make(current: RecordedPublication | None) -> Publication | None:
        if current is not None and (current.publication.release, current.publication.source) == (release, source):
            return None
        return blank.following(current, by)

    return make


def _release(package: str, built: Sequence[Built], ground: Ground) -> Release:
    parse_reference(package)
    first = built[0]
    build = first.recipe.build
    installs = runtime_installs(ground.manifest, build)
    for name, install in installs.items():
        _check_runtime(name, install, first.recipe.table)
    return Release(
        package=package,
        version=first.package.version,
        artifacts=tuple(_artifact(each, ground) for each in built),
        runtime={name: encode(install) for name, install in installs.items()},
        suite=_suite(ground.manifest.options),
        license=first.package.license,
        description=build.description,
    )


def _artifact(built: Built, ground: Ground) -> Artifact:
    package = built.package
    return Artifact(
        system=ground.system,
        file=package.file,
        sha256=package.sha256,
        size=package.size,
        tree=built.tree,
        destination=built.recipe.destination,
        python=package.python,
        cpu=built.recipe.cpu,
    )


def _item(artifact: Artifact, ground: Ground) -> Item:
    path = Layout(ground.settings.store).archives / artifact.sha256
    return Item(blob=Blob(sha256=artifact.sha256, size=artifact.size), what=artifact.file, content=lambda: path)


def _suite(options: Options) -> str:
    suites = options.suite or _DEFAULT_SUITE
    first = suites if isinstance(suites, str) else suites[0]
    return first if isinstance(first, str) else first.name


def _check_runtime(name: str, install: Install, table: str) -> None:
    """Refuse what nobody else could resolve: sources, store paths and archives of this machine."""
    on_hub = isinstance(install, CatalogInstall) and "/" in str(install.pkg_path)
    if isinstance(install, DebInstall) or on_hub or (isinstance(install, PypiInstall) and "@" not in install.pypi):
        return
    raise BuildError(
        f"the package would need install.{name}, which cannot be had from an index",
        identifier="runtime-package-unsupported",
        where=f"build.{table}.runtime-packages",
        why="packages of PyPI, of Debian and of a hub come along, sources and archives do not",
        hint=f"list what it needs when it runs in build.{table}.runtime-packages, without {name}; publish {name} as a "
        "package of its own if it is needed",
    )


def _git(ground: Ground) -> tuple[str | None, list[str]]:
    """Return the commit that is checked out and the paths that differ from it; None when there is no repository."""
    place = ["-C", str(ground.directory)]
    try:
        head = run_git([*place, "rev-parse", "--verify", "--quiet", "HEAD"], ground.settings)
        status = run_git([*place, "status", "--porcelain", "--untracked-files=all", "-z", "--", "."], ground.settings)
    except PlatformError:
        return None, []
    if head.returncode or status.returncode:
        return None, []
    return head.stdout.strip(), list(_changed(status.stdout))


def _changed(status: str) -> Iterator[str]:
    """Yield the paths of `git status --porcelain -z` but our own: links to what was built, and the state."""
    for entry in status.split("\0"):
        path = entry[3:]
        parts = path.split("/")
        own = entry.startswith("??") and (STATE_DIRECTORY in parts or parts[-1].startswith(RESULT))
        if path and not own:
            yield path


def _incomplete(url: str, package: str, lost: Iterable[Item]) -> HubError:
    return HubError(
        f"the hub does not keep what {package} needs",
        identifier="push-incomplete",
        where=url,
        why="it has lost again " + ", ".join(item.what for item in lost),
        hint="see who removes objects there, then publish again: only what is missing is sent",
    )
