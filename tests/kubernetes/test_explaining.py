"""Every way in which a pod does not run that we know of: the step, the cause and the fix."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import (
    ENVIRONMENT,
    crashing,
    event,
    node,
    pod,
    running,
    runtime_class,
    sandbox_failed,
    unscheduled,
    waiting,
)

from breakbulk.kubernetes.explaining import explain
from breakbulk.kubernetes.explanation import Explanation, Facts

Object = dict[str, Any]
START_FAILED = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: error during container init: "
)


def facts(found: Object | None, *events: Object, **others: Any) -> Facts:
    known = {"node": node(), "runtime_class": runtime_class(), "environments": (ENVIRONMENT,)}
    return Facts(namespace="team", name="web-1", pod=found, events=events, **{**known, **others})


def explained(found: Object | None, *events: Object, **others: Any) -> Explanation:
    return explain(facts(found, *events, **others))


def condition(reason: str, message: str, status: str = "False") -> Object:
    return {"type": "breakbulk.dev/EnvironmentReady", "status": status, "reason": reason, "message": message}


def test_a_pod_that_runs_has_taken_every_step() -> None:
    explanation = explained(running())
    assert explanation.running
    assert [step.state for step in explanation.steps] == ["done"] * 8
    assert {step.name: step.detail for step in explanation.steps}["environment realised"] == ENVIRONMENT


def test_a_job_that_ran_to_its_end_has_come_all_the_way() -> None:
    ended = running(ready=False, state={"terminated": {"exitCode": 0, "reason": "Completed"}})
    ended["status"]["phase"] = "Succeeded"
    assert explained(ended).running


def test_what_follows_the_step_that_fails_is_pending() -> None:
    explanation = explained(unscheduled("0/1 nodes are available: 1 Insufficient cpu."), node=None)
    assert [step.state for step in explanation.steps] == ["done", "failed", *["pending"] * 6]
    assert explanation.stuck
    assert explanation.stuck.name == "scheduled"


def test_a_pod_without_an_environment_has_no_step_for_it() -> None:
    assert "environment realised" not in {step.name for step in explained(running(), environments=()).steps}


ADMISSION = [
    ('pod rejected: RuntimeClass "breakbulk" not found', "runtime-class-missing", "breakbulk node manifest"),
    (
        "exceeded quota: compute, requested: limits.cpu=2, used: limits.cpu=1, limited: limits.cpu=2",
        "quota-exceeded",
        "kubectl describe quota compute",
    ),
    ("failed quota: compute: must specify limits.cpu for: web", "quota-needs-resources", "resources"),
    (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false, runAsNonRoot != true',
        "pod-security-refused",
        "securityContext",
    ),
    (
        'error looking up service account team/robot: serviceaccount "robot" not found',
        "service-account-missing",
        "robot",
    ),
    ("no PriorityClass with name high was found", "priority-class-missing", "priorityClassName"),
    ("maximum cpu usage per Container is 1, but limit is 2", "limit-range-refused", "limitrange"),
    ('admission webhook "guard.example.com" denied the request: no', "webhook-refused", "change"),
    ("something else that nobody foresaw", "pod-refused", "change"),
]


@pytest.mark.parametrize(("message", "identifier", "fix"), ADMISSION)
def test_a_pod_that_admission_refuses(message: str, identifier: str, fix: str) -> None:
    refused = event(
        "FailedCreate", f'Error creating: pods "web-6b7-x" is forbidden: {message}', about="ReplicaSet/web-6b7"
    )
    explanation = explained(None, owner="ReplicaSet web-6b7", owner_events=(refused,))
    assert explanation.stuck
    assert explanation.stuck.name == "admitted"
    cause = explanation.stuck.cause
    assert cause
    assert cause.identifier == identifier
    assert fix in (cause.fix or "")
    assert message in (cause.why or "")
    assert explanation.phase == "Refused"


def test_a_controller_that_says_nothing_is_said_to_say_nothing() -> None:
    explanation = explained(None, owner="Deployment web")
    assert explanation.stuck
    assert explanation.stuck.state == "waiting"
    assert explanation.stuck.cause
    assert explanation.stuck.cause.identifier == "pod-not-made"


SCHEDULING = [
    ("0/2 nodes are available: 2 Insufficient memory.", "resources-insufficient", "resources.requests"),
    ("0/1 nodes are available: 1 Too many pods.", "too-many-pods", "maxPods"),
    (
        "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.",
        "taints-not-tolerated",
        "toleration",
    ),
    ("0/1 nodes are available: 1 node(s) had untolerated taint(s).", "taints-not-tolerated", "toleration"),
    ('persistentvolumeclaim "data" not found', "volume-claim-missing", "volumes"),
    (
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        "volume-claim-unbound",
        "StorageClass",
    ),
    ("0/1 nodes are available: 1 node(s) had volume node affinity conflict.", "volume-elsewhere", "local"),
    ("no nodes available to schedule pods", "no-nodes", "kubectl get nodes"),
    (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        "host-port-taken",
        "hostPort",
    ),
    (
        "0/2 nodes are available: 1 node(s) had untolerated taint {a: }, 1 didn't match Pod's node affinity/selector.",
        "no-node-matches",
        "kubectl",
    ),
    ("something new", "unschedulable", ""),
]


@pytest.mark.parametrize(("message", "identifier", "fix"), SCHEDULING)
def test_a_pod_that_no_node_takes(message: str, identifier: str, fix: str) -> None:
    _stuck(explained(unscheduled(message), node=None), "scheduled", identifier, fix)


def test_a_selector_of_the_runtime_class_that_no_node_meets_is_about_preparing_nodes() -> None:
    message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    plain = node()
    plain["metadata"]["labels"] = {"kubernetes.io/os": "linux"}
    found = explained(unscheduled(message), node=None, nodes=(plain,))
    _stuck(found, "scheduled", "node-not-prepared", "breakbulk node install")


def test_a_selector_of_the_pod_that_no_node_meets_names_the_label() -> None:
    wants = unscheduled("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
    wants["spec"]["nodeSelector"] = {"disk": "fast"}
    found = explained(wants, node=None, nodes=(node(),))
    _stuck(found, "scheduled", "no-node-matches", "kubectl label node NODE disk=fast")


def test_a_scheduler_that_does_not_run() -> None:
    silent = unscheduled("")
    silent["status"]["conditions"] = []
    _stuck(explained(silent, node=None), "scheduled", "scheduler-silent", "kube-scheduler", "waiting")


NODE = [
    (node(ready="Unknown"), (), "node-not-ready", "kubelet"),
    (node(runtimeHandlers=[{"name": ""}, {"name": "runc"}]), (), "runtime-not-configured", "breakbulk node install"),
    (
        node(runtimeHandlers=[]),
        (
            event(
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: "
                'no runtime for "breakbulk" is configured',
            ),
        ),
        "runtime-not-configured",
        "breakbulk node doctor",
    ),
    (node(ours="Unknown"), (), "agent-away", "breakbulk-agent"),
    (None, (), "node-gone", "delete the pod"),
]


@pytest.mark.parametrize(("on", "events", "identifier", "fix"), NODE)
def test_a_node_that_cannot(on: Object | None, events: tuple[Object, ...], identifier: str, fix: str) -> None:
    _stuck(explained(pod(), *events, node=on), "node prepared", identifier, fix)


@pytest.mark.parametrize("reason", ["OutOfcpu", "NodeAffinity", "UnexpectedAdmissionError", "NodeShutdown"])
def test_a_pod_that_kubelet_refuses(reason: str) -> None:
    refused = pod(phase="Failed", reason=reason, message="Pod was rejected")
    _stuck(explained(refused), "node prepared", "node-refused", "delete the pod")


VOLUMES = [
    ('MountVolume.SetUp failed for volume "c" : configmap "settings" not found', "config-map-missing", "optional"),
    ('MountVolume.SetUp failed for volume "s" : secret "token" not found', "secret-missing", "optional"),
    ('MountVolume.SetUp failed for volume "c" : references non-existent config key: a.txt', "key-missing", "a"),
    (
        'MountVolume.SetUp failed for volume "h" : hostPath type check failed: /data is not a directory',
        "host-path-missing",
        "node",
    ),
    (
        'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node',
        "volume-in-use",
        "delete",
    ),
    ('MountVolume.MountDevice failed for volume "pvc-1" : driver not found', "volume-not-mounted", "CSI"),
]


@pytest.mark.parametrize(("message", "identifier", "fix"), VOLUMES)
def test_a_volume_that_is_not_there(message: str, identifier: str, fix: str) -> None:
    _stuck(explained(pod(), event("FailedMount", message)), "volumes mounted", identifier, fix)


def test_a_volume_that_came_later_is_no_trouble() -> None:
    late = event("FailedMount", 'configmap "settings" not found', "00:00:01")
    explanation = explained(pod(), late, sandbox_failed('plugin type="bridge" failed'))
    assert explanation.stuck
    assert explanation.stuck.name != "volumes mounted"


ENVIRONMENT_FAILURES = [
    (
        "environment-unknown: there is no environment ada/tickets; at the hub; fix: push it",
        "environment-unknown",
        "push it",
    ),
    (
        "digest-mismatch: a package is not what was locked; at deb:jq; its digest differs; fix: report it",
        "digest-mismatch",
        "report",
    ),
    ("signature-refused: nobody who is trusted signed it; fix: breakbulk key trust", "signature-refused", "key trust"),
    (
        "disk-full: the disk of the store is full; at /var/lib/breakbulk; fix: breakbulk store gc",
        "disk-full",
        "store gc",
    ),
]


@pytest.mark.parametrize(("message", "identifier", "fix"), ENVIRONMENT_FAILURES)
@pytest.mark.parametrize("told_by", ["condition", "event", "handler"])
def test_an_environment_that_cannot_be_realised(message: str, identifier: str, fix: str, told_by: str) -> None:
    found, events = pod(), ()
    if told_by == "condition":
        found["status"]["conditions"].append(condition("EnvironmentFailed", message))
    elif told_by == "event":
        events = (event("EnvironmentFailed", message),)
    else:
        events = (sandbox_failed(f"breakbulk: {message}"),)
    explanation = explained(found, *events)
    _stuck(explanation, "environment realised", identifier, fix)


def test_an_agent_that_is_away_is_known_from_what_the_handler_says() -> None:
    message = (
        "breakbulk: agent-away: an environment has to be made ready, and the node agent does not answer; at "
        "/run/breakbulk/agent.sock; Connection refused; fix: start it on this node (`systemctl start breakbulk-agent`)"
    )
    explanation = explained(pod(), sandbox_failed(message), node=node(ours="Unknown"))
    _stuck(explanation, "node prepared", "agent-away", "breakbulk-agent")
    explanation = explained(pod(), sandbox_failed(message))
    _stuck(explanation, "environment realised", "agent-away", "systemctl start breakbulk-agent")


def test_a_realisation_in_progress_shows_how_far_it_is() -> None:
    message = "12.0 MB of 300 MB, about 40 s left"
    found = pod()
    found["status"]["conditions"].append(condition("EnvironmentRealising", message))
    again = sandbox_failed("breakbulk: environment-not-ready: it is being realised")
    for events in ((), (again,)):
        explanation = explained(found, *events)
        _stuck(explanation, "environment realised", "realising", "wait", "waiting")
        assert explanation.stuck
        assert explanation.stuck.cause
        assert explanation.stuck.cause.why == message


def test_an_agent_that_says_nothing_is_waited_for() -> None:
    _stuck(explained(pod()), "environment realised", "agent-silent", "breakbulk node doctor", "waiting")


def test_a_network_that_cannot_be_made() -> None:
    failed = event(
        "FailedCreatePodSandBox",
        'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "4f": '
        'plugin type="bridge" name="pods" failed (add): no addresses',
    )
    ready = condition("EnvironmentReady", "", "True")
    found = pod()
    found["status"]["conditions"].append(ready)
    _stuck(explained(found, failed), "sandbox made", "network-failed", "/etc/cni/net.d")


CONTAINERS = [
    (
        waiting("ErrImageNeverPull", 'Container image "empty:1" is not present with pull policy of Never'),
        "image-missing",
        "breakbulk node install",
    ),
    (
        waiting("ImagePullBackOff", 'Back-off pulling image "docker.io/breakbulk/empty:1"'),
        "image-not-pulled",
        "breakbulk node install",
    ),
    (
        waiting("ErrImagePull", 'failed to resolve reference "r/y:1": r/y:1: not found'),
        "image-unknown",
        "breakbulk/empty:1",
    ),
    (
        waiting("InvalidImageName", 'Failed to apply default image tag "A B": couldn\'t parse image name'),
        "image-name-invalid",
        "image",
    ),
    (waiting("CreateContainerConfigError", 'secret "token" not found'), "secret-missing", "optional"),
    (
        waiting("CreateContainerConfigError", "couldn't find key a in ConfigMap team/settings"),
        "key-missing",
        "optional",
    ),
    (
        waiting("CreateContainerConfigError", 'container has runAsNonRoot and image will run as root (pod: "web")'),
        "must-not-be-root",
        "runAsUser",
    ),
    (
        waiting("CreateContainerConfigError", 'container\'s runAsUser breaks non-root policy (pod: "web")'),
        "must-not-be-root",
        "runAsUser",
    ),
    (
        waiting("CreateContainerError", 'failed to reserve container name "web_0": name is reserved for "4f"'),
        "container-still-there",
        "crictl",
    ),
    (
        waiting("RunContainerError", START_FAILED + 'exec: "serve": executable file not found in $PATH: unknown'),
        "command-not-found",
        "breakbulk search serve",
    ),
    (
        waiting(
            "RunContainerError", START_FAILED + 'exec: "/srv/run": stat /srv/run: no such file or directory: unknown'
        ),
        "command-not-found",
        "command",
    ),
    (
        waiting("RunContainerError", START_FAILED + 'exec: "/srv/run": permission denied: unknown'),
        "command-not-executable",
        "0755",
    ),
    (
        waiting("RunContainerError", START_FAILED + "exec /srv/run: exec format error: unknown"),
        "command-not-executable",
        "#!",
    ),
    (
        waiting(
            "RunContainerError",
            "OCI runtime create failed: breakbulk: command-missing: there is none; fix: name one: unknown",
        ),
        "command-missing",
        "name one",
    ),
    (
        crashing(128, "StartError", START_FAILED + 'exec: "serve": executable file not found in $PATH: unknown'),
        "command-not-found",
        "breakbulk search serve",
    ),
    (crashing(1), "container-fails", "log"),
    (crashing(0, "Completed"), "container-ends", "Job"),
    (crashing(139), "container-fails", "log"),
    (crashing(77), "hook-failed", "hook.on-activate"),
    (crashing(127), "command-not-found", "breakbulk install"),
    (crashing(137, "OOMKilled"), "out-of-memory", "limits.memory"),
]


@pytest.mark.parametrize(("found", "identifier", "fix"), CONTAINERS)
def test_a_container_that_does_not_run(found: Object, identifier: str, fix: str) -> None:
    _stuck(explained(found), "containers started", identifier, fix)


def test_why_an_image_was_not_pulled_is_in_an_older_event() -> None:
    failed = event("Failed", 'Failed to pull image "r.example/x": 401 Unauthorized', container="web")
    short = event("Failed", "Error: ImagePullBackOff", "00:00:07", container="web")
    found = waiting("ImagePullBackOff", 'Back-off pulling image "r.example/x"')
    _stuck(explained(found, failed, short), "containers started", "image-not-permitted", "imagePullSecrets")


def test_a_crash_shows_code_and_last_lines() -> None:
    explanation = explained(crashing(3), logs={"web": "one\ntwo\n"})
    cause = _stuck(explanation, "containers started", "container-fails", "")
    assert cause.what == "web ended with exit code 3"
    assert cause.log == "one\ntwo"
    assert explanation.notes == ("web was restarted 3 times",)


def test_a_hook_that_fails_has_its_own_words() -> None:
    log = "psql: no\nbreakbulk: hook-failed: the hook ended with status 2 before its end; at the hook; fix: read it\n"
    cause = _stuck(explained(crashing(77), logs={"web": log}), "containers started", "hook-failed", "read it")
    assert cause.what == "the hook ended with status 2 before its end"
    assert "psql: no" in (cause.log or "")


def test_a_liveness_probe_that_kills() -> None:
    events = (
        event("Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 500", container="web"),
        event("Killing", "Container web failed liveness probe, will be restarted", "00:00:06", container="web"),
    )
    cause = _stuck(explained(crashing(137), *events), "containers started", "liveness-probe-failing", "probe")
    assert cause.why == "HTTP probe failed with statuscode: 500"


def test_an_environment_without_a_runtime_class_is_not_there() -> None:
    message = START_FAILED + 'exec: "breakbulk-default-command": executable file not found in $PATH: unknown'
    found = waiting("RunContainerError", message)
    del found["spec"]["runtimeClassName"]
    explanation = explained(found, runtime_class=None)
    _stuck(explanation, "containers started", "runtime-class-not-named", "runtimeClassName: breakbulk")
    assert "environment realised" not in {step.name for step in explanation.steps}


def test_an_init_container_that_fails_is_named() -> None:
    found = pod(
        conditions=[{"type": "PodReadyToStartContainers", "status": "True"}],
        initContainerStatuses=[
            {
                "name": "migrate",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
            }
        ],
        containerStatuses=[{"name": "web", "state": {"waiting": {"reason": "PodInitializing"}}}],
    )
    found["spec"]["initContainers"] = [{"name": "migrate", "image": "x"}]
    assert "migrate" in _stuck(explained(found), "containers started", "container-fails", "log").what


def test_an_eviction_says_what_ran_short() -> None:
    own = pod(
        phase="Failed",
        reason="Evicted",
        message="Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
    )
    _stuck(explained(own), "containers started", "evicted", "raise the limit")
    disk = pod(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage.")
    _stuck(explained(disk), "containers started", "evicted", "breakbulk store gc")


def test_a_readiness_probe_that_fails() -> None:
    failed = event(
        "Unhealthy", "Readiness probe failed: dial tcp 10.1.0.4:8080: connect: connection refused", container="web"
    )
    cause = _stuck(explained(running(ready=False), failed), "ready", "readiness-probe-failing", "kubectl logs")
    assert cause.why == "dial tcp 10.1.0.4:8080: connect: connection refused"


def test_a_probe_that_has_not_answered_yet_and_a_gate_that_is_closed() -> None:
    _stuck(explained(running(ready=False)), "ready", "probes-awaited", "", "waiting")
    gated = running()
    gated["status"]["conditions"] = [each for each in gated["status"]["conditions"] if each["type"] != "Ready"]
    gated["spec"]["readinessGates"] = [{"conditionType": "example.com/balanced"}]
    _stuck(explained(gated), "ready", "readiness-gate", "conditions", "waiting")


def test_a_pod_that_is_being_deleted_says_what_holds_it() -> None:
    ending = running()
    ending["metadata"] |= {"deletionTimestamp": "2026-01-01T00:01:00Z", "finalizers": ["example.com/x"]}
    assert explained(ending).notes == (
        "it is being deleted, by 2026-01-01T00:01:00Z; finalizers hold it: example.com/x",
    )


_TEXT = st.text(max_size=80)
_EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(
            ["FailedMount", "FailedCreatePodSandBox", "EnvironmentFailed", "Unhealthy", "Killing", "Failed"]
        ),
        _TEXT,
    ),
    max_size=4,
)
_STATUSES = st.dictionaries(
    st.sampled_from(["state", "lastState"]),
    st.dictionaries(
        st.sampled_from(["waiting", "terminated", "running"]),
        st.fixed_dictionaries({}, optional={"reason": _TEXT, "message": _TEXT, "exitCode": st.integers(0, 255)}),
    ),
)


@given(events=_EVENTS, status=_STATUSES, on=st.sampled_from([None, node(), node(ready="False")]))
def test_whatever_a_cluster_says_there_is_an_explanation(
    events: list[Object], status: Object, on: Object | None
) -> None:
    found = pod(containerStatuses=[{"name": "web", **status}])
    explanation = explained(found, *events, node=on)
    stuck = explanation.stuck
    assert stuck is None or stuck.cause is not None
    assert [step.state for step in explanation.steps].count("failed") <= 1


def _stuck(explanation: Explanation, step: str, identifier: str, fix: str, state: str = "failed") -> Any:
    stuck = explanation.stuck
    assert stuck
    assert (stuck.name, stuck.state) == (step, state)
    assert stuck.cause
    assert stuck.cause.identifier == identifier
    assert fix in (stuck.cause.fix or "")
    return stuck.cause
