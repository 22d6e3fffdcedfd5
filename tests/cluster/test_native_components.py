"""What programs are told: nothing secret in arguments, nothing of another node, and files that parse."""

import tomllib
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from breakbulk.cluster.addresses import allot
from breakbulk.cluster.blueprint import Blueprint, Component
from breakbulk.cluster.control_plane import coredns
from breakbulk.cluster.everything import all_components
from breakbulk.cluster.node_programs import containerd, kubelet
from breakbulk.cluster.places import NativePlace
from breakbulk.cluster.programs import Programs

PLAN = Blueprint(
    place=NativePlace("dev", Path("/state/clusters/dev")),
    addresses=allot([]),
    programs=Programs("v1.35.4", Path("/kubernetes/v1.35.4/bin")),
    nodes=("dev-1", "dev-2"),
    name_servers=("192.0.2.53",),
)
RUNTIME = "io.containerd.cri.v1.runtime"


def file_of(component: Component, name: str) -> str:
    return next(content for path, content in component.files.items() if path.name == name)


def kubelet_settings(plan: Blueprint, number: int) -> dict[str, object]:
    settings: dict[str, object] = yaml.safe_load(file_of(kubelet(plan, number), "kubelet.yaml"))
    return settings


def test_the_control_plane_is_on_the_first_node_and_the_rest_on_every_one() -> None:
    placed = [(one.node, one.name) for one in all_components(PLAN)]
    everywhere = ["containerd", "kubelet", "kube-proxy"]
    control = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns"]
    assert [name for node, name in placed if node == "dev-1"] == control + everywhere
    assert [name for node, name in placed if node == "dev-2"] == everywhere


def test_nodes_share_no_file_and_no_directory() -> None:
    first, second = (
        [path for one in all_components(PLAN) if one.node == node for path in one.files] for node in PLAN.nodes
    )
    assert not set(first) & set(second)
    told = " ".join(argument for one in all_components(PLAN) if one.node == "dev-2" for argument in one.arguments)
    assert "dev-1" not in told


def test_probes_ask_from_outside_of_the_nodes_namespace() -> None:
    urls = [one.probe.url for one in all_components(PLAN) if not one.probe.socket]
    assert urls
    assert all("10.89.0." in url for url in urls)


def test_containerd_keeps_everything_below_its_node() -> None:
    settings = tomllib.loads(file_of(containerd(PLAN, 2), "config.toml"))
    assert settings["root"] == "/state/clusters/dev/nodes/dev-2/containerd"
    assert settings["imports"] == ["/state/clusters/dev/nodes/dev-2/configuration/containerd/config.d/*.toml"]
    runc = settings["plugins"][RUNTIME]["containerd"]["runtimes"]["runc"]["options"]
    assert runc["Root"] == "/run/breakbulk/clusters/dev/dev-2/runc"
    assert runc["BinaryName"] == "/kubernetes/v1.35.4/bin/runc"


@pytest.mark.parametrize("restricts", [True, False])
def test_containerd_lowers_no_score_where_the_machine_forbids_it(restricts: bool) -> None:
    plan = replace(PLAN, restrict_oom_score=restricts)
    settings = tomllib.loads(file_of(containerd(plan, 1), "config.toml"))
    assert settings["plugins"][RUNTIME]["restrict_oom_score_adj"] is restricts


def test_pods_of_a_node_have_addresses_of_that_node() -> None:
    network = msgspec.json.decode(file_of(containerd(PLAN, 2), "10-breakbulk.conflist"))
    assert network["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.128.2.0/24"}]]


@pytest.mark.parametrize(("unified", "told"), [(True, None), (False, False)])
def test_kubelet_accepts_control_groups_of_version_1_where_there_are_no_others(
    unified: bool, told: bool | None
) -> None:
    settings = kubelet_settings(replace(PLAN, has_unified_groups=unified), 1)
    assert settings.get("failCgroupV1") is told
    assert settings["cgroupRoot"] == "/breakbulk-dev/dev-1"


def test_pods_ask_the_name_server_of_the_cluster_and_it_asks_the_machines() -> None:
    assert kubelet_settings(PLAN, 2)["clusterDNS"] == [str(PLAN.first)]
    assert "forward . 192.0.2.53\n" in file_of(coredns(PLAN), "Corefile")
    assert file_of(kubelet(PLAN, 2), "resolv.conf") == "nameserver 192.0.2.53\n"


def test_without_a_name_server_only_names_of_the_cluster_are_known() -> None:
    assert "forward" not in file_of(coredns(replace(PLAN, name_servers=())), "Corefile")
