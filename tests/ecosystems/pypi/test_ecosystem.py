"""Locating, listing and looking up: what the store and the command line ask of `Pypi`."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from breakbulk.ecosystems.interface import Location, Request
from breakbulk.ecosystems.pypi import Pypi
from breakbulk.errors import LockError, NetworkError
from breakbulk.lock.model import Python
from breakbulk.manifest.schema import PypiInstall
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

MakeRequest = Callable[..., Request]


def authorization(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def with_environment(settings: Settings, **environment: str) -> Settings:
    return replace(settings, environment={**settings.environment, **environment})


@pytest.fixture
def demo(index: Any, making: Any) -> Any:
    """A locked package whose wheel is on the index."""
    return making.package(index.add(making.wheel(), making.name()))


def test_what_was_resolved_is_located_without_asking(
    index: Any, demo: Any, settings: Settings, make_request: MakeRequest
) -> None:
    pypi = Pypi()
    (package,) = pypi.resolve(make_request("demo"), settings, SILENT).packages
    index.requests.clear()
    first = next(iter(pypi.locate(package, None, settings)))
    assert first == Location(url=f"{index.address}/files/{package.file}")
    assert not index.requests


@pytest.mark.parametrize("speaks_json", [True, False])
def test_an_empty_cache_asks_the_configured_indexes(
    index: Any, demo: Any, settings: Settings, speaks_json: bool
) -> None:
    index.speaks_json = speaks_json
    assert list(Pypi().locate(demo, None, settings)) == [Location(url=f"{index.address}/files/{demo.file}")]


def test_a_file_of_the_right_name_with_other_bytes_is_no_place(index: Any, demo: Any, settings: Settings) -> None:
    other = msgspec.structs.replace(demo, sha256="0" * 64)
    assert list(Pypi().locate(other, None, settings)) == []


def test_wheel_directories_are_looked_into(
    demo: Any, index: Any, making: Any, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / demo.file).write_bytes(making.wheel())
    for environment in ({"PIP_FIND_LINKS": f"{links} /nonexistent"}, {"UV_FIND_LINKS": str(links)}):
        settings = make_settings(UV_DEFAULT_INDEX=f"{index.address}/simple", **environment)
        assert next(iter(Pypi().locate(demo, None, settings))) == Location(path=links / demo.file)


def test_a_direct_reference_is_taken_from_the_manifest(demo: Any, settings: Settings) -> None:
    package = msgspec.structs.replace(demo, source="mine")
    install = PypiInstall(pypi="demo @ https://${HOST}/demo-1.0-py3-none-any.whl")
    places = list(Pypi().locate(package, install, with_environment(settings, HOST="127.0.0.1:9")))
    assert places == [Location(url="https://127.0.0.1:9/demo-1.0-py3-none-any.whl")]


def test_a_silent_index_is_a_network_error_only_when_it_is_asked(demo: Any, make_settings: Any) -> None:
    settings = make_settings(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", BREAKBULK_RETRIES="1")
    places = iter(Pypi().locate(demo, None, settings))
    with pytest.raises(NetworkError) as caught:
        next(places)
    assert caught.value.reference == "index-unreachable"


@pytest.mark.parametrize("source", ["address", "netrc", "named", "uv-file", "pip-file"])
def test_credentials_are_found_where_pip_and_uv_keep_them(
    index: Any, demo: Any, make_settings: Any, make_request: MakeRequest, *, tmp_path: Path, source: str
) -> None:
    index.authorization = authorization("me", "se cret")
    bare = index.address.removeprefix("http://")
    plain, full = f"http://{bare}/simple", f"http://me:se%20cret@{bare}/simple"
    config = tmp_path / "home/.config"
    environment = {}
    if source == "address":
        environment = {"UV_DEFAULT_INDEX": full}
    elif source == "named":
        environment = {"UV_DEFAULT_INDEX": f"corp={plain}", "UV_INDEX_CORP_USERNAME": "me"}
        environment["UV_INDEX_CORP_PASSWORD"] = "se cret"
    elif source == "netrc":
        (tmp_path / "netrc").write_text('machine 127.0.0.1 login me password "se cret"\n')
        environment = {"UV_DEFAULT_INDEX": plain, "NETRC": str(tmp_path / "netrc")}
    elif source == "uv-file":
        (config / "uv").mkdir(parents=True)
        (config / "uv/uv.toml").write_text(f'[[index]]\nurl = "{full}"\ndefault = true\n')
    else:
        (config / "pip").mkdir(parents=True)
        (config / "pip/pip.conf").write_text(f"[global]\nindex-url = {full}\n")
    settings = make_settings(**environment)
    pypi = Pypi()
    (package,) = pypi.resolve(make_request("demo"), settings, SILENT).packages
    (place,) = pypi.locate(package, None, settings)
    assert place.headers == {"Authorization": index.authorization}
    assert place.url == f"http://{bare}/files/{demo.file}"
    kept = b"".join(path.read_bytes() for path in settings.cache.rglob("*") if path.is_file())
    assert b"cret" not in kept
    assert b"cret" not in msgspec.json.encode(package)


def test_credentials_of_one_host_are_not_given_to_another(
    index: Any, demo: Any, make_settings: Any, making: Any
) -> None:
    settings = make_settings(UV_DEFAULT_INDEX="http://me:secret@127.0.0.2:9/simple")
    package = msgspec.structs.replace(demo, source="mine")
    install = PypiInstall(pypi=f"demo @ {index.address}/files/{demo.file}")
    (place,) = Pypi().locate(package, install, settings)
    assert place.headers == {}


def test_uvs_own_store_of_credentials_is_asked(
    index: Any, demo: Any, make_settings: Any, make_request: MakeRequest, tmp_path: Path
) -> None:
    index.authorization = authorization("me", "stored")
    directory = tmp_path / "home/.local/share/uv/credentials"
    directory.mkdir(parents=True)
    (directory / "credentials.toml").write_text(
        f'[[credential]]\nservice = "{index.address}/"\nusername = "me"\nscheme = "basic"\npassword = "stored"\n'
    )
    settings = make_settings(UV_DEFAULT_INDEX=f"{index.address}/simple")
    (package,) = Pypi().resolve(make_request("demo"), settings, SILENT).packages
    (place,) = Pypi().locate(package, None, settings)
    assert place.headers == {"Authorization": index.authorization}


def test_a_keyring_is_asked_where_the_configuration_says_so(
    index: Any, demo: Any, make_settings: Any, make_request: MakeRequest, tmp_path: Path
) -> None:
    index.authorization = authorization("me", "from-keyring")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "keyring").write_text('#!/bin/sh\n[ "$1 $3" = "get me" ] && echo from-keyring\n')
    (programs / "keyring").chmod(0o755)
    address = index.address.replace("http://", "http://me@")
    base = make_settings()
    settings = with_environment(
        base,
        UV_DEFAULT_INDEX=f"{address}/simple",
        UV_KEYRING_PROVIDER="subprocess",
        PATH=f"{programs}:{base.environment['PATH']}",
    )
    (package,) = Pypi().resolve(make_request("demo"), settings, SILENT).packages
    (place,) = Pypi().locate(package, None, settings)
    assert place.headers == {"Authorization": index.authorization}


def test_a_listing_is_what_unpacking_gives(
    index: Any, settings: Settings, make_request: MakeRequest, making: Any, tmp_path: Path
) -> None:
    data = index.add(
        making.wheel(
            files={
                "demo/__init__.py": b"x = 1\n",
                "demo/__pycache__/__init__.cpython-39.pyc": b"old",
                "demo-1.0.data/scripts/tool": b"#!python\n",
                "demo-1.0.data/scripts/run": b"#!python\n",
                "demo-1.0.data/data/etc/demo.conf": b"",
            },
            entry_points="[console_scripts]\nrun = demo:main\n[gui_scripts]\nwindow = demo:main\n",
        ),
        making.name(),
    )
    pypi = Pypi()
    (package,) = pypi.resolve(make_request("demo"), settings, SILENT).packages
    (tmp_path / "wheel").write_bytes(data)
    (tmp_path / "tree").mkdir()
    unpacked = pypi.unpack(tmp_path / "wheel", package, None, tmp_path / "tree")
    files = {path for path, entry in unpacked.content.items() if entry.kind == "file"}
    bytecode = {"usr/local/lib/python3.11/dist-packages/demo/__pycache__/__init__.cpython-311.pyc"}
    assert pypi.listing(package, None, settings).keys() == files | bytecode


def test_equal_files_of_two_wheels_are_told_from_different_ones(
    index: Any, settings: Settings, make_request: MakeRequest, making: Any
) -> None:
    for name, text in (("one", b"1"), ("two", b"2")):
        files = {"tests/__init__.py": b"", "tests/data": text, "tests/long": text * 9}
        index.add(making.wheel(name, files=files), making.name(name))
    pypi = Pypi()
    packages = pypi.resolve(make_request("one", "two"), settings, SILENT).packages
    one, two = pypi.listings([(package, None) for package in packages], settings).values()
    shared = one.keys() & two.keys()
    different = {path.rpartition("/")[2] for path in shared if one[path] != two[path]}
    assert (len(shared), different) == (4, {"data", "long"})


def test_a_listing_needs_no_request_once_it_is_known(index: Any, demo: Any, settings: Settings) -> None:
    first = Pypi().listing(demo, None, settings)
    asked = len(index.requests)
    assert Pypi().listing(demo, None, settings) == first
    assert len(index.requests) == asked


def test_the_python_of_the_lock_decides_the_tree(making: Any, tmp_path: Path) -> None:
    data = making.wheel()
    (tmp_path / "wheel").write_bytes(data)
    package = msgspec.structs.replace(making.package(data), python="cpython-313")
    (tmp_path / "tree").mkdir()
    other = Python(version="3.11", tag="cpython-311", package="deb:python3.11")
    unpacked = Pypi().unpack(tmp_path / "wheel", package, other, tmp_path / "tree")
    assert unpacked.bytecode == ("usr/local/lib/python3.13/dist-packages/demo/__init__.py",)
    assert pickle.loads(pickle.dumps(unpacked)) == unpacked  # noqa: S301
    with pytest.raises(LockError) as caught:
        Pypi().unpack(tmp_path / "wheel", msgspec.structs.replace(package, python=None), None, tmp_path)
    assert caught.value.reference == "wheel-without-python"


def test_a_name_is_looked_up(index: Any, settings: Settings, making: Any) -> None:
    for version in ("1.0", "1.10", "1.9", "2.0rc1"):
        index.add(making.wheel(version=version), making.name(version=version))
    index.add(b"", "demo-9.0.tar.gz")
    assert Pypi().lookup("Demo", settings) == ("1.10", "1.9", "1.0")
    assert Pypi().lookup("unknown", settings) == ()
    assert Pypi().lookup("../demo", settings) == ()
