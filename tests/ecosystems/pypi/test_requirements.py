"""Descriptors become requirements, or an error that names the key."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.interface import LocalWheel
from breakbulk.ecosystems.pypi.requirements import direct_reference, requirement_of, wanted
from breakbulk.errors import ManifestError
from breakbulk.manifest.schema import PypiInstall


@pytest.mark.parametrize(
    ("install", "line"),
    [
        (PypiInstall(pypi="pandas"), "pandas"),
        (PypiInstall(pypi="pandas", version="2.3.3"), "pandas==2.3.3"),
        (PypiInstall(pypi="pandas", version=">=2,<3"), "pandas<3,>=2"),
        (PypiInstall(pypi="pandas", version="2.*"), "pandas==2.*"),
        (PypiInstall(pypi="pandas", version="*"), "pandas"),
        (PypiInstall(pypi="pandas>=2", version="<3"), "pandas<3,>=2"),
        (PypiInstall(pypi="pandas[excel]", extras=("html",)), "pandas[excel,html]"),
        (PypiInstall(pypi="tomli; python_version<'3.11'"), 'tomli; python_version < "3.11"'),
        (PypiInstall(pypi="demo @ file:///demo-1.0-py3-none-any.whl"), "demo @ file:///demo-1.0-py3-none-any.whl"),
    ],
)
def test_a_descriptor_is_one_requirement(install: PypiInstall, line: str) -> None:
    assert str(requirement_of("x", install)) == line


@pytest.mark.parametrize(
    ("install", "identifier", "where"),
    [
        (PypiInstall(pypi="not a name"), "requirement-invalid", "install.x.pypi"),
        (PypiInstall(pypi="demo", version="^1.2"), "version-invalid", "install.x.version"),
        (PypiInstall(pypi="demo @ ./demo.whl"), "requirement-invalid", "install.x.pypi"),
        (PypiInstall(pypi="demo @ git+https://127.0.0.1/demo"), "requirement-git", "install.x.pypi"),
        (PypiInstall(pypi="demo @ https://a:b@127.0.0.1/d.whl"), "credentials-in-manifest", "install.x.pypi"),
        (PypiInstall(pypi="demo @ https://127.0.0.1/d.whl", version="1"), "version-with-archive", "install.x.version"),
    ],
)
def test_what_is_no_requirement_is_named_with_its_key(install: PypiInstall, identifier: str, where: str) -> None:
    with pytest.raises(ManifestError) as caught:
        requirement_of("x", install)
    assert (caught.value.reference, caught.value.where) == (identifier, where)
    assert caught.value.hint


@given(pypi=st.text(max_size=30), version=st.none() | st.text(max_size=10))
def test_any_text_is_a_requirement_or_a_manifest_error(pypi: str, version: str | None) -> None:
    with contextlib.suppress(ManifestError):
        requirement_of("x", PypiInstall(pypi=pypi, version=version))


def test_own_wheels_are_asked_for_by_file(tmp_path: Path) -> None:
    local = LocalWheel(requirement="mine[x]", path=tmp_path / "mine-1-py3-none-any.whl", install="here")
    (only,) = wanted({}, [local])
    assert only.line() == f"mine[x] @ file://{tmp_path}/mine-1-py3-none-any.whl"
    assert only.name == "mine"


def test_requirements_come_in_the_order_of_their_ids() -> None:
    installs = {"b": PypiInstall(pypi="one"), "a": PypiInstall(pypi="Two_Words")}
    assert [(each.install, each.name) for each in wanted(installs, [])] == [("a", "two-words"), ("b", "one")]


def test_variables_in_addresses_are_replaced() -> None:
    install = PypiInstall(pypi="demo @ https://${USER_}:${PASS_}@127.0.0.1/demo.whl")
    assert direct_reference(install, {"USER_": "me", "PASS_": "x"}) == "https://me:x@127.0.0.1/demo.whl"
    assert direct_reference(PypiInstall(pypi="demo"), {}) is None
    assert direct_reference(None, {}) is None
