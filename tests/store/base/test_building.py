"""The base package of a small real environment, made twice, looked at from inside, as root and as an ordinary user."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from children import in_child

import breakbulk.store.base.building  # noqa: F401 - an ordinary user may not be able to read root's own Python
from breakbulk.ecosystems.deb.unpacking import unpack_deb
from breakbulk.errors import ManifestError
from breakbulk.lock.model import LockedSystem, Package
from breakbulk.manifest.schema import Manifest, Options
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings
from breakbulk.store.base import base_name, realise_base, relevant
from breakbulk.store.base.programs import ENVIRONMENT
from breakbulk.store.confined import run_confined
from breakbulk.store.layout import Layout
from breakbulk.store.records import decode_record, encode_record, make_record

NAMES = """
    base-files base-passwd bash ca-certificates coreutils dash debianutils dpkg grep libacl1 libattr1 libaudit1
    libbz2-1.0 libc-bin libc6 libcap-ng0 libcrypt1 libgmp10 liblzma5 libmd0 libpam-modules libpam-runtime libpam0g
    libpcre2-8-0 libselinux1 libssl3 libtinfo6 libzstd1 login mawk openssl passwd perl-base postgresql-common
    redis-tools sed tar zlib1g
""".split()  # noqa: SIM905


@pytest.fixture(scope="module")
def archives(shared_cache: Path) -> Path:
    directory = shared_cache / "base-debs"
    directory.mkdir(parents=True, exist_ok=True)
    missing = [name for name in NAMES if not list(directory.glob(f"{name}_*.deb"))]
    if missing:
        options = ("-q", "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1")
        subprocess.run(["apt-get", *options, "download", *missing], cwd=directory, check=True, capture_output=True)
    return directory


def described(archive: Path) -> Package:
    name, version, _ = archive.stem.split("_")
    data = archive.read_bytes()
    return Package(
        ecosystem="deb",
        name=name,
        version=version.replace("%3a", ":"),
        file=archive.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        purl=f"pkg:deb/debian/{name}",
    )


def filled(root: Path, archives: Path) -> tuple[Layout, LockedSystem]:
    """Put the packages into a store, as the store itself does it."""
    layout = Layout(root)
    layout.prepare()
    packages = []
    for name in NAMES:
        archive = max(archives.glob(f"{name}_*.deb"))
        package = described(archive)
        layout.tree(package).mkdir()
        unpacked = unpack_deb(archive, package, None, layout.tree(package))
        layout.record(package).write_bytes(encode_record(make_record(package, unpacked.content, unpacked.deb)))
        packages.append(package)
    return layout, LockedSystem(packages=tuple(sorted(packages, key=lambda package: package.name)))


Look = Callable[[str], str]
COMMANDS = {
    "id -un; id -u": None,
    "getent passwd redis | cut -d: -f1,6; id -Gn postgres": "redis:/var/lib/redis\npostgres",
    "echo a b | awk '{print $2}'; readlink -f /usr/bin/awk /bin/sh": "b\n/usr/bin/mawk\n/usr/bin/dash",
    "dpkg -l | grep -c ^ii; dpkg -S /usr/bin/mawk; dpkg -V bash sed": f"{len(NAMES)}\nmawk: /usr/bin/mawk",
    "ldconfig -p | grep -c libssl.so.3": "1",
    "cd /usr/share/ca-certificates/mozilla && openssl verify ISRG_Root_X1.crt": "ISRG_Root_X1.crt: OK",
    "perl -e 'print 6*7'": "42",
    "cat /etc/timezone; readlink /etc/mtab; stat -c %a /tmp /var/tmp": "Etc/UTC\n../proc/self/mounts\n1777\n1777",
    "update-alternatives --query awk | grep ^Value": "Value: /usr/bin/mawk",
    "dpkg-divert --list '*pg_config'": (
        "diversion of /usr/bin/pg_config to /usr/bin/pg_config.libpq-dev by postgresql-common"
    ),
    "grep ^auth /etc/pam.d/common-auth | head -1": "auth\t[success=1 default=ignore]\tpam_unix.so nullok",
    "head -3 /etc/profile | tail -1; ls -a /root | tail -2; cat /etc/shells | tail -1": None,
}


def look_around(root: Path, archives: Path, settings: Settings) -> dict[str, tuple[int, str, str]]:
    layout, system = filled(root, archives)
    base = realise_base(layout, system, Manifest(), settings, SILENT)
    lowers = [base, *(layout.tree(package) for package in system.packages)]
    found = {}
    for command in COMMANDS:
        result = run_confined(lowers, ("/bin/sh", "-c", command), environment=ENVIRONMENT)
        found[command] = (result.status, result.stdout.decode().strip(), result.stderr.decode())
    return found


@pytest.mark.integration
@pytest.mark.parametrize("user", [False, True], ids=["root", "ordinary"])
def test_an_environment_looks_like_debian(user: bool, open_directory: Path, archives: Path, settings: Settings) -> None:
    readable = open_directory / "archives"
    readable.mkdir()
    for archive in archives.glob("*.deb"):
        (readable / archive.name).write_bytes(archive.read_bytes())
    found = in_child(look_around, open_directory / "store", readable, settings, user=user)
    for command, expected in COMMANDS.items():
        status, output, errors = found[command]
        assert status == 0, (command, output, errors)
        if expected is not None:
            assert output == expected, command


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, archives: Path) -> tuple[Layout, LockedSystem]:
    return filled(tmp_path_factory.mktemp("base") / "store", archives)


@pytest.mark.integration
def test_made_once_by_many_and_the_same_when_made_again(store, settings: Settings) -> None:
    layout, system = store
    before = {path.name for path in layout.packages.iterdir()}

    def make(_: int) -> Path:
        return realise_base(layout, system, Manifest(), settings, SILENT)

    with ThreadPoolExecutor(4) as pool:
        (tree,) = set(pool.map(make, range(4)))
    assert {path.name for path in layout.packages.iterdir()} - before == {tree.name}
    assert list(layout.staging.iterdir()) == []
    path = layout.records / tree.name
    first = decode_record(path.read_bytes(), path).tree
    tree.rename(layout.root / "kept")
    path.unlink()
    make(0)
    assert decode_record(path.read_bytes(), path).tree == first


@pytest.mark.integration
def test_locales_need_their_sources(store, settings: Settings) -> None:
    layout, system = store
    manifest = Manifest(options=Options(locales=("de_DE.UTF-8",)))
    with pytest.raises(ManifestError) as error:
        realise_base(layout, system, manifest, settings, SILENT)
    assert error.value.reference == "locales-missing"
    assert "deb:locales" in str(error.value.hint)
    assert list(layout.staging.iterdir()) == []


def package(ecosystem: str, name: str, **fields: object) -> Package:
    described = {"version": "1", "file": name, "size": 1, "sha256": "0" * 64, "purl": f"pkg:x/{name}", **fields}
    return Package(ecosystem=ecosystem, name=name, **described)  # type: ignore[arg-type]


def test_only_what_can_matter_decides_the_name() -> None:
    wheel, project = package("pypi", "numpy"), package("source", "mine", destination="/opt/mine")
    low, high = package("deb", "libc6"), package("deb", "bash", priority=1)
    system = LockedSystem(packages=(low, wheel, project, high))
    assert [each.name for each in relevant(system)] == ["bash", "libc6"]
    name = base_name([low], (), owners=True)
    assert name != base_name([high], (), owners=True)
    assert name != base_name([low], ("de_DE.UTF-8",), owners=True)
    assert name != base_name([low], (), owners=False)
    assert name == base_name([replace_priority(low)], (), owners=True)


def replace_priority(package: Package) -> Package:
    return Package(**{**{field: getattr(package, field) for field in package.__struct_fields__}, "priority": 9})


def test_an_environment_without_debian_packages_has_a_skeleton(tmp_path: Path, settings: Settings) -> None:
    layout = Layout(tmp_path / "store")
    layout.prepare()
    here = replace(settings, store=layout.root)
    tree = realise_base(layout, LockedSystem(packages=()), Manifest(), here, SILENT)
    assert (tree / "bin").readlink() == Path("usr/bin")
    assert (tree / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert (tree / "tmp").stat().st_mode & 0o7777 == 0o1777


@pytest.mark.integration
def test_more_packages_than_one_overlay_takes(store, settings: Settings) -> None:
    layout, system = store
    many = []
    for number in range(520):
        each = package("deb", f"filler-{number}")
        tree = layout.tree(each)
        tree.mkdir()
        layout.record(each).write_bytes(encode_record(make_record(each, {}, None)))
        many.append(each)
    tree = realise_base(layout, LockedSystem(packages=(*system.packages, *many)), Manifest(), settings, SILENT)
    assert (tree / "etc/ld.so.cache").is_file()
