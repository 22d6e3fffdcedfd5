"""Which source archive is built: the version, the date, the Python and the constraints decide; nothing is executed."""

import hashlib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.pypi import Pypi
from breakbulk.ecosystems.pypi.sdists import Candidate, choose, constrained
from breakbulk.ecosystems.pypi.simple_api import ProjectFile
from breakbulk.errors import NotFoundError
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Options, PypiInstall

PYTHON = Python(version="3.11", tag="cpython-311", package="deb:python3.11")


def candidate(version: str, uploaded: str | None = None, **more: object) -> Candidate:
    file = ProjectFile(f"tool-{version}.tar.gz", f"https://i.invalid/{version}", "0" * 64, uploaded, **more)
    return Candidate(version=Version(version), file=file)


def chosen(*candidates: Candidate, specifier: str = "", **options: str | None) -> str | None:
    given = {"python": "3.11", "snapshot": None, "held": None} | options
    found = choose(candidates, SpecifierSet(specifier), **given)
    return None if found is None else str(found.version)


def test_the_newest_that_is_asked_for_is_taken():
    offered = [candidate(version) for version in ("1.0", "1.10", "1.9", "2.0rc1")]
    assert chosen(*offered) == "1.10"
    assert chosen(*offered, specifier="<1.10") == "1.9"
    assert chosen(*offered, specifier=">=2.0rc1") == "2.0rc1"
    assert chosen(*offered, specifier=">3") is None


def test_the_locked_one_stays_while_it_will_do():
    offered = [candidate(version) for version in ("1.0", "1.1")]
    assert chosen(*offered, held="1.0") == "1.0"
    assert chosen(*offered, held="1.0", specifier=">1.0") == "1.1"


def test_what_was_not_there_at_the_snapshot_is_not_there():
    offered = [
        candidate("1.0", "2024-01-01T00:00:00Z"),
        candidate("1.1", "2024-06-01T10:00:00.123Z"),
        candidate("1.2"),
    ]
    assert chosen(*offered, snapshot="2024-05-31") == "1.0"
    assert chosen(*offered, snapshot="2024-06-01") == "1.1"
    assert chosen(*offered, snapshot="2024-06-01T09:00:00Z") == "1.0"
    assert chosen(*offered) == "1.2"


def test_a_version_for_another_python_or_withdrawn_is_passed_over():
    offered = [
        candidate("1.0"),
        candidate("1.1", requires_python=">=3.12"),
        candidate("1.2", yanked=True),
        candidate("0.9", requires_python="no specifier"),
    ]
    assert chosen(*offered) == "1.0"
    assert chosen(*offered, python="3.12") == "1.1"
    assert chosen(*offered, specifier="==1.2") == "1.2"
    assert chosen(*offered, specifier="<1") == "0.9"


def test_constraints_about_it_count(tmp_path: Path):
    path = tmp_path / "constraints.txt"
    path.write_text("# a comment\n--extra-index-url x\nTool<2  # as others\nother==1\n")
    assert constrained(Requirement("tool>1"), [path]) == SpecifierSet("<2,>1")


@pytest.fixture
def links(tmp_path: Path) -> Path:
    directory = tmp_path / "links"
    directory.mkdir()
    for name in ("tool-1.0.tar.gz", "tool-1.1.zip", "tool-1.0-py3-none-any.whl", "toolbox-3.0.tar.gz"):
        (directory / name).write_text(name)
    return directory


def asked(settings, links: Path, install: PypiInstall, **more: object):
    environment = {"UV_FIND_LINKS": str(links), "UV_NO_INDEX": "1", "PATH": "/usr/bin", "PIP_NO_INDEX": "1"}
    settings.environment.clear()
    settings.environment.update(environment)
    request = Request(system="x86_64-linux", installs={}, options=Options(), directory=links, python=PYTHON, **more)
    return Pypi().sdist("t", install, request, settings)


def test_an_archive_of_a_directory_is_found_and_hashed(settings, links):
    found = asked(settings, links, PypiInstall(pypi="Tool"))
    assert (found.name, found.version, found.file) == ("tool", "1.1", "tool-1.1.zip")
    assert found.sha256 == hashlib.sha256(b"tool-1.1.zip").hexdigest()
    assert asked(settings, links, PypiInstall(pypi="tool", version="1.0")).file == "tool-1.0.tar.gz"


def test_a_project_without_one_is_named(settings, links):
    with pytest.raises(NotFoundError) as refused:
        asked(settings, links, PypiInstall(pypi="tool>9"))
    assert refused.value.reference == "sdist-missing"
    assert "there are 1.1, 1.0" in refused.value.why


def test_what_is_locked_stays_until_it_is_upgraded(settings, links):
    locked = Package(
        ecosystem="source", name="tool", version="1.0", file="f", size=1, sha256="0" * 64, purl="p", source="t"
    )
    install = PypiInstall(pypi="tool")
    assert asked(settings, links, install, locked=(locked,)).version == "1.0"
    assert asked(settings, links, install, locked=(locked,), upgrade=frozenset({"t"})).version == "1.1"
    assert asked(settings, links, install, locked=(locked,), upgrade=frozenset({"x"})).version == "1.0"
