"""What a command sees, how it ends, and that nothing stays: as root and as an ordinary user."""

import json
import os
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def error_of(done):
    return json.loads(done.stderr.strip().splitlines()[-1])


class TestOutcome:
    def test_status_is_the_commands(self, runner):
        assert runner.run("bash", "-c", "exit 7").returncode == 7

    def test_the_end_is_noticed_by_a_caller_with_threads(self, one_runner):
        assert one_runner.run("bash", "-c", "exit 7", thread=True).returncode == 7

    def test_signal_is_128_and_its_number(self, runner):
        assert runner.run("bash", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM

    def test_streams_pass_through(self, runner):
        done = runner.run("bash", "-c", "cat; echo problem >&2", stdin="line\n")
        assert (done.stdout, done.stderr) == ("line\n", "problem\n")

    def test_binary_data_is_untouched(self, one_runner):
        done = one_runner.run("bash", "-c", r"printf '\x41\x00\x0d\x0a\x42' | cat | od -An -tx1")
        assert done.stdout.split() == ["41", "00", "0d", "0a", "42"]

    def test_missing_command_is_127_with_the_nearest_name(self, runner):
        done = runner.run("hed")
        error = error_of(done)
        assert (done.returncode, error["error"]) == (127, "command-not-found")
        assert "head" in error["why"]
        assert error["hint"].endswith("breakbulk search hed")

    def test_directory_as_command_is_126(self, runner):
        done = runner.run("/etc")
        assert (done.returncode, error_of(done)["error"]) == (126, "command-not-executable")

    def test_missing_interpreter_is_named(self, one_runner):
        script = one_runner.project / "script"
        script.write_text("#!/usr/bin/ruby\n")
        script.chmod(0o755)
        done = one_runner.run("./script")
        error = error_of(done)
        assert (done.returncode, error["error"], error["where"]) == (126, "interpreter-missing", "/usr/bin/ruby")

    def test_script_without_interpreter_line_is_run_by_sh(self, one_runner):
        script = one_runner.project / "script"
        script.write_text('echo "$0 $1"\n')
        script.chmod(0o755)
        assert one_runner.run("./script", "x").stdout == "./script x\n"

    def test_orphans_are_reaped(self, one_runner):
        count = "sleep 0.2; for d in /proc/[0-9]*; do read -r _ _ state _ <$d/stat; echo $state; done"
        done = one_runner.run("bash", "-c", f"for i in 1 2 3 4 5; do (true & ) ; done; {count}")
        assert "Z" not in done.stdout.split()


class TestView:
    def test_user_is_themselves(self, runner):
        done = runner.run("bash", "-c", "id -u; id -un; stat -c %u .; grep CapEff /proc/self/status")
        assert done.returncode == 0, done.stderr
        uid, name, owner, capabilities = done.stdout.splitlines()
        expected = ("0", "root") if runner.who == "root" else (uid, "joe")
        assert (uid, name) == expected
        assert owner == uid
        assert (int(capabilities.split()[1], 16) == 0) == (runner.who == "user")

    def test_project_and_directory_are_at_their_own_paths_and_writable(self, runner):
        inner = runner.project / "a/b"
        runner.run("mkdir", "-p", "a/b")
        done = runner.run("bash", "-c", "pwd; touch made; ls ../..", directory=inner)
        assert done.stdout.splitlines()[0] == str(inner)
        assert (inner / "made").exists()

    def test_directory_outside_the_project_is_there_too(self, runner, tmp_path):
        elsewhere = tmp_path / "else where"
        elsewhere.mkdir()
        (elsewhere / "file").write_text("content")
        done = runner.run("cat", "file", directory=elsewhere)
        assert done.stdout == "content"

    def test_system_directory_of_this_machine_stays_out(self, one_runner):
        done = one_runner.run("bash", "-c", "pwd", directory="/usr/share")
        assert done.stdout.splitlines()[0] == "/usr/share"
        shown = one_runner.run("bash", "-c", "test -e /usr/share/applications || test -e /usr/share/zoneinfo")
        assert shown.returncode == 1

    def test_tmp_of_this_machine_is_hidden(self, runner, tmp_path):
        secret = Path("/tmp") / f"breakbulk-test-{os.getpid()}"
        secret.write_text("x")
        try:
            done = runner.run("bash", "-c", f"test -e {secret} || echo hidden; stat -c %a /tmp; touch /tmp/own")
        finally:
            secret.unlink()
        assert done.stdout.splitlines() == ["hidden", "1777"]
        assert not Path("/tmp/own").exists()

    def test_changes_to_packages_are_gone_with_the_run(self, runner):
        assert runner.run("bash", "-c", "echo x > /usr/bin/new; rm /usr/bin/head; ls /usr/bin/new").returncode == 0
        assert runner.run("bash", "-c", "test -e /usr/bin/head && ! test -e /usr/bin/new").returncode == 0
        assert (runner.tree / "usr/bin/head").exists()

    def test_devices_work(self, runner):
        script = "echo x >/dev/null; head -c4 /dev/urandom | wc -c; test -c /dev/ptmx; echo a >/dev/shm/a"
        done = runner.run("bash", "-c", script + "; cat /dev/shm/a /dev/stdin <<<b; ls /dev/pts")
        assert done.stdout.split() == ["4", "a", "b", "ptmx"]

    def test_processes_of_this_machine_are_out_of_sight(self, runner):
        done = runner.run("bash", "-c", "echo $$; ls -d /proc/[0-9]* | wc -l")
        number, count = map(int, done.stdout.split())
        assert number < 10
        assert count < 10

    def test_kernel_cannot_be_changed(self, runner):
        script = "(echo 1 >/proc/sys/kernel/panic) 2>&1; (echo 1 >/proc/sysrq-trigger) 2>&1; mkdir /sys/fs/x 2>&1"
        done = runner.run("bash", "-c", script)
        assert len(done.stdout.splitlines()) == 3

    def test_home_is_visible_unless_pure(self, runner):
        (runner.home / "file").write_text("x")
        assert runner.run("bash", "-c", 'test -e "$HOME/file"').returncode == 0
        done = runner.run("bash", "-c", 'echo "$HOME"; ls -A "$HOME"; env | grep MARK', pure=True)
        assert done.stdout.splitlines() == [str(runner.home)]

    def test_mounts(self, runner, tmp_path):
        data = tmp_path / "data"
        data.mkdir()
        (data / "file").write_text("x")
        mounts = [f"{data}:/mnt/data:ro", f"{data / 'file'}:/etc/name"]
        done = runner.run("bash", "-c", "cat /mnt/data/file /etc/name; touch /mnt/data/y", mounts=mounts)
        assert done.stdout == "xx"
        assert done.returncode == 1
        assert not (data / "y").exists()

    def test_missing_mount_source(self, one_runner, tmp_path):
        done = one_runner.run("true", mounts=[str(tmp_path / "absent")])
        assert (done.returncode, error_of(done)["error"]) == (72, "mount-source-missing")

    def test_link_in_a_package_leads_no_mount_out_of_the_root(self, one_runner, tmp_path):
        outside = tmp_path / "outside"
        outside.mkdir()
        evil = tmp_path / "evil"
        evil.mkdir()
        (evil / "escape").symlink_to(outside)
        (outside / "sub").mkdir()
        data = tmp_path / "data"
        data.mkdir()
        order = {"lowers": [str(evil), str(one_runner.tree)], "mounts": [f"{data}:/escape/made"]}
        assert error_of(one_runner.run("true", **order))["error"] == "mount-failed"
        assert [path.name for path in outside.iterdir()] == ["sub"]

    def test_network_is_this_machines_or_loopback_alone(self, runner):
        alone = runner.run("perl", "-e", LISTEN_AND_CONNECT, network=False)
        assert alone.stdout == "connected\n"
        count = "tail -n +3 /proc/net/dev | wc -l"
        inside = [int(runner.run("bash", "-c", count, network=network).stdout) for network in (False, True)]
        assert inside == [1, len(Path("/proc/net/dev").read_text().splitlines()) - 2]

    def test_umask_and_limits_are_the_callers(self, one_runner):
        before = os.umask(0o027)
        try:
            assert one_runner.run("bash", "-c", "umask").stdout == "0027\n"
        finally:
            os.umask(before)

    def test_project_in_a_system_directory_is_refused(self, one_runner):
        done = one_runner.run("true", project="/usr")
        assert (done.returncode, error_of(done)["error"]) == (2, "project-in-system-directory")


ESCAPE_SESSION = """perl -e 'use POSIX; POSIX::setsid(); exec "sleep", "1000"'"""
LISTEN_AND_CONNECT = """
use IO::Socket::INET;
my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 8765) or die $!;
IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 8765) or die $!;
print "connected\\n";
"""


class TestSignals:
    def test_signal_reaches_the_command_once(self, runner):
        script = "n=0; trap 'n=$((n+1))' USR1; trap 'echo $n; exit 3' TERM; echo ready; while :; do sleep 0.02; done"
        process = runner.start("bash", "-c", script)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGUSR1)
        select_nothing(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[0] == "1\n"
        assert process.returncode == 3

    def test_ignored_signals_stay_ignored(self, one_runner):
        done = one_runner.run("bash", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status")
        blocked, ignored = (int(line.split()[1], 16) for line in done.stdout.splitlines())
        assert blocked == 0
        assert not ignored & (1 << (signal.SIGPIPE - 1))


class TestEndOfEverything:
    @pytest.mark.parametrize("victim", ["caller", "between", "one"])
    def test_kill_leaves_nothing(self, runner, wait_until, victim):
        before = sorted(os.listdir(runner.project.parent))
        process = runner.start("bash", "-c", f"({ESCAPE_SESSION} &); echo ready; sleep 1000")
        assert process.stdout.readline() == "ready\n"
        wait_until(lambda: len(runner.processes()) >= 5)
        target = {"caller": process.pid, **chain_below(process.pid)}[victim]
        os.kill(target, signal.SIGKILL)
        process.wait(timeout=10)
        wait_until(lambda: not runner.processes())
        process.communicate()
        assert process.returncode in {-9, 137}
        assert sorted(os.listdir(runner.project.parent)) == before
        assert sorted(os.listdir(runner.project)) == [".breakbulk"]


def chain_below(process):
    """Return the process between, and process 1, below a caller."""
    between = int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])
    one = int(Path(f"/proc/{between}/task/{between}/children").read_text().split()[0])
    return {"between": between, "one": one}


def select_nothing(seconds):
    """Give bash time to run its trap: it says nothing that could be waited for."""
    import select

    select.select([], [], [], seconds)
