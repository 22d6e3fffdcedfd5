"""Agreement with `apt-get install --print-uris --no-install-recommends` on an empty system, target by target.

Both read the same mirror of the same day: apt with an empty status file and lists of its own, Breakbulk with its own
cache. What apt refuses, we refuse. The table is `targets.txt`.
"""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from breakbulk.ecosystems.deb import Deb
from breakbulk.ecosystems.interface import Request
from breakbulk.errors import NotFoundError, ResolutionError
from breakbulk.manifest.schema import DebInstall, Options
from breakbulk.reporting import SILENT
from breakbulk.settings import Settings

pytestmark = pytest.mark.integration

TABLE = Path(__file__).with_name("targets.txt")
LINE = re.compile(r"'[^']*' (?P<file>\S+)_[^_]+\.deb \d+")


class Apt:
    """apt with a system of its own, on which nothing is installed."""

    def __init__(self, directory: Path) -> None:
        for part in ("lists/partial", "cache/archives/partial", "preferences"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        (directory / "status").write_text("")
        settings = {
            "Dir::State": directory,
            "Dir::State::status": directory / "status",
            "Dir::State::lists": directory / "lists",
            "Dir::Cache": directory / "cache",
            "Dir::Cache::pkgcache": directory / "cache/pkgcache.bin",
            "Dir::Cache::srcpkgcache": directory / "cache/srcpkgcache.bin",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": directory / "preferences",
            "Acquire::GzipIndexes": "false",
            "APT::Sandbox::User": "root",
        }
        self._options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["apt-get", *self._options, *words], capture_output=True, text=True, check=False)

    def chosen(self, names: list[str]) -> set[str] | None:
        """Return `name=version` of what apt would fetch, None when it refuses."""
        outcome = self.run("install", "--print-uris", "-qq", "-y", "--no-install-recommends", *names)
        if outcome.returncode:
            return None
        files = (match["file"] for line in outcome.stdout.splitlines() if (match := LINE.match(line)))
        return {unquote(file).replace("_", "=", 1) for file in files}


@pytest.fixture(scope="module")
def apt(tmp_path_factory: pytest.TempPathFactory) -> Apt:
    prepared = Apt(tmp_path_factory.mktemp("apt"))
    outcome = prepared.run("update")
    assert outcome.returncode == 0, outcome.stderr
    prepared.chosen(["jq"])  # builds apt's cache once
    return prepared


@pytest.fixture(scope="module")
def machine(shared_cache: Path) -> Settings:
    return replace(Settings.load(os.environ), cache=shared_cache)


def resolved(
    names: list[str], machine: Settings, options: Options, upgrade: frozenset[str] | None = None
) -> set[str] | None:
    installs = {name.replace(":", "-"): DebInstall(deb=name) for name in names}
    request = Request(system="x86_64-linux", installs=installs, options=options, directory=Path("/"), upgrade=upgrade)
    try:
        packages = Deb().resolve(request, machine, SILENT).packages
    except (NotFoundError, ResolutionError):
        return None
    return {f"{package.name}={package.version}" for package in packages}


def targets() -> list[str]:
    lines = (line.strip() for line in TABLE.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def test_agrees_with_apt_on_every_target(apt: Apt, machine: Settings) -> None:
    table = targets()
    assert len(table) >= 150
    resolved(["jq"], machine, Options(), upgrade=frozenset())  # asks the mirror as apt did just now
    with ThreadPoolExecutor(max_workers=2) as pool:
        expected = list(pool.map(apt.chosen, (line.removeprefix("! ").split() for line in table)))
    differing = {}
    for line, theirs in zip(table, expected, strict=True):
        ours = resolved(line.removeprefix("! ").split(), machine, Options())
        if ours != theirs or (theirs is None) != line.startswith("!"):
            differing[line] = (sorted((theirs or set()) - (ours or set())), sorted((ours or set()) - (theirs or set())))
    assert differing == {}, "target: (only apt, only Breakbulk)"


def test_agrees_with_apt_on_the_essential_set(apt: Apt, machine: Settings) -> None:
    """apt adds the Essential set only to a system that has it; asked for by name it gives ours."""
    names = essential_names(machine)
    assert {"dpkg", "libc-bin"} <= set(names)
    assert resolved([], machine, Options(base="essential")) == apt.chosen(names)


def essential_names(machine: Settings) -> list[str]:
    request = Request(system="x86_64-linux", installs={}, options=Options(base="essential"), directory=Path("/"))
    packages = Deb().resolve(request, machine, SILENT).packages
    return [package.name for package in packages if "base" in package.why]
