"""Clusters that exist: prepared, looked at, and given back as they were. With a real API server."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "support"))

from control_plane import ControlPlane, control_plane

from breakbulk.cluster.belongings import MARK
from breakbulk.cluster.drivers import driver_of
from breakbulk.cluster.existing import ExistingDriver, ExistingRecord
from breakbulk.cluster.model import ClusterRequest
from breakbulk.cluster.records import cluster_directory, read_record
from breakbulk.errors import BreakbulkError, ClusterError, NotFoundError, UsageError
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

pytestmark = pytest.mark.cluster

IMAGE = "registry.example.org/breakbulk:1"
KINDS = (
    "namespaces,clusterroles,clusterrolebindings,daemonsets,runtimeclasses,"
    "validatingadmissionpolicies,validatingadmissionpolicybindings"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("control-plane")) as made:
        yield made


@pytest.fixture
def keeper(tmp_path: Path) -> ExistingDriver:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return ExistingDriver(replace(Settings.load(environment), store=tmp_path / "store"))


@pytest.fixture
def unchanged(server: ControlPlane) -> Iterator[None]:
    """The cluster has after the test what it had before."""
    before = everything(server)
    yield
    assert everything(server) == before


def everything(server: ControlPlane) -> dict[str, str]:
    found = json.loads(server.kubectl("get", KINDS, "--all-namespaces", "-o", "json"))["items"]
    return {
        f"{each['kind']} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each["metadata"]["uid"]
        for each in found
    }


def request(server: ControlPlane, **fields: Any) -> ClusterRequest:
    values = {"name": "theirs", "kubeconfig": server.kubeconfig()} | fields
    return ClusterRequest(**values)


def failure(action: Callable[[], Any]) -> BreakbulkError:
    with pytest.raises(BreakbulkError) as caught:
        action()
    return caught.value


def test_up_makes_the_runtime_classes_and_down_removes_them(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    status = keeper.up(request(server), SILENT)
    assert (status.state, status.kubernetes, status.server) == ("running", "v1.35.4", server.server)
    assert server.kubectl("get", "runtimeclasses", "-o", "name").split() == [
        "runtimeclass.node.k8s.io/breakbulk",
        "runtimeclass.node.k8s.io/flox",
    ]
    assert keeper.names() == ["theirs"]
    assert isinstance(driver_of("theirs", keeper._settings), ExistingDriver)
    keeper.down("theirs", SILENT)
    assert keeper.names() == []
    assert failure(lambda: keeper.status("theirs")).reference == "cluster-unknown"


def test_with_an_image_everything_is_put_there_that_installs_nodes(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    keeper.up(request(server), SILENT)
    keeper.up(request(server, image=IMAGE), SILENT)
    daemon = json.loads(server.kubectl("get", "-n", "breakbulk-system", "daemonset", "breakbulk-agent", "-o", "json"))
    assert daemon["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE
    keeper.up(request(server, kubeconfig=None), SILENT)  # mends what is there, as it is there
    again = json.loads(server.kubectl("get", "-n", "breakbulk-system", "daemonset", "breakbulk-agent", "-o", "json"))
    assert again["metadata"]["resourceVersion"] == daemon["metadata"]["resourceVersion"]
    keeper.down("theirs", SILENT)


def test_what_was_there_before_stays_as_it_was(server: ControlPlane, keeper: ExistingDriver) -> None:
    theirs = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "flox"}, "handler": "other"}
    server.kubectl("create", "-f", "-", stdin=yaml.safe_dump(theirs))
    try:
        notes = Notes()
        keeper.up(request(server), notes)
        assert notes.said == ["RuntimeClass flox is there already and stays as it is"]
        keeper.down("theirs", SILENT)
        left = json.loads(server.kubectl("get", "runtimeclass", "-o", "json"))["items"]
        assert [(each["metadata"]["name"], each["handler"]) for each in left] == [("flox", "other")]
    finally:
        server.kubectl("delete", "runtimeclass", "flox")


def test_what_was_replaced_meanwhile_is_not_removed(server: ControlPlane, keeper: ExistingDriver) -> None:
    keeper.up(request(server), SILENT)
    server.kubectl("label", "runtimeclass", "breakbulk", f"{MARK}-")
    keeper.down("theirs", SILENT)
    assert server.kubectl("get", "runtimeclass", "-o", "name").split() == ["runtimeclass.node.k8s.io/breakbulk"]
    server.kubectl("delete", "runtimeclass", "breakbulk", "flox", "--ignore-not-found")


def test_what_is_missing_is_seen_and_mended(server: ControlPlane, keeper: ExistingDriver, unchanged: None) -> None:
    keeper.up(request(server), SILENT)
    server.kubectl("delete", "runtimeclass", "flox")
    status = keeper.status("theirs")
    assert status.state == "degraded"
    assert [one.name for one in status.components if one.state != "running"] == ["RuntimeClass flox"]
    assert keeper.up(request(server, kubeconfig=None), SILENT).is_healthy
    keeper.down("theirs", SILENT)


def test_nodes_are_shown_as_the_server_knows_them(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    keeper.up(request(server), SILENT)
    server.kubectl("create", "-f", "-", stdin='{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}')
    try:
        assert [(node.name, node.is_ready) for node in keeper.status("theirs").nodes] == [("n1", False)]
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": None}}
        ready["status"]["addresses"] = [{"type": "InternalIP", "address": "10.1.2.3"}]
        server.kubectl("patch", "node", "n1", "--subresource=status", "-p", json.dumps(ready))
        status = keeper.status("theirs")
        assert [(node.is_ready, node.address) for node in status.nodes] == [(True, "10.1.2.3")]
        assert status.is_healthy
    finally:
        server.kubectl("delete", "node", "n1")
    keeper.down("theirs", SILENT)


def test_who_may_not_is_told_everything_that_is_missing_before_anything_is_made(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    error = failure(lambda: keeper.up(request(server, kubeconfig=server.kubeconfig("reader")), SILENT))
    assert (error.reference, error.exit_code) == ("cluster-forbidden", 79)
    assert "create runtimeclasses.node.k8s.io" in (error.why or "")
    assert keeper.names() == []
    error = failure(lambda: keeper.up(request(server, kubeconfig=server.kubeconfig("nobody")), SILENT))
    assert error.reference == "cluster-forbidden"


def test_a_context_that_is_not_there_is_named(server: ControlPlane, keeper: ExistingDriver) -> None:
    error = failure(lambda: keeper.up(request(server, context="staging"), SILENT))
    assert error.reference == "kubeconfig-invalid"
    assert "staging" in str(error)


def test_without_any_kubeconfig_the_error_says_where_one_was_looked_for(keeper: ExistingDriver) -> None:
    error = failure(lambda: keeper.up(ClusterRequest(name="theirs"), SILENT))
    assert error.reference == "kubeconfig-invalid"
    assert "--kubeconfig" in (error.hint or "")


def test_a_server_that_does_not_answer_is_an_error_and_down_says_how_to_give_up(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    keeper.up(request(server), SILENT)
    config = cluster_directory(keeper._settings.state, "theirs") / "kubeconfig"
    kept = config.read_text()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        config.write_text(kept.replace(server.server, f"https://127.0.0.1:{closed.getsockname()[1]}"))
        assert failure(lambda: keeper.status("theirs")).reference == "cluster-unreachable"
        error = failure(lambda: keeper.down("theirs", SILENT))
    assert error.reference == "cluster-unreachable"
    assert str(config.parent) in (error.hint or "")
    config.write_text(kept)
    keeper.down("theirs", SILENT)


def test_one_name_is_one_cluster(server: ControlPlane, keeper: ExistingDriver, unchanged: None) -> None:
    keeper.up(request(server), SILENT)
    other = server.directory / "other.kubeconfig"
    other.write_text(server.kubeconfig().read_text().replace("127.0.0.1", "localhost"))
    error = failure(lambda: keeper.up(request(server, kubeconfig=other), SILENT))
    assert (type(error), error.reference) == (ClusterError, "cluster-differs")
    keeper.down("theirs", SILENT)


def test_the_kubeconfig_is_of_one_context_and_for_its_owner_only(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    path = keeper.up(request(server), SILENT).kubeconfig
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    contexts = subprocess.run(
        ["kubectl", "--kubeconfig", path, "config", "get-contexts", "-o", "name"],
        env={"PATH": f"{binaries_on_path()}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert contexts.stdout.split() == ["here"]
    keeper.down("theirs", SILENT)


@pytest.mark.parametrize("nth", range(4))
def test_a_killed_up_is_undone_by_down(server: ControlPlane, keeper: ExistingDriver, unchanged: None, nth: int) -> None:
    """Killed at its n-th request that changes something."""
    script = (
        "import os, signal, sys\n"
        "from breakbulk.kubernetes import connection\n"
        "asked, left = connection.Connection.request, [int(sys.argv[1])]\n"
        "async def request(self, method, *args, **kwargs):\n"
        "    if method == 'PATCH' and left[0] == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    left[0] -= method == 'PATCH'\n"
        "    return await asked(self, method, *args, **kwargs)\n"
        "connection.Connection.request = request\n"
        "from breakbulk.cli.main import main\n"
        "sys.exit(main(sys.argv[2:]))\n"
    )
    words = ["cluster", "up", "--driver", "existing", "--name", "theirs", "--kubeconfig", str(server.kubeconfig())]
    environment = {"PATH": os.environ["PATH"], "BREAKBULK_STORE": str(keeper._settings.store)}
    done = subprocess.run([sys.executable, "-c", script, str(nth), *words], env=environment, check=False)
    assert done.returncode == (-signal.SIGKILL if nth < 2 else 0)  # there are two runtime classes
    assert read_record(cluster_directory(keeper._settings.state, "theirs"), ExistingRecord) is not None
    keeper.down("theirs", SILENT)


def test_an_up_that_was_killed_before_it_made_anything_is_undone(
    server: ControlPlane, keeper: ExistingDriver, unchanged: None
) -> None:
    kubeconfig = keeper.up(request(server), SILENT).kubeconfig
    assert kubeconfig is not None
    server.kubectl("delete", "runtimeclass", "breakbulk", "flox")
    kubeconfig.unlink()
    keeper.down("theirs", SILENT)
    assert keeper.names() == []


def test_logs_are_those_of_agents(server: ControlPlane, keeper: ExistingDriver, unchanged: None) -> None:
    keeper.up(request(server), SILENT)
    assert failure(lambda: keeper.log("theirs", "etcd")).reference == "component-unknown"
    error = failure(lambda: keeper.log("theirs", "breakbulk-agent", "n1"))
    assert (type(error), error.reference) == (UsageError, "component-unknown")
    keeper.down("theirs", SILENT)


def test_down_of_what_is_not_known_is_an_error(keeper: ExistingDriver) -> None:
    assert isinstance(failure(lambda: keeper.down("nothing", SILENT)), NotFoundError)


class Notes:
    """Remembers notes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def begin(self, title: str, **_: Any) -> Any:
        return SILENT.begin(title)

    def note(self, message: str) -> None:
        self.said.append(message)


def binaries_on_path() -> Path:
    from control_plane import binaries

    return binaries()
