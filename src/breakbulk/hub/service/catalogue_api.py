"""`/v1/environments`, `/v1/packages`, `/v1/events`, `/v1/audit`: what can be found, as JSON.

Counterparts: `queries` asks, `views` are the values.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Annotated

import msgspec
from litestar import Controller, get
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from breakbulk.hub.service import queries
from breakbulk.hub.service.audit import Entry
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.documenting import SECURITY, refusals
from breakbulk.hub.service.injected import TheCaller, TheService
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.views import (
    About,
    EnvironmentDetail,
    EnvironmentDifference,
    EnvironmentPage,
    Generation,
    GenerationDetail,
    PackagePage,
    PackageUse,
    environment_of,
    generations_of,
)

__all__ = ["CatalogueController"]

_IDLE_S = 15.0
_NAME = r"^[a-z0-9]([a-z0-9_.-]{0,62}[a-z0-9])?$"
_NUMBER_MAX = 99_999_999
Owner = Annotated[str, PathParameter(description="Owner of the environment.", pattern=_NAME)]
Name = Annotated[str, PathParameter(description="Name of the environment.", pattern=_NAME)]
Number = Annotated[int, PathParameter(description="Number of a generation.", ge=1, le=_NUMBER_MAX)]
Words = Annotated[
    str, QueryParameter(name="q", description="Words that must all occur, between spaces.", max_length=200)
]
Limit = Annotated[int, QueryParameter(description="The most that are returned.", ge=1, le=1000)]
_FOUND = refusals(400, 401, 403, 404, 502, 503)


class CatalogueController(Controller):
    """What there is on the hub."""

    path = "/v1"
    tags = ("catalogue",)
    security = SECURITY

    @get("/self", sync_to_thread=False, responses=refusals(401))
    def about(self, service: TheService, caller: TheCaller) -> About:
        """Return who the hub takes the caller for, and what the service accepts."""
        caller.check_known()
        token = caller.token
        return About(
            version=version("breakbulk"),
            subject=caller.subject,
            owners=token.owners if token else (),
            verbs=token.verbs if token else (),
            expires=token.expires if token else None,
            public=caller.public,
            largest_object_bytes=service.options.largest_object_bytes,
        )

    @get("/environments", sync_to_thread=True, responses=refusals(400, 401, 403, 502, 503))
    def environments(
        self,
        service: TheService,
        caller: TheCaller,
        words: Words = "",
        offset: Annotated[int, QueryParameter(description="How many to leave out.", ge=0, le=1 << 31)] = 0,
        limit: Limit = 50,
    ) -> EnvironmentPage:
        """Search the environments; without words all of them, by name."""
        found = queries.environments(service, caller, words.split())
        return EnvironmentPage(environments=found[offset : offset + limit], offset=offset, total=len(found))

    @get("/environments/{owner:str}/{name:str}", sync_to_thread=True, responses=_FOUND)
    def environment(
        self, service: TheService, caller: TheCaller, owner: Owner, name: Name, limit: Limit = 50
    ) -> EnvironmentDetail:
        """Return an environment, its live generation, and what happened last."""
        return environment_of(queries.history(service, caller, owner, name), limit)

    @get("/environments/{owner:str}/{name:str}/generations", sync_to_thread=True, responses=_FOUND)
    def generations(self, service: TheService, caller: TheCaller, owner: Owner, name: Name) -> tuple[Generation, ...]:
        """Return the generations of an environment, newest first."""
        return generations_of(queries.history(service, caller, owner, name))

    @get("/environments/{owner:str}/{name:str}/generations/{number:int}", sync_to_thread=True, responses=_FOUND)
    def generation(
        self, service: TheService, caller: TheCaller, owner: Owner, name: Name, number: Number
    ) -> GenerationDetail:
        """Return a generation with its packages."""
        return queries.generation(service, caller, owner, name, number)

    @get("/environments/{owner:str}/{name:str}/diff", sync_to_thread=True, responses=_FOUND)
    def difference(
        self,
        *,
        service: TheService,
        caller: TheCaller,
        owner: Owner,
        name: Name,
        before: Annotated[int, QueryParameter(name="from", description="Earlier generation.", ge=1, le=_NUMBER_MAX)],
        after: Annotated[int, QueryParameter(name="to", description="Later generation.", ge=1, le=_NUMBER_MAX)],
    ) -> EnvironmentDifference:
        """Return what differs between two generations."""
        return queries.difference(service, caller, owner, name, (before, after))

    @get("/packages", sync_to_thread=True, responses=refusals(400, 401, 403, 502, 503))
    def packages(self, service: TheService, caller: TheCaller, words: Words = "", limit: Limit = 50) -> PackagePage:
        """Search the packages of live generations, those used most first."""
        return PackagePage(packages=tuple(queries.packages(service, caller, words.split(), limit)))

    @get("/packages/{ecosystem:str}/{name:str}", sync_to_thread=True, responses=_FOUND)
    def package(
        self,
        service: TheService,
        caller: TheCaller,
        ecosystem: Annotated[str, PathParameter(description="As in locks: `pypi`, `deb`.", max_length=20)],
        name: Annotated[str, PathParameter(description="As in locks.", max_length=200)],
    ) -> PackageUse:
        """Return the environments whose live generations have a package."""
        return queries.package(service, caller, ecosystem, name)

    @get("/events", media_type="text/event-stream", responses=refusals(400, 401, 403))
    async def events(
        self,
        service: TheService,
        caller: TheCaller,
        last: Annotated[
            int | None, HeaderParameter(name="Last-Event-ID", description="Number of the last event seen.", ge=0)
        ] = None,
    ) -> ServerSentEvent:
        """Follow what becomes live on the hub, as server-sent events."""
        caller.check("read")
        return ServerSentEvent(_messages(service, caller, last))

    @get("/audit", sync_to_thread=True, responses=refusals(400, 401, 403))
    def audit(
        self,
        service: TheService,
        caller: TheCaller,
        before: Annotated[
            int | None,
            QueryParameter(description="Number of an entry to go on from, towards older ones.", ge=1, le=1 << 53),
        ] = None,
        subject: Annotated[
            str | None, QueryParameter(description="Only what this subject did.", max_length=200)
        ] = None,
        limit: Limit = 100,
    ) -> tuple[Entry, ...]:
        """Return the audit log, newest first; for the verb `admin`."""
        caller.check("admin")
        return tuple(service.audit.entries(before=before, subject=subject, limit=limit))


async def _messages(service: Service, caller: Caller, last: int | None) -> AsyncIterator[ServerSentEventMessage]:
    """Yield events that the caller may see, and comments that keep connections and end them with their tokens."""
    yield ServerSentEventMessage(data=None, comment="listening", retry=2000)
    async for event in service.broadcast.listen(last, _IDLE_S):
        if not _still_good(service, caller):
            return
        if event is None:
            yield ServerSentEventMessage(data=None, comment="nothing yet")
        elif caller.permits("read", event.environment.partition("/")[0]):
            yield ServerSentEventMessage(data=msgspec.json.encode(event).decode(), event=event.kind, id=event.number)


def _still_good(service: Service, caller: Caller) -> bool:
    if caller.token is None:
        return True
    token = service.registry.token(caller.token.identifier)
    return token is not None and token.state(service.now()) == "valid"
