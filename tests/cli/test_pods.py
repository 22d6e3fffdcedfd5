"""`breakbulk explain pod` as it is shown, and asked for from a command line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes" / "support"))

from recorded import ENVIRONMENT, crashing, event, node, runtime_class

from breakbulk.cli.pods import text
from breakbulk.cli.rendering import Style
from breakbulk.kubernetes.explaining import explain
from breakbulk.kubernetes.explanation import Facts

Call = Callable[..., Any]


def test_an_explanation_shows_the_way_the_cause_and_the_fix() -> None:
    facts = Facts(
        namespace="team",
        name="web-1",
        pod=crashing(3, restarts=1),
        node=node(),
        runtime_class=runtime_class(),
        environments=(ENVIRONMENT,),
        logs={"web": "no database\n\x1b[2Jgiving up"},
    )
    assert text(explain(facts), Style(enabled=False)).splitlines() == [
        "team/web-1  Running on n1",
        "  ✓ admitted",
        "  ✓ scheduled  on node n1",
        "  ✓ node prepared",
        "  ✓ volumes mounted",
        "  ✓ environment realised  ada/tickets:3",
        "  ✓ sandbox made",
        "  ✗ containers started",
        "      container-fails: web ended with exit code 3",
        "      fix: look at its log; `breakbulk run` runs the same environment here",
        "      log: no database",
        "           \N{REPLACEMENT CHARACTER}[2Jgiving up",
        "  · ready",
        "note: web was restarted once",
    ]


def test_a_refused_pod_is_explained_by_its_controller() -> None:
    refused = event("FailedCreate", 'pods "x" is forbidden: pod rejected: RuntimeClass "breakbulk" not found')
    facts = Facts(namespace="team", name="web", owner="Deployment web", owner_events=(refused,))
    lines = text(explain(facts), Style(enabled=False)).splitlines()
    assert lines[:3] == [
        "team/web  Refused, made by Deployment web",
        "  ✗ admitted",
        "      runtime-class-missing: the runtime class breakbulk does not exist",
    ]


def test_what_cannot_be_a_pod_is_refused(call: Call, project: Path) -> None:
    for words in (("pod", "a/b/c"), ("pod", "/web"), ("pod", "team/"), ("vars", "team/web"), ("pod", "--context", "x")):
        outcome = call("explain", *words)
        assert outcome.code == 2, words
        assert "NAMESPACE/NAME" in outcome.err


def test_a_key_that_is_called_pod_can_still_be_explained(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text("[vars]\npod = '1'\n")
    assert "error[lock-missing]" in call("explain", "pod").err


def test_a_cluster_that_is_away_is_an_error_with_a_fix(call: Call, tmp_path: Path) -> None:
    outcome = call("explain", "pod", "team/web", "--kubeconfig", _kubeconfig(tmp_path), "--json")
    assert outcome.code == 79
    assert outcome.document["error"] == "cluster-unreachable"
    assert outcome.document["retryable"] is True


def test_the_doctor_says_what_is_wrong_with_a_cluster(call: Call, tmp_path: Path) -> None:
    outcome = call("doctor", "--cluster", "--kubeconfig", _kubeconfig(tmp_path))
    assert outcome.code == 79
    assert outcome.out.splitlines()[0] == "cluster"
    assert "fix: is the cluster up" in outcome.out
    assert outcome.out.splitlines()[-1] == "1 check failed"


def test_the_doctor_without_a_cluster_only_fails_when_it_is_asked_for(call: Call, tmp_path: Path) -> None:
    nowhere = {"HOME": str(tmp_path), "PATH": "/usr/bin"}
    assert call("doctor", "--cluster", **nowhere).code == 79
    document = call("doctor", "--json", **nowhere).document
    [cluster] = [section for section in document["sections"] if section["name"] == "cluster"]
    assert cluster["checks"][0]["state"] == "unknown"


def test_the_doctor_examines_this_machine_when_told_to(call: Call, tmp_path: Path) -> None:
    outcome = call("doctor", "--node", "--json", HOME=str(tmp_path))
    assert [section["name"] for section in outcome.document["sections"]] == ["machine", "node"]
    assert all(len(section["checks"]) > 3 for section in outcome.document["sections"])
    assert outcome.code in {0, 74}


def test_a_machine_that_is_no_node_lacks_nothing_of_one(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakbulk.node.examining.doctor.is_node", lambda _: False)  # whatever this machine is
    nowhere = {"HOME": str(tmp_path), "PATH": "/nowhere", "BREAKBULK_STORE": str(tmp_path / "store")}
    machine, node, _ = call("doctor", "--json", **nowhere).document["sections"]
    assert {check["identifier"] for check in machine["checks"]} >= {"kernel", "overlay", "clock", "store", "hub"}
    assert [check["identifier"] for check in node["checks"]] == ["node"]
    assert "breakbulk node install" in node["checks"][0]["what"]


def _kubeconfig(directory: Path) -> Path:
    path = directory / "kubeconfig"
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path
