"""Nodes that Kubernetes installs by itself: a daemon set comes to a node that nobody has prepared, and all of it goes.

The tests are the life of one node, in this order: each begins with what the one before has left.
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))
sys.path.insert(0, str(Path(__file__).parent / "support"))

from bare_node import NAMESPACE, PATIENCE_S, BareNode, bare_node, breakbulk
from node_image import node_image, with_version
from running_cluster import bring_up, home_of_clusters

from breakbulk.images.minimal import STUB_NAMES

pytestmark = [pytest.mark.cluster, pytest.mark.endurance]

FIRST, SECOND = "img", "99.1"
"""Tags of the images; the second is also the version of Breakbulk in it."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[BareNode]:
    """A bare node that has two images of the agent; credentials and configuration are in the cluster."""
    work = tmp_path_factory.mktemp("daemon-set")
    first = node_image(shared_cache, work)
    with_version(first, work / "second.tar", SECOND)
    with home_of_clusters() as settings:
        cluster = bring_up(settings, f"d{os.getpid():x}", nodes=1, imageless=False)
        with bare_node(cluster, settings.store) as made:
            for archive in (first, work / "second.tar"):
                label = "io.cri-containerd.pinned=pinned"
                made.ctr(
                    *("images", "import", "--local", "--label", label),
                    *("--base-name", "docker.io/breakbulk/node", archive),
                )
            _configure(made)
            yield made


def _configure(node: BareNode) -> None:
    """Have Ada push what she signs and what she does not, and the cluster believe Ada alone."""
    ada, agent = node.person("ada"), node.people / "agent" / "configuration"
    breakbulk("key", "new", "ada", **ada)
    node.push("ada/signed")
    node.push("ada/unsigned", "--no-sign")
    key = Path(ada["BREAKBULK_CONFIGURATION"]) / "keys" / "ada.pub"
    breakbulk("key", "trust", str(key), "--owner", "ada", BREAKBULK_CONFIGURATION=str(agent))
    (agent / "config.toml").write_text("require-signatures = true\n")
    node.cluster.kubectl("create", "namespace", NAMESPACE)
    files = [f"--from-file={path}" for path in (agent / "config.toml", agent / "trust.json")]
    node.cluster.kubectl("create", "configmap", "breakbulk-configuration", "-n", NAMESPACE, *files)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "breakbulk-hub", "namespace": NAMESPACE},
        "stringData": dict(node.hub.environment),
    }
    node.cluster.apply(secret)


@pytest.fixture(scope="module")
def before(node: BareNode) -> dict[str, bytes]:
    """What containerd was configured by when nobody had installed anything."""
    return node.configuration()


def test_a_bare_node_knows_nothing_of_environments(node: BareNode, before: dict[str, bytes]) -> None:
    assert node.runtimes().isdisjoint({"breakbulk", "flox"})
    assert node.cluster.kubectl("get", "runtimeclass", "-o", "name") == ""
    assert not any(b"breakbulk-runtime" in text for text in before.values())
    assert not node.directory.exists()


def test_a_node_whose_containerd_was_not_restarted_gets_no_pods(node: BareNode) -> None:
    node.cluster.apply(node.manifest(FIRST, "--no-restart"))
    node.await_agent(f":{FIRST}")
    node.cluster.wait_for(
        lambda: node.condition() == ("False", "RuntimeMissing"), what="the agent says what is missing"
    )
    assert node.look()["metadata"]["labels"]["breakbulk.dev/ready"] == "false"
    node.cluster.apply(node.pod("first", "ada/signed"))
    node.cluster.wait_for(lambda: "FailedScheduling" in node.events("first"), what="the pod is not placed")


