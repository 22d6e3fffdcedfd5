"""The process between the caller and process 1: it enters the namespaces.

No process can move itself into a new process namespace, only its children; so this one enters, starts process 1, and
ends when that ends. It dies with the caller, and process 1 with it.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

import msgspec

from breakbulk.environment import devices
from breakbulk.environment.channel import as_message, unforeseen
from breakbulk.environment.process_one import Birth, serve
from breakbulk.errors import BreakbulkError
from breakbulk.store import linux, namespaces

__all__ = ["enter"]


def enter(birth: Birth, parent: int) -> NoReturn:
    """Start process 1 and end when it ends; `parent` is the caller's process."""
    try:
        linux.set_process_name("breakbulk-wait")
        pts = _isolate(birth)
        linux.set_parent_death_signal(signal.SIGKILL)  # after the namespaces, as new credentials undo it
        if os.getppid() != parent:
            os._exit(1)
        child = os.fork()
        if child == 0:
            _become_process_one(msgspec.structs.replace(birth, pts=pts))
        birth.channel.close()
        os.waitpid(child, 0)
    except BreakbulkError as error:
        birth.channel.send({"error": as_message(error)})
    except BaseException as error:  # noqa: BLE001 - a forked child must not run its parent's code
        birth.channel.send({"error": unforeseen(error)})
    finally:
        os._exit(0)


def _isolate(birth: Birth) -> int | None:
    """Enter the namespaces; return a file system of terminals where process 1 could not make it.

    Up to Linux 6.14 one is only made for a user 0, which an ordinary user can be on the way, but is not to stay.
    """
    network = birth.launch.network
    if not birth.user:
        namespaces.isolate(user=False, network=network)
        return None
    ids = os.geteuid(), os.getegid()
    namespaces.become_root_within()
    pts = devices.new_pseudo_terminals()
    namespaces.isolate(user=True, network=network, ids=ids)
    return pts


def _become_process_one(birth: Birth) -> NoReturn:
    try:
        linux.set_parent_death_signal(signal.SIGKILL)  # were the parent dead by now, the channel would have ended
        serve(birth)
    finally:
        os._exit(0)
