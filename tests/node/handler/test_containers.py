"""Containers of pods with environments, made by the real runc as containerd has it made.

What is asserted is what an image with the environment as its content and configuration would show.
"""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from runc_containers import PATH, user_namespace

pytestmark = pytest.mark.integration

PLAIN_PATH = PATH.removeprefix("PATH=")


def variables(output: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in output.splitlines())


def test_a_container_runs_the_command_of_its_environment(node):
    ended = node.container().run()
    assert (ended.status, ended.output) == (0, "tool of the environment: by default\n"), ended


def test_a_command_of_the_pod_comes_before_that_of_the_environment(node):
    assert node.container("tool", "of", "the pod").run().output == "tool of the environment: of the pod\n"


def test_the_status_of_the_command_is_that_of_the_container(node):
    assert node.container("sh", "-c", "exit 9").run().status == 9


def test_variables_are_those_of_the_environment_with_the_pods_on_top(node):
    node.plan(vars={"COLOUR": "blue", "LANG": "en", "PLACE": "$HOME/$COLOUR-$SIZE", "WHERE": "plan"})
    ended = node.container("env", env=["SIZE=7", "WHERE=pod"]).run()
    found = variables(ended.output)
    assert found.pop("PATH") == f"{PLAIN_PATH}:/opt/tool/bin"
    expected = node.plan().variables | {"COLOUR": "blue", "LANG": "en", "PLACE": "/root/blue-7", "WHERE": "pod"}
    expected |= {"SIZE": "7", "HOSTNAME": "pod-1", "HOME": "/root"}
    del expected["PATH"]
    assert found == expected


def test_a_path_that_the_pod_sets_is_kept(node):
    ended = node.container("/usr/bin/env", env=["PATH=/usr/bin:/mine"]).run()
    assert variables(ended.output)["PATH"] == "/usr/bin:/mine"


def test_commands_start_in_the_directory_of_the_environment_unless_the_pod_says_another(node):
    node.plan(working_directory="/srv/work")
    assert node.container("pwd").run().output == "/srv/work\n"
    assert node.container("pwd", directory_inside="/var/mine").run().output == "/var/mine\n"


def test_what_is_written_goes_to_the_snapshot_of_containerd_and_packages_stay_as_they_are(node):
    script = "echo new >/usr/bin/tool; echo mine >/etc/mine; rm /etc/passwd; cat /etc/mine"
    container = node.container("sh", "-c", script)
    assert container.run().output == "mine\n"
    assert (container.snapshot / "fs" / "etc" / "mine").read_text() == "mine\n"
    assert node.container("sh", "-c", "cat /etc/mine; test -e /etc/passwd && tool again").run().output == (
        "tool of the environment: again\n"
    )


def test_an_environment_lies_over_the_image(node):
    layers = []
    for number in range(2):
        layer = node.directory / "snapshots" / f"image, {number}" / "fs"
        (layer / "usr" / "share").mkdir(parents=True)
        (layer / "usr" / "share" / f"of-{number}").write_text(f"layer {number}\n")
        (layer / "usr" / "share" / "both").write_text(f"layer {number}\n")
        layers.append(layer)
    (layers[0] / "etc").mkdir()
    (layers[0] / "etc" / "passwd").write_text("nobody knows\n")
    container = node.container(
        "sh",
        "-c",
        "cat /usr/share/of-0 /usr/share/of-1 /usr/share/both; grep -c root /etc/passwd",
        annotations={"environment.breakbulk.dev/main": "ada/tool"},
        image="registry.example/app:1",
        prepared=False,
        layers=[Path(str(layer).replace(",", "\\,")) for layer in layers],
    )
    container.prepare()
    ended = container.run()
    assert ended.output == "layer 0\nlayer 1\nlayer 0\n1\n", ended


