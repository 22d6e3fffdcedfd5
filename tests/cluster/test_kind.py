"""What kind is told, and what is made of its complaints.

No container engine runs where these tests do, so that programs of the same names say what the real ones say when
something is wrong; the words are those of kind 0.30, docker 28 and podman 4.
"""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakbulk.cluster.container_engine import complaint
from breakbulk.cluster.kind import KindDriver, configuration, log_command
from breakbulk.cluster.model import ClusterRequest
from breakbulk.errors import BreakbulkError, UsageError
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
FORBIDDEN = (
    "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
    'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.51/containers/json": dial unix /var/run/docker.sock: connect: '
    "permission denied"
)
PODMAN_DOWN = "Cannot connect to Podman. Please verify your connection to the Linux system"
TAKEN = (
    'ERROR: failed to create cluster: command "docker run --name t-control-plane" failed with error: exit status 125\n'
    "docker: Error response from daemon: driver failed programming external connectivity on endpoint t-control-plane: "
    "Bind for 127.0.0.1:43211 failed: port is already allocated."
)
NO_IMAGE = (
    'ERROR: failed to create cluster: failed to pull image "docker.io/kindest/node:v9.9.9": command "docker pull" '
    "failed with error: exit status 1\nError response from daemon: manifest unknown"
)


@pytest.fixture
def programs(tmp_path: Path) -> Callable[..., Path]:
    """Make programs that print, complain, and end with a status."""
    directory = tmp_path / "bin"
    directory.mkdir()

    def make(name: str, script: str = "exit 0") -> Path:
        program = directory / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> {directory}/called\n{script}\n')
        program.chmod(0o755)
        return directory

    return make


@pytest.fixture
def keeper(tmp_path: Path) -> KindDriver:
    environment = {"PATH": f"{tmp_path / 'bin'}", "HOME": str(tmp_path)}
    return KindDriver(replace(Settings.load(environment), store=tmp_path / "store"))


def complaining(said: str, status: int = 1) -> str:
    return f"/bin/cat >&2 <<'END'\n{said}\nEND\nexit {status}"


def failure(action: Callable[[], Any]) -> BreakbulkError:
    with pytest.raises(BreakbulkError) as caught:
        action()
    return caught.value


def up(keeper: KindDriver, **fields: Any) -> BreakbulkError:
    return failure(lambda: keeper.up(ClusterRequest(**({"name": "tests"} | fields)), SILENT))


def test_a_missing_kind_is_named(keeper: KindDriver, programs: Callable[..., Path]) -> None:
    directory = programs("docker")
    error = up(keeper)
    assert (error.reference, error.exit_code) == ("kind-missing", 74)
    assert str(directory) in (error.where or "")
    assert keeper.names() == []


def test_a_missing_engine_is_named(keeper: KindDriver, programs: Callable[..., Path]) -> None:
    programs("kind")
    error = up(keeper)
    assert error.reference == "engine-missing"
    assert "docker or podman" in error.message


def test_the_engine_that_is_asked_for_has_to_be_there(
    tmp_path: Path, keeper: KindDriver, programs: Callable[..., Path]
) -> None:
    programs("kind")
    programs("docker")
    asked = {**keeper._settings.environment, "KIND_EXPERIMENTAL_PROVIDER": "podman"}
    error = up(KindDriver(replace(keeper._settings, environment=asked)))
    assert (error.reference, error.message) == (
        "engine-missing",
        "kind needs a container engine, and there is no podman",
    )


@pytest.mark.parametrize(
    ("engine", "said", "identifier"),
    [
        ("docker", DOWN, "engine-down"),
        ("docker", FORBIDDEN, "engine-forbidden"),
        ("podman", PODMAN_DOWN, "engine-down"),
    ],
)
def test_an_engine_that_does_not_answer_is_told_from_one_that_may_not_be_asked(
    keeper: KindDriver, programs: Callable[..., Path], engine: str, said: str, identifier: str
) -> None:
    programs("kind")
    programs(engine, complaining(said))
    error = up(keeper)
    assert error.reference == identifier
    assert said[:40] in (error.why or "")
    assert error.hint


