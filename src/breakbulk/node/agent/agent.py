"""The node agent: has the environments of this node's pods here before the runtime asks, and says how far it is.

    pods of the node ─┐            ┌─► what does it mean? (thread) ─► record
    runtime handler ──┴─► wishes ──┤
                                   └─► is it here? ─no─► realise (process) ─► plan ─► ready, told to both

Guarantees: a pod gets what its references meant when it came, also after a restart of the agent or the machine; what a
pod names is pinned from before it is called ready until the pod has gone; a pod that has gone waits for nothing, and
what nobody waits for is ended; nothing that goes wrong with one pod touches another. What is not written down in plans,
records and pins is found out again. Counterparts: `handler`, which asks; `queue`, which decides what goes on; `serving`
and `cluster`, from where it is told; `running`, which puts it together.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from breakbulk.errors import BreakbulkError, HubError, NotFoundError, StoreError
from breakbulk.node.agent.children import run_child
from breakbulk.node.agent.cluster import Cluster, PodEvent
from breakbulk.node.agent.flights import Flights
from breakbulk.node.agent.gates import Gates
from breakbulk.node.agent.metrics import Metrics
from breakbulk.node.agent.pods import Pod
from breakbulk.node.agent.progress import Estimates
from breakbulk.node.agent.queue import Queue, State
from breakbulk.node.agent.resolving import Resolved, Resolver
from breakbulk.node.agent.settings import AgentSettings
from breakbulk.node.agent.telling import TELL_EVERY_S, Teller
from breakbulk.node.agent.threads import in_daemon
from breakbulk.node.agent.wishes import Wish, Work
from breakbulk.node.realising.orders import Realise, packed
from breakbulk.node.realising.pinning import Target, hold, let_go, sweep
from breakbulk.node.realising.recording import forget_record, read_record, recorded_uids, write_record
from breakbulk.node.records import MountPlan
from breakbulk.store.layout import Layout

__all__ = ["Agent"]

_LOG = logging.getLogger(__name__)
_RESOLUTIONS = 8
_DISK_THREADS = 4
_GRACE_S = 60.0  # kubelet asks again some seconds after a handler gave up
_UNSEEN_S = 20.0
"""So old is a record before a list without its pod says that it has gone: static pods are listed after they start."""
_LEARN_S = 2.0
_TELL_AFTER_S = 3.0
_PAST_MAX = 500
"""Uids of pods that have gone, for whose containers a handler may still ask."""
_REALISING = "breakbulk.node.realising.environments"
Result = TypeVar("Result")


class Agent:
    """The agent of one node. For the thread of the loop alone.

    Args:
        options: Its limits and places.
        cluster: Whom it tells, and asks for a pod that it has not heard of.
        metrics: Of this agent.

    Attributes:
        synced: Whether the API server has told of all pods of the node.
        disk_full: Set when a realisation found no room; whoever makes some clears it.
        changed: Set when there is an environment that was not there; whoever tells of it clears it.

    """

    def __init__(self, options: AgentSettings, cluster: Cluster, metrics: Metrics) -> None:
        self.synced = False
        self._closing = False
        self.disk_full = asyncio.Event()
        self.changed = asyncio.Event()
        self._options = options
        self._cluster = cluster
        self._metrics = metrics
        self._teller = Teller(cluster)
        self._gates = Gates(str(options.place.run))
        self._layout = Layout(options.settings.store)
        self._state, self._run = str(options.place.state), str(options.place.run)
        self._resolver = Resolver(options.settings)
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk")
        self._begun_s = time.time()
        self._stirred_s = time.monotonic()
        self._works: dict[str, Work] = {}
        self._past: dict[str, None] = {}
        self._users: defaultdict[Target, set[str]] = defaultdict(set)
        self._pinning: defaultdict[Target, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._resolutions: Flights[Resolved] = Flights(
            Queue(at_once=_RESOLUTIONS, waiting_max=options.waiting_max, fresh=True),
            self._resolve,
            served=self._resolved,
            disappointed=self._disappointed,
            refused=self._refused,
        )
        self._realisations: Flights[MountPlan] = Flights(
            Queue(at_once=options.concurrency, waiting_max=options.waiting_max),
            self._realise,
            served=self._realised,
            disappointed=self._disappointed,
            refused=self._refused,
        )
        self._estimates = Estimates(self._realisations.queue)

    @property
    def targets(self) -> set[Target]:
        """The environments that pods of this node name."""
        return set(self._users)

    @property
    def quiet_s(self) -> float:
        """For how many seconds no pod of ours has changed or asked; 0 while something is looked up or realised."""
        if self._resolutions.queue.running or self._realisations.queue.running:
            return 0.0
        return time.monotonic() - self._stirred_s

    def hear(self, event: PodEvent) -> None:
        """Take in what the API server says of a pod of this node."""
        if event.pod is None:
            self._listed()
        elif event.kind == "deleted" or event.pod.ended:
            self._gone(event.pod.uid)
        elif event.pod.is_ours() or event.pod.uid in self._works:
            self._stirred_s = time.monotonic()
            self._seen(event.pod)

    async def prepare(self, asked: Pod, within_s: float) -> None:
        """Return when everything that a pod names is here, and its record says what that is.

        Args:
            asked: The pod as the runtime handler knows it.
            within_s: For so many seconds it may wait.

        Raises:
            UsageError: `annotation-invalid`.
            StoreError: `environment-realising`, it is not here yet.
            BreakbulkError: Why it is not, and what is done about it goes on.

        """
        references = asked.references()
        self._stirred_s = time.monotonic()
        if asked.uid in self._past:
            raise _ending()
        work = self._works.get(asked.uid) or self._adopt(asked)
        work.askers += 1
        try:
            async with asyncio.timeout(within_s):
                await self._learn(work)
                await self._look_again(work, references)
                self._want(work, references)
                while not work.has(references):
                    if error := self._failure(work, references):
                        raise error
                    await work.listen()
                await self._record(work)
        except TimeoutError:
            raise self._not_yet(work, references) from None
        finally:
            work.askers -= 1
            if not work.known and not work.askers:
                asyncio.get_running_loop().call_later(_GRACE_S, self._doubted, work)

    def is_ephemeral(self, uid: str, container: str) -> bool:
        """Say whether a container of a pod was added by `kubectl debug`; False for a pod that nobody knows."""
        work = self._works.get(uid)
        return work is not None and work.pod.is_ephemeral(container)

    def tell(self) -> None:
        """Tell of progress where it is time to; to be called now and then."""
        now_s = asyncio.get_running_loop().time()
        for work in self._works.values():
            due_s = work.arrived_s + _TELL_AFTER_S if work.told_s is None else work.told_s + TELL_EVERY_S
            if due_s <= now_s and not work.ready and not self._failure(work, work.wishes):
                self._tell_progress(work)
        self._measure()

    def hold(self) -> None:
        """Begin no realisation until `release`."""
        self._realisations.queue.hold()

    def release(self) -> None:
        """Go on."""
        self._realisations.release()

    async def close(self) -> None:
        """End all work."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            self._resolutions.close(), self._realisations.close(), self._teller.close(), *self._tasks,
            return_exceptions=True,
        )  # fmt: skip
        self._disk.shutdown(wait=False, cancel_futures=True)

    # Pods come, change and go.

    def _seen(self, pod: Pod) -> None:
        work = self._works.get(pod.uid) or self._adopt(pod)
        work.known, before, work.pod = True, work.pod, pod
        if pod.ending:
            self._end(work)
            return
        try:
            self._want(work, pod.references())
        except BreakbulkError as error:
            if work.invalid is None:
                self._fail(work, error)
            work.invalid = error
        else:
            work.invalid = None
        if (before.owned, before.grouped, before.ephemeral) != (pod.owned, pod.grouped, pod.ephemeral):
            self._spawn(self._record(work))
        work.changed()

    def _adopt(self, pod: Pod) -> Work:
        record = read_record(self._run, self._state, pod.uid)
        work = Work(pod, asyncio.get_running_loop().time(), record.digests if record else {})
        self._works[pod.uid] = work
        return work

    def _end(self, work: Work) -> None:
        """Wait for nothing any more; what a pod that ends has is its until it has gone."""
        for flights in (self._resolutions, self._realisations):
            flights.forget(work.pod.uid)
        if not work.ready:
            work.invalid = _ending()
        self._gates.open(work.pod.uid)
        work.changed()

    def _gone(self, uid: str) -> None:
        self._past[uid] = None
        while len(self._past) > _PAST_MAX:
            del self._past[next(iter(self._past))]
        work = self._works.pop(uid, None)
        if work is None:
            return
        self._end(work)
        self._teller.gone(work.pod)
        for target in work.targets:
            self._users[target].discard(uid)
            self._spawn(self._let_go(target))
        self._spawn(self._forget(work))

    def _doubted(self, work: Work) -> None:
        """Look whether a pod is there of which the handler alone has told, and which it asks for no more."""
        if not work.known and not work.askers and self._works.get(work.pod.uid) is work:
            self._spawn(self._doubt(work))

    async def _doubt(self, work: Work) -> None:
        try:
            pod = await self._cluster.pod(work.pod.namespace, work.pod.name)
        except BreakbulkError:
            if not work.ready:
                for flights in (self._resolutions, self._realisations):
                    flights.forget(work.pod.uid)
                for wish in work.wishes.values():
                    wish.asked = False
                self._gates.open(work.pod.uid)
            asyncio.get_running_loop().call_later(_GRACE_S, self._doubted, work)
            return
        if pod is None or pod.uid != work.pod.uid:
            self._gone(work.pod.uid)
        elif not work.known:
            self._seen(pod)

    def _listed(self) -> None:
        """Forget what was written down of pods that are not there: only a complete list can say so."""
        self.synced = True
        self._spawn(self._sweep())

    async def _sweep(self) -> None:
        await self._on_disk(sweep, self._layout, self.targets, self._begun_s)
        await self._sweep_records()
        await asyncio.sleep(_UNSEEN_S)
        await self._sweep_records()  # those that were too young

    async def _sweep_records(self) -> None:
        for uid in await self._on_disk(recorded_uids, self._run, self._state, _UNSEEN_S):
            if uid not in self._works:
                await self._on_disk(forget_record, self._run, self._state, uid)

    async def _learn(self, work: Work) -> None:
        """Ask for a pod of which the watch has not told yet: its record says more than the runtime knows."""
        if work.known:
            return
        with contextlib.suppress(TimeoutError, BreakbulkError):
            async with asyncio.timeout(_LEARN_S):
                pod = await self._cluster.pod(work.pod.namespace, work.pod.name)
            if pod is not None and pod.uid == work.pod.uid and not work.known:
                self._seen(pod)

    async def _look_again(self, work: Work, references: Iterable[str]) -> None:
        """Pursue again what was here and is not any more: a runtime asks only where it has found something missing."""
        for reference in references:
            wish = work.wishes.get(reference)
            if wish and wish.here and wish.target and await self._held(wish.target) is None:
                wish.here = wish.asked = False

    # Wishes are pursued, and come true or not.

    def _want(self, work: Work, references: Iterable[str]) -> None:
        work.want(references)
        for wish in work.wishes.values():
            if not wish.asked and not work.pod.ending:
                wish.asked, wish.error = True, None
                if not work.ready:
                    self._gates.shut(work.pod.uid)
                self._pursue(work, wish)

    def _pursue(self, work: Work, wish: Wish) -> None:
        if wish.target is None:
            self._resolutions.ask(wish.reference, work.waiter)
        else:
            self._users[wish.target].add(work.pod.uid)
            self._spawn(self._settle(work, wish, wish.target, None))

    async def _settle(self, work: Work, wish: Wish, target: Target, left_bytes: int | None) -> None:
        """Take what is here, or have it made; how much that would be has to be known before."""
        plan = await self._held(target)
        if self._works.get(work.pod.uid) is not work or work.pod.ending:
            await self._let_go(target)
        elif plan is not None:
            self._here(work, wish, plan)
        elif left_bytes is None:
            self._resolutions.ask(str(target), work.waiter)
        else:
            self._realisations.ask(str(target), work.waiter, left_bytes=left_bytes)
            self._tell_progress(work)

    def _resolved(self, key: str, waiters: Iterable[str], resolved: Resolved) -> None:
        self._metrics.resolutions.labels("done").inc()
        for work, wish in self._wishes(key, waiters):
            wish.generation, wish.left_bytes = resolved.generation, resolved.left_bytes
            if wish.target is None:
                wish.target = resolved.target
                self._spawn(self._record(work))
            self._users[wish.target].add(work.pod.uid)
            self._spawn(self._settle(work, wish, wish.target, resolved.left_bytes))

    def _realised(self, key: str, waiters: Iterable[str], plan: MountPlan) -> None:
        for work, wish in self._wishes(key, waiters):
            work.realised = True
            self._here(work, wish, plan)

    def _here(self, work: Work, wish: Wish, plan: MountPlan) -> None:
        wish.here, wish.error, wish.generation = True, None, plan.generation
        if work.has(work.wishes) and not work.ready:
            self._spawn(self._ready(work))
        work.changed()

    async def _ready(self, work: Work) -> None:
        await self._record(work)
        if work.ready:
            return
        work.ready = True
        self._gates.open(work.pod.uid)
        self._metrics.ready_seconds.observe(asyncio.get_running_loop().time() - work.arrived_s)
        shown = ", ".join(wish.shown for wish in work.wishes.values())
        self._teller.ready(work.pod, f"{shown}: present on this node", waited=work.realised)

    def _disappointed(self, key: str, waiters: Iterable[str], error: BreakbulkError, again_in_s: float) -> None:
        self._metrics.failures.labels(error.reference).inc()
        _LOG.warning("%s: %s; tried again in %.0f s", key, error, again_in_s)
        if error.reference == "disk-full":
            self.disk_full.set()
        for work, wish in self._wishes(key, waiters):
            wish.error = error
            self._fail(work, error)

    def _refused(self, key: str, waiter: str) -> None:
        error = HubError(
            "this node has too many environments to realise already",
            identifier="agent-busy",
            where=self._options.place.name,
            why=f"{self._realisations.queue.waiting} wait",
            hint="nothing: it is asked again; more nodes, or a higher --concurrency, realise more",
        )
        for work, wish in self._wishes(key, [waiter]):
            wish.asked, wish.error = False, error
            self._fail(work, error)

    def _fail(self, work: Work, error: BreakbulkError) -> None:
        """Tell everybody who waits for a pod what is wrong."""
        self._teller.failed(work.pod, error)
        self._gates.open(work.pod.uid)
        work.changed()

    def _wishes(self, key: str, waiters: Iterable[str]) -> list[tuple[Work, Wish]]:
        """Return what some pods wish for under a key of one of the queues: a reference, or what it means."""
        works = [work for uid in waiters if (work := self._works.get(uid))]
        return [
            (work, wish)
            for work in works
            for wish in work.wishes.values()
            if not wish.here and (wish.reference == key or str(wish.target) == key)
        ]

    def _failure(self, work: Work, references: Iterable[str]) -> BreakbulkError | None:
        """Return why something is not here, unless it is tried again at this moment."""
        if work.invalid:
            return work.invalid
        for reference in references:
            wish = work.wishes[reference]
            if wish.error and not wish.here and not self._is_tried(wish):
                return wish.error
        return None

    def _is_tried(self, wish: Wish) -> bool:
        keys = [wish.reference, *([str(wish.target)] if wish.target else [])]
        states = {flights.queue.state(key) for flights in (self._resolutions, self._realisations) for key in keys}
        return bool(states & {State.RUNNING, State.WAITING})

    # Work that takes time.

    async def _resolve(self, key: str) -> Resolved:
        try:
            return await in_daemon(self._resolver.resolve, key)
        except BreakbulkError:
            self._metrics.resolutions.labels("failed").inc()
            raise

    async def _realise(self, key: str) -> MountPlan:
        environment, _, digest = key.partition("@sha256:")
        order = Realise(reference=key, state=self._state, settings=packed(self._options.settings))
        begun_s = asyncio.get_running_loop().time()
        try:
            with self._estimates.of(key, begun_s) as progressed:
                result = await run_child(_REALISING, order, progressed)
        except BaseException as error:
            ended = "cancelled" if isinstance(error, asyncio.CancelledError) else "failed"
            self._metrics.realisations.labels(ended).inc()
            self._spawn(self._let_go(Target(environment, digest)))  # it may have pinned what nobody wants now
            raise
        self.changed.set()
        self._metrics.realisations.labels("done").inc()
        self._metrics.realisation_seconds.observe(asyncio.get_running_loop().time() - begun_s)
        self._metrics.fetched_bytes.inc(int(result.get("bytes_downloaded", 0)))
        return await self._held(Target(environment, digest)) or _raise(_vanished(key))

    async def _held(self, target: Target) -> MountPlan | None:
        async with self._pinning[target]:
            try:
                return await self._on_disk(hold, self._layout, self._state, target)
            except OSError as error:
                _LOG.warning("%s cannot be held: %s", target, error)
                return None  # whoever realises it says what is wrong

    async def _let_go(self, target: Target) -> None:
        async with self._pinning[target]:
            if not self._users.get(target):
                self._users.pop(target, None)
                with contextlib.suppress(OSError):
                    await self._on_disk(let_go, self._layout, target)
        if not self._users.get(target):
            self._pinning.pop(target, None)

    async def _record(self, work: Work) -> None:
        """Write down what a pod has; raises `StoreError`."""
        async with work.writing:
            if self._works.get(work.pod.uid) is work and work.wishes:
                ready = work.has(work.wishes)
                await self._on_disk(partial(write_record, self._run, self._state, work.record, ready=ready))

    async def _forget(self, work: Work) -> None:
        async with work.writing:
            await self._on_disk(forget_record, self._run, self._state, work.pod.uid)

    async def _on_disk(self, function: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closing:
            work.close()
            return
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._spent)

    def _spent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("a step failed, and nothing but that", exc_info=error)

    # Words.

    def _tell_progress(self, work: Work) -> None:
        work.told_s = now_s = asyncio.get_running_loop().time()
        self._teller.realising(work.pod, self._estimates.words(work.wishes.values(), now_s))

    def _not_yet(self, work: Work, references: Iterable[str]) -> StoreError:
        wishes = [work.wishes[name] for name in references if name in work.wishes]
        return StoreError(
            "the environment is not on this node yet",
            identifier="environment-realising",
            where=self._options.place.name,
            why=self._estimates.words(wishes, asyncio.get_running_loop().time()) or None,
            hint="nothing: the pod starts when it is there, and kubelet asks again by itself",
        )

    def _measure(self) -> None:
        self._metrics.running.set(self._realisations.queue.running)
        self._metrics.waiting.set(self._realisations.queue.waiting)
        ready = sum(work.ready for work in self._works.values())
        self._metrics.pods.labels("ready").set(ready)
        self._metrics.pods.labels("waiting").set(len(self._works) - ready)
        self._metrics.synced.set(self.synced)


def _ending() -> NotFoundError:
    return NotFoundError("the pod is being deleted, or has run to its end", identifier="pod-ending")


def _vanished(key: str) -> StoreError:
    return StoreError(
        "what was realised is not there any more",
        identifier="environment-vanished",
        where=key,
        hint="`breakbulk store verify` says what the store lacks, of which nobody but Breakbulk may remove anything; "
        "after an upgrade, start the agent again",
    )


def _raise(error: BreakbulkError) -> Any:
    raise error
