"""Processes that are started in running containers: `kubectl exec`, probes, lifecycle hooks."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture
def running(node, wait_until):
    """Return a function that starts a container whose command waits, and returns when it does."""

    def start(*args: str, **fields):
        container = node.container(*(args or ("sh", "-c", "touch /running; exec sleep 600")), **fields)
        created = container.create()
        assert created.status == 0, created
        container.start()
        wait_until((container.snapshot / "fs" / "running").exists)
        return container

    return start


def variables(output: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in output.splitlines())


def test_a_process_has_the_variables_of_the_environment(node, running):
    node.plan(vars={"COLOUR": "blue", "WHERE": "plan"})
    container = running(env=["WHERE=pod"])
    found = variables(container.exec("env", env=["TERM=xterm"]).output)
    assert (found["COLOUR"], found["WHERE"], found["TERM"], found["FLOX_ENV"]) == ("blue", "pod", "xterm", "/")
    assert container.exec("tool", "by", "exec").output == "tool of the environment: by exec\n"


def test_a_process_has_what_the_hook_has_exported(node, running):
    node.plan(hook="export FROM_HOOK='two\nlines' WHERE=hook PATH=/mine:$PATH; unset LANG")
    found = running(env=["WHERE=pod"]).exec("sh", "-c", 'echo "$FROM_HOOK|$WHERE|$PATH"').output
    assert found == f"two\nlines|hook|/mine:{node.plan().path}\n"


def test_a_process_is_that_of_the_same_user_in_the_same_directory(node):
    node.plan(working_directory="/srv/work", members={"33": [29]})
    container = node.container("sleep", "600", user={"uid": 33, "gid": 0, "additionalGids": [0]})
    assert container.create().status == 0
    container.start()
    found = container.exec("sh", "-c", "id; pwd").output
    assert found == "uid=33(www-data) gid=33(www-data) groups=33(www-data),29(audio)\n/srv/work\n"


@pytest.mark.parametrize(("user", "group"), [("www-data", "33(www-data)"), ("www-data:29", "29(audio)")])
def test_a_process_is_that_of_the_user_of_the_environment(node, user, group):
    node.plan(user=user)
    container = node.container("sleep", "600", user={"uid": 0, "gid": 0, "additionalGids": [0, 2000]})
    assert container.create().status == 0
    container.start()
    assert container.exec("id").output == f"uid=33(www-data) gid={group} groups={group},2000\n"


def test_exec_outside_of_the_environment(node, running):
    container = running(annotations={"flox.dev/skip-containers-exec": "main"})
    assert "FLOX_ENV" not in container.exec("env").output
    assert b"FLOX_ENV=/" in Path(f"/proc/{_first(container)}/environ").read_bytes()


def test_exec_while_the_hook_runs(node, running):
    node.plan(hook="export EARLY=1; touch /running; sleep 600")
    assert variables(running("tool").exec("env").output)["FLOX_ENV"] == "/"


def test_a_program_that_writes_over_its_variables_spoils_nothing(node, running):
    node.plan(hook="export FROM_HOOK=1")
    script = "exec -a 'x' env -i sleep 600"
    container = running("bash", "-c", f"touch /running; {script}")
    found = variables(container.exec("env").output)
    assert found["FLOX_ENV"] == "/"
    assert found["PATH"] == node.plan().path


def test_a_process_of_a_container_without_an_environment(running, image):
    fields = {"environment": None, "image": "registry.example/app:1", "layers": [image]}
    found = variables(running(**fields).exec("env").output)
    assert found.keys() == {"PATH", "HOSTNAME", "HOME"}


def test_a_command_that_is_not_there(running):
    ended = running().exec("nothing")
    assert ended.status != 0
    assert "executable file not found" in ended.message


def test_the_note_is_for_root_alone(running):
    assert (running().bundle / "breakbulk.json").stat().st_mode & 0o777 == 0o600


def test_a_note_that_is_damaged_fails_closed(running):
    container = running()
    (container.bundle / "breakbulk.json").write_text("{")
    ended = container.exec("env")
    assert (ended.status, ended.output) == (1, "")
    assert ended.message.startswith("breakbulk: bundle-invalid: ")


def _first(container) -> int:
    return int((container.bundle / "init.pid").read_text())
