"""Pushers that are killed, and a collection right after: nothing that a generation needs is lost, all litter goes."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from breakbulk.hub.checking import check_hub
from breakbulk.hub.collection import collect_hub
from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings

MOMENTS = ["push-planned", "package-prepared", "package-sent", "object-sent", "objects-settled", "change-recorded"]
MANIFEST = """\
[install]
p0 = { path = "./p0" }
p1 = { path = "./p1" }
[options]
base = "none"
systems = ["x86_64-linux", "aarch64-linux"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a machine of the test's own, from the variables that its processes get."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    places = {"BREAKBULK_STORE": "store", "BREAKBULK_CACHE": "cache", "BREAKBULK_CONFIGURATION": "configuration"}
    places |= {"BREAKBULK_HUB": "hub"}
    return Settings.load(
        kept | {name: str(tmp_path / place) for name, place in places.items()} | {"BREAKBULK_DOWNLOADS": "1"}
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for number in range(2):
        (tmp_path / "project" / f"p{number}").mkdir(parents=True)
        (tmp_path / "project" / f"p{number}" / "data").write_bytes(os.urandom(50_000))
    (tmp_path / "project" / "breakbulk.toml").write_text(MANIFEST)
    return tmp_path / "project"


def push(settings: Settings, project: Path, *milestone: str) -> int:
    program = [sys.executable, str(Path(__file__).parent / "pushing.py"), "push", str(project), *milestone]
    return subprocess.run(
        program, env=dict(settings.environment), capture_output=True, timeout=60, check=False
    ).returncode


@pytest.mark.integration
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_push_has_sent_is_spared_while_it_may_live_and_removed_then(
    settings: Settings, project: Path, tmp_path: Path, moment: str
) -> None:
    assert push(settings, project, moment, "1") == -signal.SIGKILL
    hub = open_hub(settings)
    sent = sum(1 for _ in hub.objects.list("objects/"))
    assert collect_hub(hub, settings, grace=timedelta(0)).removed == 0
    for lease in (tmp_path / "hub" / "leases").glob("*"):
        os.utime(lease, (time.time() - 1000, time.time() - 1000))  # it has not been renewed for long
    collected = collect_hub(hub, settings, grace=timedelta(0))
    assert collected.removed == (0 if moment == "change-recorded" else sent)
    assert check_hub(hub, settings, deep=True).good
    assert push(settings, project) == 0
    assert hub.last_number("ada/tool") == 1
    assert check_hub(hub, settings, deep=True).faults == ()
    assert collect_hub(hub, settings, grace=timedelta(0)).removed == 0
