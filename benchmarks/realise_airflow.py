"""Realise the Airflow environment on an empty store, against `uv pip install --compile-bytecode` of the same wheels.

Both start with nothing: no cache, no store; both fetch from the same index. Ours also fetches, unpacks and compiles the
Debian packages, among them the interpreter that uv finds on the machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from change_dependency import requirements
from measure import compare, seconds
from workplace import AIRFLOW, WORK, breakbulk, copy_environment, locked_packages

__all__ = ["measure"]


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "realise")
    breakbulk("lock", "-e", str(directory))
    phases: list[dict[str, Any]] = []
    figures = compare(
        {
            "breakbulk realise": lambda: _ours(directory, phases),
            "uv pip install --compile-bytecode": lambda: _uv(directory),
        },
        rounds,
    )
    ratio = 1 / figures["ratios"]["uv pip install --compile-bytecode"]
    packages = locked_packages(directory)
    return {
        **figures,
        "ours_to_uv": round(ratio, 2),
        "wheels": sum(package["ecosystem"] == "pypi" for package in packages),
        "packages": len(packages),
        "phases": phases[-1],
        "must_reach": {"ours_to_uv": "<= 1.0"},
    }


def _ours(directory: Path, phases: list[dict[str, Any]]) -> float:
    store, cache = WORK / "empty-store", WORK / "empty-cache"
    for path in (store, cache):
        shutil.rmtree(path, ignore_errors=True)
    printed: list[str] = []
    taken = seconds(
        lambda: printed.append(
            breakbulk("realise", "-e", str(directory), "--json", BREAKBULK_STORE=str(store), BREAKBULK_CACHE=str(cache))
        )
    )
    phases.append(json.loads(printed[0]))
    return taken


def _uv(directory: Path) -> float:
    target, cache = WORK / "empty-venv", WORK / "empty-uv-cache"
    for path in (target, cache):
        shutil.rmtree(path, ignore_errors=True)
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(target)], check=True)
    listed = WORK / "requirements.txt"
    listed.write_text("\n".join(requirements(directory)))
    command = [
        uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--only-binary", ":all:",
        "--python", str(target / "bin" / "python"), "-r", str(listed),
    ]  # fmt: skip
    environment = {**os.environ, "UV_CACHE_DIR": str(cache)}
    return seconds(lambda: subprocess.run(command, check=True, env=environment))
