"""Sources from the manifest to a tree."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.listings import listings
from breakbulk.ecosystems.source import Source, anchored, changed_source
from breakbulk.errors import BuildError, LockError, ManifestError, ResolutionError
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package, Python
from breakbulk.manifest.schema import GitInstall, Manifest, Options, PathInstall
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

Write = Callable[[Mapping[str, str]], Path]
Ask = Callable[..., Request]
PYTHON = Python(version="3.11", tag="cpython-311", package="deb:python3.11")
PROJECT = {
    "pyproject.toml": """
        [build-system]
        requires = []
        build-backend = "backend"
        backend-path = ["."]
        [project]
        name = "My_Tool"
        version = "1.2"
    """,
    "my_tool.py": "x = 1\n",
    # A back end of the test's own, so that no registry is needed.
    "backend.py": r"""
import base64, hashlib, zipfile
OWN = "my_tool-1.2.dist-info"
METADATA = "Metadata-Version: 2.4\nName: My_Tool\nVersion: 1.2\nLicense-Expression: MIT\nRequires-Dist: rich\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
def line(name, text):
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{name},sha256={digest},{len(text)}\n"
def build_wheel(directory, config_settings=None, metadata_directory=None):
    files = {"my_tool.py": open("my_tool.py").read(), f"{OWN}/METADATA": METADATA, f"{OWN}/WHEEL": WHEEL}
    files[f"{OWN}/RECORD"] = "".join(line(*item) for item in files.items()) + f"{OWN}/RECORD,,\n"
    file = f"my_tool-1.2-py3-none-{open('platform').read()}.whl"
    with zipfile.ZipFile(f"{directory}/{file}", "w") as opened:
        for item in files.items():
            opened.writestr(zipfile.ZipInfo(item[0]), item[1])
    return file
