"""Build the wheel of a distribution that has none, from its source archive.

    source archive ─► what it needs to be built ─► resolved and realised as of the snapshot ─► its back end ─► wheel

The back end runs in a root file system of Debian's Python, of what `[build-system]` and the back end ask for, of the
environment's Debian packages, and of a C compiler where there is something to compile; without network, on a copy at a
fixed place. What it needs is resolved in the ordinary way, as of the manifest's snapshot. Each archive is built once
for each Python. Counterpart: `ecosystems.built_wheels`, which asks, and `wheel_backend`, which runs inside.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from breakbulk.builds.variables import FIXED, SYSTEM_PATH
from breakbulk.builds.workplace import SOURCE, Workplace, empty_workplace, set_times
from breakbulk.ecosystems.extraction import Stripped, extract
from breakbulk.ecosystems.interface import Sdist
from breakbulk.ecosystems.registry import ecosystems
from breakbulk.ecosystems.resolving import resolve
from breakbulk.ecosystems.source.ecosystem import running_system
from breakbulk.ecosystems.source.making import Archives, Made
from breakbulk.ecosystems.source.projects import described
from breakbulk.errors import BuildError
from breakbulk.lock.model import Python
from breakbulk.manifest.schema import DebInstall, Install, Manifest, Options, PypiInstall
from breakbulk.reporting import SILENT, Reporter
from breakbulk.settings import Settings
from breakbulk.store.confined import run_confined
from breakbulk.store.realise import realise_system

__all__ = ["WheelBuilds"]

_FORMAT = 1
_FAR_SIDE = Path(__file__).with_name("wheel_backend.py")
_PYTHON = "/usr/bin/python3"
_COMPILED = {".c", ".cc", ".cpp", ".cxx", ".f", ".f90", ".pyx"}
_COMPILER = ("g++", "gcc", "libc6-dev", "make", "pkg-config", "python3-dev")
_DEFAULT_REQUIRES = ("setuptools>=40.8.0", "wheel")  # PEP 518
_DEFAULT_BACKEND = "setuptools.build_meta:__legacy__"
_TAIL_LINES = 20
_TIMEOUT_S = 3600.0


class WheelBuilds:
    """Builds wheels; see `ecosystems.interface.WheelBuilder`.

    Args:
        directory: Of the manifest, where its files of constraints are.
        settings: Of this process.
        reporter: Is told of progress.

    """

    def __init__(self, directory: Path, settings: Settings, reporter: Reporter = SILENT) -> None:
        self._directory = directory
        self._settings = settings
        self._reporter = reporter

    def build(self, sdist: Sdist, python: Python, tools: Mapping[str, Install], options: Options) -> Made:
        """Return the wheel of `sdist`, built now unless it was before.

        Raises:
            BuildError: `sdist-build-failed`.
            BreakbulkError: What resolving and realising what the build needs raise.

        """
        key = _key(sdist, python, tools, options)

        def make(file: IO[bytes]) -> Made:
            task = self._reporter.begin(f"building {sdist.name} {sdist.version}")
            try:
                with empty_workplace(self._settings) as place:
                    return self._make(sdist, tools, options, place, file)
            finally:
                task.finish()

        return Archives(self._settings.store / "archives", self._settings.cache).made_once(key, make)

    def _make(
        self, sdist: Sdist, tools: Mapping[str, Install], options: Options, place: Workplace, file: IO[bytes]
    ) -> Made:
        extract(sdist.path, place.source, archive=sdist.file, placement=Stripped(1))
        set_times(place.source)
        system = _build_system(sdist, place.source)
        (place.build / "backend.json").write_text(json.dumps(system), encoding="utf-8")
        shutil.copyfile(_FAR_SIDE, place.build / "backend.py")
        tools = {**tools, **(_compiler() if _has_compiled(place.source) else {})}
        requires = [*system["requires"]]
        lowers = self._realised(sdist, requires, tools, options)
        self._run("requires", sdist, place, lowers)
        if more := json.loads((place.build / "requires.json").read_text(encoding="utf-8")):
            lowers = self._realised(sdist, [*requires, *more], tools, options)
        self._run("wheel", sdist, place, lowers)
        wheels = sorted((place.build / "wheel").glob("*.whl"))
        if len(wheels) != 1:
            raise _failed(sdist, f"it left {len(wheels)} wheels")
        with wheels[0].open("rb") as built:
            shutil.copyfileobj(built, file)
        return described(wheels[0], sdist.sha256)

    def _realised(
        self, sdist: Sdist, requires: Sequence[str], tools: Mapping[str, Install], options: Options
    ) -> tuple[Path, ...]:
        """Return the root file system to build in."""
        needs: dict[str, Install] = {**tools}
        for text in requires:
            needs[f"build-{len(needs)}"] = PypiInstall(pypi=_requirement(sdist, text))
        running = running_system()
        own = msgspec.structs.replace(options, systems=(running,), allow=None, locales=None, constraints=None)
        manifest = Manifest(install=needs, options=own)
        lock = resolve(manifest, self._directory, self._settings, reporter=self._reporter).lock
        return realise_system(lock.systems[running], manifest, ecosystems(), self._settings, self._reporter).lowers

    def _run(self, what: str, sdist: Sdist, place: Workplace, lowers: Sequence[Path]) -> None:
        done = run_confined(
            lowers,
            [_PYTHON, "/build/backend.py", what],
            binds=[place.bind],
            upper=place.upper,
            environment=FIXED | {"PATH": SYSTEM_PATH, "PYTHONSAFEPATH": "1"},
            cwd=SOURCE,
            timeout_s=_TIMEOUT_S,
        )
        if done.status:
            lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
            tail = "\n".join(deque((line for line in lines if line.strip()), maxlen=_TAIL_LINES))
            raise _failed(sdist, f"its back end ended with status {done.status}:\n{tail}")


def _key(sdist: Sdist, python: Python, tools: Mapping[str, Install], options: Options) -> str:
    """Return the digest of what decides a wheel; what it needs to be built counts as of its first build."""
    parts = [_FORMAT, sdist.sha256, python.version, dict(tools), options.suite, options.snapshot]
    return hashlib.sha256(b"sdist" + msgspec.json.encode(parts, order="deterministic")).hexdigest()


def _build_system(sdist: Sdist, source: Path) -> dict[str, Any]:
    """Return requirements, back end and its path, as `pyproject.toml` has them or as PEP 518 supplies them."""
    try:
        tables = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        tables = {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _failed(sdist, f"its pyproject.toml cannot be read: {error}") from error
    found = tables.get("build-system", {"requires": [*_DEFAULT_REQUIRES]})
    return {
        "requires": [str(each) for each in found.get("requires", [])],
        "build-backend": str(found.get("build-backend", _DEFAULT_BACKEND)),
        "backend-path": [str(each) for each in found.get("backend-path", [])],
    }


def _requirement(sdist: Sdist, text: str) -> str:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _failed(sdist, f"it needs {text!r} to be built, which is no requirement") from error
    if canonicalize_name(requirement.name) == sdist.name:
        raise _failed(sdist, "it needs itself to be built")
    return text


def _has_compiled(source: Path) -> bool:
    return any(path.suffix in _COMPILED for path in source.rglob("*"))


def _compiler() -> dict[str, Install]:
    return {f"compiler-{name.replace('+', 'x')}": DebInstall(deb=name) for name in _COMPILER}


def _failed(sdist: Sdist, why: str) -> BuildError:
    return BuildError(
        f"the wheel of {sdist.name} {sdist.version} cannot be built",
        identifier="sdist-build-failed",
        where=sdist.file,
        why=why,
        hint="install the Debian packages that it needs (`libpq-dev`, `cargo`), which its build then has too; or ask "
        "for another version",
    )
