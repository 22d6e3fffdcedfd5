"""Bring up the loopback of a network namespace of one's own, which starts with it down; `man 7 netdevice`."""

from __future__ import annotations

import fcntl
import socket
import struct

__all__ = ["bring_up"]

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def bring_up() -> None:
    """Make 127.0.0.1 and ::1 answer; raise `OSError`."""
    request = struct.pack("16sh22x", b"lo", _IFF_UP)  # struct ifreq: ifr_name, ifr_flags
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, request)