def test_after_the_restart_pods_have_their_environments(node: BareNode) -> None:
    bring_up(node.cluster.settings, node.cluster.name)  # the restart, as of a node without systemd
    node.cluster.wait_for(lambda: node.condition() == ("True", "AgentReady"), timeout_s=PATIENCE_S)
    assert {"breakbulk", "flox", "runc"} <= node.runtimes()
    labels = node.look()["metadata"]["labels"]
    assert labels["breakbulk.dev/ready"] == "true"
    running(node, "first")
    assert set(STUB_NAMES) <= set(node.ctr("images", "ls", "-q").split())
    assert "CNI loopback plugin" in node.cluster.kubectl("exec", "first", "--", "/opt/tool/bin/told")


def test_what_nobody_has_signed_does_not_run_where_the_config_map_says_so(node: BareNode) -> None:
    node.cluster.apply(node.pod("unsigned", "ada/unsigned"))
    node.cluster.wait_for(lambda: "signature-missing" in node.events("unsigned"), timeout_s=PATIENCE_S)
    assert not container(node, "unsigned").get("state", {}).get("running")
    node.cluster.kubectl("delete", "pod", "unsigned", "--wait=false")


def test_an_agent_writes_of_its_own_node_and_its_pods_only(node: BareNode) -> None:
    elsewhere = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "elsewhere"}}
    there = node.pod("there", "ada/signed")
    there["spec"] |= {"nodeName": "elsewhere", "runtimeClassName": None}
    node.cluster.apply(elsewhere, there)
    label = {"metadata": {"labels": {"breakbulk.dev/ready": "true"}}}
    condition = {"status": {"conditions": [{"type": "breakbulk.dev/EnvironmentReady", "status": "True"}]}}
    agent = Asking(node)
    pods = "/api/v1/namespaces/default/pods"
    try:
        assert agent.told("PATCH", f"/api/v1/nodes/{node.name}", label) == ""
        assert "its own node" in agent.told("PATCH", "/api/v1/nodes/elsewhere", label)
        assert agent.told("PATCH", f"{pods}/first/status", condition) == ""
        assert "its own node" in agent.told("PATCH", f"{pods}/there/status", condition)
        assert "cannot patch" in agent.told("PATCH", f"{pods}/first", label)
        assert "cannot list" in agent.told("GET", "/api/v1/secrets")
    finally:
        node.cluster.kubectl("delete", "pod", "there", "--force", "--grace-period=0")
        node.cluster.kubectl("delete", "node", "elsewhere")


def test_pods_go_on_while_the_agent_is_replaced(node: BareNode) -> None:
    agent, pod = node.await_agent()["metadata"], container(node, "first")
    node.cluster.kubectl("delete", "pod", agent["name"], "-n", NAMESPACE, "--wait=false")
    node.await_agent(but=agent["uid"])
    node.cluster.apply(node.pod("second", "ada/signed"))
    running(node, "second")
    assert same(container(node, "first"), pod)


def test_another_image_replaces_the_program_below_running_pods(node: BareNode) -> None:
    programs, configuration = copies(node), node.configuration()
    agent, pod = node.await_agent()["metadata"], container(node, "first")
    node.cluster.apply(node.manifest(SECOND, "--no-restart"))
    node.await_agent(f":{SECOND}", but=agent["uid"])
    node.cluster.wait_for(lambda: node.look()["metadata"]["labels"]["breakbulk.dev/version"] == SECOND, what="version")
    (added,) = copies(node) - programs
    assert added.startswith(f"{SECOND}-")
    assert programs <= copies(node)  # calls that began with it may not have ended
    assert added in (node.directory / "runtime").read_text()
    assert node.configuration() == configuration  # so that containerd goes on
    assert "CNI loopback plugin" in node.cluster.kubectl("exec", "first", "--", "/opt/tool/bin/told")
    node.cluster.apply(node.pod("third", "ada/signed"))
    running(node, "third")
    assert same(container(node, "first"), pod)


