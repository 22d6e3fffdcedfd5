"""Native clusters, on real control planes and nodes: they work, heal, share the machine, and leave nothing."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from machine_snapshot import kernel_settings, shim_sockets, snapshot
from reaching import is_reached, look_up
from running_cluster import RunningCluster, bring_up, pause_pod, python

from breakbulk.cluster.cgroups import Hierarchies
from breakbulk.cluster.drivers import driver
from breakbulk.cluster.images import PAUSE_NAME, STUB_NAMES
from breakbulk.cluster.mounts import mounts_below, unmount_below
from breakbulk.cluster.networks import remove_network
from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.records import cluster_directory
from breakbulk.errors import ClusterError, NotFoundError, UsageError
from breakbulk.images.minimal import program_archive
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

pytestmark = pytest.mark.cluster

NAME_SERVER_IMAGE = "docker.io/breakbulk-tests/coredns:1"


def place(cluster: RunningCluster) -> NativePlace:
    return NativePlace(cluster.name, cluster_directory(cluster.settings.state.resolve(), cluster.name))


def processes(cluster: RunningCluster) -> dict[tuple[str | None, str], int | None]:
    return {(one.node, one.name): one.pid for one in cluster.status().components}


def test_all_nodes_are_ready_and_have_an_address(cluster: RunningCluster) -> None:
    status = cluster.status()
    assert status.is_healthy
    assert [node.name for node in status.nodes] == [f"{cluster.name}-1", f"{cluster.name}-2"]
    assert all(node.is_ready and node.address for node in status.nodes)
    assert status.kubernetes
    assert status.kubernetes in cluster.kubectl("version")
    assert {node.version for node in status.nodes} == {status.kubernetes}


def test_nothing_is_left_where_it_was_made_from(cluster: RunningCluster) -> None:
    assert place(cluster).kubeconfig.exists()
    assert not Path(".kube").exists()


def test_only_root_can_read_what_gives_every_permission(cluster: RunningCluster) -> None:
    assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert place(cluster).directory.stat().st_mode & 0o777 == 0o700
    for path in place(cluster).certificates.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_pod_of_an_image_runs_on_every_node(cluster: RunningCluster) -> None:
    names = [f"plain-{number}" for number in (1, 2)]
    for number, name in enumerate(names, 1):
        cluster.apply(pause_pod(name, f"{cluster.name}-{number}"))
    addresses = [cluster.wait_for_phase(name)["status"]["podIP"] for name in names]
    assert len(set(addresses)) == 2
    for address in addresses:
        assert is_reached(address)
        assert is_reached(address, inside=place(cluster).node(f"{cluster.name}-1").network_namespace)
    cluster.kubectl("delete", "pod", *names)


def test_nodes_take_pods_that_name_an_environment_and_keep_their_images(cluster: RunningCluster) -> None:
    classes = cluster.kubectl("get", "runtimeclass", "-o", "name").split()
    assert {"runtimeclass.node.k8s.io/breakbulk", "runtimeclass.node.k8s.io/flox"} <= set(classes)
    ready = ("get", "nodes", "-l", "breakbulk.dev/ready=true", "-o", "name")
    cluster.wait_for(lambda: len(cluster.kubectl(*ready).split()) == 2, what="nodes that the agents say are ready")
    for node in cluster.status().nodes:
        kept = _ctr(cluster, node.name, "images", "ls", "-q", 'labels."io.cri-containerd.pinned"==pinned')
        assert {*STUB_NAMES, PAUSE_NAME} <= set(kept.split())


def _ctr(cluster: RunningCluster, node: str, *arguments: str) -> str:
    socket = place(cluster).node(node).containerd_socket
    command = [cluster.programs / "ctr", "--address", socket, "-n", "k8s.io", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def name_server(cluster: RunningCluster) -> Iterator[RunningCluster]:
    """A program in a pod of the second node, behind a service: CoreDNS once more, as it needs nothing but itself."""
    archive = place(cluster).directory / "coredns.tar"
    program = (cluster.programs / "coredns").read_bytes()
    program_archive(archive, NAME_SERVER_IMAGE, {"amd64": program, "arm64": program}, file="coredns", user="0:0")
    node = f"{cluster.name}-2"
    _ctr(cluster, node, "images", "import", "--local", str(archive))
    pod = pause_pod("names", node)
    pod["spec"]["containers"][0]["image"] = NAME_SERVER_IMAGE
    ports = [{"port": 53, "protocol": "UDP"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "names"}}
    cluster.apply(pod, {**service, "spec": {"selector": {"app": "names"}, "ports": ports}})
    cluster.wait_for_phase("names")
    yield cluster
    cluster.kubectl("delete", "pod,service", "names")


@pytest.mark.parametrize("number", [1, 2])
def test_a_service_is_found_by_its_name_and_answers(name_server: RunningCluster, number: int) -> None:
    address = name_server.get("service", "names")["spec"]["clusterIP"]
    control = str(name_server.status().nodes[0].address)
    inside = place(name_server).node(f"{name_server.name}-{number}").network_namespace
    name = "names.default.svc.cluster.local"
    assert name_server.wait_for(lambda: look_up(control, name, inside=inside)) == address
    # CoreDNS without a configuration answers everybody, with additional records only.
    name_server.wait_for(lambda: look_up(address, "anything", inside=inside) is not None, what="the service")


def test_logs_and_exec_reach_a_pod_of_another_node(name_server: RunningCluster) -> None:
    assert "CoreDNS-" in name_server.wait_for(lambda: name_server.kubectl("logs", "names"))
    assert "CoreDNS-" in name_server.kubectl("exec", "names", "--", "/coredns", "-version")


def test_up_of_a_healthy_cluster_starts_nothing(cluster: RunningCluster) -> None:
    before = processes(cluster)
    bring_up(cluster.settings, cluster.name)
    assert processes(cluster) == before


def test_whatever_was_killed_is_started_again_and_nothing_else(cluster: RunningCluster) -> None:
    cluster.apply(pause_pod("survivor", f"{cluster.name}-2"))
    pod = cluster.wait_for_phase("survivor")
    first, *_ = components = cluster.status().components
    for victim in (one for one in components if one.node == first.node or one.name == "containerd"):
        before = processes(cluster)
        assert victim.pid
        current = before[victim.node, victim.name]
        assert current
        os.kill(current, signal.SIGKILL)
        cluster.wait_for(lambda: cluster.status().state == "degraded", what=f"{victim.name} seen to be dead")  # type: ignore[misc]
        bring_up(cluster.settings, cluster.name)
        changed = {key for key, process in processes(cluster).items() if process != before[key]}
        assert changed == {(victim.node, victim.name)}
    after = cluster.wait_for_phase("survivor")
    assert after["status"]["containerStatuses"] == pod["status"]["containerStatuses"]
    cluster.kubectl("delete", "pod", "survivor")


@pytest.mark.endurance
def test_all_of_it_killed_at_once_comes_back_with_its_pods(cluster: RunningCluster) -> None:
    cluster.apply(pause_pod("returning", f"{cluster.name}-1"))
    cluster.wait_for_phase("returning")
    for process in processes(cluster).values():
        assert process
        os.kill(process, signal.SIGKILL)
    cluster.wait_for(lambda: cluster.status().state == "stopped")
    bring_up(cluster.settings, cluster.name)
    assert cluster.wait_for_phase("returning")["status"]["containerStatuses"][0]["restartCount"] == 0
    cluster.kubectl("delete", "pod", "returning")


@pytest.mark.endurance
def test_after_a_restart_of_the_machine_a_cluster_comes_back_with_its_pods(clusters: Settings) -> None:
    one = bring_up(clusters, f"r{os.getpid():x}")
    one.apply({**pause_pod("returning")})
    before = one.wait_for_phase("returning")["metadata"]["uid"]
    _restart_machine(place(one))
    assert one.status().state == "stopped"
    bring_up(clusters, one.name)
    after = one.wait_for(lambda: _running_again(one.get("pod", "returning")))
    assert after["metadata"]["uid"] == before
    assert after["status"]["containerStatuses"][0]["restartCount"] == 1
    driver("native", clusters).down(one.name, SILENT)


def _running_again(pod: dict[str, Any]) -> dict[str, Any] | None:
    states = pod["status"].get("containerStatuses", [{}])
    return pod if states[0].get("restartCount") and states[0]["ready"] else None


def _restart_machine(place: NativePlace) -> None:
    """Leave of a cluster what a restart of the machine leaves: files, but no process, mount, network, group or /run."""
    hierarchies = Hierarchies.of_machine()
    hierarchies.kill(place.control_group)
    unmount_below(place.directory)
    unmount_below(place.runtime)
    namespaces = [place.node(f"{place.name}-1").network_namespace]
    remove_network(place, [1], namespaces)
    hierarchies.remove(place.control_group)
    shutil.rmtree(place.runtime)


def test_logs_of_components_are_files(cluster: RunningCluster) -> None:
    keeper = driver("native", cluster.settings)
    log = keeper.log(cluster.name, "kubelet", f"{cluster.name}-2")
    assert isinstance(log, Path)
    assert log.stat().st_size
    with pytest.raises(UsageError, match=f"{cluster.name}-1, {cluster.name}-2"):
        keeper.log(cluster.name, "kubelet")
    with pytest.raises(UsageError, match="there is no component 'scheduler'"):
        keeper.log(cluster.name, "scheduler")


def test_a_cluster_is_not_made_into_another_one(cluster: RunningCluster) -> None:
    with pytest.raises(ClusterError) as raised:
        bring_up(cluster.settings, cluster.name, nodes=1)
    assert raised.value.reference == "cluster-differs"
    with pytest.raises(ClusterError) as raised:
        bring_up(cluster.settings, cluster.name, kubernetes="1.1")
    assert raised.value.reference == "kubernetes-missing"


@pytest.mark.endurance
def test_a_second_cluster_comes_grows_and_goes_beside_the_first(cluster: RunningCluster) -> None:
    name = f"u{os.getpid():x}"
    before = snapshot(name)
    second = bring_up(cluster.settings, name)
    assert len(second.status().nodes) == 1
    second = bring_up(cluster.settings, name, nodes=2)
    memory = {"name": "memory", "emptyDir": {"medium": "Memory"}}
    second.apply(pause_pod("plain", f"{name}-2", volumes=[memory]))
    second.wait_for_phase("plain")
    assert second.status().server != cluster.status().server
    assert all(
        snapshot(name)[what] for what in ("processes", "mounts", "interfaces", "control groups", "routes", "rules")
    )
    sockets = shim_sockets(name)
    assert sockets
    assert all(path.is_socket() for path in sockets)
    driver("native", cluster.settings).down(name, SILENT)
    assert snapshot(name) == before
    assert not any(path.exists() for path in sockets)
    assert not cluster_directory(cluster.settings.state, name).exists()
    assert cluster.status().is_healthy
    assert kernel_settings()["net/ipv4/ip_forward"] == "1"
    with pytest.raises(NotFoundError):
        driver("native", cluster.settings).down(name, SILENT)


REACHED = {
    "it is written down": lambda place: (place.directory / "cluster.json").exists(),
    "the nodes have networks": lambda place: bool(mounts_below(place.node(f"{place.name}-1").network_namespace)),
    "etcd runs": lambda place: _members(place, "etcd"),
    "the API server runs": lambda place: _members(place, "kube-apiserver"),
    "kubelet runs": lambda place: _members(place, "kubelet"),
}


def _members(place: NativePlace, component: str) -> bool:
    group = place.component_group(f"{place.name}-1", component)
    return bool(Hierarchies.of_machine().processes(group))


@pytest.mark.endurance
@pytest.mark.parametrize("reached", REACHED)
def test_an_up_that_was_killed_is_taken_down_without_a_trace(clusters: Settings, reached: str) -> None:
    name = f"k{os.getpid():x}"
    before = snapshot(name)
    _kill_when(
        REACHED[reached], python("-m", "breakbulk", "cluster", "up", "--name", name, settings=clusters), name, clusters
    )
    driver("native", clusters).down(name, SILENT)
    assert snapshot(name) == before


@pytest.mark.endurance
def test_an_up_that_was_killed_is_finished_by_the_next_and_a_down_too(clusters: Settings) -> None:
    name = f"l{os.getpid():x}"
    before = snapshot(name)
    up = python("-m", "breakbulk", "cluster", "up", "--name", name, settings=clusters)
    _kill_when(REACHED["the API server runs"], up, name, clusters)
    bring_up(clusters, name)
    down = python("-m", "breakbulk", "cluster", "down", "--name", name, settings=clusters)
    _kill_when(lambda place: not _members(place, "kubelet"), down, name, clusters)
    driver("native", clusters).down(name, SILENT)
    assert snapshot(name) == before


def _kill_when(
    reached: Callable[[NativePlace], bool], process: subprocess.Popen[bytes], name: str, clusters: Settings
) -> None:
    """Kill a command as soon as it has come somewhere."""
    place = NativePlace(name, cluster_directory(clusters.state.resolve(), name))
    while not reached(place):
        assert process.poll() is None, (process.communicate()[0] or b"").decode()
    process.kill()
    process.communicate()


@pytest.mark.endurance
def test_a_cluster_of_the_same_name_elsewhere_is_left_alone(cluster: RunningCluster) -> None:
    elsewhere = replace(cluster.settings, store=cluster.settings.store / "elsewhere")
    with pytest.raises(ClusterError) as raised:
        bring_up(elsewhere, cluster.name)
    assert raised.value.reference == "cluster-elsewhere"
    with pytest.raises(ClusterError, match=str(cluster.settings.store)):
        driver("native", elsewhere).down(cluster.name, SILENT)
    assert cluster.status().is_healthy
