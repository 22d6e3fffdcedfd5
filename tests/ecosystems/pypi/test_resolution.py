"""Resolving against an index on this machine: what is locked, what is kept, and what is said when nothing fits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from breakbulk.ecosystems.interface import LocalWheel, Request
from breakbulk.ecosystems.pypi import Pypi
from breakbulk.errors import ManifestError, NetworkError, NotFoundError, ResolutionError
from breakbulk.lock.model import Package
from breakbulk.manifest.schema import Options, PypiInstall
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

MakeRequest = Callable[..., Request]


def resolve(request: Request, settings: Settings) -> dict[str, Package]:
    return {package.name: package for package in Pypi().resolve(request, settings, SILENT).packages}


@pytest.fixture
def shop(index: Any, making: Any) -> Any:
    """An index with an application, a library in two versions, and an extra."""
    requires = ("lib>=1", "color; extra == 'pretty'", "never; python_version < '3'")
    index.add(
        making.wheel("app", "1.0", requires=(*requires,), metadata="Provides-Extra: pretty\n"), making.name("app")
    )
    for version in ("1.0", "2.0"):
        index.add(
            making.wheel("lib", version, metadata="License-Expression: MIT\n"),
            making.name("lib", version),
            uploaded=f"202{version[0]}-06-01T00:00:00Z",
        )
    index.add(making.wheel("color", "1.0", requires=("lib",)), making.name("color"))
    return index


def test_a_package_says_everything_the_lock_needs(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    packages = resolve(make_request("app"), settings)
    data = shop.files[making.name("lib", "2.0")]
    assert packages["lib"] == Package(
        ecosystem="pypi",
        name="lib",
        version="2.0",
        file="lib-2.0-py3-none-any.whl",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        purl="pkg:pypi/lib@2.0",
        license="MIT",
        why=("pypi:app",),
        python="cpython-311",
    )
    assert (packages["app"].dependencies, packages["app"].why) == (("pypi:lib",), ("install.i0",))


def test_nothing_of_the_index_is_in_the_packages(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    resolution = Pypi().resolve(make_request("app[pretty]"), settings, SILENT)
    assert b"127.0.0.1" not in msgspec.json.encode(resolution)


def test_extras_bring_what_they_need_and_the_edges_show_it(
    shop: Any, settings: Settings, make_request: MakeRequest
) -> None:
    packages = resolve(make_request("app[pretty]"), settings)
    assert packages["app"].dependencies == ("pypi:color", "pypi:lib")
    assert packages["lib"].why == ("pypi:app", "pypi:color")
    by_field = make_request(installs={"web": PypiInstall(pypi="app", extras=("pretty",), priority=3)})
    again = resolve(by_field, settings)
    assert again.keys() == {"app", "color", "lib"}
    assert (again["app"].why, again["app"].priority, again["lib"].priority) == (("install.web",), 3, 5)


def test_equal_input_gives_equal_packages(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    request = make_request("lib", "app[pretty]")
    assert Pypi().resolve(request, settings, SILENT) == Pypi().resolve(request, settings, SILENT)


def test_what_is_locked_stays_until_it_is_upgraded(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    old = resolve(make_request("app", "lib==1.0"), settings)
    held = tuple(old.values())
    assert resolve(make_request("app", locked=held), settings)["lib"].version == "1.0"
    other = make_request("app", locked=held, upgrade=frozenset({"app"}))
    assert resolve(other, settings)["lib"].version == "1.0"
    for upgrade in (frozenset({"lib"}), frozenset({"pypi:lib"}), frozenset[str]()):
        assert resolve(make_request("app", locked=held, upgrade=upgrade), settings)["lib"].version == "2.0"
    by_id = make_request(installs={"library": PypiInstall(pypi="lib")}, locked=held, upgrade=frozenset({"library"}))
    assert resolve(by_id, settings)["lib"].version == "2.0"
    assert resolve(make_request("app", "lib>1", locked=held), settings)["lib"].version == "2.0"


def test_the_locked_wheel_stays_when_a_better_one_of_its_version_appears(
    index: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    index.add(making.wheel(), making.name())
    held = tuple(resolve(make_request("demo"), settings).values())
    better = making.name(tag="cp311-cp311-manylinux_2_17_x86_64")
    index.add(making.wheel(metadata="Summary: fast\n"), better)
    fresh = {**settings.environment, "UV_CACHE_DIR": settings.environment["UV_CACHE_DIR"] + "2"}
    settings = Settings(**{**vars(settings), "environment": fresh})
    assert resolve(make_request("demo"), settings)["demo"].file == better
    assert resolve(make_request("demo", locked=held), settings)["demo"] == held[0]


def test_each_system_gets_its_wheel(index: Any, settings: Settings, make_request: MakeRequest, making: Any) -> None:
    for tag in ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64", "cp311-cp311-win_amd64"):
        index.add(making.wheel(metadata=f"Summary: {tag}\n"), making.name(tag=tag))
    for machine in ("x86_64", "aarch64"):
        packages = resolve(make_request("demo", system=f"{machine}-linux"), settings)
        assert packages["demo"].file.endswith(f"{machine}.whl")


def test_a_wheel_for_a_newer_glibc_than_the_suite_has_is_not_taken(
    index: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    new, old = (f"cp311-cp311-manylinux_2_{minor}_x86_64" for minor in (39, 28))
    index.add(making.wheel(metadata="Summary: new\n"), making.name(tag=new))
    index.add(making.wheel(metadata="Summary: old\n"), making.name(tag=old))
    assert resolve(make_request("demo"), settings)["demo"].file == making.name(tag=old)
    trixie = make_request("demo", options=Options(suite="trixie"))
    assert resolve(trixie, settings)["demo"].file == making.name(tag=new)


def test_the_snapshot_decides_what_exists(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    # 1.0 was uploaded in 2021, 2.0 in 2022
    then = make_request("lib", options=Options(snapshot="2021-12-31"))
    assert resolve(then, settings)["lib"].version == "1.0"
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("lib", options=Options(snapshot="2020-01-01")), settings)
    assert (caught.value.reference, caught.value.where) == ("not-in-snapshot", "options.snapshot")
    assert caught.value.hint == "set options.snapshot to 2022-06-01 or later"


def test_constraints_hold_without_installing(
    shop: Any, settings: Settings, make_request: MakeRequest, tmp_path: Path
) -> None:
    (tmp_path / "limits.txt").write_text("lib<2\nnever-installed==1\n")
    packages = resolve(make_request("app", options=Options(constraints=("limits.txt",))), settings)
    assert {name: package.version for name, package in packages.items()} == {"app": "1.0", "lib": "1.0"}
    with pytest.raises(NotFoundError) as caught:
        resolve(make_request("app", options=Options(constraints=("absent.txt",))), settings)
    assert caught.value.reference == "constraints-missing"


def test_a_direct_reference_is_locked_by_its_digest(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    data = shop.files[making.name("lib", "1.0")]
    digest = hashlib.sha256(data).hexdigest()
    address = f"{shop.address}/files/{making.name('lib', '1.0')}#sha256={digest}"
    package = resolve(make_request("app", f"lib @ {address}"), settings)["lib"]
    assert (package.version, package.sha256, package.source) == ("1.0", digest, "i1")
    assert package.why == ("install.i1", "pypi:app")


def test_own_wheels_take_part_and_their_needs_are_resolved(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any, tmp_path: Path
) -> None:
    own = tmp_path / making.name("mine", "0.1")
    own.write_bytes(making.wheel("mine", "0.1", requires=("app", "color; extra == 'x'")))
    local = LocalWheel(requirement="mine[x]", path=own, install="here")
    packages = resolve(make_request(local=(local,)), settings)
    assert packages.keys() == {"mine", "app", "lib", "color"}
    assert packages["mine"].dependencies == ("pypi:app", "pypi:color")
    assert (packages["mine"].why, packages["mine"].source) == (("install.here",), "here")


def test_two_demands_that_exclude_each_other_are_explained(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    shop.add(making.wheel("other", "1.0", requires=("lib<1.5",)), making.name("other"))
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("other", "lib>=2"), settings)
    why = caught.value.why or ""
    assert caught.value.reference == "resolution-impossible"
    assert "other" in why
    assert "lib<1.5" in why
    assert "127.0.0.1" not in str(caught.value)


def test_an_unknown_name_is_said_to_be_unknown(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve(make_request("app", "no-such-thing"), settings)
    assert (caught.value.reference, caught.value.where) == ("pypi-package-unknown", "pypi:no-such-thing")


def test_source_only_packages_come_with_the_way_to_build_them(
    index: Any, settings: Settings, make_request: MakeRequest
) -> None:
    index.add(b"an archive of source", "old_thing-1.0.tar.gz")
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("old-thing"), settings)
    assert (caught.value.reference, caught.value.where) == ("sdist-only", "pypi:old-thing")
    assert 'old-thing = { pypi = "old-thing", build = true }' in (caught.value.hint or "")


def test_wheels_for_others_only_are_said_to_be_that(
    index: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    index.add(making.wheel(), making.name(tag="cp311-cp311-win_amd64"))
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("demo"), settings)
    assert caught.value.reference == "no-matching-wheel"
    assert "demo has no wheel for CPython 3.11 on x86_64-linux" in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_wants_credentials_says_so(
    shop: Any, settings: Settings, make_request: MakeRequest, status: int
) -> None:
    shop.status = status
    with pytest.raises(NetworkError) as caught:
        resolve(make_request("app"), settings)
    assert caught.value.reference == "index-unauthorised"
    assert "127.0.0.1" not in str(caught.value)


def test_an_index_that_does_not_answer_is_a_network_error(
    make_settings: Callable[..., Settings], make_request: MakeRequest
) -> None:
    settings = make_settings(UV_DEFAULT_INDEX="http://user:secret@127.0.0.1:9/simple", UV_HTTP_RETRIES="0")
    with pytest.raises(NetworkError) as caught:
        resolve(make_request("app"), settings)
    assert (caught.value.reference, caught.value.retryable) == ("index-unreachable", True)
    assert "secret" not in str(caught.value)


def test_an_index_that_fails_half_way_is_a_network_error(
    shop: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    shop.cut_short[making.name("lib", "2.0")] = 1000
    with pytest.raises(NetworkError) as caught:
        resolve(make_request("app"), settings)
    assert caught.value.reference == "index-unreachable"


def test_without_the_network_the_cache_is_enough(shop: Any, settings: Settings, make_request: MakeRequest) -> None:
    first = resolve(make_request("app"), settings)
    offline = Settings(**{**vars(settings), "environment": {**settings.environment, "UV_OFFLINE": "1"}})
    asked = len(shop.requests)
    assert resolve(make_request("app"), offline) == first
    assert len(shop.requests) == asked
    with pytest.raises(NetworkError) as caught:
        resolve(make_request("color"), offline)
    assert caught.value.reference == "offline"


def test_variables_that_would_change_the_choice_have_no_effect(
    shop: Any, settings: Settings, make_request: MakeRequest
) -> None:
    environment = {**settings.environment, "UV_RESOLUTION": "lowest", "UV_EXCLUDE_NEWER": "2021-12-31"}
    swayed = Settings(**{**vars(settings), "environment": environment})
    assert resolve(make_request("app"), swayed)["lib"].version == "2.0"


def test_credentials_in_the_manifest_are_refused(settings: Settings, make_request: MakeRequest) -> None:
    with pytest.raises(ManifestError) as caught:
        resolve(make_request("lib @ https://me:secret@127.0.0.1/lib-1.0-py3-none-any.whl"), settings)
    assert caught.value.reference == "credentials-in-manifest"
    assert "secret" not in str(caught.value)


def test_an_environment_without_python_cannot_have_wheels(settings: Settings, make_request: MakeRequest) -> None:
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("app", python=None), settings)
    assert caught.value.reference == "python-unavailable"


def test_an_index_without_dates_cannot_answer_a_snapshot(
    shop: Any, settings: Settings, make_request: MakeRequest
) -> None:
    shop.speaks_json = False
    with pytest.raises(ResolutionError) as caught:
        resolve(make_request("lib", options=Options(snapshot="2024-01-01")), settings)
    assert caught.value.reference == "index-without-dates", str(caught.value)
