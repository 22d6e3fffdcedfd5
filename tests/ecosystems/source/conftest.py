"""Sources made to order, and a workplace whose cache and store are the test's own."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from breakbulk.ecosystems.interface import Request
from breakbulk.manifest.schema import Install, Options
from breakbulk.settings import Settings

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with nothing shared: what is made in one test must not be found in another."""
    return replace(settings, cache=tmp_path / "cache")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files by path into the directory `source`; a value that begins with `->` is a link."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "source"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                path.symlink_to(text[2:])
            else:
                path.write_text(text)
                path.chmod(0o755 if text.startswith("#!") else 0o644)
        return root

    return write


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[..., Request]:
    """A request of installs whose relative paths start at the test's directory."""

    def request_for(installs: Mapping[str, Install], **more: object) -> Request:
        return Request(
            system=f"{os.uname().machine}-linux", installs=installs, options=Options(), directory=tmp_path, **more
        )

    return request_for


@pytest.fixture
def git(tmp_path: Path) -> Callable[..., str]:
    """Run git in the directory `source`, as somebody, at a fixed time, without the user's configuration."""

    def git(*arguments: str, directory: Path | None = None) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        place = directory or tmp_path / "source"
        return subprocess.run(
            ["git", *arguments], cwd=place, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    return git
