"""Tell a cluster how its pods fare: events for people, conditions for programs, and never more than is read.

Progress is told when it begins and then every fifteen seconds; conditions are sent one at a time for each pod, the
newest only, and again while the API server does not answer. A condition makes kubelet look at the pod again, and fifty
at once slow each other down: so after a few of them the others come one after another, and that a pod had nothing to
wait for is told when it and its like have started. Whoever tells never waits. Words carry no credentials, as errors do
not.
"""

from __future__ import annotations

import asyncio
import logging

from breakbulk.errors import BreakbulkError
from breakbulk.node.agent.cluster import Cluster, Condition
from breakbulk.node.agent.pods import Pod
from breakbulk.node.agent.wording import sentence

__all__ = ["CONDITION", "TELL_EVERY_S", "Teller"]

CONDITION = "breakbulk.dev/EnvironmentReady"
TELL_EVERY_S = 15.0

_LOG = logging.getLogger(__name__)
_TRIES = 6
_PAUSE_S = 1.0
_UNHURRIED_S = 30.0
_BURST = 10
_EVERY_S = 0.5
"""So often a condition is set when more than a burst of them is due."""


class Teller:
    """Tells of the pods of one node. For the thread of the loop alone.

    Args:
        cluster: Whom.

    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._unsent: dict[str, tuple[Pod, Condition]] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._next_s = 0.0
        self._unready: set[str] = set()
        self._closed = False

    def realising(self, pod: Pod, message: str) -> None:
        """Tell how far it has come."""
        self._unready.add(pod.uid)
        self._cluster.event(pod, "Normal", "EnvironmentRealising", message)
        self._set(pod, status=False, reason="EnvironmentRealising", message=message)

    def ready(self, pod: Pod, message: str, *, waited: bool) -> None:
        """Tell that everything is here; at once, and as an event, where the pod has waited or heard otherwise."""
        waited = waited or pod.uid in self._unready
        self._unready.discard(pod.uid)
        if waited:
            self._cluster.event(pod, "Normal", "EnvironmentReady", message)
        self._set(pod, status=True, reason="EnvironmentReady", message=message, hurry=waited)

    def failed(self, pod: Pod, error: BreakbulkError) -> None:
        """Tell what is wrong, and what to do about it."""
        message = f"{error.reference}: {sentence(error)}"
        self._unready.add(pod.uid)
        self._cluster.event(pod, "Warning", "EnvironmentFailed", message)
        self._set(pod, status=False, reason="EnvironmentFailed", message=message)

    def gone(self, pod: Pod) -> None:
        """Send nothing more about a pod."""
        self._unready.discard(pod.uid)
        self._unsent.pop(pod.uid, None)

    async def close(self) -> None:
        """Send nothing more at all."""
        self._closed = True
        tasks = list(self._sending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set(self, pod: Pod, *, status: bool, reason: str, message: str, hurry: bool = True) -> None:
        if not pod.object_uid:
            return  # nobody knows yet whose it would be
        self._unsent[pod.uid] = (pod, Condition(type=CONDITION, status=status, reason=reason, message=message))
        if hurry:
            self._begin(pod.uid)
        else:
            asyncio.get_running_loop().call_later(_UNHURRIED_S, self._begin, pod.uid)

    def _begin(self, uid: str) -> None:
        if uid in self._unsent and uid not in self._sending and not self._closed:
            self._sending[uid] = asyncio.get_running_loop().create_task(self._send(uid))

    async def _send(self, uid: str) -> None:
        try:
            await self._send_newest(uid)
        finally:  # at once: what is set from now on begins anew
            self._unsent.pop(uid, None)
            self._sending.pop(uid, None)

    async def _send_newest(self, uid: str) -> None:
        failures = 0
        while uid in self._unsent and failures < _TRIES:
            await self._turn()
            if uid not in self._unsent:
                return
            pod, condition = self._unsent[uid]
            try:
                await self._cluster.set_pod_condition(pod, condition)
            except BreakbulkError as error:
                failures += 1
                _LOG.info("a condition of %s/%s was not set: %s", pod.namespace, pod.name, error)
                await asyncio.sleep(_PAUSE_S * 2**failures)
                continue
            failures = 0
            if self._unsent.get(uid) == (pod, condition):
                del self._unsent[uid]

    async def _turn(self) -> None:
        """Wait until one more condition may be set."""
        now_s = asyncio.get_running_loop().time()
        due_s = max(self._next_s, now_s - (_BURST - 1) * _EVERY_S)
        self._next_s = due_s + _EVERY_S
        await asyncio.sleep(max(due_s - now_s, 0.0))
