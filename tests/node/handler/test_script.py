"""The program that containerd calls: calls that are not for us reach runc as they are, at once."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodes import until

from breakbulk.node import handler
from breakbulk.node.agent.gates import Gates
from breakbulk.node.records import ready_path, waiting_path

RECORDER = """\
#!/bin/sh
printf '%s\\0' "$@" >"$0.arguments"
grep '^SigIgn' /proc/self/status >"$0.signals"
exit 7
"""
PATHS = {"state": "/nowhere/state", "run": "/nowhere/run", "store": "/nowhere/store", "deadline_s": 1.0}


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """What is called in the place of runc: it writes down how."""
    program = tmp_path / "runc"
    program.write_text(RECORDER)
    program.chmod(0o755)
    return program


def write(path: Path, recorder: Path, *, python: str = "/usr/bin/python3", source: str = "/nowhere") -> Path:
    path.write_text(handler.script(python, source, runc=str(recorder), **PATHS))
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "words",
    [
        ["--root", "/r", "--log", "/l", "--log-format", "json", "state", "c1"],
        ["--version"],
        ["kill", "--all", "c1", "9"],
        ["delete", "", "two words", "new\nline", "ümlaut", "'\"\\$x"],
        ["update", os.fsdecode(b"\xff\xfe")],
    ],
)
def test_other_calls_are_passed_on_without_the_rest_of_the_program(tmp_path, recorder, words):
    script = write(tmp_path / "runtime", recorder)
    assert subprocess.run([script, *words], check=False).returncode == 7
    assert Path(f"{recorder}.arguments").read_bytes() == b"".join(os.fsencode(word) + b"\0" for word in words)
    assert int(Path(f"{recorder}.signals").read_text().split()[1], 16) & (1 << 12 | 1 << 24) == 0


def test_a_call_with_the_rest_of_the_program(tmp_path, recorder):
    source = str(Path(handler.__file__).parents[3])
    script = write(tmp_path / "runtime", recorder, source=source)
    assert subprocess.run([script, "--log", tmp_path / "log", "exec", "create"], check=False).returncode == 7
    assert Path(f"{recorder}.arguments").read_bytes().split(b"\0")[2:] == [b"exec", b"create", b""]
    assert int(Path(f"{recorder}.signals").read_text().split()[1], 16) & (1 << 12 | 1 << 24) == 0


@pytest.mark.parametrize("folder", ["long" * 40, "two words", "it's long" * 20])
def test_interpreters_that_the_kernel_could_not_start_by_a_first_line(tmp_path, recorder, folder):
    place = tmp_path / folder
    place.mkdir()
    (place / "python3").symlink_to("/usr/bin/python3")
    source = str(Path(handler.__file__).parents[3])
    script = write(tmp_path / "runtime", recorder, python=str(place / "python3"), source=source)
    assert subprocess.run([script, "exec", "a b"], check=False).returncode == 7
    assert Path(f"{recorder}.arguments").read_bytes() == b"exec\0a b\0"


def test_the_working_directory_and_the_callers_python_do_not_matter(tmp_path, recorder):
    script = write(tmp_path / "runtime", recorder)
    (tmp_path / "os.py").write_text("raise SystemExit(99)")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/x", "PATH": "/nothing"}
    assert subprocess.run([script, "state"], check=False, cwd=tmp_path, env=environment).returncode == 7


def test_a_program_whose_modules_are_gone_fails_and_says_so(tmp_path, recorder):
    script = write(tmp_path / "runtime", recorder, source=str(tmp_path))
    log = tmp_path / "log.json"
    command = [script, "--log", log, "--log-format", "json", "create", "c1"]
    assert subprocess.run(command, check=False).returncode == 1
    (line,) = map(json.loads, log.read_text().splitlines())
    assert line["level"] == "error"
    assert line["msg"].startswith("breakbulk: handler-missing: ")
    assert not Path(f"{recorder}.arguments").exists()


@settings(max_examples=200)
@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.text())
def test_any_path_is_a_literal(python, runc, source, state):
    paths = {**PATHS, "runc": runc, "state": state}
    words = shlex.split(handler.script(python, source, **paths), comments=True)
    program = words[words.index("-c") + 1]
    assert program.isascii()  # whatever the locale is
    compile(program, "runtime", "exec")
    assert words[words.index("-c") - 2] == python
    assert words[-2:] == [runc, "$@"]


@pytest.mark.parametrize(
    ("kind", "uid", "called"),
    [
        ("sandbox", "6f2f-a", True),
        ("sandbox", "other", False),
        ("sandbox", "../ready/6f2f-a", False),
        ("sandbox", "", False),
        ("container", "6f2f-a", False),
        ("in a sandbox", "6f2f-a", False),
    ],
)
def test_only_the_sandbox_of_a_pod_that_is_ready_goes_past_python(tmp_path, recorder, kind, uid, called):
    run = tmp_path / "it's run"
    ready = Path(ready_path(str(run), "6f2f-a"))
    ready.parent.mkdir(parents=True)
    ready.touch()
    create = creation(tmp_path, run, recorder, kind, uid)
    assert subprocess.run(create, check=False, capture_output=True).returncode == (7 if called else 127)
    if called:
        assert Path(f"{recorder}.arguments").read_bytes() == b"".join(os.fsencode(word) + b"\0" for word in create[1:])


def creation(tmp_path: Path, run: Path, recorder: Path, kind: str = "sandbox", uid: str = "6f2f-a") -> list[str]:
    """Return the command that makes a container; where it would need Python, it fails with 127."""
    bundle = tmp_path / "a bundle"
    bundle.mkdir()
    if kind == "in a sandbox":
        (bundle / "sandbox").touch()
    cri = {
        "container-type": "sandbox" if "sandbox" in kind else kind,
        "sandbox-uid": uid,
        "sandbox-name": '"io.kubernetes.cri.container-type":"sandbox"',
    }
    annotations = {f"io.kubernetes.cri.{key}": value for key, value in cri.items()}
    (bundle / "config.json").write_text(json.dumps({"annotations": annotations}, separators=(",", ":")))
    script = tmp_path / "runtime"
    script.write_text(handler.script("/nowhere/python", "/nowhere", runc=str(recorder), **{**PATHS, "run": str(run)}))
    script.chmod(0o755)
    return [str(script), "--root", "/r", "create", "--bundle", str(bundle), "c1"]


@pytest.fixture
def gates(tmp_path: Path) -> Gates:
    """The gates of an agent; that of `6f2f-a` is shut."""
    run = str(tmp_path / "it's run")
    for path in (waiting_path(run, ""), ready_path(run, "")):
        Path(path).mkdir(parents=True)
    made = Gates(run)
    made.shut("6f2f-a")
    return made


def waits(process: subprocess.Popen) -> bool:
    """Say whether somebody of a process group waits for a lock, as the kernel has it: not whether time has passed."""
    waiting = [line.split()[5] for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(os.getpgid(int(pid)) == process.pid for pid in waiting if Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize("ready", [True, False])
def test_a_sandbox_waits_at_a_gate_and_python_asks_if_the_pod_is_not_ready_then(tmp_path, recorder, gates, ready):
    run = tmp_path / "it's run"
    command = creation(tmp_path, run, recorder)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until(lambda: waits(process))
        if ready:
            Path(ready_path(str(run), "6f2f-a")).touch()
        gates.open("6f2f-a")
        assert process.wait(30) == (7 if ready else 127)
    assert list((run / "waiting").iterdir()) == []


def test_a_gate_of_an_agent_that_has_died_holds_nobody_back(tmp_path, recorder, gates):
    run = tmp_path / "it's run"
    left = Path(waiting_path(str(run), "6f2f-a"))
    gates.open("6f2f-a")
    left.touch()
    done = subprocess.run(creation(tmp_path, run, recorder), check=False, capture_output=True)
    assert (done.returncode, left.exists()) == (127, True)
    gates.shut("6f2f-a")
    gates.open("6f2f-a")
    assert not left.exists()


@pytest.mark.parametrize("uid", ["../../escaped", "", "a/b", "x" * 300])
def test_what_names_no_file_has_no_gate(tmp_path, gates, uid):
    before = sorted(tmp_path.rglob("*"))
    gates.shut(uid)
    gates.open(uid)
    assert sorted(tmp_path.rglob("*")) == before
