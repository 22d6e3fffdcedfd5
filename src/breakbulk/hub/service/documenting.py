"""What the OpenAPI description says of every operation: how it refuses, and how one authenticates."""

from __future__ import annotations

from http import HTTPStatus

from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from breakbulk.hub.service.problems import MEDIA_TYPE, Problem

__all__ = ["SECURITY", "description", "refusals"]

SECURITY: list[dict[str, list[str]]] = [{"token": []}]
"""What an operation wants that wants a token."""

_ALWAYS = (429,)


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the answers with these statuses, all of them problem details."""
    return {
        status: ResponseSpec(
            Problem, generate_examples=False, description=HTTPStatus(status).phrase, media_type=MEDIA_TYPE
        )
        for status in (*statuses, *_ALWAYS)
    }


def description(version: str) -> OpenAPIConfig:
    """Return how the service describes itself at `/v1/openapi.json`."""
    return OpenAPIConfig(
        title="Breakbulk hub",
        version=version,
        description="The objects of a hub, and what can be found in them. Errors are problem details (RFC 9457) with "
        "the identifier, reason and hint that the command line shows.",
        use_handler_docstrings=True,
        path="/v1/openapi.json",
        render_plugins=[JsonRenderPlugin(path="/")],
        components=Components(
            security_schemes={
                "token": SecurityScheme(
                    type="http", scheme="bearer", description="A token of `breakbulk hub token new`."
                )
            }
        ),
    )