@pytest.mark.parametrize(
    ("said", "identifier", "where"),
    [
        (TAKEN, "port-taken", "127.0.0.1:43211"),
        ("listen tcp4 0.0.0.0:6443: bind: address already in use", "port-taken", "0.0.0.0:6443"),
        (NO_IMAGE, "node-image-missing", "kind create cluster"),
        ("write /var/lib/docker/x: no space left on device", "engine-full", "kind create cluster"),
        ("something new", "kind-failed", "kind create cluster"),
    ],
)
def test_what_kind_complains_about_is_an_error_of_ours(
    keeper: KindDriver, programs: Callable[..., Path], said: str, identifier: str, where: str
) -> None:
    programs("docker")
    programs("kind", f'test "$1" != create && exit 0\n{complaining(said)}')
    error = up(keeper, kubernetes="9.9.9")
    assert error.reference == identifier
    assert (error.where or "").startswith(where)
    assert error.why == said


def test_a_cluster_that_kind_could_not_make_can_be_removed(keeper: KindDriver, programs: Callable[..., Path]) -> None:
    programs("docker")
    directory = programs("kind", f'test "$1" != create && exit 0\n{complaining(TAKEN)}')
    up(keeper)
    assert keeper.names() == ["tests"]
    keeper.down("tests", SILENT)
    assert keeper.names() == []
    assert "kind delete cluster --name tests" in (directory / "called").read_text()
    assert failure(lambda: keeper.down("tests", SILENT)).reference == "cluster-unknown"


def test_a_cluster_keeps_what_it_began_with(keeper: KindDriver, programs: Callable[..., Path]) -> None:
    programs("docker")
    programs("kind", f'test "$1" != create && exit 0\n{complaining(TAKEN)}')
    up(keeper, nodes=2)
    assert up(keeper, nodes=3).reference == "cluster-differs"
    assert up(keeper, kubernetes="1.35.0").reference == "cluster-differs"
    assert up(keeper).reference == "port-taken"


@pytest.mark.parametrize("version", ["1.35", "latest", "1.35.0-rc.1", "../x"])
def test_a_version_that_names_no_image_is_refused(keeper: KindDriver, version: str) -> None:
    error = up(keeper, kubernetes=version)
    assert (error.reference, error.exit_code) == ("kubernetes-version", 2)


def test_the_first_node_is_the_control_plane() -> None:
    told = configuration(3, "1.35.0")
    assert [node["role"] for node in told["nodes"]] == ["control-plane", "worker", "worker"]
    assert {node["image"] for node in told["nodes"]} == {"docker.io/kindest/node:v1.35.0"}
    assert configuration(1, None)["nodes"] == [{"role": "control-plane"}]


def test_logs_are_read_in_the_container_of_the_node() -> None:
    nodes = ["t-control-plane", "t-worker"]
    assert log_command("docker", "kubelet", "t-worker", nodes)[:4] == ("docker", "exec", "t-worker", "journalctl")
    assert log_command("podman", "etcd", None, nodes)[:3] == ("podman", "exec", "t-control-plane")
    for component, node in (("kubelet", None), ("etcd", "t-worker"), ("cron", None)):
        with pytest.raises(UsageError) as caught:
            log_command("docker", component, node, nodes)
        assert caught.value.reference == "component-unknown"


def test_a_log_that_is_read_in_a_shell_can_be_followed(tmp_path: Path) -> None:
    """`--follow` at the end of such a command reaches `tail`."""
    *_, _shell, option, script, name = log_command("docker", "etcd", None, ["t-control-plane"])
    (tmp_path / "tail").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "tail").chmod(0o755)
    told = subprocess.run(
        ["/bin/sh", option, script, name, "--follow"], env={"PATH": str(tmp_path)}, capture_output=True, check=True
    )
    assert told.stdout.split()[:3] == [b"-n", b"+1", b"--follow"]


def test_what_nobody_knows_is_told_as_it_was_said() -> None:
    error = complaint("  a new complaint\n", ("/usr/bin/kind", "create"))
    assert (error.reference, error.message, error.why) == ("kind-failed", "kind failed", "a new complaint")
    assert complaint("", ("kind",)).why is None
    assert os.sep not in (error.where or "")
