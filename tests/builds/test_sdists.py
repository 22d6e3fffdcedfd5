"""Distributions without wheels: built in a root file system of their own, locked, kept, and refused with a reason."""

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from breakbulk.errors import BuildError, LockError
from breakbulk.library import Environment, running_system

pytestmark = pytest.mark.integration

PURE = {
    "setup.py": "from setuptools import setup\nsetup(name='pure-sdist', version='1.0', py_modules=['pure'])\n",
    "pure.py": "x = 1\n",
}
COMPILED = {
    "pyproject.toml": "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n",
    "setup.py": "from setuptools import Extension, setup\n"
    "setup(name='compiled-sdist', version='2.0', ext_modules=[Extension('compiled', ['compiled.c'])],\n"
    "      install_requires=['pure-sdist'], license='MIT')\n",
    "compiled.c": "#include <Python.h>\n"
    'static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled", 0, -1, 0};\n'
    "PyMODINIT_FUNC PyInit_compiled(void) { return PyModule_Create(&module); }\n",
}
NETWORK = PURE | {
    "setup.py": "import os, socket\nprint('caller:', os.environ.get('MARK_OF_CALLER'))\n"
    "socket.create_connection(('192.0.2.1', 80), 1)\n"
}


@pytest.fixture
def links(tmp_path: Path) -> Path:
    directory = tmp_path / "links"
    directory.mkdir()
    return directory


def offer(links: Path, name: str, files: dict[str, str]) -> None:
    """Write a source archive."""
    with tarfile.open(links / f"{name}.tar.gz", "w:gz") as tar:
        for path, text in {**files, "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\n"}.items():
            header = tarfile.TarInfo(f"{name}/{path}")
            header.size = len(text.encode())
            tar.addfile(header, io.BytesIO(text.encode()))


@pytest.fixture
def environment(links, tmp_path, settings, built_store):
    """Return the environment of a project with these installs."""
    project = tmp_path / "project"
    project.mkdir()
    caller = {**os.environ, "PIP_FIND_LINKS": str(links), "MARK_OF_CALLER": "x"}
    own = replace(settings, environment=caller, store=built_store, cache=settings.cache)

    def make(installs: str) -> Environment:
        text = f'[install]\n{installs}\n[options]\nsystems = ["{running_system()}"]\n'
        (project / "breakbulk.toml").write_text(text)
        return Environment.open(project, own)

    return make


def package_of(lock, name: str):
    return next(each for each in lock.systems[running_system()].packages if each.name == name)


def test_what_has_no_wheel_is_built_and_locked_like_own_source(environment, links):
    offer(links, "pure_sdist-1.0", PURE)
    offer(links, "compiled_sdist-2.0", COMPILED)
    installs = 'p = { pypi = "pure-sdist", build = true }\nc = { pypi = "compiled-sdist", build = true }'
    opened = environment(installs)
    lock = opened.relock().lock
    pure, compiled = package_of(lock, "pure-sdist"), package_of(lock, "compiled-sdist")
    assert (pure.ecosystem, pure.version, pure.purl) == ("source", "1.0", "pkg:pypi/pure-sdist@1.0")
    assert compiled.file == f"compiled_sdist-2.0-cp311-cp311-linux_{running_system().removesuffix('-linux')}.whl"
    assert compiled.dependencies == ("source:pure-sdist",)
    assert compiled.license == "MIT"
    assert opened.launch(["python3", "-c", "import compiled, pure"]) == 0
    names = {each.name for each in lock.systems[running_system()].packages}
    assert not names & {"gcc", "setuptools"}

    offer(links, "pure_sdist-1.1", PURE | {"setup.py": PURE["setup.py"].replace("1.0", "1.1")})
    (opened.directory / "own").mkdir()
    (opened.directory / "own" / "file").touch()
    more = environment(installs + '\nown = { path = "own" }').relock().lock
    assert package_of(more, "pure-sdist") == pure
    (opened.directory / "own" / "file").write_text("x")
    refreshed = environment(installs + '\nown = { path = "own" }').relock().lock
    assert package_of(refreshed, "compiled-sdist") == compiled
    moved = environment(installs).relock(upgrade=frozenset({"pure-sdist"})).lock
    assert package_of(moved, "pure-sdist").version == "1.1"
    assert package_of(moved, "compiled-sdist") == compiled


def test_a_build_has_no_network_and_nothing_of_the_caller(environment, links):
    offer(links, "net_sdist-1.0", NETWORK)
    with pytest.raises(BuildError) as failed:
        environment('n = { pypi = "net-sdist", build = true }').relock()
    error = failed.value
    assert (error.reference, error.where) == ("sdist-build-failed", "net_sdist-1.0.tar.gz")
    assert "Network is unreachable" in error.why
    assert "caller: x" not in error.why


def test_a_wheel_that_is_gone_says_how_to_have_it_again(environment, links, built_store):
    offer(links, "gone_sdist-1.0", {**PURE, "setup.py": PURE["setup.py"].replace("pure-sdist", "gone-sdist")})
    opened = environment('g = { pypi = "gone-sdist", build = true }')
    package = package_of(opened.relock().lock, "gone-sdist")
    (built_store / "archives" / package.sha256).unlink()
    with pytest.raises(LockError) as refused:
        opened.realise()
    assert refused.value.reference == "source-changed"
    assert "--upgrade gone-sdist" in refused.value.hint
    again = environment('g = { pypi = "gone-sdist", build = true }').relock(upgrade=frozenset({"gone-sdist"})).lock
    assert package_of(again, "gone-sdist").sha256 == package.sha256
