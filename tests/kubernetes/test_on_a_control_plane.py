"""The client against a real API server: what it writes is taken, and what its account may not do is refused."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from control_plane import ControlPlane

from breakbulk.kubernetes.apply import apply, delete
from breakbulk.kubernetes.backing_off import BackOff
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import Connection, RefusedError, connect
from breakbulk.kubernetes.events import Emitter
from breakbulk.kubernetes.examining import cluster_checks
from breakbulk.kubernetes.gathering import gather
from breakbulk.kubernetes.kinds import EVENT, NODE, POD, ObjectReference, reference_to
from breakbulk.kubernetes.objects import AGENT, NAMESPACE, agent_account, agent_policy, namespace, runtime_classes
from breakbulk.kubernetes.outbox import Outbox
from breakbulk.kubernetes.reflector import Reflector
from breakbulk.kubernetes.status import Condition, forget_node, set_node_condition, set_node_metadata, set_pod_condition

pytestmark = pytest.mark.cluster
DEADLINE_S = 30.0


def node(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def pod(name: str, on: str = "") -> dict[str, Any]:
    spec: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "containers": [{"name": "web", "image": "docker.io/breakbulk/empty:1"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec | ({"nodeName": on} if on else {}),
    }


@pytest.fixture(scope="module")
def stocked(plane: ControlPlane) -> ControlPlane:
    """With two nodes, a pod on each, and the agent's account."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    wanted = [namespace(), account, *agent_account(), *agent_policy(), *runtime_classes(node_labels={})]
    run(plane, lambda connection: apply(connection, [*wanted, node("n1"), node("n2")]))
    run(plane, lambda connection: apply(connection, [pod("one", "n1"), pod("two", "n2")]))
    return plane


def run(plane: ControlPlane, act: Callable[[Connection], Awaitable[Any]], access: Access | None = None) -> Any:
    async def once() -> Any:
        async with connect(access or Access(files=(plane.kubeconfig(),))) as connection:
            return await act(connection)

    return asyncio.run(once())


def agent_of(plane: ControlPlane, name: str) -> Access:
    """The agent of a node, with a token as its pod there would have."""
    token = plane.kubectl(
        "create", "token", AGENT, "-n", NAMESPACE, "--bound-object-kind=Node", f"--bound-object-name={name}"
    ).strip()
    path = plane.kubeconfig(context=f"agent-{name}")
    path.write_text(path.read_text().replace("token-of-administrator", token))
    return Access(files=(path,))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - it happens in the server
            await asyncio.sleep(0.05)


def test_applying_twice_changes_nothing_and_what_is_no_longer_named_goes(plane: ControlPlane) -> None:
    def settings(**data: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}

    async def act(connection: Connection) -> list[str]:
        rounds = [settings(a="1", b="2"), settings(a="1", b="2"), settings(a="1")]
        outcomes = [(await apply(connection, [wanted]))[0].outcome for wanted in rounds]
        found = await connection.get("/api/v1/namespaces/default/configmaps/settings")
        assert found["data"] == {"a": "1"}
        gone = [(await delete(connection, [settings()]))[0].outcome for _ in range(2)]
        return [*outcomes, *gone]

    assert run(plane, act) == ["created", "unchanged", "changed", "deleted", "absent"]


def test_a_kind_that_the_cluster_does_not_know_is_named(plane: ControlPlane) -> None:
    unknown = {"apiVersion": "example.com/v1", "kind": "Ship", "metadata": {"name": "a"}}
    with pytest.raises(Exception, match="knows no Ship") as caught:
        run(plane, lambda connection: apply(connection, [unknown]))
    assert caught.value.reference == "kind-unknown"


def test_every_object_of_ours_is_taken_by_the_server(stocked: ControlPlane) -> None:
    names = json.loads(stocked.kubectl("get", "runtimeclass", "-o", "json"))["items"]
    assert {each["handler"] for each in names} == {"breakbulk", "flox"}


def test_the_agent_writes_of_its_own_node_and_pods_only(stocked: ControlPlane) -> None:
    ready = Condition(type="breakbulk.dev/EnvironmentReady", status=True, reason="EnvironmentReady")

    async def act(connection: Connection) -> None:
        one, two = [reference_to(await connection.get(POD.path("default", name)), POD) for name in ("one", "two")]
        assert await set_pod_condition(connection, one, ready)
        assert await set_node_metadata(connection, "n1", labels={"breakbulk.dev/ready": "true"})
        condition = Condition(type="BreakbulkReady", status=True, reason="Ready")
        assert await set_node_condition(connection, "n1", condition)
        numbers = itertools.count()

        async def is_refused() -> bool:
            try:
                await set_node_metadata(connection, "n2", labels={"breakbulk.dev/ready": f"try-{next(numbers)}"})
            except RefusedError:
                return True
            return False

        await until(is_refused)  # a policy holds some moments after it was written
        for refused in (
            set_pod_condition(connection, two, ready),
            set_node_metadata(connection, "n2", labels={"breakbulk.dev/ready": "true"}),
            set_node_condition(connection, "n2", condition),
            connection.request("DELETE", POD.path("default", "one")),
            connection.get("/api/v1/namespaces/default/secrets"),
        ):
            with pytest.raises(RefusedError):
                await refused

    run(stocked, act, agent_of(stocked, "n1"))
    found = json.loads(stocked.kubectl("get", "pod", "one", "-o", "json"))
    assert ready.type in {each["type"] for each in found["status"]["conditions"]}


