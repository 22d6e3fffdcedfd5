"""What the agent keeps of pods, from objects as the API server gives them."""

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.node.agent.pods import pod_of

POD = {
    "metadata": {
        "name": "web-1",
        "namespace": "shop",
        "uid": "1234",
        "annotations": {
            "breakbulk.dev/environment": "ada/web:3",
            "environment.breakbulk.dev/proxy": "none",
            "flox.dev/skip-containers": "git",
            "kubectl.kubernetes.io/last-applied-configuration": "x" * 10_000,
        },
    },
    "spec": {
        "priority": 7,
        "initContainers": [{"name": "git"}],
        "containers": [{"name": "web", "securityContext": {"runAsGroup": 0}}, {"name": "proxy"}],
        "ephemeralContainers": [{"name": "debugger"}],
    },
    "status": {"phase": "Running"},
}


def test_what_is_kept_of_a_pod() -> None:
    pod = pod_of(POD)
    assert (pod.uid, pod.namespace, pod.name, pod.priority) == ("1234", "shop", "web-1", 7)
    assert pod.references() == ("ada/web:3",)
    assert pod.containers == ("git", "web", "proxy")
    assert pod.grouped == ("web",)
    assert "kubectl.kubernetes.io/last-applied-configuration" not in pod.annotations
    assert (pod.ending, pod.ended) == (False, False)
    assert [pod.is_ephemeral(name) for name in ("web", "git", "debugger", "unseen")] == [False, False, True, True]


def test_a_group_of_the_pod_is_that_of_all_its_containers() -> None:
    pod = pod_of({**POD, "spec": {**POD["spec"], "securityContext": {"runAsGroup": 5}}})
    assert pod.grouped == ("git", "web", "proxy")


def test_a_user_of_the_pod_is_that_of_its_containers() -> None:
    assert pod_of(POD).owned == ()
    assert pod_of({**POD, "spec": {**POD["spec"], "securityContext": {"runAsUser": 0}}}).owned == (
        "git",
        "web",
        "proxy",
    )


def test_a_pod_may_want_no_groups_but_its_own() -> None:
    assert not pod_of(POD).strict
    assert pod_of({**POD, "spec": {"securityContext": {"supplementalGroupsPolicy": "Strict"}}}).strict


def test_a_static_pod_has_the_uid_that_kubelet_and_runtime_know() -> None:
    mirrored = {"kubernetes.io/config.mirror": "abc", "kubernetes.io/config.hash": "abc"}
    pod = pod_of({"metadata": {**POD["metadata"], "annotations": mirrored}})
    assert (pod.uid, pod.object_uid) == ("abc", "1234")


def test_a_pod_says_itself_that_it_is_a_static_one_to_no_avail() -> None:
    pod = pod_of({"metadata": {**POD["metadata"], "annotations": {"kubernetes.io/config.hash": "of-another"}}})
    assert pod.uid == "1234"


def test_ends_of_pods_are_told_apart() -> None:
    ending = pod_of({**POD, "metadata": {**POD["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    ended = pod_of({**POD, "status": {"phase": "Failed"}})
    assert (ending.ending, ending.ended) == (True, False)
    assert (ended.ending, ended.ended) == (False, True)


def test_a_pod_with_annotations_that_are_wrong_is_ours_and_one_without_is_not() -> None:
    def annotated(**annotations: str):
        return pod_of(
            {"metadata": {"annotations": {f"breakbulk.dev/{key}": text for key, text in annotations.items()}}}
        )

    assert annotated(environment="a\x00b").is_ours()
    assert not annotated().is_ours()
    assert not annotated(environment="none").is_ours()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["metadata", "spec", "status", "annotations", "containers", "securityContext", "name", "uid"])


@given(st.dictionaries(FIELDS, st.dictionaries(FIELDS, JSON) | JSON))
def test_no_document_is_too_odd(document) -> None:
    assert pod_of(document).priority is not None
