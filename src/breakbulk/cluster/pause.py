"""The program that holds a pod's namespaces: it waits, lets nobody become a zombie, and ends when it is told to. Pure.

    block SIGINT and SIGTERM    process 1 is never sent what it has no handler for, but what it blocks waits for it
    have SIGCHLD ignored        the kernel reaps every child, and every orphan of a pod that shares its processes
    wait for one of the two     and again when a stop and a continuation have interrupted that
    exit                        with 0, or with 1 where waiting is not permitted

In machine code, as nothing else here would need a compiler. No handler is ever called, so none has to return.
Sources: rt_sigprocmask(2), sigaction(2), sigtimedwait(2), syscall(2), and the kernel's tables of system calls.
Counterpart of `images`, which puts it into an image.
"""

from __future__ import annotations

import struct

from breakbulk.cluster.elf import CONSTANTS, executable

__all__ = ["PROGRAMS"]

_SIGINT, _SIGTERM = 2, 15
_IGNORE, _NO_ZOMBIES = 1, 2  # SIG_IGN, SA_NOCLDWAIT

_ENDING = CONSTANTS
"""Address of the set of the two signals."""

_IGNORING = CONSTANTS + 8
"""Address of a `struct sigaction` as the kernel has it: handler, flags, restorer, mask."""

_CONSTANTS = struct.pack("<Q4Q", 1 << _SIGINT - 1 | 1 << _SIGTERM - 1, _IGNORE, _NO_ZOMBIES, 0, 0)


def _amd64() -> bytes:
    """Numbers of calls go to rax, arguments to rdi, rsi, rdx, r10; a call changes rax, rcx and r11."""
    ending, ignoring = struct.pack("<I", _ENDING), struct.pack("<I", _IGNORING)
    preparing = (
        b"\x31\xff"  # xor edi, edi           how: SIG_BLOCK
        b"\xbe"
        + ending  # mov esi, _ENDING
        + b"\x31\xd2"  # xor edx, edx           nothing old is wanted, here and below
        b"\x6a\x08"  # push 8
        b"\x41\x5a"  # pop r10                bytes of a set, here and below
        b"\x6a\x0e"  # push 14
        b"\x58"  # pop rax                    rt_sigprocmask
        b"\x0f\x05"  # syscall
        b"\x6a\x11"  # push 17
        b"\x5f"  # pop rdi                    SIGCHLD
        b"\xbe"
        + ignoring  # mov esi, _IGNORING
        + b"\x6a\x0d"  # push 13
        b"\x58"  # pop rax                    rt_sigaction
        b"\x0f\x05"  # syscall
    )
    waiting = (
        b"\xbf"
        + ending  # mov edi, _ENDING
        + b"\x31\xf6"  # xor esi, esi           nothing is asked of the signal; rdx is 0: for ever
        b"\xb8\x80\x00\x00\x00"  # mov eax, 128      rt_sigtimedwait
        b"\x0f\x05"  # syscall
        b"\x83\xf8\xfc"  # cmp eax, -4        EINTR
    )
    again = b"\x74" + struct.pack("<b", -len(waiting) - 2)  # je waiting
    ending_it = (
        b"\x89\xc7"  # mov edi, eax
        b"\xc1\xef\x1f"  # shr edi, 31        1 for an error, 0 for a signal
        b"\xb8\xe7\x00\x00\x00"  # mov eax, 231      exit_group
        b"\x0f\x05"  # syscall
    )
    return preparing + waiting + again + ending_it


def _arm64() -> bytes:
    """Numbers of calls go to x8, arguments to x0 and following; a call changes x0 alone."""
    start = CONSTANTS + len(_CONSTANTS)
    call = 0xD4000001  # svc #0
    preparing = [
        _move(0, 0),  # how: SIG_BLOCK
        _address(1, _ENDING, start + 4),
        _move(2, 0),  # nothing old is wanted, here and below
        _move(3, 8),  # bytes of a set, here and below
        _move(8, 135),  # rt_sigprocmask
        call,
        _move(0, 17),  # SIGCHLD
        _address(1, _IGNORING, start + 28),
        _move(8, 134),  # rt_sigaction
        call,
    ]
    waiting = [
        _address(0, _ENDING, start + 40),
        _move(1, 0),  # nothing is asked of the signal; x2 is 0: for ever
        _move(8, 137),  # rt_sigtimedwait
        call,
        0x3100101F,  # cmn w0, #4             EINTR
        0x54000000 | (-5 & 0x7FFFF) << 5,  # b.eq waiting, five instructions back
    ]
    ending_it = [
        0x531F7C00,  # lsr w0, w0, #31        1 for an error, 0 for a signal
        _move(8, 94),  # exit_group
        call,
    ]
    return b"".join(struct.pack("<I", word) for word in (*preparing, *waiting, *ending_it))


def _move(register: int, value: int) -> int:
    """Return `mov xREGISTER, #VALUE`."""
    return 0xD2800000 | value << 5 | register


def _address(register: int, target: int, here: int) -> int:
    """Return `adr xREGISTER, TARGET` for an instruction that stands at `here`."""
    distance = target - here
    return 0x10000000 | (distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5 | register


PROGRAMS = {
    "amd64": executable("amd64", _CONSTANTS, _amd64()),
    "arm64": executable("arm64", _CONSTANTS, _arm64()),
}
"""The executable of each architecture, by the names that images have for them."""
