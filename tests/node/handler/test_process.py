"""What a container runs, from what containerd wants and the plan says: tables of wishes and outcomes."""

import pytest

from breakbulk.errors import ManifestError
from breakbulk.node.handler import process
from breakbulk.node.handler.hooking import exports, wrapped
from breakbulk.node.records import MountPlan

CONTAINERD = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def plan(**fields) -> MountPlan:
    given = {"variables": {"PATH": "/plan", "LANG": "C.UTF-8"}, "vars": {}, "path": "/plan", "lowers": []}
    return MountPlan(environment="ada/tool", generation=3, digest="d" * 64, **{**given, **fields})


def test_the_last_of_several_values_counts_and_a_path_of_the_pod_is_kept():
    assert process.table(["A=1", "B=x=y", "A=2", "C="]) == {"A": "2", "B": "x=y", "C": ""}
    assert process.table([f"PATH={CONTAINERD}"]) == {}
    assert process.table([f"PATH={CONTAINERD}", "PATH=/mine"]) == {"PATH": "/mine"}
    assert process.table([f"PATH={CONTAINERD}:/mine"]) == {"PATH": f"{CONTAINERD}:/mine"}


def test_values_refer_to_the_environment_and_to_the_pod():
    made = plan(vars={"A": "$B/$LANG", "B": "${FROM_POD:-nobody}", "H": "$HOME", "PATH": "$PATH:/opt/mine"})
    assert process.defaults(made, {"FROM_POD": "pod"}, "/home/ada") == {
        "PATH": "/plan:/opt/mine",
        "LANG": "C.UTF-8",
        "A": "pod/C.UTF-8",
        "B": "pod",
        "H": "/home/ada",
    }


def test_values_without_references_are_taken_as_they_are():
    assert process.defaults(plan(vars={"A": "plain # text"}), {}, "/")["A"] == "plain # text"


def test_values_that_hold_commands_name_the_environment():
    with pytest.raises(ManifestError) as caught:
        process.defaults(plan(vars={"A": "$(id)"}), {}, "/")
    assert (caught.value.reference, caught.value.where) == ("vars-command", "vars of ada/tool:3")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["breakbulk-default-command"], ["serve", "--all"]),
        (["breakbulk-default-command", "--more"], ["breakbulk-default-command", "--more"]),
        (["sh"], ["sh"]),
        ([], []),
    ],
)
def test_which_command_runs(given, expected):
    assert process.arguments(plan(command=["serve", "--all"]), given) == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"uid": 33, "gid": 0, "additionalGids": [0, 5]}, {"uid": 33, "gid": 33, "additionalGids": [33, 5]}),
        ({"uid": 33, "gid": 0, "additionalGids": [5, 0]}, {"uid": 33, "gid": 33, "additionalGids": [5, 0]}),
        ({"uid": 33}, {"uid": 33, "gid": 33}),
        ({"uid": 33, "gid": 9}, {"uid": 33, "gid": 9}),
        ({"uid": 34, "gid": 0}, {"uid": 34, "gid": 0}),
        ({"uid": 0, "gid": 0}, {"uid": 0, "gid": 0}),
        ({}, {}),
    ],
)
def test_groups_of_users(user, expected):
    assert process.of_user({"user": user}, {"33": 33, "0": 0}, {})["user"] == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"uid": 33, "gid": 0, "additionalGids": [0, 5]}, {"uid": 33, "gid": 33, "additionalGids": [33, 5, 29]}),
        ({"uid": 33, "gid": 9, "additionalGids": [9, 29]}, {"uid": 33, "gid": 9, "additionalGids": [9, 29, 5]}),
        ({"uid": 33}, {"uid": 33, "gid": 33, "additionalGids": [29, 5]}),
        ({"uid": 34}, {"uid": 34}),
    ],
)
def test_groups_that_users_are_members_of(user, expected):
    assert process.of_user({"user": user}, {"33": 33}, {"33": [29, 5]})["user"] == expected


def test_directories():
    assert process.in_directory({"cwd": "/"}, "/srv")["cwd"] == "/srv"
    assert process.in_directory({"cwd": "/mine"}, "/srv")["cwd"] == "/mine"
    assert process.in_directory({"cwd": "/"}, "")["cwd"] == "/"
    assert process.in_directory({}, "/srv")["cwd"] == "/srv"


def test_what_a_hook_has_exported():
    before = ["PATH=/plan", "SAME=1", "GONE=1", "HOME=/"]
    after = b"PATH=/mine:/plan\0SAME=1\0NEW=two\nlines=3\0HOME=/root\0PWD=/x\0SHLVL=0\0_=/x\0TERM=x\0"
    assert exports(before, after) == {"PATH": "/mine:/plan", "NEW": "two\nlines=3"}


def test_what_programs_write_over_their_variables():
    assert exports([], b"nginx: master process\0\0\0   \0=x\0a b=1\0\xff=1\0BASH_FUNC_x%%=() { :; }\0OK=\xff\0") == {
        "OK": "\udcff"
    }


def test_the_hook_and_each_word_of_the_command_are_arguments_of_their_own():
    words = wrapped("echo 'x'\n", "/usr/bin/bash", ["run", "a b"])
    assert words[0] == words[-4] == "/usr/bin/bash"
    assert words[-3:] == ["echo 'x'\n", "run", "a b"]
    assert "echo" not in words[4].replace('echo "breakbulk', "")
