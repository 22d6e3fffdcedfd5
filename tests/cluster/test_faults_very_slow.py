"""A realisation that takes longer than kubelet and containerd wait for a container; last, as it takes its time."""

import json
from datetime import datetime

import pytest
from fault_cluster import SLOW_S
from fault_node import BrokenCluster

pytestmark = [pytest.mark.cluster, pytest.mark.endurance]


@pytest.mark.parametrize("pod", ["slow-always", "slow-never"])
def test_a_realisation_longer_than_any_deadline_ends_in_a_running_pod(broken: BrokenCluster, pod: str) -> None:
    broken.wait_running(pod, timeout_s=SLOW_S + 240)
    found = broken.pods()[pod]
    (status,) = found["status"]["containerStatuses"]
    began = datetime.fromisoformat(found["metadata"]["creationTimestamp"])
    started = datetime.fromisoformat(status["state"]["running"]["startedAt"])
    assert (started - began).total_seconds() > 120
    assert status["restartCount"] == 0
    events = broken.events(pod)
    told = [event["message"] for event in events if event["reason"] == "EnvironmentRealising"]
    assert any(all(word in text for word in (" MB of ", " are here", " s left")) for text in told), told
    assert "failed to reserve container name" not in json.dumps(events)
    assert not any(event["reason"] in {"EnvironmentFailed", "Failed"} for event in events)
