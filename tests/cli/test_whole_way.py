"""The commands one after the other, as a user types them: real packages, a real store, real namespaces."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration
SERVICES = """
[services]
clock.command = "echo started; while sleep 0.1; do echo tick; done"
clock.ready.command = "true"
"""


@dataclass(frozen=True)
class Project:
    """A project, and the program called in it."""

    directory: Path
    variables: dict[str, str]

    def call(self, *argv: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the program and expect an exit code."""
        finished = subprocess.run(
            self.words(*argv),
            cwd=self.directory,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == code, finished.stderr
        return finished

    def document(self, *argv: str, code: int = 0) -> Any:
        """Run the program with `--json` and return its one document."""
        return json.loads(self.call(*argv, "--json", code=code).stdout)

    @staticmethod
    def words(*argv: str) -> list[str]:
        return [sys.executable, "-m", "breakbulk", *argv]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Project:
    """A project with jq, made by the commands themselves."""
    directory = tmp_path_factory.mktemp("whole") / "project"
    directory.mkdir()
    variables = {name: value for name, value in os.environ.items() if not name.startswith("BREAKBULK_")}
    variables |= {"BREAKBULK_STORE": str(directory.parent / "store"), "BREAKBULK_CACHE": str(shared_cache)}
    made = Project(directory, variables | {"NO_COLOR": "1"})
    made.call("init")
    installed = made.document("install", "deb:jq")
    assert installed["installed"] == ["jq"]
    assert "deb:jq" in {change["id"] for change in installed["difference"]["added"]}
    return made


def test_what_was_installed_is_listed_and_locked(project: Project) -> None:
    assert "jq" in project.call("list").stdout
    assert project.call("lock", "--check").stdout == "the lock is up to date\n"
    assert project.document("lock")["changed"] is False
    assert "install.jq → deb:jq → deb:libjq1" in project.call("explain", "libjq1").stdout


def test_a_log_gets_plain_lines_and_a_terminal_gets_bars(project: Project, tmp_path: Path) -> None:
    plain = subprocess.run(
        project.words("realise", "--locked"),
        cwd=project.directory,
        env=project.variables | {"BREAKBULK_STORE": str(tmp_path / "first")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b" not in plain.stdout + plain.stderr
    assert " of " in plain.stderr
    shown = _on_terminal(project, tmp_path / "second")
    assert "━" in shown
    assert "\x1b[?25h" in shown


def _on_terminal(project: Project, store: Path) -> str:
    """Return what a terminal shows while an empty store is filled."""
    ours, theirs = pty.openpty()
    variables = project.variables | {"BREAKBULK_STORE": str(store), "TERM": "xterm"}
    with subprocess.Popen(
        project.words("realise"), cwd=project.directory, env=variables, stdout=theirs, stderr=theirs
    ) as started:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal whose other side is closed ends with EIO
            while more := os.read(ours, 65536):
                shown += more
    os.close(ours)
    assert started.returncode == 0
    return shown.decode()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("true",), 0),
        (("--", "sh", "-c", "exit 7"), 7),
        (("sh", "-c", "kill -TERM $$"), 143),
        (("no-such-command",), 127),
        (("/etc/passwd",), 126),
    ],
)
def test_the_exit_code_is_that_of_the_command(project: Project, words: tuple[str, ...], code: int) -> None:
    project.call("run", *words, code=code)


def test_options_end_where_the_command_begins(project: Project) -> None:
    assert project.call("run", "jq", "--version").stdout.startswith("jq-1.")
    assert project.call("run", "-e", str(project.directory), "--", "jq", "--version").stdout.startswith("jq-1.")
    assert project.call("run", "echo", "--json", "--help").stdout == "--json --help\n"


def test_with_json_the_command_writes_to_standard_error(project: Project) -> None:
    finished = project.call("run", "--json", "--", "sh", "-c", "echo out; exit 3", code=3)
    assert json.loads(finished.stdout)["exit_code"] == 3
    assert "out" in finished.stderr


def test_input_and_output_pass_through(project: Project) -> None:
    finished = subprocess.run(
        project.words("run", "jq", ".a"),
        cwd=project.directory,
        env=project.variables,
        input='{"a": 42}',
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "42\n"


def test_control_c_reaches_the_command(project: Project) -> None:
    script = "trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done"
    with subprocess.Popen(
        project.words("run", "--", "sh", "-c", script),
        cwd=project.directory,
        env=project.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        os.killpg(started.pid, signal.SIGINT)
        output, errors = started.communicate(timeout=30)
    assert (started.returncode, output) == (5, "caught\n")
    assert "Traceback" not in errors


def test_a_package_that_does_not_exist_changes_nothing(project: Project) -> None:
    before = {path.name: path.read_bytes() for path in project.directory.iterdir() if path.is_file()}
    assert project.document("install", "deb:no-such-package-anywhere", code=72)["error"] == "deb-package-unknown"
    assert {path.name: path.read_bytes() for path in project.directory.iterdir() if path.is_file()} == before


def test_search_prints_lines_to_paste(project: Project) -> None:
    assert "breakbulk install deb:jq " in project.call("search", "jq").stdout
    found = project.document("search", "json", "processor", "--limit", "3")["packages"]
    assert len(found) == 3
    assert project.document("search", "zzqqxxyy", code=72)["error"] == "search-empty"


def test_the_store_tells_what_it_holds(project: Project) -> None:
    project.call("realise")
    tree = Path(project.call("store", "path", "jq").stdout.strip())
    assert (tree / "usr/bin/jq").exists()
    assert "jq" in {package["name"] for package in project.document("store", "list")["packages"]}
    assert project.document("store", "stats")["ecosystems"]["deb"] > 20


def test_services_are_started_watched_and_stopped(project: Project) -> None:
    manifest = project.directory / "breakbulk.toml"
    before = manifest.read_text()
    manifest.write_text(before + SERVICES)
    try:
        assert project.document("services", "status")["services"][0]["state"] == "stopped"
        [started] = project.document("services", "start")["services"]
        assert (started["name"], started["state"]) == ("clock", "ready")
        assert "clock  ready" in project.call("services", "status").stdout
        assert "started" in project.document("services", "logs", "clock")["logs"]["clock"]
        _watch(project)
        assert project.document("services", "start", "watch", code=72)["error"] == "service-unknown"
        [stopped] = project.document("services", "stop")["services"]
        assert stopped["state"] == "stopped"
    finally:
        project.call("services", "stop")
        manifest.write_text(before)


def _watch(project: Project) -> None:
    """Follow a log until it has shown something new, then press Control-C."""
    with subprocess.Popen(
        project.words("services", "logs", "--follow", "--lines", "0"),
        cwd=project.directory,
        env=project.variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "tick\n"
        started.send_signal(signal.SIGINT)
        assert started.wait(30) == 0


def test_what_is_uninstalled_is_gone(project: Project) -> None:
    assert project.call("uninstall", "jq").stdout.startswith("- deb:jq ")
    project.call("run", "jq", code=127)
    project.call("install", "deb:jq", "--quiet")
