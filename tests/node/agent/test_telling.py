"""Who has waited is told at once that it is over; who had nothing to wait for, when nobody is in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from breakbulk.errors import NotFoundError
from breakbulk.node.agent import telling
from breakbulk.node.agent.pods import Pod
from breakbulk.node.agent.telling import Teller

UNKNOWN = NotFoundError("there is no such environment", identifier="environment-unknown")


def pod(uid: str) -> Pod:
    return Pod(uid=uid, object_uid=uid, namespace="n", name=uid, annotations={})


class Told:
    """A cluster that is told."""

    def __init__(self) -> None:
        self.conditions: list[tuple[str, bool]] = []
        self.events: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    async def set_pod_condition(self, pod, condition) -> None:
        self.conditions.append((pod.uid, condition.status))
        self._changed.set()

    def event(self, pod, weight, reason, message) -> None:
        self.events.append((pod.uid, reason))

    async def conditions_reach(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.conditions) < count:
                self._changed.clear()
                await self._changed.wait()


def told_by(act: Callable[[Teller, Told], Coroutine[None, None, None]]) -> Told:
    """Return what a cluster was told while `act` went on."""

    async def whole() -> Told:
        told = Told()
        teller = Teller(told)
        await act(teller, told)
        await teller.close()
        return told

    return asyncio.run(whole())


def test_pods_that_waited_come_before_pods_that_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_UNHURRIED_S", 0.3)

    async def act(teller: Teller, told: Told) -> None:
        teller.ready(pod("present"), "here", waited=False)
        teller.ready(pod("realised"), "here", waited=True)
        teller.failed(pod("failed"), UNKNOWN)
        await told.conditions_reach(2)
        teller.ready(pod("failed"), "here", waited=False)
        await told.conditions_reach(3)
        assert "present" not in dict(told.conditions)
        await told.conditions_reach(4)

    told = told_by(act)
    assert told.conditions == [("realised", True), ("failed", False), ("failed", True), ("present", True)]
    ready = [uid for uid, reason in told.events if reason == "EnvironmentReady"]
    assert ready == ["realised", "failed"], "whoever had nothing to wait for has no event"


def test_a_pod_that_has_gone_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_UNHURRIED_S", 0.0)

    async def act(teller: Teller, told: Told) -> None:
        teller.ready(pod("gone"), "here", waited=False)
        teller.gone(pod("gone"))
        teller.ready(pod("there"), "here", waited=False)
        await told.conditions_reach(1)

    assert told_by(act).conditions == [("there", True)]
