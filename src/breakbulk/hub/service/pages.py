"""The pages: what is on the hub, for people. They read and change nothing. Counterparts: `queries`, `templating`."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from breakbulk.hub.records import Summary
from breakbulk.hub.service import queries
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.injected import TheCaller, TheService
from breakbulk.hub.service.views import environment_of, generations_of

__all__ = ["PagesController"]

_ON_A_PAGE = 50
_HISTORY = 200
_LATEST = 50
Word = FromPath[str]
Number = FromPath[int]
Words = Annotated[str, QueryParameter(name="q", max_length=200)]
Page = Annotated[int, QueryParameter(ge=1, le=1_000_000)]


class PagesController(Controller):
    """Pages for browsers."""

    include_in_schema = False

    @get("/", sync_to_thread=True)
    def environments(self, service: TheService, caller: TheCaller, words: Words = "", page: Page = 1) -> Template:
        """Show the environments, searched by words."""
        found = queries.environments(service, caller, words.split())
        first = (page - 1) * _ON_A_PAGE
        return _page(
            "environments.html",
            caller,
            words=words,
            found=found[first : first + _ON_A_PAGE],
            total=len(found),
            page=page,
            pages=max(1, -(-len(found) // _ON_A_PAGE)),
        )

    @get("/environments/{owner:str}/{name:str}", sync_to_thread=True)
    def environment(self, service: TheService, caller: TheCaller, owner: Word, name: Word) -> Template:
        """Show the generations of an environment, and what happened to it."""
        changes = queries.history(service, caller, owner, name)
        return _page(
            "environment.html",
            caller,
            owner=owner,
            name=name,
            environment=environment_of(changes, _HISTORY),
            generations=generations_of(changes),
        )

    @get("/environments/{owner:str}/{name:str}/generations/{number:int}", sync_to_thread=True)
    def generation(self, service: TheService, caller: TheCaller, owner: Word, name: Word, number: Number) -> Template:
        """Show the packages of a generation."""
        found = queries.generation(service, caller, owner, name, number)
        return _page("generation.html", caller, owner=owner, name=name, found=found)

    @get("/environments/{owner:str}/{name:str}/diff", sync_to_thread=True)
    def difference(
        self,
        *,
        service: TheService,
        caller: TheCaller,
        owner: Word,
        name: Word,
        before: Annotated[int, QueryParameter(name="from", ge=1)],
        after: Annotated[int, QueryParameter(name="to", ge=1)],
    ) -> Template:
        """Show what differs between two generations."""
        found = queries.difference(service, caller, owner, name, (before, after))
        return _page("difference.html", caller, owner=owner, name=name, found=found)

    @get("/packages", sync_to_thread=True)
    def packages(self, service: TheService, caller: TheCaller, words: Words = "") -> Template:
        """Show the packages in use, searched by words."""
        found = queries.packages(service, caller, words.split(), 2 * _ON_A_PAGE)
        return _page("packages.html", caller, words=words, found=found)

    @get("/packages/{ecosystem:str}/{name:str}", sync_to_thread=True)
    def package(self, service: TheService, caller: TheCaller, ecosystem: Word, name: Word) -> Template:
        """Show who uses a package."""
        return _page("package.html", caller, found=queries.package(service, caller, ecosystem, name))

    @get("/live", sync_to_thread=True)
    def live(self, service: TheService, caller: TheCaller) -> Template:
        """Show what became live last, and what does from now on."""
        found = queries.environments(service, caller, ())
        return _page("live.html", caller, found=sorted(found, key=_newest, reverse=True)[:_LATEST])


def _newest(summary: Summary) -> float:
    return summary.time.timestamp()


def _page(template: str, caller: Caller, *, words: str = "", **context: Any) -> Template:
    return Template(template, context={"caller": caller, "words": words, **context})
