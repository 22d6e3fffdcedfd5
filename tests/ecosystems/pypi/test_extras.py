"""An extra that is asked for must be there, however it is spelt and wherever it is declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from packaging.requirements import Requirement

from breakbulk.ecosystems.interface import LocalWheel, Request
from breakbulk.ecosystems.pypi import Pypi
from breakbulk.ecosystems.pypi.extras import check_extras, extras_of
from breakbulk.ecosystems.pypi.metadata import Metadata, parse_metadata
from breakbulk.ecosystems.pypi.requirements import Wanted
from breakbulk.errors import ResolutionError
from breakbulk.manifest.schema import PypiInstall
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

MakeRequest = Callable[..., Request]


@pytest.fixture
def shop(index: Any, making: Any) -> Any:
    extras = "Provides-Extra: socks\nProvides-Extra: use-chardet\n"
    index.add(
        making.wheel("client", "1.0", requires=("proxy; extra == 'socks'",), metadata=extras),
        "client-1.0-py3-none-any.whl",
    )
    index.add(making.wheel("proxy", "1.0"), making.name("proxy"))
    index.add(making.wheel("above", "1.0", requires=("client[absent]",)), making.name("above"))
    return index


def test_a_misspelt_extra_is_refused_with_the_nearest(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    with pytest.raises(ResolutionError) as caught:
        Pypi().resolve(make_request("client[sokcs]"), settings, SILENT)
    error = caught.value
    assert (error.reference, error.where) == ("extra-unknown", "install.i0")
    assert error.message == "client 1.0 has no extra 'sokcs'"
    assert error.why == "its extras are socks, use-chardet"
    assert "did you mean socks?" in str(error.hint)


def test_the_key_extras_is_held_to_the_same(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    installs = {"web": PypiInstall(pypi="proxy", extras=("anything",))}
    with pytest.raises(ResolutionError) as caught:
        Pypi().resolve(make_request(installs=installs), settings, SILENT)
    assert (caught.value.where, caught.value.why) == ("install.web", "it has no extras")


def test_any_spelling_of_an_extra_will_do(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    packages = Pypi().resolve(make_request("client[Socks,Use_Chardet]"), settings, SILENT).packages
    assert {package.name for package in packages} == {"client", "proxy"}


def test_what_a_dependency_asks_for_is_its_own_affair(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    packages = Pypi().resolve(make_request("above"), settings, SILENT).packages
    assert {package.name for package in packages} == {"above", "client"}


def test_the_extras_of_an_own_project_are_checked(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any, tmp_path: Any
) -> None:
    own = tmp_path / making.name("mine")
    own.write_bytes(making.wheel("mine", "1.0", metadata="Provides-Extra: test\n"))
    local = LocalWheel(requirement="mine[tset]", path=own, install="here")
    with pytest.raises(ResolutionError) as caught:
        Pypi().resolve(make_request(local=(local,)), settings, SILENT)
    assert caught.value.where == "install.here"


def test_an_extra_that_only_a_marker_names_is_one() -> None:
    requires = (
        "Requires-Dist: a; python_version > '3' and extra == \"Old_Way\"\nRequires-Dist: extra; sys_platform == 'x'"
    )
    metadata = parse_metadata(f"Name: x\nVersion: 1\nProvides-Extra: New.Way\n{requires}\n")
    assert extras_of(metadata) == {"old-way", "new-way"}


def test_what_a_marker_leaves_out_is_not_judged() -> None:
    absent = Wanted(install="a", requirement=Requirement("a[b]; python_version < '3'"), priority=5)
    check_extras([absent], {"other": ("1", Metadata())})
