"""Terminals and job control, seen from an outer interactive shell as a person has it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import termios
import time

import pytest

pytestmark = pytest.mark.integration

# What a program says is spelt with a sum, as readline shows the line that was typed, and that must not count as said.
COUNTING = (
    "trap 'echo got-int' INT; trap 'echo got-term; exit 4' TERM; "
    "echo started-$((6 * 7)); while :; do sleep 0.05; echo -n .; done"
)


class Screen:
    """A pseudo terminal with a program that has it as its controlling one."""

    def __init__(self, argv, environment, directory, rows=24, columns=80):
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.chdir(directory)
            os.execvpe(argv[0], argv, environment)  # noqa: S606
        self.resize(rows, columns)
        self.seen = ""
        self._expected_to = 0

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, timeout_s=15):
        """Wait until `pattern` appears after what was expected before; return the match."""
        deadline = time.monotonic() + timeout_s
        while True:
            match = re.compile(pattern).search(self.seen, self._expected_to)
            if match:
                self._expected_to = match.end()
                return match
            left = deadline - time.monotonic()
            readable = left > 0 and select.select([self.master], [], [], left)[0]
            assert readable, f"{pattern!r} has not appeared in:\n{self.seen[self._expected_to :]}"
            with contextlib.suppress(OSError):
                self.seen += os.read(self.master, 65536).decode(errors="replace")

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def close(self):
        os.close(self.master)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.process, 0)


@pytest.fixture
def outer(runner):
    """Return an interactive shell of this machine."""
    with shell_on_a_screen(runner) as screen:
        yield screen


@contextlib.contextmanager
def shell_on_a_screen(runner):
    screen = Screen(["bash", "--norc", "--noprofile", "-i"], runner.variables() | {"PS1": "$ "}, runner.project)
    screen.type("stty -echo; PS1='OUT''ER> '; bind 'set enable-bracketed-paste off'\n")
    screen.expect("OUTER> ")
    yield screen
    screen.close()


def launch(runner, *command, **order):
    argv = runner.argv(list(command) if command else None, **order)
    return " ".join(map(shlex.quote, argv))


def test_interrupt_reaches_the_command_once(outer, runner):
    count = "n=0; trap 'n=$((n+1))' INT; trap 'echo count=$n; exit' QUIT; echo started-$((6 * 7));"
    outer.type(launch(runner, "bash", "-c", count + " while :; do sleep 0.05; done") + "\n")
    outer.expect("started-42")
    outer.type("\x03")
    select.select([], [], [], 0.4)
    outer.type("\x1c")
    assert outer.expect(r"count=(\d+)")[1] == "1"
    outer.expect("OUTER> ")


def test_interrupted_command_ends_a_script_around_it(one_runner):  # an ordinary user may send root's script no signal
    sleep = launch(one_runner, "bash", "-c", "echo started-$((6 * 7)); sleep 100")
    script = f"for i in 1 2; do {sleep}; done; echo not-$((1 + 1))-reached"
    with shell_on_a_screen(one_runner) as outer:
        outer.type(f"bash -c {shlex.quote(script)}\n")
        outer.expect("started-42")
        outer.type("\x03")
        assert outer.expect("started-42|not-2-reached|OUTER> ")[0] == "OUTER> "
        outer.type("echo outer=$?\n")
        outer.expect("outer=130")


def test_stop_and_continue_as_a_job(outer, runner):
    outer.type(launch(runner, "bash", "-c", COUNTING) + "\n")
    outer.expect("started-42")
    outer.type("\x1a")
    outer.expect("Stopped")
    outer.expect("OUTER> ")
    outer.type("fg\n")
    outer.expect(r"driver.py.*\n[^$]*\.")  # a key typed earlier would still be the shell's
    outer.type("\x03")
    outer.expect("got-int")
    outer.type("\x1a")
    outer.expect("Stopped")
    outer.type("bg\nkill %1\n")
    outer.expect("got-term")
    outer.type("wait; echo waited\n")
    outer.expect("waited")


def test_background_job_stops_when_it_reads_and_gets_the_terminal_in_the_foreground(outer, runner):
    outer.type(launch(runner, "bash", "-c", "read -r line; echo line=$line") + " &\n")
    outer.expect("OUTER> ")
    outer.type("while ! jobs | grep Stopped; do sleep 0.05; done; echo is-stopped\n")
    outer.expect("is-stopped\r?\n")
    outer.type("fg\n")
    outer.expect("driver.py.*\n")
    outer.type("typed\n")
    outer.expect("line=typed")
    outer.expect("OUTER> ")


def test_pipeline_leaves_the_terminal_to_the_other_program(outer, runner):
    reader = "cat >/dev/null; read -r line </dev/tty; echo line=$line"
    outer.type(f"{launch(runner, 'echo', 'x')} | bash -c {shlex.quote(reader)}\n")
    outer.type("typed\n")
    outer.expect("line=typed")


def test_shell_has_job_control_and_names_the_environment(outer, runner):
    outer.type(launch(runner) + "\n")
    outer.expect(r"\[project\] ")
    outer.type("stty -echo; PS1='INNER> '\n")
    outer.expect("INNER> ")
    outer.type("sleep 100\n")
    select.select([], [], [], 0.3)
    outer.type("\x1a")
    outer.expect("Stopped +sleep 100")
    outer.expect("INNER> ")
    outer.type("jobs; kill %1; fg\n")
    outer.expect("sleep 100")
    outer.expect("INNER> ")
    outer.type("exit 5\n")
    outer.expect("OUTER> ")
    outer.type("echo status=$?\n")
    assert outer.expect(r"status=(\d+)")[1] == "5"


def test_window_size_and_its_changes_reach_the_command(outer, runner):
    script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done"
    outer.resize(30, 100)
    outer.type(launch(runner, "bash", "-c", script) + "\n")
    outer.expect("30 100")
    outer.resize(40, 120)
    outer.expect("40 120")
    outer.expect("OUTER> ")


def test_terminal_has_a_name_inside(outer, runner):
    outer.type(launch(runner, "tty") + "\n")
    outer.expect("/dev/console")


def test_without_an_outer_shell_a_stop_does_not_hang(runner):
    screen = Screen(runner.argv(["bash", "-c", COUNTING]), runner.variables(), runner.project)
    try:
        screen.expect("started-42")
        screen.type("\x1a")
        screen.type("\x03")
        screen.expect("got-int")
        os.kill(screen.process, signal.SIGTERM)
        screen.expect("got-term")
        assert screen.wait() == 4
    finally:
        screen.close()


def test_hangup_ends_everything(runner, wait_until):
    screen = Screen(
        runner.argv(["bash", "-c", "echo started-$((6 * 7)); sleep 1000"]), runner.variables(), runner.project
    )
    screen.expect("started-42")
    os.close(screen.master)
    assert screen.wait() == 128 + signal.SIGHUP
    wait_until(lambda: not runner.processes())
