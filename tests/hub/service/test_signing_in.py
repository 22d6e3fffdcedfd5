"""Sign-ins of the pages: cookies out of reach, forms of this site only, and nothing that could be changed with them."""

import re

import httpx2
import pytest
from places import Dictionary
from serving import Served

from breakbulk.hub.service.callers import SESSION_COOKIE


@pytest.fixture
def browser(served: Served):
    with httpx2.Client(base_url=served.url, timeout=20) as client:
        yield client


def sign_in(browser: httpx2.Client, text: str, following: str = "/") -> httpx2.Response:
    form = browser.get("/sign-in", params={"next": following})
    secret = re.search(r'name="_csrf_token" value="([^"]+)"', form.text)
    assert secret
    return browser.post("/sign-in", data={"token": text, "next": following, "_csrf_token": secret[1]})


def test_a_sign_in_is_a_cookie_that_scripts_and_other_sites_do_not_have(browser, served: Served) -> None:
    assert browser.get("/").headers["location"] == "/sign-in?next=%2F"
    answer = sign_in(browser, served.token("ada")[1], "/packages")
    assert (answer.status_code, answer.headers["location"]) == (303, "/packages")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert browser.get("/packages").status_code == 200
    assert [entry.action for entry in served.service.audit.entries()] == ["sign in"]


def test_forms_of_other_sites_are_refused(browser, served: Served) -> None:
    _, text = served.token("ada")
    browser.get("/sign-in")
    for form in ({"token": text, "next": "/"}, {"token": text, "next": "/", "_csrf_token": "a" * 128}):
        answer = browser.post("/sign-in", data=form)
        assert answer.status_code == 403
        assert SESSION_COOKIE not in answer.cookies
    sign_in(browser, text)
    assert browser.post("/sign-out").status_code == 403


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_sent_elsewhere(browser, served: Served, elsewhere: str) -> None:
    assert sign_in(browser, served.token()[1], elsewhere).headers["location"] == "/"


def test_a_sign_in_only_reads(browser, served: Served, place: Dictionary) -> None:
    sign_in(browser, served.token("ada")[1])
    assert browser.get("/v1/environments").status_code == 200
    for method, path in (("PUT", "/v1/objects/hub.json"), ("DELETE", "/v1/objects/collecting"), ("GET", "/v1/audit")):
        assert browser.request(method, path).status_code == 403
    assert place.objects == {}


def test_a_revoked_token_ends_its_sign_ins(browser, served: Served) -> None:
    token, text = served.token("ada")
    sign_in(browser, text)
    served.service.registry.revoke(token.identifier, served.clock())
    assert browser.get("/").status_code == 303
    assert sign_in(browser, text).status_code == 401


def test_what_users_write_is_never_markup(browser, served: Served) -> None:
    sign_in(browser, served.token("ada")[1])
    page = browser.get("/", params={"q": '"><script>alert(1)</script>'})
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
