"""The builds of an environment: `breakbulk build` and `breakbulk publish` as a program calls them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from breakbulk.library.environment import Environment
from breakbulk.library.runnable import running_system

if TYPE_CHECKING:
    from breakbulk.builds.building import Built, Ground
    from breakbulk.builds.differences import Difference
    from breakbulk.builds.publishing import Published
    from breakbulk.hub.records import Authorship
    from breakbulk.hub.sealing import Signer

__all__ = ["Builds", "Outcome"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one recipe: the package, the link to it, and, where it was built twice, what differs."""

    built: Built
    link: Path | None = None
    differences: tuple[Difference, ...] | None = None


class Builds:
    """The recipes of an environment.

    Args:
        environment: Whose `[build]` it is.

    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def build(
        self, names: Sequence[str] = (), *, check: bool = False, anew: bool | None = None, link: bool = True
    ) -> Iterator[Outcome]:
        """Build what `names` say, by default everything, one after the other.

        Args:
            names: Of packages, or of tables of `[build]`.
            check: Build each twice, and compare.
            anew: Whether to build what was built before of the same things; by default where it has the network.
            link: Leave `result-NAME` beside the manifest.

        Raises:
            NotFoundError: `build-unknown`, `build-none`.
            BuildError: A build failed, or left what no package can be.

        """
        from breakbulk.builds.building import build
        from breakbulk.builds.checking import check as build_twice
        from breakbulk.builds.recipes import select
        from breakbulk.builds.results import link_result

        recipes = select(self._environment.manifest, names, running_system())
        ground = self._ground()
        reporter = self._environment.reporter
        for recipe in recipes:
            if check:
                checked = build_twice(recipe, ground, reporter)
                built, differences = checked.built, checked.differences
            else:
                built, differences = build(recipe, ground, reporter, anew=anew), None
            for note in built.notes:
                reporter.note(note)
            linked = link_result(built, ground, reporter) if link else None
            yield Outcome(built=built, link=linked, differences=differences)

    def publish(
        self, names: Sequence[str], owner: str, by: Authorship, *, sign: Signer | None = None, dirty: bool = False
    ) -> Iterator[Published]:
        """Build what `names` say, unless it was, and publish it under the name of `owner`.

        Args:
            names: Of packages, or of tables of `[build]`; all of them where there are none.
            owner: The first half of `owner/package`.
            by: Who does it.
            sign: Gives the signatures; by default none.
            dirty: Publish though the project has changes that are not committed; the publication says so.

        Raises:
            BuildError: `project-dirty`, `runtime-package-unsupported`; as `build`.
            BreakbulkError: What the hub and its backend raise.

        """
        from breakbulk.builds.publishing import publish, releases_of, source_of
        from breakbulk.hub.opening import open_hub
        from breakbulk.hub.sealing import nobody

        ground = self._ground()
        source = source_of(ground, dirty=dirty)
        built = [outcome.built for outcome in self.build(names, anew=False, link=False)]
        hub, reporter = open_hub(ground.settings), self._environment.reporter
        for release in releases_of(built, owner, ground):
            yield publish(hub, release, source, by, ground, sign=sign or nobody, reporter=reporter)

    def _ground(self) -> Ground:
        from breakbulk.builds.building import Ground
        from breakbulk.store.processor import for_this_machine

        environment, system = self._environment, running_system()
        realised = environment.realise()
        locked = for_this_machine(environment.current_lock().systems[system], environment.settings)
        return Ground(
            manifest=environment.manifest,
            directory=environment.directory,
            system=system,
            locked=locked,
            lowers=realised.lowers,
            settings=environment.settings,
        )
