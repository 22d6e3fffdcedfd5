"""Run the agent of a node until it is told to end: everything is put together here.

    socket ──► agent ◄── pods of the node          tidier, merger, node's labels and condition, metrics beside it

SIGTERM and SIGINT end it within five seconds: whoever waits hears that the agent has gone and asks the next one,
realisations are killed and taken up again, and nothing is lost. It begins to serve before it knows the cluster, as pods
start while the API server is away. Counterpart: `cli.commands.node`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from breakbulk.errors import BreakbulkError, ServiceError
from breakbulk.kubernetes.objects import HANDLERS, READY_LABEL
from breakbulk.lock.variants import LEVELS
from breakbulk.node.agent.agent import Agent
from breakbulk.node.agent.cluster import Cluster, Condition
from breakbulk.node.agent.features import labels, listed
from breakbulk.node.agent.merging import Merger
from breakbulk.node.agent.metrics import Metrics
from breakbulk.node.agent.metrics_page import serving_metrics
from breakbulk.node.agent.serving import serving
from breakbulk.node.agent.settings import AgentSettings, address_of
from breakbulk.node.agent.tidying import Tidier
from breakbulk.node.realising.pinning import present
from breakbulk.node.realising.recording import prepare_places
from breakbulk.store.layout import Layout
from breakbulk.store.processor import running_level

if TYPE_CHECKING:
    from breakbulk.node.place import NodePlace

__all__ = ["NODE_CONDITION", "run_agent", "run_with"]

NODE_CONDITION = "BreakbulkReady"

_LOG = logging.getLogger(__name__)
_TELL_S = 1.0
_NODE_S = 60.0
_LAST_WORD_S = 1.5
_NODE_LEAST_S = 5.0


def run_agent(options: AgentSettings, ready: Callable[[], object] = lambda: None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        options: Of this agent.
        ready: Is called when the handler is answered.

    Raises:
        ClusterError: `kubeconfig-invalid`.
        ServiceError: `agent-running`, `agent-socket-taken`, `metrics-address-taken`.
        StoreError: The directories of the node cannot be made.

    """
    asyncio.run(_run(options, ready))


async def _run(options: AgentSettings, ready: Callable[[], object]) -> None:
    from breakbulk.kubernetes.configuration import find_access
    from breakbulk.kubernetes.connection import connect
    from breakbulk.node.agent.cluster_side import KubernetesSide

    access = find_access(options.settings.environment, kubeconfig=options.kubeconfig, context=options.context)
    async with connect(access) as connection:
        side = KubernetesSide(connection, options.place.name)
        async with _beside(side.run()):
            await run_with(options, side, ready=ready)


async def run_with(options: AgentSettings, cluster: Cluster, *, ready: Callable[[], object] = lambda: None) -> None:
    """Run in a cluster that is given until SIGTERM or SIGINT; as `run_agent`."""
    options = msgspec.structs.replace(options, settings=replace(options.settings, store=options.place.store))
    ending = _ending()
    metrics = Metrics(version("breakbulk"))
    prepare_places(str(options.place.run), str(options.place.state))
    with _only_one(options.place):
        options.place.leaving.unlink(missing_ok=True)
        Layout(options.settings.store).prepare()
        agent = Agent(options, cluster, metrics)
        tidier = Tidier(options, agent, metrics)
        with serving_metrics(address_of(options.metrics), metrics.text, lambda: _unready(agent)):
            try:
                async with (
                    serving(str(options.place.run), agent, lambda word: metrics.questions.labels(word).inc()),
                    _beside(_follow(agent, cluster)),
                    _beside(_tell(agent)),
                    _beside(tidier.run()),
                    _beside(Merger(options, agent).run()),
                    _beside(_describe(options, cluster, agent, tidier, metrics)),
                ):
                    ready()
                    await ending.wait()
            finally:
                await agent.close()
        await _last_word(cluster, leaving=options.place.leaving.exists())


def _ending() -> asyncio.Event:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    return ending


@contextmanager
def _only_one(place: NodePlace) -> Iterator[None]:
    """Be the only agent of a node; raise `ServiceError` `agent-running`. The kernel gives it up when we die."""
    path = place.run / "agent.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ServiceError(
            "this node has an agent already",
            identifier="agent-running",
            where=str(path),
            hint="end it first: `systemctl stop breakbulk-agent`",
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run something while the context lasts; if it fails, so does the program, which is started again."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_failed)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _failed(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _LOG.critical("a part of the agent failed: the agent ends, to be started again", exc_info=error)
        os.kill(os.getpid(), signal.SIGTERM)


async def _follow(agent: Agent, cluster: Cluster) -> None:
    async for event in cluster.pods():
        try:
            agent.hear(event)
        except Exception:  # noqa: BLE001 - no pod may end the agent of all others
            _LOG.exception("what was told of a pod was not understood")


async def _tell(agent: Agent) -> None:
    while True:
        await asyncio.sleep(_TELL_S)
        agent.tell()


async def _describe(options: AgentSettings, cluster: Cluster, agent: Agent, tidier: Tidier, metrics: Metrics) -> None:
    """Keep what the node says of itself up to date, a few times a minute at most."""
    machine = labels(version("breakbulk"), _level(options))
    while True:
        agent.changed.clear()
        targets = present(str(options.place.state))
        metrics.environments.set(len(targets))
        known = True
        try:
            told = await cluster.runtimes()
            known = told is None or HANDLERS[0] in told
            ready = {READY_LABEL: str(known).lower()}
            await cluster.set_node({**machine, **ready}, listed(targets), _condition(tidier, known=known))
        except BreakbulkError as error:
            _LOG.info("the node was not described: %s", error)
        await asyncio.sleep(_NODE_LEAST_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(agent.changed.wait(), _NODE_S if known else _NODE_LEAST_S)


def _level(options: AgentSettings) -> str:
    try:
        return running_level(options.settings)
    except (BreakbulkError, OSError):
        return LEVELS[0]


def _condition(tidier: Tidier, *, known: bool) -> Condition:
    if not known:
        missing = "containerd has no runtime of ours: it was not restarted since the installation, or configured anew"
        return Condition(type=NODE_CONDITION, status=False, reason="RuntimeMissing", message=missing)
    if tidier.fault:
        return Condition(type=NODE_CONDITION, status=False, reason="StoreFull", message=tidier.fault)
    return Condition(type=NODE_CONDITION, status=True, reason="AgentReady", message="environments can be realised")


async def _last_word(cluster: Cluster, *, leaving: bool) -> None:
    """Say that nobody realises here for now; labels stay, as a restart is no reason to schedule elsewhere.

    An agent after which none comes (`leaving`) takes everything back that it has said of the node.
    """
    stopped = Condition(type=NODE_CONDITION, status=False, reason="AgentStopped", message="the agent was told to end")
    with contextlib.suppress(BreakbulkError, TimeoutError):
        async with asyncio.timeout(_LAST_WORD_S):
            await (cluster.forget_node(NODE_CONDITION) if leaving else cluster.set_node({}, {}, stopped))


def _unready(agent: Agent) -> str | None:
    return None if agent.synced else "the pods of this node are not known yet"
