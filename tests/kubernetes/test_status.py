from datetime import UTC, datetime
from typing import Any

from breakbulk.kubernetes.status import Condition, condition_patch, forgetting_patches, metadata_patch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READY = Condition(type="breakbulk.dev/EnvironmentReady", status=True, reason="EnvironmentReady", message="here")


def _pod(**condition: str) -> dict[str, Any]:
    known = [{"type": READY.type, **condition}] if condition else []
    return {"metadata": {"uid": "u1"}, "status": {"conditions": known}}


def test_a_new_condition_begins_now_and_is_of_this_very_object() -> None:
    patch = condition_patch(_pod(), READY, NOW)
    assert patch == {
        "metadata": {"uid": "u1"},
        "status": {
            "conditions": [
                {
                    "type": READY.type,
                    "status": "True",
                    "reason": "EnvironmentReady",
                    "message": "here",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ]
        },
    }


def test_another_message_keeps_the_time_another_status_does_not() -> None:
    before = {"reason": "EnvironmentReady", "message": "was here", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    same = condition_patch(_pod(status="True", **before), READY, NOW)
    other = condition_patch(_pod(status="False", **before), READY, NOW)
    assert same
    assert other
    assert same["status"]["conditions"][0]["lastTransitionTime"] == "2025-01-01T00:00:00Z"
    assert other["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-02T03:04:05Z"


def test_what_is_already_so_is_not_written() -> None:
    assert condition_patch(_pod(status="True", reason="EnvironmentReady", message="here"), READY, NOW) is None
    node = {"metadata": {"uid": "u", "labels": {"a": "1"}, "annotations": {}}}
    assert metadata_patch(node, {"a": "1", "gone": None}, {}) is None


def test_only_what_differs_is_written_and_none_removes() -> None:
    node = {"metadata": {"uid": "u", "labels": {"a": "1", "b": "2", "other": "x"}}}
    assert metadata_patch(node, {"a": "1", "b": None, "c": "3"}, {"d": "4"}) == {
        "metadata": {"uid": "u", "labels": {"b": None, "c": "3"}, "annotations": {"d": "4"}}
    }


def test_what_others_say_of_a_node_is_not_forgotten() -> None:
    node = {
        "metadata": {"uid": "u", "labels": {"ours/a": "1", "b": "2"}, "annotations": {"ours/c": "3", "d": "4"}},
        "status": {"conditions": [{"type": "Ready"}, {"type": "Ours"}]},
    }
    assert forgetting_patches(node, "ours/", "Ours") == (
        {"metadata": {"uid": "u", "labels": {"ours/a": None}, "annotations": {"ours/c": None}}},
        {"metadata": {"uid": "u"}, "status": {"conditions": [{"$patch": "delete", "type": "Ours"}]}},
    )
    assert forgetting_patches(node, "theirs/", "Theirs") == (None, None)
