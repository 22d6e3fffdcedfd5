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


def test_after_a_burst_conditions_come_one_after_another_and_the_newest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_BURST", 3)
    monkeypatch.setattr(telling, "_EVERY_S", 0.2)
    pods = [pod(f"p{number}") for number in range(10)]

    async def act(teller: Teller, told: Told) -> None:
        for each in pods:
            teller.realising(each, "3 of 7 MB")
        await told.conditions_reach(3)
        for each in pods:
            teller.ready(each, "present", waited=True)
        await told.conditions_reach(13)

    told = told_by(act)
    said = {uid: [status for other, status in told.conditions if other == uid] for uid in (each.uid for each in pods)}
    assert all(statuses[-1] is True for statuses in said.values())
    assert sum(statuses == [True] for statuses in said.values()) >= 6
    assert len(told.events) == 20
