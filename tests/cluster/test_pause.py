"""The pause program: its form, and how it behaves as process 1 of a namespace."""

import contextlib
import os
import platform
import select
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from breakbulk.cluster.pause import PROGRAMS

HERE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
ARM64 = """\
mov x0, #0x0
adr x1, 4000b0
mov x2, #0x0
mov x3, #0x8
mov x8, #0x87
svc #0x0
mov x0, #0x11
adr x1, 4000b8
mov x8, #0x86
svc #0x0
adr x0, 4000b0
mov x1, #0x0
mov x8, #0x89
svc #0x0
cmn w0, #0x4
b.eq 400100
lsr w0, w0, #31
mov x8, #0x5e
svc #0x0
"""


@pytest.fixture
def pause(tmp_path: Path) -> Path:
    """The program of this machine."""
    program = tmp_path / "pause"
    program.write_bytes(PROGRAMS[HERE])
    program.chmod(0o755)
    return program


class Namespace:
    """A program as process 1 of a namespace of processes; `pid` is what it is called here."""

    def __init__(self, *command: str | Path) -> None:
        self.outer = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", *command])
        self.pid = int(eventually(lambda: children(self.outer.pid))[0])
        eventually(lambda: Path(f"/proc/{self.pid}/cmdline").read_bytes().startswith(os.fsencode(command[0])))

    def run(self, script: str) -> None:
        """Run a shell script inside and wait until everything that has its output is gone."""
        inside = ["nsenter", f"--target={self.pid}", "--pid", "sh", "-c", script]
        done = subprocess.run(inside, check=False, stdout=subprocess.PIPE, timeout=20)
        assert done.returncode in {0, -signal.SIGKILL}  # whoever ends process 1 ends with everybody else

    def state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def namespace() -> Iterator[Callable[..., Namespace]]:
    with contextlib.ExitStack() as ending:

        def make(*command: str | Path) -> Namespace:
            made = Namespace(*command)
            ending.callback(made.outer.wait)
            ending.callback(made.outer.kill)
            return made

        yield make


def waits(pid: int) -> bool:
    """Say whether the program has come to its waiting: it has SIGCHLD ignored after it has blocked the two."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigIgn"], 16) >> signal.SIGCHLD - 1 & 1) and status["State"].startswith("S")


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Return what the condition gives as soon as it holds."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        select.select([], [], [], 0.01)
    return found


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_a_program_is_a_small_static_executable_that_cannot_be_written(architecture: str, machine: int) -> None:
    program = PROGRAMS[architecture]
    kind, found, _, entry, segments = struct.unpack_from("<HHIQQ", program, 16)
    load_type, flags, offset, address, _, size, memory, _ = struct.unpack_from("<IIQQQQQQ", program, segments)
    assert (program[:6], kind, found) == (b"\x7fELF\x02\x01", 2, machine)
    assert (load_type, flags, offset, size, memory) == (1, 5, 0, len(program), len(program))
    assert address <= entry < address + size
    assert len(program) < 512


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_its_constants_are_the_two_signals_and_how_children_are_left_alone(architecture: str) -> None:
    program = PROGRAMS[architecture]
    (entry,) = struct.unpack_from("<Q", program, 24)
    constants = program[entry - 0x400000 - 40 : entry - 0x400000]
    ending, handler, flags, restorer, mask = struct.unpack("<5Q", constants)
    assert [number for number in range(1, 65) if ending >> number - 1 & 1] == [signal.SIGINT, signal.SIGTERM]
    assert (handler, flags, restorer, mask) == (signal.SIG_IGN, 2, 0, 0)


def test_the_arm64_words_are_these_instructions(tmp_path: Path) -> None:
    """What they mean was looked up in the architecture manual (`A64 base instructions`), and with a disassembler."""
    program = PROGRAMS["arm64"]
    (entry,) = struct.unpack_from("<Q", program, 24)
    words = struct.unpack_from("<19I", program, entry - 0x400000)
    assert [a64(word, entry + 4 * number) for number, word in enumerate(words)] == ARM64.splitlines()


def a64(word: int, here: int) -> str:
    """Disassemble the few instructions that there are."""
    register = word & 31
    if word & 0xFFE00000 == 0xD2800000:
        return f"mov x{register}, #{word >> 5 & 0xFFFF:#x}"
    if word & 0x9F000000 == 0x10000000:
        return f"adr x{register}, {here + (signed(word >> 5 & 0x7FFFF, 19) << 2 | word >> 29 & 3):x}"
    if word & 0xFF00001F == 0x54000000:
        return f"b.eq {here + 4 * signed(word >> 5 & 0x7FFFF, 19):x}"
    if word & 0xFFC0001F == 0x3100001F:
        return f"cmn w{word >> 5 & 31}, #{word >> 10 & 0xFFF:#x}"
    if word & 0xFFC0FC00 == 0x53007C00:
        return f"lsr w{register}, w{word >> 5 & 31}, #{word >> 16 & 31}"
    return "svc #0x0" if word == 0xD4000001 else f"unknown {word:08x}"


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_it_is_told_to(pause: Path, number: signal.Signals) -> None:
    with subprocess.Popen([pause]) as running:
        try:
            eventually(lambda: waits(running.pid))
            running.send_signal(number)
            assert running.wait(10) == 0
        finally:
            running.kill()


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_as_process_1_it_ends_well_when_it_is_told_to(
    pause: Path, namespace: Callable[..., Namespace], number: signal.Signals
) -> None:
    held = namespace(pause)
    eventually(lambda: waits(held.pid))
    os.kill(held.pid, number)
    assert held.outer.wait(10) == 0


@pytest.mark.integration
def test_as_process_1_it_can_be_ended_from_inside(pause: Path, namespace: Callable[..., Namespace]) -> None:
    held = namespace(pause)
    eventually(lambda: waits(held.pid))
    held.run("kill -TERM 1")
    assert held.outer.wait(10) == 0


@pytest.mark.integration
def test_as_process_1_it_leaves_no_zombies(pause: Path, namespace: Callable[..., Namespace]) -> None:
    """An orphan goes to process 1. `sleep` reaps nothing, which shows that this test would notice."""
    orphan = "(sh -c 'exit 3' &)"
    careless = namespace("/bin/sleep", "infinity")
    careless.run(orphan)
    assert len(children(careless.pid)) == 1
    held = namespace(pause)
    eventually(lambda: waits(held.pid))
    for _ in range(20):
        held.run(orphan)
    eventually(lambda: not children(held.pid))
    assert held.outer.poll() is None


@pytest.mark.integration
def test_it_goes_on_waiting_after_a_stop_and_a_continuation(pause: Path, namespace: Callable[..., Namespace]) -> None:
    held = namespace(pause)
    eventually(lambda: waits(held.pid))
    for number, state in ((signal.SIGSTOP, "T"), (signal.SIGCONT, "S")) * 3:
        os.kill(held.pid, number)
        eventually(lambda state=state: held.state() == state)
    os.kill(held.pid, signal.SIGHUP)
    os.kill(held.pid, signal.SIGTERM)
    assert held.outer.wait(10) == 0