def test_long_lists_of_layers_that_containerd_has_shortened(node):
    snapshots = node.directory / "snapshots"
    names = []
    for number in range(45):
        (snapshots / f"{number:03}" / "fs" / "data").mkdir(parents=True)
        (snapshots / f"{number:03}" / "fs" / "data" / str(number)).touch()
        names.append(f"{number:03}/fs")
    container = node.container("sh", "-c", "ls /data | wc -l", prepared=False)
    for folder in (container.rootfs, container.snapshot / "fs", container.snapshot / "work"):
        folder.mkdir(parents=True)
    options = f"lowerdir={':'.join(names)},upperdir={container.snapshot}/fs,workdir={container.snapshot}/work"
    mounting = ["mount", "-i", "-t", "overlay", "overlay", "-o", options, str(container.rootfs)]
    subprocess.run(mounting, cwd=snapshots, check=True, env={"LIBMOUNT_FORCE_MOUNT2": "always", **os.environ})
    assert b"lowerdir=000/fs:001/fs" in Path("/proc/self/mountinfo").read_bytes()
    (container.bundle / "config.json").write_text(json.dumps(container.configuration))
    assert container.run().output == "45\n"


def test_a_snapshot_that_was_mounted_volatile(node):
    container = node.container("tool", prepared=False)
    container.prepare(options=",volatile")
    assert container.run().status == 0


def test_a_read_only_root(node):
    container = node.container("sh", "-c", "touch /mine || echo refused; tool fine", read_only=True)
    ended = container.run()
    assert ended.output == "refused\ntool of the environment: fine\n"
    assert "Read-only file system" in ended.errors


def test_a_user_has_the_group_that_the_environment_knows(node):
    user = {"uid": 33, "gid": 0, "additionalGids": [0, 2000]}
    assert (
        node.container("id", user=user).run().output == "uid=33(www-data) gid=33(www-data) groups=33(www-data),2000\n"
    )


@pytest.mark.parametrize(("strict", "expected"), [(False, "33(www-data),29(audio)"), (True, "33(www-data)")])
def test_a_user_is_in_the_groups_that_the_environment_says_unless_the_pod_wants_none(node, strict, expected):
    node.plan(members={"33": [29]})
    node.record(strict=strict)
    user = {"uid": 33, "gid": 0, "additionalGids": [0]}
    assert node.container("id", user=user).run().output.endswith(f"groups={expected}\n")


def test_a_group_that_the_pod_names_is_kept_even_when_it_is_root_s(node):
    user = {"uid": 33, "gid": 0, "additionalGids": [0]}
    node.record(grouped=["main"])
    assert node.container("id", "-g", user=user).run().output == "0\n"
    assert node.container("id", "-g", user={"uid": 33, "gid": 7}).run().output == "7\n"


ROOT = {"uid": 0, "gid": 0, "additionalGids": [0, 2000]}
WWW = "uid=33(www-data) gid=33(www-data) groups=33(www-data),29(audio),2000\n"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("www-data", WWW),
        ("33", WWW),
        ("www-data:audio", "uid=33(www-data) gid=29(audio) groups=29(audio),2000\n"),
        ("33:0", "uid=33(www-data) gid=0(root) groups=0(root),29(audio),2000\n"),
        ("50000", "uid=50000 gid=0(root) groups=0(root),2000\n"),
        ("50000:50001", "uid=50000 gid=50001 groups=50001,2000\n"),
        ("root", "uid=0(root) gid=0(root) groups=0(root),2000\n"),
    ],
)
def test_the_user_of_the_environment_runs_what_the_pod_names_no_user_for(node, user, expected):
    node.plan(user=user, members={"33": [29]})
    assert node.container("id", user=ROOT).run().output == expected


def test_the_user_that_the_pod_names_runs_even_when_it_is_root(node):
    node.plan(user="www-data")
    assert node.container("id", "-u", user={"uid": 8, "gid": 8}).run().output == "8\n"
    node.record(owned=["main"])
    assert node.container("id", "-u", user=ROOT).run().output == "0\n"


def test_the_variables_of_a_user_of_the_environment_are_those_of_that_user(node):
    node.plan(user="www-data", vars={"CACHE": "$HOME/cache"})
    assert node.container("sh", "-c", "echo $HOME $CACHE", user=ROOT).run().output == "/var/www /var/www/cache\n"


