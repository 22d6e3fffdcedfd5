"""Following pods of a real HTTP server that drops connections, forgets, repeats itself and is out of order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scripted_api_server import ScriptedApiServer

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.backing_off import BackOff
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import connect
from breakbulk.kubernetes.kinds import POD
from breakbulk.kubernetes.reflector import Reflector

AccessTo = Callable[..., Access]
Pod = tuple[str, str, str]
DEADLINE_S = 20.0


def _kept(found: dict[str, Any]) -> Pod:
    return found["metadata"]["uid"], found["metadata"]["name"], found["value"]


class Follower:
    """Whoever listens: holds what it was told, and refuses to be told nonsense."""

    def __init__(self, server: ScriptedApiServer, access: Access) -> None:
        self.server = server
        self.known: dict[str, Pod] = {}
        self.gone: set[str] = set()
        self.synced = 0
        self.told: list[str] = []
        self.troubles: list[ClusterError] = []
        self._access = access

    async def follow(self, **options: Any) -> None:
        async with connect(self._access) as connection:
            self.reflector = Reflector(
                connection,
                POD,
                _kept,
                troubled=self.troubles.append,
                back_off=BackOff(0.001, 0.01),
                **options,
            )
            async for change in self.reflector.changes():
                self._take(*change)

    def _take(self, what: str, pod: Pod | None) -> None:
        self.told.append(what)
        if pod is None:
            self.synced += 1
            return
        uid = pod[0]
        assert uid not in self.gone, "told of a pod after its deletion"
        assert (uid in self.known) == (what != "added")
        self.known[uid] = pod
        if what == "deleted":
            del self.known[uid]
            self.gone.add(uid)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition; fail when it does not come true in time, or when following has ended."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                assert not self.task.done(), self.task.exception()
                await asyncio.sleep(0)

    async def agree(self) -> None:
        """Wait until the follower knows exactly what there is."""
        await self.until(lambda: self.synced > 0)
        await self.until(lambda: sorted(self.known.values()) == sorted(map(_kept, self.server.objects.values())))
        assert dict(self.reflector.held) == self.known


@asynccontextmanager
async def following(access_to: AccessTo, server: ScriptedApiServer, **options: Any) -> AsyncIterator[Follower]:
    follower = Follower(server, access_to(server.url))
    follower.task = asyncio.create_task(follower.follow(**options))
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.gather(follower.task, return_exceptions=True)


def _run(test: Callable[[ScriptedApiServer], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with ScriptedApiServer() as server:
            await test(server)

    asyncio.run(whole())


def test_what_is_there_comes_first_then_what_happens(access_to: AccessTo) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.put("one")
        async with following(access_to, server) as follower:
            await follower.until(lambda: follower.synced == 1)
            assert follower.told == ["added", "synced"]
            await follower.until(lambda: server.watches == 1)
            assert follower.reflector.synced.is_set()
            server.put("two")
            server.put("one", "changed")
            server.delete("two")
            await follower.agree()
            await follower.until(lambda: len(follower.told) == 5)
            assert follower.told[2:] == ["added", "changed", "deleted"]

    _run(test)


def test_selectors_and_pages_reach_the_server(access_to: AccessTo) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.page_size = 2
        for name in "abcde":
            server.put(name)
        async with following(access_to, server, fields="spec.nodeName=n1", labels="app") as follower:
            await follower.agree()
            await follower.until(lambda: server.watches == 1)
        lists = [asked for asked in server.requests if "watch" not in asked]
        assert [asked.get("continue") for asked in lists] == [None, "2", "4"]
        assert {(asked["fieldSelector"], asked["labelSelector"]) for asked in server.requests} == {
            ("spec.nodeName=n1", "app")
        }
        assert server.requests[-1]["allowWatchBookmarks"] == "true"

    _run(test)


@pytest.mark.parametrize("as_event", [False, True])
def test_a_deletion_that_nobody_told_of_is_found_by_the_next_list(access_to: AccessTo, as_event: bool) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.gone_as_event = as_event
        server.put("stays")
        server.put("goes")
        async with following(access_to, server) as follower:
            await follower.until(lambda: server.watches == 1)
            server.cut()
            server.delete("goes")
            server.put("goes", "made again under its name")
            server.forget()
            await follower.agree()
            await follower.until(lambda: follower.synced == 2)
            assert follower.told[-3:] == ["deleted", "added", "synced"]

    _run(test)


def test_a_bookmark_keeps_a_quiet_watch_from_being_forgotten(access_to: AccessTo) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.put("one")
        async with following(access_to, server) as follower:
            await follower.until(lambda: server.watches == 1)
            server.bookmark()
            server.forget()
            server.end()
            server.put("two")
            await follower.agree()
            assert follower.synced == 1

    _run(test)


def test_trouble_is_told_and_survived(access_to: AccessTo) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.refusals = [(500, {}), (403, {}), (429, {"Retry-After": "0"})]
        server.put("one")
        async with following(access_to, server) as follower:
            await follower.agree()
            assert [error.reference for error in follower.troubles] == [
                "cluster-refused",
                "cluster-forbidden",
                "cluster-refused",
            ]
            await follower.until(lambda: server.watches == 1)
            server.cut_in_a_line()
            await follower.until(lambda: len(follower.troubles) > 3)
            assert follower.troubles[3].reference == "cluster-unreachable"
            server.put("two")
            await follower.agree()

    _run(test)


def test_a_server_that_comes_back_later_is_waited_for(access_to: AccessTo) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.put("one")
        async with following(access_to, server) as follower:
            await follower.until(lambda: server.watches == 1)
            server._server.close()
            server.cut()
            await follower.until(lambda: len(follower.troubles) > 3)
            server.delete("one")
            server._server = await asyncio.start_server(server._serve, "127.0.0.1", server.port)
            await follower.agree()

    _run(test)


_NAMES = st.sampled_from("abc")
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _NAMES, st.sampled_from(["x", "y", "z"])),
        st.tuples(st.just("delete"), _NAMES),
        st.tuples(st.sampled_from(["forget", "cut", "cut_in_a_line", "end", "bookmark"])),
        st.tuples(st.just("fail"), st.sampled_from([410, 500])),
        st.tuples(st.just("settle")),
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=_STEPS, repeats=st.sampled_from([0, 3, 50]), page_size=st.sampled_from([1, 2, 1000]), as_event=st.booleans()
)
@example(
    steps=[("put", "a", "x"), ("settle",), ("cut",), ("delete", "a"), ("forget",)],
    repeats=0,
    page_size=1,
    as_event=True,
)
def test_whatever_a_server_does_the_follower_ends_with_the_truth(
    access_to: AccessTo, steps: list[tuple[Any, ...]], repeats: int, page_size: int, as_event: bool
) -> None:
    async def test(server: ScriptedApiServer) -> None:
        server.repeats, server.page_size, server.gone_as_event = repeats, page_size, as_event
        async with following(access_to, server) as follower:
            for action, *arguments in steps:
                if action == "settle":
                    await follower.agree()
                    await follower.until(lambda: server.watches > 0)
                else:
                    getattr(server, action)(*arguments)
            await follower.agree()

    _run(test)
