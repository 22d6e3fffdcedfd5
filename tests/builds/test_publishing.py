"""What is built here and published is installed elsewhere, with what it needs, and run."""

import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from breakbulk.builds.building import build
from breakbulk.builds.publishing import publish, releases_of, source_of
from breakbulk.builds.recipes import select
from breakbulk.errors import BuildError, UsageError
from breakbulk.hub.opening import open_hub
from breakbulk.hub.packages import PublishedPackages
from breakbulk.hub.records import Authorship
from breakbulk.library.catalogue import HubCatalogue
from breakbulk.manifest.schema import ArchiveInstall, PathInstall, PypiInstall

pytestmark = pytest.mark.integration

BY = Authorship(author="ada", host="here", command="publish", time=datetime(2026, 1, 1, tzinfo=UTC))
VENV = """
[build.greet]
command = '''
pip wheel --quiet --no-index --no-build-isolation --no-deps --wheel-dir /tmp/wheels ./greet
python3 -m venv --without-pip --system-site-packages "$out"
pip --python "$out/bin/python" install --quiet --no-index --find-links /tmp/wheels greet
'''
version = "1.0"
runtime-packages = ["setuptools"]
license = "MIT"
"""
PROJECT = {
    "greet/pyproject.toml": "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
    "[project]\nname = 'greet'\nversion = '1.0'\nscripts = { greet = 'greet:main' }\n",
    "greet/greet.py": "import sys\ndef main():\n    import setuptools\n    print('from', sys.prefix)\n",
}
SIMPLE = "[build.tool]\ncommand = 'mkdir -p $out; cp data $out/'\nruntime-packages = []\n"


def git(directory: Path, *words: str) -> str:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    return subprocess.run(
        ["git", "-C", directory, *words], check=True, capture_output=True, text=True, env=os.environ | who
    ).stdout.strip()


def commit(ground) -> str:
    git(ground.directory, "init", "--quiet")
    git(ground.directory, "add", ".")
    git(ground.directory, "commit", "--quiet", "--message", "all")
    return git(ground.directory, "rev-parse", "HEAD")


def published(ground, listener, *, dirty: bool = False):
    recipes = select(ground.manifest, (), ground.system)
    source = source_of(ground, dirty=dirty)
    built = [build(recipe, ground, listener) for recipe in recipes]
    hub = open_hub(ground.settings)
    return [
        publish(hub, release, source, BY, ground, reporter=listener) for release in releases_of(built, "ada", ground)
    ]


