"""Which name servers a node can ask for names of the world: those of this machine that are not in the machine itself.

A resolver on the loopback interface, such as systemd-resolved's, cannot be reached from another network namespace; it
writes elsewhere whom it asks in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

__all__ = ["name_servers", "parse_name_servers"]

_FILES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def name_servers(files: Iterable[Path] = _FILES) -> tuple[str, ...]:
    """Return the addresses from the first file that has any, none when nobody can be asked."""
    for file in files:
        try:
            found = parse_name_servers(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if found:
            return found
    return ()


def parse_name_servers(text: str) -> tuple[str, ...]:
    """Return the IPv4 addresses of a resolv.conf(5) that others than this machine itself can reach, each once."""
    words = [line.split() for line in text.splitlines()]
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return tuple(dict.fromkeys(address for address in named if _is_reachable(address)))


def _is_reachable(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.version == 4 and not (address.is_loopback or address.is_unspecified)
