"""Variables, hooks and profile, with Flox's semantics."""

import json

import pytest

pytestmark = pytest.mark.integration


def error_of(done):
    return json.loads(done.stderr.strip().splitlines()[-1])


def test_vars_then_hook_then_command(runner):
    runner.manifest = {
        "vars": {"BASE": "$HOME/data", "URL": "file://${BASE}"},
        "hook": {"on-activate": 'echo noise; export URL="$URL/x"; export MANY=$\'a\\nb "c"\'; local_only=1; cd /'},
    }
    done = runner.run("bash", "-c", 'echo "$URL|$MANY|$local_only|$PWD|$FLOX_ENV_PROJECT|$BREAKBULK_ENV"')
    project = runner.project
    assert done.stdout == f'file://{runner.home}/data/x|a\nb "c"||{project}|{project}|{project.name}\n'
    assert done.stderr == "noise\n"


def test_cache_directory_is_there(runner):
    assert runner.run("bash", "-c", 'touch "$FLOX_ENV_CACHE/x"').returncode == 0
    assert (runner.project / ".breakbulk/cache/x").exists()


def test_failing_last_command_is_no_failure_as_in_flox(one_runner):
    one_runner.manifest = {"hook": {"on-activate": "f() { return 3; }; f"}}
    assert one_runner.run("true").returncode == 0


@pytest.mark.parametrize(
    ("script", "status", "line"),
    [
        ("echo a\nexit 3", 3, None),
        ("set -e\necho a\nfalse\necho b", 1, "3"),
        ("if then", 2, None),
        ("exec true", 0, None),
        ("kill -9 $$", 137, None),
    ],
)
def test_hook_that_does_not_reach_its_end(one_runner, script, status, line):
    one_runner.manifest = {"hook": {"on-activate": script}}
    done = one_runner.run("echo", "never")
    error = error_of(done)
    assert (done.returncode, error["error"], done.stdout) == (77, "hook-failed", "")
    assert f"status {status} " in error["what"]
    assert ("why" in error and error["why"].split()[-1]) == (line or False)


def test_deactivation_comes_last_and_changes_no_status(one_runner):
    one_runner.manifest = {"hook": {"on-activate": "export A=1", "on-deactivate": "echo bye $A; false"}}
    done = one_runner.run("bash", "-c", "echo command >&2; exit 4")
    assert done.returncode == 4
    assert done.stderr.splitlines()[:2] == ["command", "bye 1"]


def test_hook_needs_bash(one_runner, tmp_path):
    one_runner.manifest = {"hook": {"on-activate": "true"}}
    (tmp_path / "empty/etc").mkdir(parents=True)
    done = one_runner.run("true", lowers=[str(tmp_path / "empty")])
    assert error_of(done)["error"] == "hook-needs-bash"


def test_variables_that_cannot_be_expanded(one_runner):
    one_runner.manifest = {"vars": {"A": "$UNHEARD_OF"}}
    assert error_of(one_runner.run("true"))["error"] == "vars-undefined"


def test_profile_is_for_interactive_shells_only(one_runner):
    one_runner.manifest = {
        "profile": {
            "common": "alias hi='echo common'",
            "bash": "hey() { echo bash; }",
            "deactivate": {"bash": "echo end"},
        }
    }
    done = one_runner.run("bash", "-c", "hey; hi")
    assert done.stdout == ""
    document = one_runner.argv(None)
    import subprocess

    shell = subprocess.run(
        document,
        env=one_runner.variables(),
        cwd=one_runner.project,
        input="hey\nhi\nexit 6\n",
        text=True,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert (shell.returncode, shell.stdout.split()) == (6, ["bash", "common", "end"])
