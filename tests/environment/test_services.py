"""Services for real: order, readiness, restarts, daemons, logs, and their end."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

LISTENER = """
use IO::Socket::INET;
$| = 1;
$SIG{TERM} = sub { print "bye\\n"; exit 0 };
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", LocalPort => $ENV{PORT}, ReuseAddr => 1) or die $!;
print "listening\\n";
while (1) { my $c = $s->accept or next; print $c "hello\\n"; close $c; }
"""
DAEMON = """exec perl -e 'use POSIX; fork and exit 0; POSIX::setsid(); fork and exit 0;
open F, ">", "daemon.pid"; print F $$; close F; $0 = "x"; sleep 1000'"""


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def listening(runner, port):
    """Give the runner a database that is ready by its port, and a web that needs it."""
    (runner.project / "listen.pl").write_text(LISTENER)
    db = {"command": "exec perl listen.pl", "vars": {"PORT": str(port)}, "ready": {"port": port}}
    web = {"command": "echo up; touch web.up; trap 'echo down; exit' TERM; while :; do sleep 0.05; done"}
    web |= {"depends-on": ["db"], "ready": {"command": "test -e web.up"}}
    runner.manifest = {"services": {"web": web, "db": db}}
    return runner


def log_of(runner, name):
    lines = (runner.project / f".breakbulk/log/{name}.log").read_text().splitlines()
    return [line.split("] ", 1)[-1] for line in lines]


def error_of(done):
    return json.loads(done.stderr.strip().splitlines()[-1])


def test_run_starts_them_in_order_shares_its_sandbox_and_ends_them_in_reverse(listening, port):
    done = listening.run("bash", "-c", f"read -r x </dev/tcp/127.0.0.1/{port}; echo $x; ls web.up", services=["web"])
    assert done.stdout.split() == ["hello", "web.up"], done.stderr
    assert log_of(listening, "db") == ["starting", "listening", "ready", "stopping", "bye", "stopped (status 0)"]
    web = log_of(listening, "web")
    assert [line for line in web if line != "Terminated"] == [
        *("waiting", "starting", "up", "ready", "stopping", "down", "stopped (status 0)")
    ]
    assert not (listening.project / ".breakbulk/services/socket").exists()


def test_background_services_outlive_their_start(listening, port):
    started = listening.services("start", "web")
    try:
        assert started["web"]["state"] == "ready"
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert client.recv(10) == b"hello\n"
        assert listening.run("bash", "-c", f"read -r x </dev/tcp/127.0.0.1/{port}; echo $x").stdout == "hello\n"
        state = listening.services("status")
        assert {name: entry["state"] for name, entry in state.items()} == {"web": "ready", "db": "ready"}
        assert Path(f"/proc/{state['db']['pid']}/cmdline").read_bytes() == b"perl\0listen.pl\0"
        again = listening.services("restart", "web")
        assert again["web"]["pid"] != state["web"]["pid"]
        assert listening.services("status")["db"]["pid"] == state["db"]["pid"]
        assert listening.services("stop", "web")["web"]["state"] == "stopped"
        assert listening.services("start", "web")["web"]["state"] == "ready"
    finally:
        stopped = listening.services("stop")
    assert {entry["state"] for entry in stopped.values()} == {"stopped"}
    assert {entry["state"] for entry in listening.services("status").values()} == {"stopped"}


@pytest.mark.parametrize("victim", ["caller", "one"])
def test_killed_supervisor_leaves_nothing_and_a_new_one_starts(listening, wait_until, victim):
    listening.services("start", "web")
    caller = lock_holder(listening)
    between = int(Path(f"/proc/{caller}/task/{caller}/children").read_text())
    one = int(Path(f"/proc/{between}/task/{between}/children").read_text())
    os.kill({"caller": caller, "one": one}[victim], signal.SIGKILL)
    wait_until(lambda: not listening.processes())
    assert {entry["state"] for entry in listening.services("status").values()} == {"stopped"}
    assert listening.services("start", "web")["web"]["state"] == "ready"
    listening.services("stop")


def lock_holder(runner):
    inode = (runner.project / ".breakbulk/services/lock").stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "POSIX" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    raise AssertionError("nobody holds the lock")


