"""Realise the Airflow environment on an empty store, against `uv pip install --compile-bytecode` of the same wheels.

Both start with nothing: no cache, no store; both fetch from the same index. Twice for ours: the same work as uv does,
for an interpreter that is on the machine already (another environment has brought the Debian packages); and all of it,
where the Debian packages are fetched, unpacked and compiled as well, which uv has no part in. Every round has
directories of its own, and all are removed at the end: ext4 looks at recently deleted inodes whenever it makes one,
which would slow the next.
"""

from __future__ import annotations

import itertools
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

__all__ = ["install_with_uv", "measure"]

OURS = "breakbulk realise"
INTERPRETER = """
[options]
suite = "bookworm"
python = "3.11"
systems = ["x86_64-linux"]
"""


def measure(rounds: int = 3) -> dict[str, Any]:
    """Return the figures."""
    directory = copy_environment(AIRFLOW, "realise")
    breakbulk("lock", "-e", str(directory))
    phases: list[dict[str, Any]] = []
    interpreter = WORK / "interpreter"
    interpreter.mkdir(parents=True, exist_ok=True)
    (interpreter / "breakbulk.toml").write_text(INTERPRETER)
    fresh = WORK / f"realise-{os.getpid()}"
    places = (fresh / str(number) for number in itertools.count())
    try:
        figures = compare(
            {
                OURS: lambda: _ours(directory, next(places), phases, interpreter=interpreter),
                "breakbulk realise, with all Debian packages": lambda: _ours(directory, next(places), phases),
                "uv pip install --compile-bytecode": lambda: install_with_uv(directory, next(places)),
            },
            rounds,
        )
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
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


def _ours(directory: Path, place: Path, phases: list[dict[str, Any]], interpreter: Path | None = None) -> float:
    where = {"BREAKBULK_STORE": str(place / "store"), "BREAKBULK_CACHE": str(place / "cache")}
    if interpreter:
        breakbulk("realise", "-e", str(interpreter), **where)
    printed: list[str] = []
    taken = seconds(lambda: printed.append(breakbulk("realise", "-e", str(directory), "--json", **where)))
    phases.append(json.loads(printed[0]))
    return taken


def install_with_uv(directory: Path, place: Path) -> float:
    """Install the locked wheels, with bytecode, into a new virtual environment and without a cache."""
    uv, target = str(Path(sys.executable).with_name("uv")), place / "venv"
    subprocess.run([uv, "venv", "--quiet", "--python", "3.11", str(target)], check=True)
    listed = place / "requirements.txt"
    listed.write_text("\n".join(requirements(directory)))
    command = [
        uv, "pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--only-binary", ":all:",
        "--python", str(target / "bin" / "python"), "-r", str(listed),
    ]  # fmt: skip
    environment = {**os.environ, "UV_CACHE_DIR": str(place / "uv-cache")}
    return seconds(lambda: subprocess.run(command, check=True, env=environment))
