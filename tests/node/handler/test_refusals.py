"""What goes wrong on a node is said in runc's log, where containerd looks, and nothing runs."""

import json
import subprocess
from datetime import datetime

import pytest
from runc_containers import as_nobody, user_namespace
from scripted_agent import Agent

pytestmark = pytest.mark.integration


def refused(container) -> str:
    """Return what is said, having checked that nothing has happened."""
    configuration = (container.bundle / "config.json").read_bytes()
    ended = container.run()
    assert ended.status is None, ended
    assert (ended.output, ended.errors) == ("", "")
    assert (container.bundle / "config.json").read_bytes() == configuration
    assert not container.known
    (line,) = ended.log
    assert line["level"] == "error"
    assert datetime.fromisoformat(line["time"]).tzinfo
    assert line["msg"].startswith("breakbulk: ")
    return line["msg"].removeprefix("breakbulk: ")


@pytest.fixture
def patient(node):
    """A node whose handler waits less long for an agent that is away."""
    node.deadline_s = 0.5
    node.install()
    return node


def test_the_agent_is_away_and_needed(patient):
    patient.record({"ada/another": "d" * 64})
    said = refused(patient.container())
    assert said.startswith("agent-away: an environment has to be made ready, and the node agent does not answer; at ")
    assert "agent.sock" in said
    assert "fix: start it on this node" in said


def test_what_the_agent_says_is_wrong(node):
    node.record({})
    words = "nothing on the hub is called ada/tool; fix: push it"
    answer = {"ready": False, "error": "environment-unknown", "message": words, "retry": True}
    with Agent(node.run, lambda _: answer) as agent:
        assert refused(node.container()) == f"environment-unknown: {words}"
    (question,) = agent.questions
    assert question["prepare"]["annotations"] == {"breakbulk.dev/environment": "ada/tool"}
    assert question["prepare"]["uid"] == node.container().configuration["annotations"]["io.kubernetes.cri.sandbox-uid"]
    assert 9 < question["within_s"] <= 10


def test_an_agent_that_is_not_root_s_is_not_believed(patient):
    patient.record({})
    with as_nobody(patient.run):
        assert refused(patient.container()).startswith("agent-away: ")


def test_something_of_the_environment_is_missing_whatever_the_agent_says(node):
    node.plan(lowers=[f"{node.realised.store}/packages/gone", *map(str, node.realised.lowers)])
    with Agent(node.run, lambda _: {"ready": True}):
        assert refused(node.container()).startswith("plan-missing: ")


def test_a_plan_for_another_environment_with_the_same_digest_is_not_used(node):
    node.record({"eve/tool": "d" * 64})
    (node.state / "plans" / f"eve~tool~{'d' * 64}.json").write_bytes(
        (node.state / "plans" / f"ada~tool~{'d' * 64}.json").read_bytes()
    )
    with Agent(node.run, lambda _: {"ready": True}):
        assert refused(node.container(environment="eve/tool")).startswith("plan-missing: ")


@pytest.mark.parametrize("outside", ["/etc", "{store}/packages/../../secret"])
def test_directories_outside_of_the_store_are_never_mounted(node, outside):
    (node.realised.store.parent / "secret").mkdir(exist_ok=True)
    node.plan(lowers=[*map(str, node.realised.lowers), outside.format(store=node.realised.store)])
    assert refused(node.container()).startswith("plan-damaged: ")


def test_more_packages_than_an_overlay_takes(node):
    node.plan(lowers=[str(node.realised.lowers[0])] * 451)
    assert refused(node.container()).startswith("too-many-layers: a container cannot be made of 451 packages; ")


def test_nobody_says_what_to_run(node):
    node.plan(command=[])
    assert refused(node.container()).startswith("command-missing: neither the pod nor its environment says what to run")


def test_variables_that_cannot_be_expanded(node):
    node.plan(vars={"PLACE": "$NOBODY_SETS_THIS/x"})
    said = refused(node.container())
    assert said.startswith("vars-undefined: ")
    assert "ada/tool:3" in said


def test_the_stub_image_and_no_environment(node):
    assert refused(node.container("sh", environment=None)).startswith("environment-missing: ")


def test_an_annotation_that_cannot_be_understood(node):
    container = node.container(annotations={"breakbulk.dev/activate-mode": "other\n"})
    assert refused(container).startswith("annotation-invalid: ")


def test_a_root_that_is_no_overlay(node):
    container = node.container(prepared=False)
    container.rootfs.mkdir(parents=True)
    (node.directory / "tree").mkdir()
    subprocess.run(["mount", "--bind", node.directory / "tree", container.rootfs], check=True)
    (container.bundle / "config.json").write_text(json.dumps(container.configuration))
    assert refused(container).startswith("rootfs-unknown: ")


def test_a_root_that_is_a_link_or_elsewhere(node):
    for path in ("link", "../elsewhere", "/etc", "", "..", "."):
        container = node.container(prepared=False)
        container.configuration["root"]["path"] = path
        container.prepare()
        (container.bundle / "link").symlink_to("rootfs")
        assert refused(container).startswith("bundle-invalid: ")


def test_a_configuration_that_is_a_link(node):
    container = node.container()
    (container.bundle / "config.json").rename(container.bundle / "other.json")
    (container.bundle / "config.json").symlink_to("other.json")
    assert refused(container).startswith("handler-failed: ")


def test_a_uid_that_would_lead_elsewhere(node):
    assert refused(node.container(uid="../../plans/x")).startswith("bundle-invalid: ")


def test_an_image_below_a_user_namespace(node, image):
    with user_namespace() as held:
        fields = {"user_namespace": held, "layers": [image]}
        annotated = {"environment.breakbulk.dev/main": "ada/tool"}
        container = node.container(image="registry.example/app:1", annotations=annotated, **fields)
        assert refused(container).startswith("image-below-user-namespace: ")
        assert node.container("tool", **fields).run().output == "tool of the environment: \n"


def test_runc_is_missing(node):
    node.runc = str(node.directory / "no-runc")
    node.install()
    container = node.container()
    ended = container.create()
    assert ended.status == 1
    assert ended.message.startswith("breakbulk: runc-missing: ")


def test_errors_go_to_standard_error_where_there_is_no_log(node):
    container = node.container(annotations={"breakbulk.dev/activate-mode": "x"})
    command = [container.runtime, "create", "--bundle", container.bundle, container.id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("breakbulk: annotation-invalid: ")


def test_logs_in_the_other_format(node):
    container = node.container(annotations={"breakbulk.dev/activate-mode": "x"})
    log = node.directory / "log"
    command = [container.runtime, "--log", log, "create", "--bundle", container.bundle, container.id]
    assert subprocess.run(command, check=False).returncode == 1
    assert ' level=error msg="breakbulk: annotation-invalid: ' in log.read_text()


def test_the_mount_of_containerd_stays_when_something_is_refused(node):
    container = node.container("sh", environment=None)
    before = node.mounts()
    refused(container)
    assert node.mounts() == before
