"""What all tests share: a cache outside the tree, settings that never touch the user's store, and no hidden skips."""

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

from breakbulk.settings import Settings

# A shell that starts something in the background, and nohup(1), have it ignore these; so would all that tests start.
for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored is signal.SIGINT else signal.SIG_DFL)

# How long an example takes says something of the machine, and of whatever else it is doing.
hypothesis.settings.register_profile("breakbulk", deadline=None)
hypothesis.settings.load_profile("breakbulk")

S3_SERVER = Path(__file__).parents[1] / "tools" / "s3" / "build"
CACHE = Path(os.environ.get("BREAKBULK_TEST_CACHE", Path.home() / ".cache" / "breakbulk-tests"))


@pytest.fixture(scope="session")
def shared_cache() -> Path:
    """Indices and locations that can be had again, kept between runs: a run asks little of mirrors."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return CACHE


@pytest.fixture
def settings(tmp_path: Path, shared_cache: Path) -> Settings:
    """Settings with a store, a hub and a configuration of the test's own, and the shared cache."""
    return replace(
        Settings.load(os.environ),
        store=tmp_path / "store",
        cache=shared_cache,
        hub=str(tmp_path / "hub"),
        configuration=tmp_path / "configuration",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what speaks to the S3 server, which is built with Go, where there is neither it nor Go."""
    if shutil.which("go") or subprocess.run([S3_SERVER], capture_output=True, check=False).returncode == 0:
        return
    lacking = pytest.mark.skip(reason="no Go to build the S3 server with; fix: install Go 1.25 or newer")
    for item in items:
        if "s3_server" in getattr(item, "fixturenames", ()):
            item.add_marker(lacking)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where CI runs and a test was skipped: a skip that nobody sees is a test that nobody has."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and skipped:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the caller's settings out of the tests."""
    for variable, _ in Settings.documented():
        monkeypatch.delenv(variable, raising=False)
