"""What can be found over HTTP: environments, generations, differences, packages, events, the audit log."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from changes import authorship, push
from places import Dictionary
from serving import DEADLINE_S, Served, serving, until

from breakbulk.hub.hub import Hub
from breakbulk.hub.switching import rollback
from breakbulk.settings import Settings


@pytest.fixture
def under(place: Dictionary) -> Hub:
    """The hub as somebody sees it who does not go through the service."""
    return Hub(place, pause=lambda _seconds: None)


def test_who_the_hub_takes_us_for(served: Served) -> None:
    objects = served.objects(owners=("ada", "team-*"), verbs=("read", "push"), lifetime=timedelta(days=30))
    assert objects.subject == "ada"
    assert objects.about.owners == ("ada", "team-*")
    assert objects.about.verbs == ("read", "push")
    assert objects.about.expires == served.clock.now + timedelta(days=30)


def test_searching(served: Served, under: Hub) -> None:
    push(under, environment="ada/airflow", installs=("apache-airflow",))
    push(under, environment="ada/web", message="the shop")
    push(under, environment="bob/airflow-local")
    _, text = served.token(verbs=("read",))

    def found(query: str) -> list[str]:
        page = until(lambda: served.ask("GET", f"/v1/environments{query}", text).json())
        return [environment["environment"] for environment in page["environments"]]

    until(lambda: len(found("")) == 3)
    assert found("?q=airflow") == ["ada/airflow", "bob/airflow-local"]
    assert found("?q=shop") == ["ada/web"]
    assert found("?limit=1&offset=1") == ["ada/web"]
    assert served.ask("GET", "/v1/environments?limit=1", text).json()["total"] == 3
    _, narrow = served.token(owners=("bob",))
    page = served.ask("GET", "/v1/environments", narrow).json()
    assert [environment["environment"] for environment in page["environments"]] == ["bob/airflow-local"]


def test_an_environment_and_its_generations(served: Served, under: Hub) -> None:
    push(under, "1"), push(under, "2", message="newer")
    rollback(under, "ada/tickets", authorship("2 fails"))
    _, text = served.token(verbs=("read",))
    environment = served.ask("GET", "/v1/environments/ada/tickets", text).json()
    assert (environment["generation"], environment["generations"]) == (1, 2)
    assert [step["kind"] for step in environment["history"]] == ["rollback", "push", "push"]
    generations = served.ask("GET", "/v1/environments/ada/tickets/generations", text).json()
    assert [(found["number"], found["live"]) for found in generations] == [(2, False), (1, True)]
    detail = served.ask("GET", "/v1/environments/ada/tickets/generations/2", text).json()
    assert detail["generation"]["message"] == "newer"
    assert [package["version"] for package in detail["packages"]["x86_64-linux"]] == ["2"]


def test_what_differs(served: Served, under: Hub) -> None:
    push(under, "1"), push(under, "2")
    found = served.ask("GET", "/v1/environments/ada/tickets/diff?from=1&to=2", served.token()[1]).json()
    [system] = found["systems"]
    assert [(change["name"], change["before"], change["after"]) for change in system["changed"]] == [("jq", "1", "2")]
    assert system["new_bytes"] == 1000


def test_who_uses_a_package(served: Served, under: Hub) -> None:
    push(under, "1", environment="ada/a"), push(under, "2", environment="bob/b")
    _, text = served.token()

    def users(token: str = text) -> list[tuple[str, str]]:
        answer = served.ask("GET", "/v1/packages/deb/jq", token).json()
        return [(use["environment"], use["version"]) for use in answer.get("used_by", [])]

    until(lambda: users() == [("ada/a", "1"), ("bob/b", "2")])
    assert users(served.token(owners=("bob",))[1]) == [("bob/b", "2")]
    push(under, "3", environment="ada/a")
    until(lambda: users() == [("ada/a", "3"), ("bob/b", "2")])
    [package] = served.ask("GET", "/v1/packages?q=j", text).json()["packages"]
    assert (package["name"], package["versions"], package["environments"]) == ("jq", ["2", "3"], 2)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/environments/ada/nothing", 404, "environment-unknown"),
        ("/v1/environments/ada/tickets/generations/9", 404, "generation-unknown"),
        ("/v1/environments/ada/tickets/diff?from=1&to=9", 404, "generation-unknown"),
        ("/v1/environments/ada/tickets/diff?from=1", 400, "request-invalid"),
        ("/v1/environments/ada/tickets/generations/0", 400, "request-invalid"),
        ("/v1/environments/..%2f..%2fetc/passwd", 404, "request-invalid"),
        ("/v1/environments/Ada/tickets", 400, "request-invalid"),
        ("/v1/environments?limit=0", 400, "request-invalid"),
        ("/v1/packages/deb/nothing", 404, "package-unused"),
        ("/v1/nothing", 404, "request-invalid"),
    ],
)
def test_what_is_not_there(served: Served, under: Hub, path: str, status: int, error: str) -> None:
    push(under)
    answer = served.ask("GET", path, served.token()[1])
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_others_environments_do_not_exist(served: Served, under: Hub) -> None:
    push(under, environment="bob/secret")
    _, text = served.token(owners=("ada",))
    absent, hidden = (served.ask("GET", f"/v1/environments/bob/{name}", text).json() for name in ("none", "secret"))
    assert absent["error"] == hidden["error"] == "environment-unknown"
    assert served.ask("GET", "/v1/packages/deb/jq", text).status_code == 404


def test_the_audit_log_is_for_administrators(served: Served) -> None:
    _, reader = served.token("bob", verbs=("read", "push"))
    assert served.ask("GET", "/v1/audit", reader).status_code == 403
    entries = served.ask("GET", "/v1/audit?subject=bob", served.token(verbs=("admin",))[1]).json()
    assert [(entry["action"], entry["result"]) for entry in entries] == [("GET /v1/audit", "token-scope")]


@contextmanager
def listening(served: Served, text: str, last: int | None = None) -> Iterator[list[dict]]:
    """Give the events that arrive while the block runs."""
    events: list[dict] = []
    opened = threading.Event()
    headers = {"Authorization": f"Bearer {text}"} | ({"Last-Event-ID": str(last)} if last is not None else {})
    client = httpx2.Client(timeout=DEADLINE_S)

    def listen() -> None:
        with client.stream("GET", f"{served.url}/v1/events", headers=headers) as answer:
            for line in answer.iter_lines():
                opened.set()
                if line.startswith("data: "):
                    events.append(json.loads(line[6:]))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    assert opened.wait(DEADLINE_S)
    yield events
    served.service.broadcast.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    client.close()


def test_events_tell_what_becomes_live_whoever_did_it(served: Served, under: Hub) -> None:
    until(lambda: served.service.catalogue.summaries is not None)
    through = Hub(served.objects())
    with listening(served, served.token()[1]) as events:
        push(through, "1")
        until(lambda: len(events) == 1)
        push(under, "2"), rollback(under, "ada/tickets", authorship())
        until(lambda: len(events) == 3)
        push(under, "1", environment="bob/new")
        until(lambda: len(events) == 4)
    assert [(event["kind"], event["generation"]) for event in events] == [
        ("push", 1),
        ("push", 2),
        ("rollback", 1),
        ("push", 1),
    ]


def test_events_of_others_are_not_told_and_missed_ones_are(served: Served, under: Hub) -> None:
    until(lambda: served.service.catalogue.summaries is not None)
    push(under, environment="ada/a")
    until(served.service.catalogue.environments)
    push(under, environment="bob/b")
    until(lambda: len(served.service.catalogue.environments()) == 2)
    with listening(served, served.token(owners=("bob",))[1], last=0) as events:
        until(lambda: events)
    assert [event["environment"] for event in events] == ["bob/b"]


def test_health_and_metrics(served: Served, under: Hub, settings: Settings, tmp_path: Path) -> None:
    push(under)
    assert served.ask("GET", "/health/live").json() == {"status": "live"}
    until(lambda: served.ask("GET", "/health/ready").status_code == 200)
    assert served.ask("GET", "/metrics").status_code == 401
    until(lambda: "breakbulk_hub_environments 1.0" in served.ask("GET", "/metrics", served.token()[1]).text)
    page = served.ask("GET", "/metrics", served.token()[1]).text
    assert 'breakbulk_hub_requests_total{method="GET",route="/health/live",status="200"} 1.0' in page
    with serving(Dictionary(), settings, tmp_path / "other", options={"public_metrics": True}) as other:
        assert other.ask("GET", "/metrics").status_code == 200


def test_a_catalogue_that_was_removed_is_made_again(under: Hub, settings: Settings, tmp_path: Path) -> None:
    push(under)
    for _ in range(2):
        with serving(under.objects, settings, tmp_path / "state") as served:
            _, text = served.token()
            until(lambda text=text: served.ask("GET", "/v1/packages/deb/jq", text).status_code == 200)
        for path in (tmp_path / "state").glob("catalogue*"):
            path.unlink()
