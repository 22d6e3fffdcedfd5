"""The pages in a real browser: with a mouse's worth of keyboard, on a phone, in the dark, and without scripts."""

from pathlib import Path

import pytest
from changes import authorship, push
from chromium import Chromium, Page
from serving import Served

from breakbulk.hub.hub import Hub
from breakbulk.hub.switching import rollback

pytestmark = pytest.mark.integration

ACCESSIBILITY = (Path(__file__).parent / "support" / "accessibility.js").read_text()
PAGES = {
    "environments": "/",
    "search": "/?q=airflow",
    "nothing": "/?q=nothing-like-this",
    "environment": "/environments/ada/airflow",
    "generation": "/environments/ada/airflow/generations/2",
    "difference": "/environments/ada/airflow/diff?from=1&to=3",
    "packages": "/packages",
    "package": "/packages/pypi/numpy",
    "live": "/live",
    "sign-in": "/sign-in",
    "missing": "/environments/no/such",
}
FOCUS = "document.activeElement.textContent.trim() || document.activeElement.name"


def sign_in(page: Page, text: str) -> None:
    page.type(text)
    page.run("window.stale = true")
    page.press("Enter")
    page.arrived()


def follow(page: Page, name: str) -> None:
    """Go with the keyboard to what has this name, and press Enter."""
    for _ in range(60):
        page.press("Tab")
        if page.run(FOCUS) == name:
            break
    assert page.run(FOCUS) == name
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.run("window.stale = true")
    page.press("Enter")
    page.arrived()


def test_searching_with_the_keyboard_alone(browser: Chromium, public: Served) -> None:
    with browser.page() as page:
        page.open(public.url)
        assert "6 environments" in page.text()
        page.press("/")
        assert page.run("document.activeElement.id") == "q"
        page.type("airflow reports")
        page.run("window.stale = true")
        page.press("Enter")
        page.arrived()
        assert "Nothing has all of these words" in page.text()
        page.open(f"{public.url}/?q=ticket")
        assert "1 environment with" in page.text()
        follow(page, "grace/ticket-processor")
        assert page.run("location.pathname") == "/environments/grace/ticket-processor"


def test_the_first_stop_of_the_keyboard_skips_to_the_content(browser: Chromium, public: Served) -> None:
    with browser.page() as page:
        page.open(public.url)
        page.press("Tab")
        assert page.run(FOCUS) == "Skip to content"
        assert page.run("document.activeElement.getBoundingClientRect().top") >= 0
        page.press("Enter")
        page.until("document.activeElement.id === 'main'")


def test_from_an_environment_to_what_differs(browser: Chromium, public: Served) -> None:
    with browser.page() as page:
        page.open(f"{public.url}/environments/ada/airflow")
        text = page.text()
        assert "Generation 3 of 3" in text
        assert "generation 3 → 2" in text
        assert "3 breaks the reports" in text
        page.run("document.querySelector('select[name=from]').value = '1'")
        follow(page, "Show differences")
        assert page.run("location.search") == "?from=1&to=3"
        rows = page.run("[...document.querySelectorAll('tbody tr')].map(row => row.innerText.replace(/\\s+/g, ' '))")
        assert any("apache-airflow pypi 3.1.0 → 3.1.1" in row for row in rows)
        assert page.run("[...document.querySelectorAll('tbody tr')].map(row => row.className)") == [
            "changed",
            "changed",
            "added",
            "added",
            "removed",
            "removed",
        ]


def test_who_uses_a_package(browser: Chromium, public: Served) -> None:
    with browser.page() as page:
        page.open(f"{public.url}/packages?q=numpy")
        follow(page, "numpy")
        assert "ada/airflow" in page.text()
        assert "grace/web" in page.text()


def test_the_live_log_grows_by_itself(browser: Chromium, public: Served, hub: Hub) -> None:
    with browser.page() as page:
        page.open(f"{public.url}/live")
        page.until("document.getElementById('stream').textContent === 'Following'")
        page.run("window.same = true")
        push(hub, "7", environment="ada/new", message="<b>bold</b> & new")
        page.until("document.querySelector('#events li').innerText.includes('ada/new')")
        assert "<b>bold</b> & new" in page.run("document.querySelector('#events li').innerText")
        rollback(hub, "ada/airflow", authorship("back again"))
        page.until("document.querySelector('#events li').className.startsWith('rollback')")
        assert page.run("window.same")
        follow(page, "ada/airflow")
        assert page.run("location.pathname") == "/environments/ada/airflow"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_readable_in_every_width_and_light(
    browser: Chromium, public: Served, tmp_path: Path, width: int, dark: bool
) -> None:
    with browser.page(width, 800, dark=dark) as page:
        for name, path in PAGES.items():
            page.open(public.url + path)
            page.picture(tmp_path / f"{name}.png")  # to be looked at when this fails
            assert page.run("document.documentElement.scrollWidth") <= width, name
            assert page.run("innerWidth") == width, f"{name} is wider than the screen"
            assert page.run(ACCESSIBILITY) == [], name


def test_without_scripts_everything_but_the_live_log_works(browser: Chromium, public: Served) -> None:
    with browser.page(scripts=False) as page:
        for path in PAGES.values():
            page.open(public.url + path)
            assert page.run("document.querySelector('h1').innerText")
        page.open(f"{public.url}/live")
        assert "Reload to see what is new" in page.text()


def test_signing_in_and_out(browser: Chromium, served: Served) -> None:
    with browser.page() as page:
        page.open(f"{served.url}/environments/ada/airflow")
        assert page.run("location.pathname") == "/sign-in"
        assert page.run("document.activeElement.id") == "token"
        sign_in(page, "bbk_000000000000_" + "x" * 43)
        assert "The hub does not know this token" in page.text().replace("the hub", "The hub")
        assert page.run("document.querySelector('[role=alert]') !== null")
        sign_in(page, served.token("ada", owners=("ada",), verbs=("read",))[1])
        assert page.run("location.pathname") == "/environments/ada/airflow"
        assert page.run("document.cookie") == ""
        page.open(served.url)
        assert "1 environment" in page.text()
        follow(page, "Sign out")
        assert page.run("location.pathname") == "/sign-in"
        page.open(served.url)
        assert page.run("location.pathname") == "/sign-in"


def test_nothing_comes_from_elsewhere_and_nothing_is_refused(browser: Chromium, public: Served) -> None:
    with browser.page() as page:
        for path in PAGES.values():
            page.open(public.url + path)
            origins = page.run(
                "[...new Set(performance.getEntriesByType('resource').map(e => new URL(e.name).origin))]"
            )
            assert origins in ([public.url], []), path
            statuses = page.run("performance.getEntriesByType('resource').map(e => e.responseStatus)")
            assert set(statuses) <= {200, 0}, path  # an open stream has no status yet
