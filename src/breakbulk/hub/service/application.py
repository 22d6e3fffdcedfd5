"""Put the service together as one ASGI application: controllers inside, the edge around them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, cast

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from breakbulk.errors import BreakbulkError
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.catalogue_api import CatalogueController
from breakbulk.hub.service.documenting import description
from breakbulk.hub.service.edge import Application, Edge, answer_headers
from breakbulk.hub.service.health_api import HealthController
from breakbulk.hub.service.objects_api import ObjectsController
from breakbulk.hub.service.pages import PagesController
from breakbulk.hub.service.problems import MEDIA_TYPE, Problem, problem_of, problem_of_status
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.signing_in import SigningInController, csrf_config
from breakbulk.hub.service.templating import error_page, is_page, static_files, template_config
from breakbulk.hub.service.visits import visit_of

__all__ = ["make_application"]

_LOG = logging.getLogger("breakbulk.hub.service")
_CONTROLLERS: tuple[ControllerRouterHandler, ...] = (
    HealthController,
    ObjectsController,
    CatalogueController,
    PagesController,
    SigningInController,
    static_files(),
)


def make_application(service: Service) -> Edge:
    """Return the ASGI application of a service, which it closes when it ends."""

    @asynccontextmanager
    async def watching(_: Litestar) -> AsyncIterator[None]:
        watcher = asyncio.create_task(service.watch())
        try:
            yield
        finally:
            service.broadcast.close()
            watcher.cancel()
            with suppress(asyncio.CancelledError):
                await watcher
            service.close()

    inner = Litestar(
        route_handlers=_CONTROLLERS,
        dependencies={
            "service": Provide(lambda: service, sync_to_thread=False),
            "caller": Provide(_caller, sync_to_thread=False),
        },
        exception_handlers={
            BreakbulkError: _refused,
            HTTPException: _rejected,
            Exception: _failed,
        },
        lifespan=[watching],
        openapi_config=description(version("breakbulk")),
        template_config=template_config(service.now),
        csrf_config=csrf_config(service),
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    return Edge(cast("Application", inner), service)


def _caller(request: Request[Any, Any, Any]) -> Caller:
    return visit_of(request.scope).caller


def _refused(request: Request[Any, Any, Any], error: BreakbulkError) -> Response[Any]:
    visit = visit_of(request.scope)
    problem = problem_of(error, visit.request, visit.place)
    return _answer(request, problem, answer_headers(error, problem))


def _rejected(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code == 500:
        return _failed(request, error)
    problem = problem_of_status(error.status_code, error.detail, visit_of(request.scope).request)
    return _answer(request, problem, dict(error.headers or {}))


def _failed(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Tell nothing of what nobody expected; the log has it under the identifier of the request."""
    visit = visit_of(request.scope)
    _LOG.error("request %s failed", visit.request, exc_info=error)
    problem = problem_of_status(500, "see the log of the service", visit.request)
    return _answer(request, problem, {})


def _answer(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str]) -> Response[Any]:
    visit_of(request.scope).error = problem.error
    if is_page(request):
        return error_page(request, problem, headers)
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)
