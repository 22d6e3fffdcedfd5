import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from recorded import node, runtime_class

from breakbulk.checks import Check, worst
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.examining import class_checks, cluster_checks, node_checks, version_check

FLOX = {"metadata": {"name": "flox"}, "handler": "flox"}


def test_a_prepared_cluster_has_nothing_to_mend() -> None:
    checks = [
        version_check({"gitVersion": "v1.35.4"}, "https://c"),
        *class_checks([runtime_class(), FLOX]),
        *node_checks([node()]),
    ]
    assert worst(checks) == "ok"
    assert checks[-1].what == "1 of 1 nodes can start pods with environments"


def test_an_old_cluster_fails_and_an_unknown_version_is_believed() -> None:
    assert version_check({"gitVersion": "v1.27.1"}, "https://c").state == "failed"
    assert version_check({"gitVersion": "v1.29.0-eks-1"}, "https://c").state == "ok"
    assert version_check({}, "https://c").state == "ok"


def test_a_missing_runtime_class_fails_and_a_foreign_one_is_told_of() -> None:
    ours, flox = class_checks([{"metadata": {"name": "flox"}, "handler": "other"}])
    assert (ours.state, flox.state) == ("failed", "warning")
    assert "breakbulk node manifest" in (ours.fix or "")
    assert "handler is other" in (flox.why or "")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (node(ready="False"), "not ready"),
        (node(ours="False"), "the agent says why"),
        (node(runtimeHandlers=[{"name": "runc"}]), "knows no runtime breakbulk"),
        (node(nodeInfo={"containerRuntimeVersion": "cri-o://1.34"}), "its container runtime is cri-o"),
        (node(nodeInfo={"containerRuntimeVersion": "containerd://1.6.20"}), "containerd 1.6.20"),
        (node() | {"metadata": {"name": "n1"}}, "no label"),
    ],
)
def test_a_node_that_cannot_start_our_pods_says_why(broken: dict[str, Any], why: str) -> None:
    one, together = node_checks([broken])
    assert one.state == "warning"
    assert why in (one.why or "")
    assert one.fix
    assert together.state == "failed"
    assert [check.state for check in node_checks([broken, node()])] == ["warning", "ok", "ok"]


def test_a_cluster_that_cannot_be_reached_is_a_check_that_fails(access_to: Callable[..., Access]) -> None:
    async def collect(access: Access) -> list[Check]:
        return [check async for check in cluster_checks(access)]

    [check] = asyncio.run(collect(access_to("http://127.0.0.1:1")))
    assert (check.identifier, check.state) == ("cluster-unreachable", "failed")
    assert check.fix
