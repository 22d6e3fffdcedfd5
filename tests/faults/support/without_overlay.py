"""Run a program on a kernel that knows no overlay: `without_overlay.py PROGRAM WORDS...`.

A seccomp filter answers fsopen(2) with ENODEV, as a kernel without the module does.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
BPF_LOAD, BPF_JUMP_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
FSOPEN = 430  # on every architecture


def forbid_fsopen() -> None:
    steps = [
        (BPF_LOAD, 0, 0, 0),
        (BPF_JUMP_EQUAL, 0, 1, FSOPEN),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.ENODEV),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
        if libc.prctl(*words):
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid_fsopen()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606