@pytest.mark.parametrize("user", ["nobody-knows", "33:nobody-knows", ":33", "www-data:", "-1", "../../etc"])
def test_a_user_whom_the_environment_does_not_have(node, user):
    node.plan(user=user)
    created = node.container("id", user=ROOT).create()
    assert created.status == 1
    assert created.message.startswith("breakbulk: user-unknown: ")


def test_users_that_nobody_knows_and_the_temporary_directory(node):
    script = "id -u; id -g; echo $HOME; touch /tmp/mine && stat -c %U /tmp/mine"
    ended = node.container("sh", "-c", script, user={"uid": 50000, "gid": 0}).run()
    assert ended.output == "50000\n0\n/\nUNKNOWN\n", ended


def test_signals_are_as_runc_leaves_them(node):
    mine = node.container("grep", "^Sig[IB]", "/proc/self/status").run().output
    blocked, ignored = (int(line.split()[1], 16) for line in mine.splitlines())
    assert blocked == 0
    # The C library keeps two numbers to itself, which no program can set and some callers leave ignored.
    assert not [one for one in signal.valid_signals() if ignored >> one - 1 & 1]


@pytest.mark.parametrize(
    ("annotations", "fields"),
    [
        ({"breakbulk.dev/skip-containers": "other, main"}, {}),
        ({"flox.dev/skip-containers": "main"}, {}),
        ({"environment.breakbulk.dev/main": "none"}, {}),
        ({"environment.breakbulk.dev/main": ""}, {}),
        ({}, {"environment": None, "image": "registry.example/app:1"}),
        ({}, {"kind": "something-else"}),
    ],
)
def test_a_container_without_an_environment_is_left_as_it_is(node, annotations, fields):
    container = node.container("nothing", annotations=annotations, **fields)
    before = (container.bundle / "config.json").read_bytes()
    ended = container.run()
    assert ended.status is None
    assert "breakbulk" not in ended.message
    assert '"nothing": executable file not found' in ended.message
    assert (container.bundle / "config.json").read_bytes() == before
    assert not (container.bundle / "breakbulk.json").exists()


def test_containers_of_a_pod_have_environments_of_their_own(node):
    node.plan("ada/other", "e" * 64, command=["echo", "of another environment"])
    node.record({"ada/tool": node.plan().digest, "ada/other:4": "e" * 64})
    annotations = {"environment.breakbulk.dev/sidecar": "ada/other:4"}
    assert node.container(annotations=annotations).run().output == "tool of the environment: by default\n"
    assert node.container(annotations=annotations, name="sidecar").run().output == "of another environment\n"


def test_a_reference_with_a_digest_needs_neither_record_nor_agent(node):
    (node.run / "pods" / "6f2f4c0e-7d4f-4a7e-9f7d-0f1f3d1c2b3a.json").unlink()
    assert node.container(environment=f"ada/tool@sha256:{'d' * 64}").run().status == 0


def test_annotations_of_flox(node):
    container = node.container(
        environment=None, annotations={"flox.dev/environment": "ada/tool"}, image="flox/empty:1.0.0"
    )
    assert container.run().output == "tool of the environment: by default\n"


def test_files_belong_to_the_users_of_a_user_namespace(node):
    with user_namespace() as held:
        script = "stat -c %u:%g /usr/bin/bash /; touch /mine && stat -c %u /mine; tool inside; cat /proc/self/uid_map"
        container = node.container("sh", "-c", script, user_namespace=held, prepared=False)
        container.prepare(owner=200000)
        ended = container.run()
    lines = ended.output.splitlines()
    assert lines[:4] == ["0:0", "0:0", "0", "tool of the environment: inside"], ended
    assert lines[4].split() == ["0", "200000", "65536"]
    assert (container.snapshot / "fs" / "mine").stat().st_uid == 200000


def test_deletion_leaves_nothing(node):
    container = node.container()
    container.run()
    container.delete()
    assert node.mounts() == []
    assert not container.bundle.exists()
