"""What the benchmarks share: a workplace outside the tree, the command, and the peer's images."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from images import Engine

__all__ = ["AIRFLOW", "HERE", "WORK", "breakbulk", "copy_environment", "copy_rootfs", "locked_packages", "rootfs_image"]

HERE = Path(__file__).parent
AIRFLOW = HERE / "airflow"
WORK = Path(os.environ.get("BREAKBULK_BENCH", Path.home() / ".cache" / "breakbulk-bench"))
COMMAND = str(Path(sys.executable).with_name("breakbulk"))


def breakbulk(*arguments: str, **variables: str) -> str:
    """Run the command with a store and cache of the benchmarks' own; return what it prints."""
    environment = {
        **os.environ,
        "BREAKBULK_STORE": str(WORK / "store"),
        "BREAKBULK_CACHE": str(WORK / "cache"),
        **variables,
    }
    done = subprocess.run([COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"breakbulk {' '.join(arguments)} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def copy_environment(source: Path, name: str) -> Path:
    """Return a fresh copy of an environment in the workplace."""
    target = WORK / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(".breakbulk"))
    return target


def locked_packages(directory: Path) -> list[dict[str, Any]]:
    """Return the packages of the lock for this kind of machine."""
    lock = json.loads((directory / "breakbulk.lock").read_text())
    packages: list[dict[str, Any]] = lock["systems"]["x86_64-linux"]["packages"]
    return packages


def rootfs_image(engine: Engine, directory: Path, tag: str) -> None:
    """Build an image of exactly the files that an environment's overlay shows."""
    context = WORK / f"context-{tag.replace(':', '-').replace('/', '-')}"
    copy_rootfs(directory, context)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY root/ /\n")
    engine.build(context, tag)
    shutil.rmtree(context)


def copy_rootfs(directory: Path, context: Path) -> None:
    """Copy the files that an environment's overlay shows to `root` in a fresh directory."""
    shutil.rmtree(context, ignore_errors=True)
    (context / "root").mkdir(parents=True)
    breakbulk(
        "run", "-e", str(directory), "--pure", "--mount", str(context), "--", "cp", "-ax", "/.", f"{context}/root"
    )
    for name in ("etc/resolv.conf", "etc/hosts", "etc/hostname"):
        (context / "root" / name).unlink(missing_ok=True)
