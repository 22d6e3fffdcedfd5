"""How pages are made: Jinja with everything escaped, filters for times and sizes, the static files, error pages.

Pages work without JavaScript, load nothing from elsewhere and need no build; counterparts: `pages`, `templates/`,
`static/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig

from breakbulk.hub.service.problems import Problem
from breakbulk.hub.service.visits import visit_of

__all__ = ["error_page", "is_page", "static_files", "template_config"]

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_NOT_PAGES = ("/v1", "/health", "/metrics", "/static")
_UNITS = ("B", "kB", "MB", "GB", "TB")
_AGES = ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"))


def template_config(now: Callable[[], datetime]) -> TemplateConfig[JinjaTemplateEngine]:
    """Return how templates are found and filled in."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": size, "ago": lambda time: ago(time, now()), "exact": exact, "query": urlencode}
    environment.globals["version"] = _fingerprint()
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def static_files() -> Router:
    """Return the router of style sheet, script and icon; their addresses change with their content."""
    return create_static_files_router(
        path="/static",
        directories=[_STATIC],
        cache_control=CacheControlHeader(public=True, max_age=86_400),
        include_in_schema=False,
    )


def is_page(request: Request[Any, Any, Any]) -> bool:
    """Say whether a person with a browser asks."""
    return not request.scope["path"].startswith(_NOT_PAGES)


def error_page(request: Request[Any, Any, Any], problem: Problem, headers: dict[str, str]) -> Response[Any]:
    """Return an error as a page; whoever has not signed in is sent to do that."""
    if problem.error == "token-missing":
        query = request.scope["query_string"].decode("latin-1")
        here = request.scope["path"] + (f"?{query}" if query else "")
        return Redirect(f"/sign-in?{urlencode({'next': here})}", status_code=303)
    context = {"problem": problem, "caller": visit_of(request.scope).caller, "words": ""}
    return Template("error.html", context=context, status_code=problem.status, headers=headers)


def size(size_bytes: int) -> str:
    """Return a number of bytes as people read it, with its sign."""
    value = float(size_bytes)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or abs(value) >= 99.95 else f"{value:.1f} {unit}"


def ago(time: datetime, now: datetime) -> str:
    """Return how long ago something was, in one unit; clocks of others may be ahead of ours."""
    seconds = (now - time).total_seconds()
    for unit_s, name in _AGES:
        if seconds >= unit_s:
            number = int(seconds // unit_s)
            return f"{number} {name}{'s' if number > 1 else ''} ago"
    return "just now" if seconds > -60 else "in the future"


def exact(time: datetime) -> str:
    """Return a time as RFC 3339 in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(_STATIC.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
