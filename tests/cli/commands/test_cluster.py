"""`breakbulk cluster` as far as no cluster is needed; `tests/cluster` has the rest."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakbulk.cli import clusters
from breakbulk.cli.main import main
from breakbulk.cli.rendering import Style
from breakbulk.cluster import drivers, model
from breakbulk.cluster.log_reading import read, read_on
from breakbulk.cluster.model import ClusterRequest, ClusterStatus, ComponentStatus, LogSource, NodeStatus
from breakbulk.cluster.records import ClusterRecord, cluster_directory, write_record
from breakbulk.errors import ClusterError
from breakbulk.reporting import Reporter

Call = Callable[..., Any]


class Kept:
    """Clusters that exist in memory only, so that any state can be shown."""

    kind = "native"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.states: dict[str, model.ClusterState] = {}
        self.broken: set[str] = set()
        self.requests: list[ClusterRequest] = []

    def up(self, request: ClusterRequest, reporter: Reporter) -> ClusterStatus:
        self.requests.append(request)
        self.add(request.name)
        return self.status(request.name)

    def add(self, name: str, state: model.ClusterState = "running") -> None:
        self.states[name] = state
        write_record(cluster_directory(self.directory, name), ClusterRecord(driver="native"))

    def status(self, name: str) -> ClusterStatus:
        if name in self.broken:
            raise ClusterError("it does not answer", identifier="cluster-unreachable")
        return ClusterStatus(
            name=name,
            driver="native",
            state=self.states[name],
            kubernetes="v1.35.4",
            server="https://10.9.0.1:6443",
            kubeconfig=self.directory / f"{name} config",
            nodes=(NodeStatus(name=f"{name}-1", is_ready=False, address="10.9.0.2", why="it starts"),),
            components=(ComponentStatus(name="etcd", node=f"{name}-1", state="running", pid=17),),
        )

    def names(self) -> list[str]:
        return sorted(self.states)

    def down(self, name: str, reporter: Reporter) -> None:
        del self.states[name]

    def log(self, name: str, component: str, node: str | None = None) -> LogSource:
        return self.directory / f"{component}.log"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    made = Kept(tmp_path / "store")
    monkeypatch.setattr(drivers, "driver", lambda *_: made)
    return made


def test_no_cluster_is_no_status_but_an_error_that_says_how_to_get_one(call: Call) -> None:
    outcome = call("cluster", "status", "--json")
    assert (outcome.code, outcome.document["error"]) == (72, "cluster-unknown")
    assert outcome.document["hint"] == "breakbulk cluster up --name breakbulk"


@pytest.mark.parametrize("command", ["kubeconfig", "logs", "status"])
def test_a_cluster_that_is_not_there_is_named(call: Call, command: str) -> None:
    arguments = ["etcd"] if command == "logs" else []
    outcome = call("cluster", command, *arguments, "--name", "tests", "--json")
    assert (outcome.code, outcome.document["error"]) == (72, "cluster-unknown")
    assert "tests" in outcome.document["what"]


@pytest.mark.parametrize("command", ["up", "kubeconfig", "down"])
def test_a_name_that_is_none_is_refused(call: Call, command: str) -> None:
    outcome = call("cluster", command, "--name", "../etc", "--json")
    assert (outcome.code, outcome.document["error"]) == (2, "cluster-name")


def test_options_that_mean_nothing_to_a_driver_are_refused(call: Call, kept: Kept) -> None:
    outcome = call("cluster", "up", "--context", "staging", "--json")
    assert (outcome.code, outcome.document["error"]) == (2, "option-not-of-driver")
    assert "--driver existing" in outcome.document["hint"]
    kept.kind = "existing"
    outcome = call("cluster", "up", "--driver", "existing", "--nodes", "2", "--kubernetes", "1.35", "--json")
    assert outcome.document["what"].endswith("--kubernetes and --nodes")
    assert kept.requests == []


def test_up_asks_for_what_was_typed_and_says_what_to_do_next(call: Call, kept: Kept) -> None:
    outcome = call("cluster", "up", "--name", "tests", "--nodes", "2", "--kubernetes", "1.35")
    assert outcome.code == 0
    assert kept.requests == [ClusterRequest(name="tests", nodes=2, kubernetes="1.35")]
    assert 'eval "$(breakbulk cluster kubeconfig --name tests --export)"' in outcome.err
    assert "v1.35.4" in outcome.out


def test_the_exit_code_of_status_is_that_of_the_worst_cluster(call: Call, kept: Kept) -> None:
    kept.add("one")
    assert call("cluster", "status").code == 0
    kept.add("two", "degraded")
    assert call("cluster", "status").code == 79
    assert call("cluster", "status", "--name", "one").code == 0
    assert call("cluster", "status", "--name", "two", "--quiet").out == ""


def test_status_shows_nodes_and_components(call: Call, kept: Kept) -> None:
    kept.add("one", "degraded")
    shown = call("cluster", "status").out
    assert [line.split() for line in shown.splitlines() if line.startswith(("one", "etcd"))] == [
        ["one", "degraded", "native", "v1.35.4"],
        ["one-1", "not", "ready", "10.9.0.2", "it", "starts"],
        ["etcd", "one-1", "running", "17"],
    ]
    (document,) = call("cluster", "status", "--json").document["clusters"]
    assert (document["state"], document["is_healthy"], document["components"][0]["pid"]) == ("degraded", False, 17)


def test_a_cluster_that_cannot_be_looked_at_hides_no_other(call: Call, kept: Kept) -> None:
    kept.add("one")
    kept.add("two")
    kept.broken.add("one")
    outcome = call("cluster", "status", "--json")
    assert outcome.code == 79
    assert [each.get("error") or each["name"] for each in outcome.document["clusters"]] == [
        "cluster-unreachable",
        "two",
    ]
    assert call("cluster", "status", "--name", "one", "--json").document["error"] == "cluster-unreachable"


def test_the_kubeconfig_is_printed_as_a_path_or_as_a_line_for_a_shell(call: Call, kept: Kept) -> None:
    kept.add("breakbulk")
    path = kept.directory / "breakbulk config"
    assert call("cluster", "kubeconfig").out == f"{path}\n"
    assert call("cluster", "kubeconfig", "--export").out == f"export KUBECONFIG='{path}'\n"
    assert call("cluster", "kubeconfig", "--json").document == {"name": "breakbulk", "kubeconfig": str(path)}


def test_logs_prints_the_last_lines(call: Call, kept: Kept) -> None:
    kept.add("breakbulk")
    (kept.directory / "etcd.log").write_text("".join(f"line {number}\n" for number in range(5)))
    assert call("cluster", "logs", "etcd", "--lines", "2").out == "line 3\nline 4\n"
    assert call("cluster", "logs", "etcd", "--lines", "1", "--json").document["lines"] == ["line 4"]
    assert call("cluster", "logs", "etcd", "--follow", "--json").code == 2


def test_down_removes_the_cluster(call: Call, kept: Kept) -> None:
    kept.add("tests")
    assert call("cluster", "down", "--name", "tests").out == "removed the cluster tests\n"
    assert kept.names() == []


def test_a_log_that_only_a_command_has_is_read_from_it() -> None:
    source = (sys.executable, "-c", "import sys; print('a\\nb\\nc', *sys.argv[1:])")
    assert read(source, 2, os.environ) == b"b\nc\n"
    assert b"".join(read_on(source, 2, os.environ)) == b"a\nb\nc --follow\n"


def test_a_command_that_fails_is_an_error_with_what_it_said() -> None:
    with pytest.raises(ClusterError, match="no such unit") as caught:
        read(("sh", "-c", "echo no such unit >&2; exit 3"), 1, os.environ)
    assert caught.value.reference == "command-failed"
    with pytest.raises(ClusterError, match="No such file"):
        list(read_on(("/nonexistent/program",), 1, os.environ))


def test_a_file_is_followed_from_its_last_lines_on(tmp_path: Path) -> None:
    log = tmp_path / "etcd.log"
    log.write_text("one\ntwo\n")
    following = read_on(log, 1, {})
    assert next(following) == b"two\n"
    with log.open("a") as file:
        file.write("three\n")
    assert next(following) == b"three\n"


def test_what_the_command_line_takes_for_granted_is_what_the_model_says() -> None:
    """The command line does not import the model for `--help`."""
    assert clusters.DEFAULT_NAME == model.DEFAULT_NAME
    options = {option.name: option for option in _up().params}
    assert options["nodes"].type.max == model.NODES_MAX
    assert tuple(options["kind"].type.choices) == model.KINDS


def _up() -> Any:
    from breakbulk.cli.commands.cluster import up

    return up


def test_a_cluster_without_details_is_shown_in_one_line() -> None:
    found = ClusterStatus(name="one", driver="kind", state="stopped")
    assert clusters.text(found, Style(enabled=False)) == "one  stopped  kind"


def test_names_are_completed_from_records(kept: Kept, variables: dict[str, str], monkeypatch: Any, capfd: Any) -> None:
    for name in ("tests", "trial", "other"):
        kept.add(name)
    asked = {"_BREAKBULK_COMPLETE": "bash_complete", "COMP_WORDS": "breakbulk cluster down --name t", "COMP_CWORD": "4"}
    monkeypatch.setattr(os, "environ", variables | asked)
    main([])
    assert capfd.readouterr().out.split() == ["plain,tests", "plain,trial"]
