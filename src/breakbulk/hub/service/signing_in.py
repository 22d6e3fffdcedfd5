"""Signing in to the pages: a token is exchanged for a session that ends by itself and can only read.

The cookie is out of reach of scripts and of other sites; the forms carry a secret that only this site can know.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template

from breakbulk.errors import HubError
from breakbulk.hub.service.callers import SESSION_COOKIE, Caller
from breakbulk.hub.service.edge import entry_of
from breakbulk.hub.service.injected import TheCaller, TheService
from breakbulk.hub.service.problems import TooManyRequestsError
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.visits import visit_of

__all__ = ["SigningInController", "csrf_config"]

CSRF_COOKIE = "breakbulk_form"
Next = Annotated[str, QueryParameter(name="next", max_length=1000)]


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What the form sends."""

    token: str
    next: str = "/"


def csrf_config(service: Service) -> CSRFConfig:
    """Return how forms are told from those of other sites; programs with tokens have no cookies to be abused."""
    return CSRFConfig(
        secret=service.registry.secret("forms"),
        cookie_name=CSRF_COOKIE,
        cookie_httponly=True,
        cookie_samesite="strict",
        cookie_secure=service.options.secure_cookies,
        exclude=["^/v1", "^/health", "^/metrics", "^/static"],
    )


class SigningInController(Controller):
    """The form and what it does."""

    include_in_schema = False

    @get("/sign-in", sync_to_thread=False)
    def form(self, caller: TheCaller, following: Next = "/") -> Template:
        """Show the form."""
        return _form(caller, following)

    @post("/sign-in", status_code=303, sync_to_thread=True)
    def sign_in(
        self,
        request: Request[Any, Any, Any],
        service: TheService,
        caller: TheCaller,
        data: Annotated[SignIn, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect | Template:
        """Begin a session, or show the form again with the reason why not."""
        visit = visit_of(request.scope)
        if wait_s := service.failures.wait_s(visit.address):
            raise TooManyRequestsError(wait_s)
        try:
            token = service.registry.find(data.token.strip(), service.now())
        except HubError as error:
            service.failures.take(visit.address)
            service.audit.record(entry_of(service, visit, action="sign in", result=error.reference))
            return _form(caller, data.next, error)
        visit.caller = msgspec.structs.replace(visit.caller, token=token)
        service.audit.record(entry_of(service, visit, action="sign in", result="done"))
        secret, expires = service.registry.begin_session(token, service.now())
        cookie = Cookie(
            key=SESSION_COOKIE,
            value=secret,
            max_age=int((expires - service.now()).total_seconds()),
            httponly=True,
            samesite="lax",  # strict would sign people out who follow a link from elsewhere
            secure=service.options.secure_cookies,
        )
        return Redirect(_local(data.next), status_code=303, cookies=[cookie])

    @post("/sign-out", status_code=303, sync_to_thread=True)
    def sign_out(self, request: Request[Any, Any, Any], service: TheService) -> Redirect:
        """End the session."""
        service.registry.end_session(request.cookies.get(SESSION_COOKIE, ""))
        gone = Cookie(key=SESSION_COOKIE, value="", max_age=0, httponly=True, samesite="lax")
        return Redirect("/sign-in", status_code=303, cookies=[gone])


def _form(caller: Caller, following: str, error: HubError | None = None) -> Template:
    context = {"caller": caller, "following": _local(following), "error": error, "words": ""}
    return Template("sign-in.html", context=context, status_code=401 if error else 200)


def _local(address: str) -> str:
    """Return a path of this site, never another site that somebody put into a link."""
    harmless = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if harmless else "/"
