"""Machines of a test's own, that share nothing but a hub: `breakbulk` as users type it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOWHERE = "http://127.0.0.1:9"


class Machine:
    """A machine: store, cache, configuration and home of its own, and the hub beside it."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        self.store = directory / "store"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BREAKBULK_", "XDG_"))}
        self.variables = kept | {
            "BREAKBULK_STORE": str(self.store),
            "BREAKBULK_CACHE": str(directory / "cache"),
            "BREAKBULK_CONFIGURATION": str(directory / "configuration"),
            "BREAKBULK_HUB": str(directory.parent / "hub"),
            "HOME": str(directory),
            "NO_COLOR": "1",
            **variables,
        }

    def __call__(self, *words: str, code: int = 0, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [sys.executable, "-m", "breakbulk", *words],
            cwd=directory or self.work,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert finished.returncode == code, finished.stdout + finished.stderr
        return finished

    def document(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)


def without_indices(directory: Path) -> dict[str, str]:
    """Return variables that lead to indices nobody can reach."""
    apt = directory / "apt"
    (apt / "sources.list.d").mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text(f"deb [trusted=yes] {NOWHERE}/debian bookworm main\n")
    nowhere = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"), f"{NOWHERE}/simple")
    return {"BREAKBULK_APT": str(apt), **nowhere}
