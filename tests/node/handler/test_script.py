"""The program that containerd calls: calls that are not for us reach runc as they are, at once."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakbulk.node import handler
from breakbulk.node.records import ready_path

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
    run, bundle = tmp_path / "it's run", tmp_path / "a bundle"
    bundle.mkdir()
    ready = Path(ready_path(str(run), "6f2f-a"))
    ready.parent.mkdir(parents=True)
    ready.touch()
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
    words = ["--root", "/r", "create", "--bundle", str(bundle), "c1"]
    assert subprocess.run([script, *words], check=False, capture_output=True).returncode == (7 if called else 127)
    if called:
        assert Path(f"{recorder}.arguments").read_bytes() == b"".join(os.fsencode(word) + b"\0" for word in words)