""",
    "platform": "any",
}


def resolve(request: Request, settings: Settings) -> Package:
    (package,) = Source().resolve(request, settings, SILENT).packages
    return package


def unpack(package: Package, install: PathInstall | GitInstall, settings: Settings, tmp_path: Path) -> Path:
    (location,) = Source().locate(package, install, settings)
    assert location.path is not None
    into = tmp_path / "tree"
    into.mkdir()
    Source().unpack(location.path, package, PYTHON, into)
    return into


def lock_of(package: Package) -> Lock:
    return Lock(lock_version=LOCK_VERSION, manifest={}, systems={"x86_64-linux": LockedSystem(packages=(package,))})


def test_a_directory_becomes_a_tree_at_its_destination(
    write: Write, request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    write({"run": "#!/bin/sh", "data/x": "x", "left.log": ""})
    install = PathInstall(path="source", exclude=("*.log",), priority=3)
    package = resolve(request_for({"app": install}), own)
    assert (package.name, package.destination, package.priority) == ("app", "/opt/app", 3)
    assert package.version == str(package.tree)[:12]
    assert package.why == ("install.app",)
    into = unpack(package, install, own, tmp_path)
    assert {str(path.relative_to(into)) for path in into.rglob("*") if path.is_file()} == {
        "opt/app/run",
        "opt/app/data/x",
    }
    assert os.access(into / "opt/app/run", os.X_OK)


def test_an_unchanged_source_keeps_its_package_and_a_changed_one_is_seen(
    write: Write, request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    root = write({"a": "1"})
    install = PathInstall(path="source", destination="/srv/a")
    package = resolve(request_for({"app": install}), own)
    manifest, lock = Manifest(install={"app": install}), lock_of(package)
    assert changed_source(lock, manifest, tmp_path, own) is None
    assert resolve(request_for({"app": install}), own) == package
    (root / "a").write_text("2")
    assert changed_source(lock, manifest, tmp_path, own) == "app"
    assert resolve(request_for({"app": install}), own).sha256 != package.sha256


def test_an_archive_that_is_gone_is_made_again_if_the_source_is_the_same(
    write: Write, request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    root = write({"a": "1"})
    install = PathInstall(path="source")
    package = resolve(request_for({"app": install}), own)
    absolute = anchored(Manifest(install={"app": install}), tmp_path).install["app"]
    elsewhere = replace(own, store=tmp_path / "store2", cache=tmp_path / "cache2")
    (location,) = Source().locate(package, absolute, elsewhere)
    assert location.path is not None
    assert location.path.is_file()
    (root / "a").write_text("2")
    location.path.unlink()
    with pytest.raises(LockError, match=r"source-changed.*files have changed.*breakbulk lock"):
        list(Source().locate(package, absolute, elsewhere))


@pytest.fixture
def project(write: Write) -> Path:
    return write(PROJECT)


def test_what_a_changed_wheel_owns_is_known_though_no_index_has_it(
    project: Path, request_for: Ask, own: Settings
) -> None:
    install = PathInstall(path="source")
    package = resolve(request_for({"tool": install}, python=PYTHON), own)
    found = listings([msgspec.structs.replace(package, python=PYTHON.tag)], {"tool": install}, own, SILENT)
    assert "usr/local/lib/python3.11/dist-packages/my_tool.py" in found[package.id]


def test_a_python_project_becomes_a_wheel(project: Path, request_for: Ask, own: Settings, tmp_path: Path) -> None:
    install = PathInstall(path="source")
    package = resolve(request_for({"tool": install}, python=PYTHON), own)
    assert (package.name, package.version, package.file) == ("my-tool", "1.2", "my_tool-1.2-py3-none-any.whl")
    assert (package.license, package.python, package.source, package.destination) == (
        "MIT",
        "cpython-311",
        "tool",
        None,
    )
    into = unpack(package, install, own, tmp_path)
    assert (into / "usr/local/lib/python3.11/dist-packages/my_tool.py").read_text() == "x = 1\n"
    assert sorted(os.listdir(project)) == sorted(PROJECT), "building leaves nothing in the source"


def test_a_project_with_a_destination_is_a_tree(project: Path, request_for: Ask, own: Settings) -> None:
    package = resolve(request_for({"tool": PathInstall(path="source", destination="/srv/tool")}), own)
    assert (package.name, package.destination) == ("tool", "/srv/tool")


def test_settings_of_tools_make_no_project(write: Write, request_for: Ask, own: Settings) -> None:
    write({"pyproject.toml": "[tool.ruff]\n", "a.py": ""})
    assert resolve(request_for({"app": PathInstall(path="source")}), own).file == "app.tar"


def test_compiled_wheels_are_for_the_running_system_only(project: Path, request_for: Ask, own: Settings) -> None:
    (project / "platform").write_text("linux_x86_64")
    request = request_for({"tool": PathInstall(path="source")})
    assert resolve(request, own).file.endswith("linux_x86_64.whl")
    other = "aarch64-linux" if request.system == "x86_64-linux" else "x86_64-linux"
    with pytest.raises(ResolutionError, match=r"source-platform.*systems = "):
        resolve(msgspec.structs.replace(request, system=other), own)


def test_a_build_that_fails_says_what_the_back_end_said(project: Path, request_for: Ask, own: Settings) -> None:
    (project / "my_tool.py").unlink()
    with pytest.raises(BuildError, match=r"my_tool\.py") as refused:
        resolve(request_for({"tool": PathInstall(path="source")}), own)
    assert refused.value.where == str(project)
    assert refused.value.hint == f"run `uv build --wheel {project}` to see everything that it says"


def test_a_pyproject_that_is_no_toml_is_named(write: Write, request_for: Ask, own: Settings) -> None:
    write({"pyproject.toml": "[project\n"})
    with pytest.raises(ManifestError, match="pyproject-invalid"):
        resolve(request_for({"tool": PathInstall(path="source")}), own)


def test_two_sources_of_one_distribution_are_refused(project: Path, request_for: Ask, own: Settings) -> None:
    install = PathInstall(path="source")
    with pytest.raises(ResolutionError, match=r"source-name-collision.*install\.a, install\.b"):
        resolve(request_for({"a": install, "b": install}), own)


def test_a_commit_is_locked_and_moves_only_when_asked(
    write: Write, git: Callable[..., str], request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    write({"sub/a": "1", ".gitignore": "ignored", "ignored": "i"})
    git("init", "-q", "-b", "main")
    git("add", "-A", "-f")
    git("commit", "-q", "-m", "x")
    install = GitInstall(git="./source", branch="main")
    package = resolve(request_for({"app": install}), own)
    assert package.rev == git("rev-parse", "HEAD")
    assert package.version == str(package.rev)[:12]
    assert {path.name for path in unpack(package, install, own, tmp_path).rglob("*") if path.is_file()} == {
        "a",
        ".gitignore",
        "ignored",
    }
    write({"sub/a": "2"})
    git("commit", "-q", "-a", "-m", "y")
    assert resolve(request_for({"app": install}, locked=(package,)), own) == package
    for names in (frozenset(), frozenset({"app"})):
        moved = resolve(request_for({"app": install}, locked=(package,), upgrade=names), own)
        assert moved.rev == git("rev-parse", "HEAD")
    assert resolve(request_for({"app": install}, locked=(package,), upgrade=frozenset({"other"})), own) == package


def test_a_subdirectory_of_a_commit(
    write: Write, git: Callable[..., str], request_for: Ask, own: Settings, tmp_path: Path
) -> None:
    write({"sub/a": "1", "b": "2"})
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    install = GitInstall(git="./source", subdirectory="sub")
    package = resolve(request_for({"app": install}), own)
    assert (unpack(package, install, own, tmp_path) / "opt/app/a").read_text() == "1"
    with pytest.raises(ResolutionError, match="git-subdirectory-missing"):
        resolve(request_for({"app": GitInstall(git="./source", subdirectory="none")}), own)


@pytest.mark.integration
def test_a_version_from_tags_is_found(write: Write, git: Callable[..., str], request_for: Ask, own: Settings) -> None:
    write(
        {
            "pyproject.toml": """
                [build-system]
                requires = ["hatchling", "hatch-vcs"]
                build-backend = "hatchling.build"
                [project]
                name = "tagged"
                dynamic = ["version"]
                [tool.hatch.version]
                source = "vcs"
            """,
            "tagged.py": "",
            ".gitignore": "dist\n",
        }
    )
    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "x")
    git("tag", "v4.5.6")
    for install in (PathInstall(path="source"), GitInstall(git="./source")):
        request = msgspec.structs.replace(request_for({"t": install}), options=Options())
        assert resolve(request, own).version == "4.5.6"
