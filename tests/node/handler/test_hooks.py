"""`hook.on-activate` in front of a container's command, with the meaning it has in `environment.hooks`."""

import os
import signal

import pytest

pytestmark = pytest.mark.integration


def test_the_command_has_what_the_hook_exports_and_not_what_it_writes(node):
    node.plan(hook="echo activating\nexport COLOUR=blue\nSECRET=not-exported\ndeclare -x LATER=1")
    ended = node.container("sh", "-c", 'echo "$COLOUR|$SECRET|$LATER"').run()
    assert (ended.status, ended.output, ended.errors) == (0, "blue||1\n", "activating\n")


def test_the_default_command_comes_after_the_hook_too(node):
    node.plan(hook="export COLOUR=blue")
    assert node.container().run().output == "tool of the environment: by default\n"


def test_arguments_arrive_as_they_are(node):
    node.plan(hook="set -- changed; shift; IFS=x")
    arguments = ["", "two words", "$HOME `id`", "back\\slash", "new\nline", "-c", "ümlaut"]
    ended = node.container("bash", "-c", 'printf "<%s>" "$@"', *arguments).run()
    assert ended.output == "".join(f"<{each}>" for each in arguments[1:])


@pytest.mark.parametrize(
    "hook",
    [
        "export A=1\nfalse",
        "export A=1\nreturn\nexport A=2",
        "export A=1\nreturn 3",
        "set -eu\nexport A=1",
        "cd /tmp\nexport A=1",
        "export A=1\nunset PATH HOME",
        "export A=1\nexec 3>/dev/null\ntrap 'echo no' EXIT",
        "sleep 0 &\nexport A=1",
    ],
)
def test_hooks_that_reach_their_end(node, hook):
    node.plan(hook=hook)
    ended = node.container("/bin/sh", "-c", 'echo "$A $PWD"; /usr/bin/pwd').run()
    assert (ended.status, ended.output) == (0, "1 /\n/\n"), ended


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("exit", "status 0 before its end"),
        (
            "true\nfalse\nexit 3",
            "status 3 before its end; at hook.on-activate; the last command that failed is in line 2",
        ),
        ("if true\n", "status 2 before its end"),
        ("set -e\nfalse\nexport A=1", "status 1 before its end"),
        ("set -u\n: $NOBODY_SET_THIS", "before its end"),
    ],
)
def test_hooks_that_do_not_reach_their_end(node, hook, said):
    node.plan(hook=hook)
    ended = node.container("sh", "-c", "echo must not run").run()
    assert (ended.status, ended.output) == (77, ""), ended
    assert "breakbulk: hook-failed: " in ended.errors
    assert said in ended.errors


def test_nothing_of_the_hook_stays(node):
    node.plan(hook="true")
    script = "ls /proc/self/fd | wc -l; cat /proc/1/comm; echo /proc/[0-9]*; env | grep -c breakbulk_"
    ended = node.container("bash", "-c", f"{script}; exit 0").run()
    plain = node.container(
        "bash", "-c", f"{script}; exit 0", annotations={"environment.breakbulk.dev/main": "ada/plain"}
    )
    node.plan("ada/plain", "e" * 64)
    node.record({"ada/plain": "e" * 64})
    assert ended.output == plain.run().output


def test_variables_are_those_without_a_hook(node):
    found = node.container("env").run().output.splitlines()
    node.plan(hook="true")
    hooked = node.container("env").run().output.splitlines()
    assert sorted(set(hooked) - set(found)) == ["PWD=/", "SHLVL=0"]
    assert set(found) <= set(hooked)


def test_a_hook_in_a_read_only_root_as_an_ordinary_user(node):
    node.plan(hook="# " + "x" * 100_000 + "\nexport COLOUR=blue")
    container = node.container("sh", "-c", "echo $COLOUR", read_only=True, user={"uid": 50000, "gid": 50000})
    assert container.run().output == "blue\n"


def test_a_hook_that_is_too_long(node):
    node.plan(hook="# " + "x" * 140_000)
    assert node.container("tool").run().message.startswith("breakbulk: hook-too-long: ")


def test_a_hook_needs_bash(node):
    lowers = [str(lower) for lower in node.realised.lowers if not (lower / "usr" / "bin" / "bash").exists()]
    node.plan(hook="true", lowers=lowers)
    container = node.container("tool")
    assert container.run().message.startswith("breakbulk: hook-needs-bash: the environment has a hook, but no bash")


def test_a_container_ends_when_it_is_told_to_while_the_hook_waits(node, wait_until):
    node.plan(hook="sleep infinity & touch /waiting; wait $!")
    container = node.container("tool")
    assert container.create().status == 0
    container.start()
    wait_until((container.snapshot / "fs" / "waiting").exists)
    os.kill(int((container.bundle / "init.pid").read_text()), signal.SIGTERM)
    ended = container.wait()
    assert (ended.status, ended.output) == (77, "")
    assert "status 143 before its end" in ended.errors
