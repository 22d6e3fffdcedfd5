from breakbulk.kubernetes.apply import ordered
from breakbulk.kubernetes.objects import (
    AgentDaemon,
    agent_account,
    agent_daemon_set,
    agent_policy,
    namespace,
    runtime_classes,
)


def test_runtime_classes_send_pods_to_prepared_nodes() -> None:
    ours, flox = runtime_classes()
    assert (ours["metadata"]["name"], ours["handler"]) == ("breakbulk", "breakbulk")
    assert (flox["metadata"]["name"], flox["handler"]) == ("flox", "flox")
    assert ours["scheduling"]["nodeSelector"] == {"breakbulk.dev/ready": "true"}
    [plain] = runtime_classes(["flox"], {})
    assert "scheduling" not in plain


def test_the_agent_may_do_no_more_than_it_does() -> None:
    [role] = [each for each in agent_account() if each["kind"] == "ClusterRole"]
    allowed = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert allowed == {
        ("pods", "get"),
        ("pods", "list"),
        ("pods", "watch"),
        ("pods/status", "patch"),
        ("nodes", "get"),
        ("nodes", "patch"),
        ("nodes/status", "patch"),
        ("events", "create"),
        ("events", "patch"),
    }


def test_the_daemon_set_runs_everywhere_and_keeps_few_capabilities() -> None:
    made = agent_daemon_set(
        AgentDaemon(image="i", command=("breakbulk", "node", "agent"), install_command=("install",))
    )
    pod = made["spec"]["template"]["spec"]
    [agent] = pod["containers"]
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert agent["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert {mount["name"] for mount in agent["volumeMounts"]} < {volume["name"] for volume in pod["volumes"]}
    assert pod["initContainers"][0]["command"] == ["install"]
    without = agent_daemon_set(AgentDaemon(image="i", command=("x",)))["spec"]["template"]["spec"]
    assert "initContainers" not in without
    assert {volume["name"] for volume in pod["volumes"]} - {volume["name"] for volume in without["volumes"]} == {
        "program"
    }
    assert "/" not in [volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume]


def test_what_others_need_is_applied_first_and_what_can_refuse_them_last() -> None:
    policy, binding = agent_policy()
    given = [binding, agent_daemon_set(AgentDaemon(image="i", command=("x",))), policy, *agent_account(), namespace()]
    kinds = [each["kind"] for each in ordered(given)]
    assert kinds[:3] == ["Namespace", "ServiceAccount", "ClusterRole"]
    assert kinds.index("ClusterRole") < kinds.index("DaemonSet")
    assert kinds[-1] == "ValidatingAdmissionPolicyBinding"