def test_service_that_is_not_ready_tells_its_last_lines(one_runner):
    slow = {"command": "echo still loading; sleep 100", "ready": {"command": "false", "timeout-s": 0.5}}
    one_runner.manifest = {"services": {"slow": slow}}
    done = one_runner.run("echo", "never", services=["slow"])
    error = error_of(done)
    assert (done.returncode, error["error"], done.stdout) == (76, "service-not-ready", "")
    assert "still loading" in error["why"]


def test_service_that_ends_before_it_is_ready(one_runner):
    one_runner.manifest = {"services": {"bad": {"command": "echo oops; exit 3", "ready": {"port": 1}}}}
    error = error_of(one_runner.run("true", services=["bad"]))
    assert error["error"] == "service-failed"
    assert "status 3" in error["what"]
    assert "oops" in error["why"]


def test_service_whose_dependency_fails_tells_what_that_said(one_runner):
    bad = {"command": "echo oops; exit 3", "ready": {"port": 1}}
    one_runner.manifest = {"services": {"web": {"command": "true", "depends-on": ["bad"]}, "bad": bad}}
    error = error_of(one_runner.run("true", services=["web"]))
    assert "'web' has failed: it needs 'bad': it ended with status 3" in error["what"]
    assert error["where"].endswith("bad.log")
    assert "oops" in error["why"]
    assert error["hint"] == "breakbulk services logs bad"


def test_unknown_service_names_those_there_are(one_runner):
    one_runner.manifest = {"services": {"db": {"command": "true"}}}
    error = error_of(one_runner.run("true", services=["bd"]))
    assert (error["error"], error["hint"]) == ("service-unknown", "the services are db")


def test_daemon_is_followed_wherever_it_goes_and_shut_down(runner):
    shutdown = {"command": "echo ending; kill $(cat daemon.pid)"}
    daemon = {"command": DAEMON, "is-daemon": True, "shutdown": shutdown, "ready": {"command": "test -s daemon.pid"}}
    runner.manifest = {"services": {"d": daemon}}
    done = runner.run("bash", "-c", "kill -0 $(cat daemon.pid) && echo alive", services=["d"])
    assert done.stdout == "alive\n", done.stderr
    assert log_of(runner, "d")[-2:] == ["ending", "stopped (status 143)"]


def test_what_a_killed_service_leaves_behind_is_ended(one_runner, wait_until):
    one_runner.manifest = {"services": {"s": {"command": "(sleep 1234 &); echo >up; sleep 1000; :"}}}
    one_runner.services("start", "s")
    wait_until((one_runner.project / "up").exists)
    os.kill(one_runner.services("status")["s"]["pid"], signal.SIGKILL)
    wait_until(lambda: one_runner.services("status")["s"]["state"] == "failed")
    assert not [process for process in one_runner.processes() if command_line(process) == b"sleep\x001234\x00"]
    one_runner.services("stop")


def command_line(process):
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_restart_on_failure(one_runner, wait_until):
    flaky = {"command": "echo x >> tries; exec sleep 0.05; exit 1", "restart": "always"}
    one_runner.manifest = {"services": {"f": flaky}}
    one_runner.services("start", "f")
    wait_until(lambda: (one_runner.project / "tries").read_text().count("x") >= 2)
    assert one_runner.services("status")["f"]["restarts"] >= 1
    one_runner.services("stop")


def test_auto_start(one_runner):
    one_runner.manifest = {"services": {"s": {"command": "touch up; sleep 100", "ready": {"command": "test -e up"}}}}
    one_runner.manifest["services-auto-start"] = True
    assert one_runner.run("ls", "up").returncode == 0


def test_run_uses_services_that_run_already(one_runner):
    one_runner.manifest = {"services": {"s": {"command": "echo started >> starts; sleep 100"}}}
    one_runner.services("start", "s")
    assert one_runner.run("true", services=["s"]).returncode == 0
    assert one_runner.services("status")["s"]["state"] == "running"
    one_runner.services("stop")
    assert (one_runner.project / "starts").read_text() == "started\n"


def test_interrupt_while_services_start_ends_them(one_runner, wait_until):
    one_runner.manifest = {"services": {"s": {"command": "touch up; sleep 100", "ready": {"command": "false"}}}}
    process = one_runner.start("true", services=["s"])
    wait_until((one_runner.project / "up").exists)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=15)
    assert process.returncode == 128 + signal.SIGTERM
