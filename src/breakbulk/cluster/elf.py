"""A program as the kernel loads it: constants and machine code, framed as a static ELF executable. Pure.

One segment holds everything and can be read and executed, not written; the stack is not executable. Source: elf(5), and
the processor supplements of the System V ABI for the numbers of machines. Counterpart of `pause`, which has the code.
"""

from __future__ import annotations

import struct

__all__ = ["CONSTANTS", "executable"]

_MACHINES = {"amd64": 62, "arm64": 183}  # e_machine, by the names that images have for architectures
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_BASE = 0x400000

CONSTANTS = _BASE + _HEADER.size + 2 * _SEGMENT.size
"""Address of the constants; the program begins after them."""

_IDENTITY = b"\x7fELF\x02\x01\x01"  # 64 bit, little endian, version 1
_EXECUTABLE, _VERSION = 2, 1
_LOAD, _STACK = 1, 0x6474E551
_READ, _WRITE, _EXECUTE = 4, 2, 1
_ALIGNMENT = 1 << 16  # the largest page of arm64


def executable(architecture: str, constants: bytes, code: bytes) -> bytes:
    """Return a program for `amd64` or `arm64` that begins with the first byte of `code`."""
    size = CONSTANTS - _BASE + len(constants) + len(code)
    entry = CONSTANTS + len(constants)
    sections = (0, 0, 0)
    header = _HEADER.pack(
        *(_IDENTITY, _EXECUTABLE, _MACHINES[architecture], _VERSION, entry),
        *(_HEADER.size, 0, 0),  # segments follow at once; no sections, no flags
        *(_HEADER.size, _SEGMENT.size, 2, *sections),
    )
    everything = _SEGMENT.pack(_LOAD, _READ | _EXECUTE, 0, _BASE, _BASE, size, size, _ALIGNMENT)
    stack = _SEGMENT.pack(_STACK, _READ | _WRITE, 0, 0, 0, 0, 0, 16)
    return header + everything + stack + constants + code
