"""From a Dockerfile to its command, without building an image; and from an image back to a manifest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakbulk.manifest.reading import read_manifest
from breakbulk.manifest.schema import DebInstall, PypiInstall

pytestmark = pytest.mark.integration

DOCKERFILE = """\
FROM python:3.11-slim-bookworm
ENV GREETING="hello from" \\
    NAME='$USER'
RUN apt-get update && apt-get install -y --no-install-recommends jq && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY src main.py ./
EXPOSE 8000
CMD ["python", "main.py"]
"""
MAIN = """\
import os, packaging, subprocess, lib
two = subprocess.run(["jq", "-n", "1 + 1"], capture_output=True, text=True, check=True).stdout.strip()
print(os.environ["GREETING"], os.environ["NAME"], packaging.__name__, two, lib.X)
"""


def breakbulk(directory: Path, shared_cache: Path, *words: str) -> str:
    variables = os.environ | {"BREAKBULK_STORE": str(directory / "store"), "BREAKBULK_CACHE": str(shared_cache)}
    finished = subprocess.run(
        [sys.executable, "-m", "breakbulk", *words],
        cwd=directory / "project",
        env=variables,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_a_dockerfile_runs_and_its_image_is_read_back(tmp_path: Path, shared_cache: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "requirements.txt").write_text("packaging>=24\n")
    (project / "main.py").write_text(MAIN)
    (project / "src" / "lib.py").write_text("X = 1\n")

    breakbulk(tmp_path, shared_cache, "import", "Dockerfile")
    shown = breakbulk(tmp_path, shared_cache, "run", "--", "sh", "-c", "cd /app && python main.py")
    assert shown == "hello from $USER packaging 2 1\n"

    breakbulk(tmp_path, shared_cache, "export", ".", "--oci", str(tmp_path / "image.tar"))
    report = breakbulk(tmp_path, shared_cache, "import", str(tmp_path / "image.tar"), "--into", str(tmp_path / "back"))
    manifest = read_manifest(tmp_path / "back" / "breakbulk.toml")
    assert manifest.install["jq"] == DebInstall(deb="jq")
    assert manifest.install["packaging"] == PypiInstall(pypi="packaging")
    assert manifest.vars["NAME"] == "\\$USER"
    assert (manifest.containerize.config and manifest.containerize.config.cmd) == ("python", "main.py")
    assert "/app  → 2 files of no package" in report
