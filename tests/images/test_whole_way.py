"""Exported environments in a container engine: what they print is what they print as environments."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from shell_machines import Machine

from images import Engine, registry

pytestmark = pytest.mark.integration

MANIFEST = """\
[install]
tool = { path = "./tool" }
rich = { pypi = "rich", version = ">=14" }

[vars]
COLOUR = "blue"
PLACE = "$HOME/of $COLOUR things"

[hook]
on-activate = '''
echo activating
export FROM_HOOK="$COLOUR hook"
'''
on-deactivate = "echo the end"

[containerize.config]
cmd = ["say"]
exposed-ports = ["8080/tcp"]
labels = { team = "tickets" }

[options]
systems = ["x86_64-linux"]
suite = "bookworm"
"""
SAY = """\
#!/bin/bash
echo "$COLOUR|${PLACE#"$HOME"}|$FROM_HOOK|$FLOX_ENV|$#"
python3 -c 'import rich, sys; print(rich.__file__, sys.version_info[:2])'
find /usr/bin /opt/tool | sort | sha256sum
exit "${1:-0}"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def machine(place: Path, shared_cache: Path) -> Machine:
    """A machine with an environment that has a source of its own, variables, and hooks."""
    made = Machine(place / "here", BREAKBULK_CACHE=str(shared_cache), HOME=os.environ.get("HOME", "/root"))
    (made.work / "tool" / "bin").mkdir(parents=True)
    (made.work / "tool" / "bin" / "say").write_text(SAY)
    (made.work / "tool" / "bin" / "say").chmod(0o755)
    (made.work / "breakbulk.toml").write_text(MANIFEST)
    made("push", "ada/say")
    return made


@pytest.fixture(scope="module")
def engine(place: Path) -> Iterator[Engine]:
    made = Engine(place / "engine")
    yield made
    made.remove()


def test_an_image_says_what_the_environment_says(machine: Machine, engine: Engine, place: Path) -> None:
    expected = machine("run", "--", "say").stdout.splitlines()
    assert len(expected) == 3
    archive = place / "say.tar"
    document = machine.document("export", "ada/say", "--oci", str(archive))
    assert document["layers"] > 30
    tag = engine._call("podman", *engine.storage, "load", "--quiet", "-i", str(archive)).split()[-1]
    assert engine.run(tag).splitlines() == expected
    assert engine.run(tag, "bash", "-c", "echo $FROM_HOOK; id -un") == "blue hook\nroot\n"
    failed = subprocess.run(
        ["podman", *engine.storage, "--cgroup-manager", "cgroupfs", "--runtime", "runc", "run", "--rm", "--network",
         "host", *_limits(), tag, "say", "7"],
        env=engine.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert failed.returncode == 7
    assert failed.stderr.splitlines()[-2:] == ["activating", "the end"]


def _limits() -> list[str]:
    from images import LIMITS

    return LIMITS


def test_the_same_environment_is_the_same_image_and_two_share_layers(machine: Machine, tmp_path: Path) -> None:
    first = machine.document("export", "ada/say", "--oci", str(tmp_path / "one"))
    again = machine.document("export", ".", "--oci", str(tmp_path / "two.tar"))
    assert _layers(tmp_path / "one", first)["layers"] == _layers(tmp_path / "one", first)["layers"]
    assert first["layers"] == again["layers"]
    same = machine.document("export", "ada/say:1", "--oci", str(tmp_path / "one"))
    assert same["digest"] == first["digest"]
    assert same["bytes_sent"] == 0
    (machine.work / "tool" / "bin" / "other").write_text("another\n")
    machine("push", "ada/say")
    second = machine.document("export", "ada/say:2", "--oci", str(tmp_path / "one"))
    assert second["digest"] != first["digest"]
    assert second["bytes_sent"] < first["bytes_sent"] / 100
    names = [
        each["annotations"]["org.opencontainers.image.ref.name"]
        for each in json.loads((tmp_path / "one" / "index.json").read_text())["manifests"]
    ]
    assert names == ["ada/say", "ada/say:1", "ada/say:2"]
    for blob in (tmp_path / "one" / "blobs" / "sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def _layers(directory: Path, document: dict) -> dict:
    return json.loads((directory / "blobs" / "sha256" / document["digest"].removeprefix("sha256:")).read_text())


def test_an_image_in_a_registry_is_pulled_and_run(machine: Machine, engine: Engine) -> None:
    expected = machine("run", "-e", "ada/say:1", "--", "say").stdout.splitlines()[:2]
    with registry() as host:
        pushed = machine.document("export", "ada/say:1", "--oci", f"{host}/team/say:1")
        again = machine.document("export", "ada/say:1", "--oci", f"{host}/team/say:1")
        assert again["bytes_sent"] < 100_000 < pushed["bytes_sent"]
        engine.pull(f"{host}/team/say:1")
        assert engine.run(f"{host}/team/say:1").splitlines()[:2] == expected


def test_a_directory_with_something_else_is_left_alone(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("here\n")
    refused = machine("export", "ada/say:1", "--oci", str(tmp_path), code=2)
    assert "not-an-image-layout" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
