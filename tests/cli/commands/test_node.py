"""`breakbulk node` as users type it; with a containerd that runs where one is needed."""

import os
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakbulk.settings import Settings

Call = Callable[..., Any]
PROGRAMS = max(Settings.load(os.environ).kubernetes.glob("v*/bin"), default=Path("/nothing-is-built"))


def options(directory: Path) -> list[str]:
    """Name every path of a node in a directory."""
    return [
        "--name=node-1",
        f"--state={directory}/state",
        f"--store={directory}/state",
        f"--run={directory}/run",
        f"--runtime={directory}/bin/runtime",
        f"--runc={PROGRAMS}/runc",
        f"--containerd={PROGRAMS}/containerd",
        f"--containerd-config={directory}/config.toml",
        f"--containerd-socket={directory}/containerd.sock",
    ]


def test_the_manifest_is_what_kubectl_reads(call: Call) -> None:
    out = call("node", "manifest", "--image", "registry.internal/breakbulk:1", "--hub", "s3://team").out
    objects = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(out)}
    assert {kind for kind, _ in objects} >= {"Namespace", "ServiceAccount", "ClusterRole", "RuntimeClass", "DaemonSet"}
    assert {("RuntimeClass", "breakbulk"), ("RuntimeClass", "flox")} <= objects.keys()
    pod = objects["DaemonSet", "breakbulk-agent"]["spec"]["template"]["spec"]
    assert {"name": "BREAKBULK_HUB", "value": "s3://team"} in pod["containers"][0]["env"]
    assert {each["image"] for each in (*pod["initContainers"], *pod["containers"])} == {"registry.internal/breakbulk:1"}
    assert "privileged" not in pod["containers"][0]["securityContext"]


def test_the_commands_of_the_manifest_can_be_parsed(call: Call) -> None:
    """What the containers are told is what the program understands."""
    from breakbulk.cli.commands.node.agent import command as agent
    from breakbulk.cli.commands.node.install import command as install

    document = call("node", "manifest", "--image", "x", "--json").document
    pod = next(one for one in document["items"] if one["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    installing, running = pod["initContainers"][0]["command"], pod["containers"][0]["command"]
    assert (installing[:3], running[:3]) == (["breakbulk", "node", "install"], ["breakbulk", "node", "agent"])
    words = [word.replace("/host", "/") for word in installing[3:]]
    assert install.make_context("install", words).params["runtime"] == Path("/opt/breakbulk/runtime")
    assert agent.make_context("agent", running[3:]).params["state"] == Path("/var/lib/breakbulk")


def test_a_manifest_for_nodes_that_keep_things_elsewhere(call: Call) -> None:
    from breakbulk.cli.commands.node.install import command as install

    given = {
        "directory": "/var/opt/breakbulk",
        "state": "/data/breakbulk",
        "run": "/run/other",
        "runc": "/data/bin/runc",
        "containerd": "/data/bin/containerd",
        "containerd_config": "/data/$(NODE_NAME)/config.toml",
        "containerd_socket": "/run/other.sock",
        "restart_command": "rc-service containerd restart",
    }
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    document = call("node", "manifest", "--image", "x", *words, "--json").document
    pod = next(one for one in document["items"] if one["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    installing = pod["initContainers"][0]
    told = install.make_context("install", [word.replace("/host", "/") for word in installing["command"][3:]]).params
    assert {name: str(told[name]) for name in given} == given
    assert told["runtime"] == Path("/var/opt/breakbulk/runtime")
    assert [each["mountPath"] for each in installing["volumeMounts"]] == ["/host/var/opt/breakbulk"]
    assert {each["name"] for each in installing["env"]} == {"NODE_NAME"}
    shared = {each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert shared == {"/var/opt/breakbulk", "/data/breakbulk", "/run/other"}
    assert call("node", "manifest", "--image", "x", "--state", "here").code == 2


def test_nodes_are_chosen_by_their_labels(call: Call) -> None:
    document = call("node", "manifest", "--image", "x", "--node-selector", "pool=jobs", "--json").document
    pod = next(one for one in document["items"] if one["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"kubernetes.io/os": "linux", "pool": "jobs"}
    assert call("node", "manifest", "--image", "x", "--node-selector", "pool").code == 2


def test_a_node_without_containerd_says_so(call: Call, tmp_path: Path) -> None:
    given = [option for option in options(tmp_path) if not option.startswith(("--containerd=", "--runc="))]
    given += ["--containerd=/nowhere/containerd", "--runc=/bin/true"]
    assert call("node", "install", "--no-agent", *given, "--json").document["error"] == "containerd-missing"
    assert call("node", "status", *given).code == 1
    outcome = call("node", "doctor", *given)
    assert outcome.code == 1
    assert "fix: install containerd 1.7 or newer" in outcome.out


@pytest.mark.cluster
class TestWithContainerd:
    """The whole way of one node."""

    def test_install_status_doctor_uninstall(self, call: Call, tmp_path: Path) -> None:
        given = options(tmp_path)
        configuration = tmp_path / "config.toml"
        configuration.write_text("version = 3\n")
        first = call("node", "install", "--no-agent", *given)
        assert (first.code, first.out.splitlines()[0]) == (0, "node node-1 is installed")
        assert stat.S_IMODE((tmp_path / "bin" / "runtime").stat().st_mode) == 0o755
        assert call("node", "install", "--no-agent", *given).out == "node node-1 is installed already\n"
        status = call("node", "status", *given, "--json").document
        assert (status["runtimes"], status["ready"], status["pods"]) == (["breakbulk", "flox"], False, [])
        found = {check["identifier"]: check for check in call("node", "doctor", *given, "--json").document["checks"]}
        assert found["runtimes"]["state"] == found["runtime-program"]["state"] == "ok"
        assert found["containerd-answers"]["state"] == "failed"
        assert call("node", "uninstall", *given, "--json").document["removed"]
        assert configuration.read_text() == "version = 3\n"
        assert call("node", "uninstall", *given).out == "node node-1 was not installed\n"

    def test_what_containerd_needs_is_printed_and_nothing_is_changed(self, call: Call, tmp_path: Path) -> None:
        before = set(tmp_path.rglob("*"))
        tables = tomllib.loads(call("node", "install", "--print", *options(tmp_path)).out)
        (plugin,) = tables["plugins"].values()
        assert plugin["containerd"]["runtimes"]["flox"]["options"]["BinaryName"] == f"{tmp_path}/bin/runtime"
        assert set(tmp_path.rglob("*")) == before

    def test_a_command_that_restarts_containerd_is_called(self, call: Call, tmp_path: Path) -> None:
        outcome = call("node", "uninstall", *options(tmp_path), "--restart-command", "touch /nowhere/x")
        assert outcome.code == 0  # there is nothing to restart for

    def test_the_agent_needs_credentials(self, call: Call, tmp_path: Path) -> None:
        missing = ["--kubeconfig", str(tmp_path / "none")]
        outcome = call("node", "install", "--agent", *missing, *options(tmp_path), "--json")
        assert outcome.document["error"] == "kubeconfig-missing"
        assert not (tmp_path / "bin").exists()
