"""The smallest ecosystem: packages are tar files, fetched from an address of the test's own server or a directory."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from breakbulk.ecosystems.interface import Content, Entry, Location, Unpacked
from breakbulk.errors import ArchiveError
from breakbulk.lock.model import Package, Python
from breakbulk.settings import Settings

FILTER = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
TAG = sys.implementation.cache_tag
PYTHON = Python(version=f"{sys.version_info[0]}.{sys.version_info[1]}", tag=TAG, package="archive:python")


def settings_for(directory: Path, **changes) -> Settings:
    values = {
        "store": directory / "store",
        "cache": directory / "cache",
        "configuration": directory / "configuration",
        "hub": "",
        "require_signatures": None,
        "cpu": "",
        "jobs": 2,
        "downloads": 4,
        "timeout_s": 5.0,
        "retries": 3,
        "apt_directory": directory / "apt",
        "kubernetes": directory / "kubernetes",
        "environment": {},
    }
    return Settings(**{**values, **changes})


class TarEcosystem:
    """Unpacks tar files; `places` are URLs or directories that hold the archives by file name."""

    def __init__(self, *places: str | Path, crash_on: str | None = None) -> None:
        self.places = places
        self.crash_on = crash_on

    def locate(self, package: Package, install: object, settings: Settings) -> Iterable[Location]:
        for place in self.places:
            if isinstance(place, Path):
                yield Location(path=place / package.file)
            else:
                yield Location(url=f"{place}/{package.file}")

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        content: Content = {}
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.name.startswith(("/", "..")):
                    raise ArchiveError("a member leaves the tree", where=f"{archive.name}:{member.name}")
                tar.extract(member, into, **FILTER)
                content[member.name] = _entry(member, into)
                if self.crash_on == package.name:
                    os.kill(os.getppid(), 9)
        sources = tuple(path for path in content if path.endswith(".py")) if package.python else ()
        return Unpacked(content=content, bytecode=sources)


class Failing(TarEcosystem):
    """Breaks half-way: with `p1` the process is killed, with `p2` there is a defect."""

    def unpack(self, archive: Path, package: Package, python: Python | None, into: Path) -> Unpacked:
        (into / "half").mkdir()
        if package.name == "p1":
            os.kill(os.getpid(), 9)
        raise KeyError("defect")


def _entry(member: tarfile.TarInfo, into: Path) -> Entry:
    if member.isdir():
        return Entry("directory", member.mode, "")
    if member.issym():
        return Entry("link", 0o777, member.linkname)
    data = (into / member.name).read_bytes()
    return Entry("file", member.mode, hashlib.sha256(data).hexdigest(), len(data))


def make_package(
    directory: Path, name: str, files: Mapping[str, bytes | str | None], *, python: bool = False, **fields
) -> Package:
    """Write `<name>-1.tar` with files (a `str` value is the target of a link, None a directory)."""
    path = directory / f"{name}-1.tar"
    made: set[str] = set()
    with tarfile.open(path, "w") as tar:
        for target, data in files.items():
            for parent in reversed(list(Path(target).parents)[:-1]):
                if str(parent) not in made and str(parent) not in files:
                    made.add(str(parent))
                    _add(tar, str(parent), None)
            _add(tar, target, data)
    return describe(path, name, python=python, **fields)


def _add(tar: tarfile.TarFile, name: str, data: bytes | str | None) -> None:
    info = tarfile.TarInfo(name)
    info.uid, info.gid = os.getuid(), os.getgid()
    if data is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
    elif isinstance(data, str):
        info.type, info.linkname = tarfile.SYMTYPE, data
        tar.addfile(info)
    else:
        info.size = len(data)
        info.mode = 0o755 if name.startswith("usr/bin/") or data[:4] == b"\x7fELF" else 0o644
        tar.addfile(info, io.BytesIO(data))


def describe(path: Path, name: str, *, python: bool = False, **fields) -> Package:
    data = path.read_bytes()
    return Package(
        ecosystem="archive",
        name=name,
        version="1",
        file=path.name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        purl=f"pkg:generic/{name}@1",
        python=TAG if python else None,
        **fields,
    )


def make_python(directory: Path) -> Package:
    """Write a package of this machine's own Python: program, shared libraries and the needed part of its library."""
    program = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    files: dict[str, bytes | str | None] = {f"usr/bin/python{PYTHON.version}": program.read_bytes()}
    library = Path(sysconfig.get_path("stdlib"))
    extensions = sorted((library / "lib-dynload").glob("*.so"))
    for shared in _libraries([program, *extensions]):
        target = shared.lstrip("/") if shared.startswith(("/usr/", "/lib")) else f"lib/{Path(shared).name}"
        target = target if target.startswith("usr/") else f"usr/{target}"
        files[target] = Path(shared).read_bytes()
    for path in [*library.glob("*.py"), *extensions]:
        files[f"usr/lib/python{PYTHON.version}/{path.relative_to(library)}"] = path.read_bytes()
    for package in ("encodings", "json", "collections", "importlib", "re"):
        for path in (library / package).rglob("*.py"):
            files[f"usr/lib/python{PYTHON.version}/{path.relative_to(library)}"] = path.read_bytes()
    if platform.machine() == "aarch64":
        files["usr/lib/ld-linux-aarch64.so.1"] = Path("/lib/ld-linux-aarch64.so.1").read_bytes()
    return make_package(directory, "python", files, python=True)


def _libraries(programs: Iterable[Path]) -> set[str]:
    found: set[str] = set()
    for program in programs:
        lines = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines()
        found.update(word for line in lines for word in line.split() if word.startswith("/"))
    return found
