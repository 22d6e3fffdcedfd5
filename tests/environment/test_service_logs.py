"""Logs stay within bounds, and are read across their files."""

import contextlib
import itertools

from hypothesis import given
from hypothesis import strategies as st

from breakbulk.environment.service_logs import LogFile, follow, tail


def test_rotation_keeps_two_older_files(tmp_path):
    path = tmp_path / "log" / "a.log"
    log = LogFile(path, size_max_bytes=10)
    for number in range(5):
        log.write(f"line {number}..".encode())
    log.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    assert path.read_bytes() == b"line 4.."
    assert path.with_name("a.log.2").read_bytes() == b"line 2.."


def test_tail_reaches_into_older_files(tmp_path):
    path = tmp_path / "a.log"
    path.with_name("a.log.1").write_text("1\n2\n3\n")
    path.write_text("4\n5\n")
    assert tail(path, 4) == b"2\n3\n4\n5\n"
    assert tail(path, 1) == b"5\n"
    assert tail(tmp_path / "absent.log", 3) == b""


@given(
    st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b" ").replace(b"\r", b" "))), st.integers(0, 9)
)
def test_tail_is_the_last_lines(tmp_path_factory, lines, count):
    path = tmp_path_factory.mktemp("log") / "a.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    expected = lines[len(lines) - min(count, len(lines)) :]
    assert tail(path, count).split(b"\n")[:-1] == expected


def test_follow_crosses_rotation_and_waits_for_a_log_to_come(tmp_path):
    path = tmp_path / "a.log"
    steps = itertools.count()
    log = None

    def wait(_seconds):
        nonlocal log
        step = next(steps)
        if step == 0:
            log = LogFile(path, size_max_bytes=8)
            log.write(b"first")
        elif step == 1:
            log.write(b"second")  # does not fit, so it begins a new file
        else:
            raise StopIteration

    pieces = []
    with contextlib.suppress(RuntimeError):  # what becomes of StopIteration in a generator
        for data in follow(path, wait=wait):
            pieces += [data]
    log.close()
    assert b"".join(pieces) == b"firstsecond"
