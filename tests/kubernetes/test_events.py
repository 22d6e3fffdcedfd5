import asyncio
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st
from recording_server import Recorder

from breakbulk.kubernetes.backing_off import BackOff
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import connect
from breakbulk.kubernetes.events import MESSAGE_BYTES, Emitter, event_name, event_of, shortened
from breakbulk.kubernetes.kinds import ObjectReference
from breakbulk.kubernetes.outbox import Notice

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_POD = ObjectReference(api_version="v1", kind="Pod", name="web-1", namespace="team", uid="u1")


def test_an_event_says_who_speaks_about_what() -> None:
    notice = Notice(subject=(_POD, "Warning", "EnvironmentFailed"), message="no", count=2)
    made = event_of(notice, "breakbulk-agent", "n1", NOW)
    assert made["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "team",
        "name": "web-1",
        "uid": "u1",
    }
    assert made["metadata"]["namespace"] == "team"
    assert (made["count"], made["firstTimestamp"]) == (2, "2026-01-02T03:04:05Z")
    assert made["source"] == {"component": "breakbulk-agent", "host": "n1"}


def test_an_event_about_a_node_is_in_the_default_namespace() -> None:
    node = ObjectReference(api_version="v1", kind="Node", name="n1", uid="u2")
    made = event_of(Notice(subject=(node, "Normal", "Ready"), message="yes"), "agent", "n1", NOW)
    assert made["metadata"]["namespace"] == "default"
    assert "namespace" not in made["involvedObject"]


def test_a_name_is_the_same_after_a_restart_and_another_for_another_pod_of_that_name() -> None:
    subject = (_POD, "Normal", "Ready")
    assert event_name(subject, "agent", "n1") == event_name(subject, "agent", "n1")
    later = ObjectReference(api_version="v1", kind="Pod", name="web-1", namespace="team", uid="u2")
    assert event_name(subject, "agent", "n1") != event_name((later, "Normal", "Ready"), "agent", "n1")
    assert event_name(subject, "agent", "n1") != event_name(subject, "agent", "n2")


_LABELS = st.text("abc09-", min_size=1, max_size=63).map(lambda label: f"a{label}"[:62].rstrip("-") + "0")


@given(name=st.lists(_LABELS, min_size=1, max_size=6).map(lambda labels: ".".join(labels)[:253].rstrip(".-")))
@example(name=f"{'a' * 235}.{'b' * 17}")
def test_the_name_of_an_event_is_valid_for_every_object(name: str) -> None:
    about = ObjectReference(api_version="v1", kind="Pod", name=name, namespace="team", uid="u1")
    made = event_name((about, "Normal", "Ready"), "agent", "n1")
    assert len(made) <= 253
    assert SUBDOMAIN.fullmatch(made)


@given(message=st.text(st.characters(), max_size=3000))
def test_every_message_becomes_one_that_the_api_takes(message: str) -> None:
    taken = shortened(message)
    assert len(taken.encode()) <= MESSAGE_BYTES
    assert all(letter.isprintable() or letter in "\n\t" for letter in taken)
    if len(message.encode(errors="replace")) <= MESSAGE_BYTES // 4 and message.isprintable():
        assert taken == message


def test_a_message_that_is_cut_says_so() -> None:
    assert shortened("é" * 1000).endswith("…")


def _sent(server: Recorder) -> list[tuple[str, str]]:
    return [(method, json.loads(body)["message"]) for method, _, _, body in server.seen]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it happens in the server
            await asyncio.sleep(0)


def test_what_is_on_its_way_when_a_process_ends_is_still_said(
    server: Recorder, access_to: Callable[..., Access]
) -> None:
    async def act() -> None:
        async with connect(access_to(server.url)) as connection:
            emitter = Emitter(connection, component="agent", host="n1")
            server.hold = threading.Event()
            task = asyncio.create_task(emitter.run())
            emitter.event(_POD, "Normal", "Said", "it")
            await _until(lambda: len(server.seen) == 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            server.hold.set()
            await emitter.flush(20)

    asyncio.run(act())
    assert _sent(server) == [("POST", "it"), ("POST", "it")]


def test_a_server_that_is_away_gets_the_newest_when_it_is_back(
    server: Recorder, access_to: Callable[..., Access]
) -> None:
    async def act() -> None:
        async with connect(access_to(server.url)) as connection:
            emitter = Emitter(connection, component="agent", host="n1", back_off=BackOff(0.001, 0.01))
            server.answers = [(503, b"{}", {})] * 2
            task = asyncio.create_task(emitter.run())
            emitter.event(_POD, "Normal", "Said", "first")
            await _until(lambda: len(server.seen) == 2)
            emitter.event(_POD, "Normal", "Said", "second")
            await _until(lambda: _sent(server)[-1] == ("POST", "second") or len(server.seen) > 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(act())
    assert _sent(server)[-1][1] == "second"
    assert len(server.seen) <= 4