def test_a_node_is_given_back_as_it_was(node: BareNode, before: dict[str, bytes]) -> None:
    refused = uninstall(node)
    assert refused.returncode != 0
    assert "node-in-use" in refused.stderr
    node.cluster.kubectl("delete", "pod", "first", "second", "third")
    node.cluster.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=node.manifest(SECOND), timeout_s=PATIENCE_S)
    node.cluster.wait_for(lambda: not users(node), what="containers of pods have gone")
    done = uninstall(node)
    assert done.returncode == 0, done.stderr
    assert node.configuration() == before
    bring_up(node.cluster.settings, node.cluster.name)
    node.cluster.wait_for(lambda: node.runtimes().isdisjoint({"breakbulk", "flox"}), what="kubelet has forgotten it")
    assert not (node.directory / "runtime").exists()


def test_containerd_can_be_restarted_by_a_command_of_the_nodes_own(node: BareNode, tmp_path: Path) -> None:
    command = tmp_path / "restart-containerd"
    process = component(node, "containerd")
    command.write_text(restarting(node, process))
    command.chmod(0o755)
    node.cluster.apply(node.manifest(SECOND, f"--restart-command={command}"))
    node.await_agent(f":{SECOND}")
    node.cluster.wait_for(lambda: node.condition() == ("True", "AgentReady"), timeout_s=PATIENCE_S)
    assert component(node, "containerd") != process
    assert {"breakbulk", "flox"} <= node.runtimes()


def running(node: BareNode, pod: str) -> None:
    node.cluster.wait_for(
        lambda: container(node, pod).get("state", {}).get("running"), timeout_s=PATIENCE_S, what=f"{pod} runs"
    )


def container(node: BareNode, pod: str) -> dict[str, Any]:
    """Return the status of the only container of a pod."""
    statuses = node.cluster.get("pod", pod).get("status", {}).get("containerStatuses", ())
    return dict(statuses[0]) if statuses else {}


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["containerID"], one["restartCount"]) == (other["containerID"], other["restartCount"])


def copies(node: BareNode) -> set[str]:
    return {path.name for path in node.directory.iterdir() if path.is_dir()}


def users(node: BareNode) -> list[str]:
    return [line for line in node.ctr("containers", "ls").splitlines() if "empty:1" in line]


def component(node: BareNode, name: str) -> int | None:
    return next(one.pid for one in node.cluster.status().components if one.name == name)


def uninstall(node: BareNode) -> subprocess.CompletedProcess[str]:
    """Do on the node what the page on nodes says."""
    where = [f"--store={node.place.breakbulk}", f"--runtime={node.directory / 'runtime'}", f"--name={node.name}"]
    command = [node.directory / "breakbulk", "node", "uninstall", *node.paths, *where]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Asking:
    """Asks the API server with a token like the agent's own."""

    def __init__(self, node: BareNode) -> None:
        agent = node.await_agent()["metadata"]["name"]
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={agent}")
        self._token = node.cluster.kubectl("create", "token", "breakbulk-agent", "-n", NAMESPACE, *bound).strip()
        known = json.loads(node.cluster.kubectl("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
        self._server = urlsplit(known["server"]).netloc
        authority = base64.b64decode(known["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)

    def told(self, method: str, path: str, change: dict[str, Any] | None = None) -> str:
        """Return what the server has against something, nothing when it does it."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/strategic-merge-patch+json"}
        data = json.dumps(change).encode() if change else None
        connection = http.client.HTTPSConnection(self._server, context=self._context, timeout=30)
        with closing(connection):
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            document = json.load(answer)
        return "" if answer.status < http.client.BAD_REQUEST else str(document["message"])


def restarting(node: BareNode, process: int | None) -> str:
    """Return a script that ends containerd and has the cluster start it again, from the machine's own network."""
    settings = node.cluster.settings
    return f"""\
#!/bin/sh
kill {process}
while kill -0 {process} 2>/dev/null; do sleep 0.05; done
export BREAKBULK_STORE={settings.store} BREAKBULK_KUBERNETES={settings.kubernetes} HOME=/root
exec nsenter --net=/proc/{os.getpid()}/ns/net {sys.executable} -m breakbulk cluster up --name {node.cluster.name}
"""