def test_a_node_forgets_what_was_said_of_it_and_nothing_else(stocked: ControlPlane) -> None:
    condition = Condition(type="BreakbulkReady", status=True, reason="Ready")
    ours = {"breakbulk.dev/ready": "true"}

    async def act(connection: Connection) -> None:
        await set_node_metadata(connection, "n1", labels={**ours, "zone": "a"}, annotations=ours)
        await set_node_condition(connection, "n1", condition)
        await set_node_condition(connection, "n1", Condition(type="DiskPressure", status=False, reason="Room"))
        await forget_node(connection, "n1", prefix="breakbulk.dev/", condition=condition.type)

    run(stocked, act)
    found = json.loads(stocked.kubectl("get", "node", "n1", "-o", "json"))
    said = {**found["metadata"]["labels"], **found["metadata"].get("annotations", {})}
    assert not [name for name in said if name.startswith("breakbulk.dev/")]
    assert found["metadata"]["labels"]["zone"] == "a"
    assert [each["type"] for each in found["status"]["conditions"]] == ["DiskPressure"]


def test_a_pod_of_the_same_name_is_another_pod(stocked: ControlPlane) -> None:
    gone = ObjectReference(api_version="v1", kind="Pod", namespace="default", name="one", uid="another")
    condition = Condition(type="x.example/y", status=None, reason="Why")
    assert run(stocked, lambda connection: set_pod_condition(connection, gone, condition)) is False


def test_events_are_counted_on_by_the_next_agent(stocked: ControlPlane) -> None:
    async def say(connection: Connection, times: int, last: str) -> None:
        about = reference_to(await connection.get(POD.path("default", "one")), POD)
        emitter = Emitter(connection, component="breakbulk-agent", host="n1", outbox=Outbox(refill_s=0.01))
        task = asyncio.create_task(emitter.run())
        for number in range(times):
            emitter.event(about, "Warning", "EnvironmentFailed", f"{last} {number}\x00")

        async def written() -> bool:
            shown = stocked.kubectl("get", "events", "-o", "json", "--field-selector=reason=EnvironmentFailed")
            return [each["message"] for each in json.loads(shown)["items"]] == [
                f"{last} {times - 1}\N{REPLACEMENT CHARACTER}"
            ]

        await until(written)
        task.cancel()

    access = agent_of(stocked, "n1")
    run(stocked, lambda connection: say(connection, 3, "first"), access)
    run(stocked, lambda connection: say(connection, 2, "second"), access)
    ours = stocked.kubectl("get", "events", "-o", "json", "--field-selector=reason=EnvironmentFailed")
    [event] = json.loads(ours)["items"]
    assert event["count"] == 5
    assert "second 1" in stocked.kubectl("describe", "pod", "one")


def test_an_event_that_nobody_permits_is_dropped_and_told(stocked: ControlPlane) -> None:
    async def act(connection: Connection) -> list[str]:
        troubles: list[str] = []
        about = ObjectReference(api_version="v1", kind="Pod", namespace="nowhere", name="x", uid="u")
        emitter = Emitter(connection, component="a", host="n", troubled=lambda error: troubles.append(error.reference))
        emitter.event(about, "Normal", "Said", "it")
        await emitter.flush(DEADLINE_S)
        return troubles

    assert run(stocked, act) == ["cluster-refused"]


def test_a_watch_follows_what_really_happens(stocked: ControlPlane) -> None:
    async def act(connection: Connection) -> None:
        told: list[tuple[str, str]] = []
        reflector = Reflector(
            connection,
            POD,
            lambda found: (found["metadata"]["name"], str(found["metadata"].get("labels"))),
            fields="spec.nodeName=n2",
            back_off=BackOff(0.01, 0.1),
        )

        async def follow() -> None:
            async for what, kept in reflector.changes():
                told.append((what, kept[0] if kept else ""))

        task = asyncio.create_task(follow())
        await asyncio.wait_for(reflector.synced.wait(), DEADLINE_S)
        assert told == [("added", "two"), ("synced", "")]
        await apply(connection, [pod("three", "n2"), pod("elsewhere", "n1")])
        labelled = pod("three", "n2")
        labelled["metadata"]["labels"] = {"a": "b"}
        await apply(connection, [labelled])
        await connection.request("DELETE", POD.path("default", "three"), params={"gracePeriodSeconds": "0"})

        async def deleted() -> bool:
            return ("deleted", "three") in told

        await until(deleted)
        task.cancel()
        assert told[2:] == [("added", "three"), ("changed", "three"), ("deleted", "three")]

    run(stocked, act)


def test_a_cluster_without_prepared_nodes_is_examined(stocked: ControlPlane) -> None:
    async def collect() -> dict[str, str]:
        access = Access(files=(stocked.kubeconfig(),))
        return {check.identifier: check.state async for check in cluster_checks(access)}

    found = asyncio.run(collect())
    assert found["cluster-version"] == "ok"
    assert found["pods-permitted"] == "ok"
    assert found["runtime-class"] == "ok"
    assert found["nodes-prepared"] == "failed"


def test_who_may_read_little_gets_half_an_explanation(stocked: ControlPlane) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "pod-reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "pod-reader"},
        "subjects": [{"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "pod-reader", "apiGroup": "rbac.authorization.k8s.io"},
    }
    run(stocked, lambda connection: apply(connection, [role, binding]))
    facts = run(
        stocked,
        lambda connection: gather(connection, "default", "one", lambda _: ()),
        Access(files=(stocked.kubeconfig("reader"),)),
    )
    assert facts.pod
    assert [words.split(" cannot")[0] for words in facts.unread] == ["events", "node n1"]
    assert run(stocked, lambda connection: connection.find(EVENT.path("default", "none"))) is None
    assert run(stocked, lambda connection: connection.find(NODE.path(name="none"))) is None
