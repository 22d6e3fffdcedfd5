"""Calls of the program: in this process for what it prints, as a process for what a shell sees."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breakbulk.cli.main import main
from breakbulk.hub.hub import Hub
from breakbulk.hub.opening import open_hub
from breakbulk.library import running_system
from breakbulk.lock.files import LOCK_FILE, write_lock
from breakbulk.lock.model import LOCK_VERSION, Lock, LockedSystem, Package
from breakbulk.manifest.reading import read_manifest, to_builtins
from breakbulk.settings import Settings

sys.path.insert(0, str(Path(__file__).parents[1] / "hub" / "support"))


@dataclass(frozen=True)
class Outcome:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The environment of calls: store, cache, hub and configuration of the test's own, no terminal, no editor."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "BREAKBULK_STORE": str(tmp_path / "store"),
        "BREAKBULK_CACHE": str(tmp_path / "cache"),
        "BREAKBULK_HUB": str(tmp_path / "hub"),
        "BREAKBULK_CONFIGURATION": str(tmp_path / "configuration"),
    }


@pytest.fixture
def hub(variables: dict[str, str]) -> Hub:
    """The hub of the calls, to push to it what nobody has to resolve (`changes.push`)."""
    return open_hub(Settings.load(variables))


@pytest.fixture
def call(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Call `main` in this process."""

    def run(*argv: str | Path, **extra: str) -> Outcome:
        monkeypatch.setattr(os, "environ", variables | extra)
        capfd.readouterr()
        code = main([str(word) for word in argv])
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def process(variables: dict[str, str]) -> Callable[..., Outcome]:
    """Run `python -m breakbulk` as a process of its own."""

    def run(*argv: str | Path, cwd: Path | None = None, **extra: str) -> Outcome:
        finished = subprocess.run(
            _program(*argv), cwd=cwd, env=variables | extra, capture_output=True, text=True, timeout=60, check=False
        )
        return Outcome(finished.returncode, finished.stdout, finished.stderr)

    return run


@pytest.fixture
def spawn(variables: dict[str, str]) -> Callable[..., "subprocess.Popen[str]"]:
    """Start `python -m breakbulk` and return the process."""

    def run(*argv: str | Path, **options: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(_program(*argv), env=variables | options.pop("extra", {}), text=True, **options)

    return run


def _program(*argv: str | Path) -> list[str]:
    return [sys.executable, "-m", "breakbulk", *map(str, argv)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory, which is the current one."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def locked(project: Path) -> Callable[..., Path]:
    """Write a manifest and a lock of these packages, as `breakbulk lock` would have left them."""

    def write(text: str, *packages: Package, directory: Path = project) -> Path:
        directory.mkdir(exist_ok=True)
        manifest = directory / "breakbulk.toml"
        manifest.write_text(text)
        system = LockedSystem(packages=tuple(sorted(packages, key=lambda package: package.id)))
        lock = Lock(
            lock_version=LOCK_VERSION,
            manifest=to_builtins(read_manifest(manifest)),
            systems={running_system(): system},
        )
        write_lock(directory / LOCK_FILE, lock)
        return directory

    return write


@pytest.fixture
def package() -> Callable[..., Package]:
    """Make a package; what a test does not care about is plausible."""

    def make(name: str, version: str = "1.0", **fields: Any) -> Package:
        values = {
            "ecosystem": "deb",
            "file": f"pool/{name}_{version}.deb",
            "size": 1000,
            "sha256": hashlib.sha256(f"{name}{version}".encode()).hexdigest(),
            "purl": f"pkg:deb/debian/{name}@{version}",
            "license": "MIT",
        }
        return Package(name=name, version=version, **(values | fields))

    return make