def test_a_virtual_environment_that_was_published_runs_elsewhere(project, listener, tmp_path):
    hub = tmp_path / "hub"
    ground = project(VENV, PROJECT, hub=str(hub))
    revision = commit(ground)
    (done,) = published(ground, listener)
    assert done.new
    assert done.recorded.publication.source.revision == revision
    assert done.recorded.publication.release.runtime == {"setuptools": {"pypi": "setuptools"}}

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "breakbulk.toml").write_text(
        f'[install]\ngreet.pkg-path = "ada/greet"\n[options]\nsystems = ["{ground.system}"]\n'
    )
    own = {
        "BREAKBULK_STORE": str(tmp_path / "store"),
        "BREAKBULK_CACHE": str(ground.settings.cache),
        "BREAKBULK_HUB": str(hub),
    }

    def breakbulk(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "breakbulk", *words],
            cwd=elsewhere,
            env=os.environ | own,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert breakbulk("run", "greet") == "from /opt/greet\n"
    listed = {each["id"]: each for each in json.loads(breakbulk("list", "--all", "--json"))["packages"]}
    assert listed["hub:greet"]["version"] == "1.0"
    assert listed["hub:greet"]["license"] == "MIT"
    assert "pypi:setuptools" in listed
    assert "pypi:pip" not in listed
    lock = json.loads((elsewhere / "breakbulk.lock").read_text())
    package = next(each for each in lock["systems"][ground.system]["packages"] if each["ecosystem"] == "hub")
    assert package["dependencies"] == ["pypi:setuptools"]
    archive = hub / "objects" / package["sha256"][:2] / package["sha256"]
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == package["sha256"]

    archive.chmod(0o644)
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    own["BREAKBULK_STORE"] = str(tmp_path / "second")
    refused = subprocess.run(
        [sys.executable, "-m", "breakbulk", "run", "--json", "greet"],
        cwd=elsewhere,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(refused.stdout)["error"] == "digest-mismatch"
    assert "greet" in refused.stdout


def test_the_same_is_published_once(project, listener, tmp_path):
    ground = project(SIMPLE, {"data": "1"}, hub=str(tmp_path / "hub"))
    commit(ground)
    (first,), (again,) = published(ground, listener), published(ground, listener)
    assert (first.new, again.new) == (True, False)
    assert again.recorded == first.recorded
    assert again.bytes_sent == 0
    (ground.directory / "data").write_text("2")
    git(ground.directory, "commit", "--quiet", "--all", "--message", "more")
    (other,) = published(ground, listener)
    assert other.recorded.publication.number == 2
    assert len(HubCatalogue(ground.settings).releases("ada/tool")) == 2


def test_what_is_not_committed_is_refused_unless_it_is_said(project, listener, tmp_path):
    ground = project(SIMPLE, {"data": "1"}, hub=str(tmp_path / "hub"))
    with pytest.raises(BuildError, match="project-dirty"):
        published(ground, listener)
    commit(ground)
    assert not source_of(ground, dirty=False).dirty
    (ground.directory / "result-tool").symlink_to("/somewhere")
    (ground.directory / ".breakbulk").mkdir()
    (ground.directory / ".breakbulk" / "state").touch()
    assert not source_of(ground, dirty=False).dirty
    (ground.directory / "new").touch()
    with pytest.raises(BuildError) as refused:
        published(ground, listener)
    assert "new" in refused.value.why
    (done,) = published(ground, listener, dirty=True)
    assert done.recorded.publication.source.dirty


@pytest.mark.parametrize(
    "install",
    [PathInstall(path="x"), ArchiveInstall(url="https://a/b", sha256="0" * 64), PypiInstall(pypi="a @ file:///b")],
)
def test_what_only_this_machine_has_cannot_come_along(project, listener, install):
    ground = project(SIMPLE.replace("[]", '["pip"]'), {"data": "1"})
    built = [build(recipe, ground, listener) for recipe in select(ground.manifest, (), ground.system)]
    manifest = msgspec.structs.replace(ground.manifest, install={"pip": install})
    with pytest.raises(BuildError) as refused:
        releases_of(built, "ada", msgspec.structs.replace(ground, manifest=manifest))
    assert refused.value.reference == "runtime-package-unsupported"


@pytest.mark.parametrize("owner", ["Ada", "..", "a b", ""])
def test_an_owner_that_cannot_be_is_refused(project, listener, owner):
    ground = project(SIMPLE, {"data": "1"})
    built = [build(recipe, ground, listener) for recipe in select(ground.manifest, (), ground.system)]
    with pytest.raises(UsageError, match="reference-invalid"):
        releases_of(built, owner, ground)


def test_levels_of_cpu_are_one_release(project, listener, tmp_path):
    text = "[build.fast]\ncommand = 'mkdir $out; echo $CFLAGS > $out/flags'\nruntime-packages = []\n"
    ground = project(text + 'cpu = ["x86_64-v3", "x86_64-v2"]\n', {"data": "1"}, hub=str(tmp_path / "hub"))
    (done,) = published(ground, listener, dirty=True)
    artifacts = done.recorded.publication.release.artifacts
    assert [each.cpu for each in artifacts] == ["x86_64-v2", "x86_64-v3"]
    assert len({each.sha256 for each in artifacts}) == 2
    assert PublishedPackages(open_hub(ground.settings).objects).names() == {"ada/fast": 1}


def test_the_best_that_a_processor_can_run_is_taken(project, listener, tmp_path):
    hub = tmp_path / "hub"
    text = (
        "[build.fast]\ncommand = 'mkdir -p $out/bin; echo \"echo $CFLAGS\" > $out/bin/fast; chmod +x $out/bin/fast'\n"
    )
    ground = project(text + 'cpu = ["x86_64-v2", "x86_64-v3", "x86_64-v4"]\nruntime-packages = []\n', {}, hub=str(hub))
    published(ground, listener, dirty=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "breakbulk.toml").write_text(
        f'[install]\nfast.pkg-path = "ada/fast"\n[options]\nsystems = ["{ground.system}"]\n'
    )

    def breakbulk(level: str, *words: str) -> subprocess.CompletedProcess:
        own = {
            "BREAKBULK_STORE": str(ground.settings.store),
            "BREAKBULK_CACHE": str(ground.settings.cache),
            "BREAKBULK_HUB": str(hub),
            "BREAKBULK_CPU": level,
        }
        command = [sys.executable, "-m", "breakbulk", *words]
        return subprocess.run(command, cwd=elsewhere, env=os.environ | own, capture_output=True, text=True, check=False)

    assert breakbulk("x86_64-v3", "run", "fast").stdout == "-O2 -march=x86-64-v3\n"
    assert breakbulk("x86_64-v2", "run", "fast").stdout == "-O2 -march=x86-64-v2\n"
    assert breakbulk("x86_64-v4", "run", "fast").stdout == "-O2 -march=x86-64-v4\n"
    assert "(x86_64-v4)" in breakbulk("x86_64-v4", "list").stdout
    lock = json.loads((elsewhere / "breakbulk.lock").read_text())
    (package,) = (each for each in lock["systems"][ground.system]["packages"] if each["ecosystem"] == "hub")
    assert [each["cpu"] for each in package["variants"]] == ["x86_64-v3", "x86_64-v4"]

    assert breakbulk("x86_64-v3", "push", "ada/env").returncode == 0
    own_store = {"BREAKBULK_STORE": str(tmp_path / "second"), "BREAKBULK_CPU": "x86_64-v2"}
    variables = {"BREAKBULK_CACHE": str(ground.settings.cache), "BREAKBULK_HUB": str(hub)}
    remote = subprocess.run(
        [sys.executable, "-m", "breakbulk", "run", "-e", "ada/env", "fast"],
        cwd=tmp_path,
        env=os.environ | variables | own_store,
        capture_output=True,
        text=True,
        check=False,
    )
    assert remote.stdout == "-O2 -march=x86-64-v2\n", remote.stderr
    refused = breakbulk("x86_64-v1", "run", "--json", "fast")
    assert json.loads(refused.stdout)["error"] == "cpu-unsupported"
