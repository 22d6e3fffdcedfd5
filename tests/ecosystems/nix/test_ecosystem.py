"""Store paths from a Nix store made by the test, and the way out for everything else."""

import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from breakbulk.ecosystems.interface import Request
from breakbulk.ecosystems.nix import Nix
from breakbulk.ecosystems.nix.closure import closure
from breakbulk.errors import LockError, ResolutionError
from breakbulk.manifest.schema import CatalogInstall, FlakeInstall, Install, Options, StoreInstall
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

TOOL, LIBRARY, OTHER = (
    f"{letter * 32}-{name}" for letter, name in (("a", "tool-1.2"), ("b", "glibc-2.40"), ("c", "x"))
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with three store paths: a tool, the library that it needs, and one that nobody needs."""
    store = tmp_path / "machine/nix/store"
    (store / TOOL / "bin").mkdir(parents=True)
    (store / TOOL / "bin/tool").write_bytes(b"\x7fELF\0/nix/store/" + LIBRARY.encode() + b"/lib/ld.so\0")
    (store / TOOL / "bin/tool").chmod(0o555)
    (store / TOOL / "share").symlink_to(f"/nix/store/{TOOL}/bin")
    (store / LIBRARY).mkdir()
    (store / LIBRARY / "ld.so").write_text(f"back to /nix/store/{TOOL}/x and /nix/store/{'d' * 32}-gone/y")
    (store / OTHER).write_text("")
    return tmp_path / "machine"


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    return replace(settings, cache=tmp_path / "cache")


def request_of(install: Install) -> Request:
    system = f"{os.uname().machine}-linux"
    return Request(system=system, installs={"tool": install}, options=Options(), directory=Path("/"))


def test_references_are_found_in_files_and_links(root: Path) -> None:
    assert closure(root, TOOL) == (TOOL, LIBRARY)
    assert closure(root, OTHER) == (OTHER,)


def test_a_store_path_comes_with_all_that_it_needs(root: Path, own: Settings, tmp_path: Path) -> None:
    install, nix = StoreInstall(store_path=f"/nix/store/{TOOL}/bin/tool"), Nix(root)
    (package,) = nix.resolve(request_of(install), own, SILENT).packages
    assert (package.name, package.version, package.file) == ("tool", "1.2", f"{TOOL}.tar")
    (location,) = nix.locate(package, install, own)
    assert location.path is not None
    (tmp_path / "tree").mkdir()
    nix.unpack(location.path, package, None, tmp_path / "tree")
    found = {str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*")}
    assert {f"nix/store/{TOOL}/bin/tool", f"nix/store/{TOOL}/share", f"nix/store/{LIBRARY}/ld.so"} < found
    assert not any(OTHER in path for path in found)
    assert os.access(tmp_path / "tree/nix/store" / TOOL / "bin/tool", os.X_OK)
    location.path.unlink()
    assert list(nix.locate(package, install, own)) == [location]
    assert location.path.exists()
    with pytest.raises(LockError, match="source-changed"):
        list(nix.locate(msgspec.structs.replace(package, sha256="0" * 64), install, own))


def test_faults_say_what_to_do(root: Path, own: Settings) -> None:
    missing = StoreInstall(store_path=f"/nix/store/{'f' * 32}-none")
    with pytest.raises(ResolutionError, match="store-path-missing"):
        Nix(root).resolve(request_of(missing), own, SILENT)
    elsewhere = msgspec.structs.replace(
        request_of(StoreInstall(store_path=f"/nix/store/{TOOL}")), system="riscv64-linux"
    )
    with pytest.raises(ResolutionError, match=r"store-path-platform.*systems"):
        Nix(root).resolve(elsewhere, own, SILENT)


@pytest.mark.parametrize(
    ("install", "identifier", "hint"),
    [
        (CatalogInstall(pkg_path="jq"), "catalog-unavailable", 'tool.deb = "jq"'),
        (CatalogInstall(pkg_path="ruff"), "catalog-unavailable", 'tool.pypi = "ruff"'),
        (CatalogInstall(pkg_path=("python311Packages", "pandas")), "catalog-unavailable", 'tool.pypi = "pandas"'),
        (CatalogInstall(pkg_path="unheard-of"), "catalog-unavailable", "breakbulk search"),
        (FlakeInstall(flake="github:a/b"), "flake-unsupported", "url and sha256"),
    ],
)
def test_what_needs_nix_is_refused_with_the_way_out(
    install: Install, identifier: str, hint: str, own: Settings
) -> None:
    with pytest.raises(ResolutionError) as caught:
        Nix().resolve(request_of(install), own, SILENT)
    assert caught.value.reference == identifier
    assert hint in str(caught.value.hint)
