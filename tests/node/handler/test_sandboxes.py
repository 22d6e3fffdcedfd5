"""The gate: the sandbox of a pod waits until the environments of its containers are there."""

import threading

import pytest
from scripted_agent import Agent

pytestmark = pytest.mark.integration


def sandbox(node, image, **fields):
    """Make the first container of a pod, which kubelet makes before all others and again if it fails."""
    return node.container("sh", "-c", "echo sandbox", kind="sandbox", image="", name="", layers=[image], **fields)


def test_it_starts_at_once_when_everything_is_there_and_is_not_put_into_an_environment(node, image):
    container = sandbox(node, image)
    before = (container.bundle / "config.json").read_bytes()
    assert container.run().output == "sandbox\n"
    assert (container.bundle / "config.json").read_bytes() == before


def test_it_waits_until_the_environment_is_there(node, image):
    node.record({})
    asked, ready = threading.Event(), threading.Event()

    def realise(_question):
        asked.set()
        assert ready.wait(30)
        node.plan()
        node.record()
        return {"ready": True}

    with Agent(node.run, realise):
        container = sandbox(node, image)
        ended = []
        thread = threading.Thread(target=lambda: ended.append(container.create()))
        thread.start()
        assert asked.wait(30)
        assert thread.is_alive()
        ready.set()
        thread.join(60)
        assert ended[0].status == 0
    assert node.container().run().status == 0


@pytest.mark.parametrize("missing", ["plan", "record", "package", "another container's"])
def test_it_asks_when_something_is_missing(node, image, missing):
    annotations = {}
    if missing == "plan":
        (node.state / "plans" / f"ada~tool~{'d' * 64}.json").unlink()
    elif missing == "record":
        (node.run / "pods" / "6f2f4c0e-7d4f-4a7e-9f7d-0f1f3d1c2b3a.json").unlink()
    elif missing == "package":
        node.plan(lowers=[f"{node.realised.store}/packages/gone"])
    else:
        annotations = {"environment.breakbulk.dev/sidecar": "ada/other"}
    refusal = {"ready": False, "error": "realising", "message": "3 of 7 MB; about 2 s left", "retry": True}
    with Agent(node.run, lambda _: refusal):
        ended = sandbox(node, image, annotations=annotations).create()
    assert (ended.status, ended.message) == (1, "breakbulk: realising: 3 of 7 MB; about 2 s left")


def test_an_agent_that_is_replaced_in_the_middle_is_asked_again(node, image):
    node.record({})
    answers = iter([None, None, {"ready": True}])
    with Agent(node.run, lambda _: next(answers)) as agent:
        assert sandbox(node, image).create().status == 0
    assert len(agent.questions) == 3


def test_an_agent_that_comes_late_is_found(node, image):
    node.record({})
    container = sandbox(node, image)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(container.create()))
    thread.start()
    with Agent(node.run, lambda _: {"ready": True}):
        thread.join(60)
    assert ended[0].status == 0


def test_a_pod_without_environments_asks_nobody(node, image):
    assert sandbox(node, image, environment=None).run().output == "sandbox\n"


def test_annotations_are_refused_before_anything_of_the_pod_runs(node, image):
    ended = sandbox(node, image, annotations={"environment.breakbulk.dev/x": "a\x00b"}).run()
    assert ended.status is None
    assert ended.message.startswith("breakbulk: annotation-invalid: ")


def test_containers_that_were_added_to_a_running_pod_keep_their_image(node, image):
    fields = {"image": "registry.example/app:1", "layers": [image], "name": "debugger"}
    with Agent(node.run, lambda question: {"ephemeral": question["ephemeral"]["container"] == "debugger"}) as agent:
        container = node.container("sh", "-c", "echo $FLOX_ENV; tool", **fields)
        assert container.run().output == "\n"
        assert node.container("tool", **{**fields, "name": "main"}).run().status == 0
    assert [question["ephemeral"]["container"] for question in agent.questions] == ["debugger", "main"]
    assert node.container("tool", **fields).run().status == 0, "while the agent is away"
    node.record(ephemeral=["debugger"])
    assert node.container("sh", "-c", "echo $FLOX_ENV", **fields).run().output == "\n"
