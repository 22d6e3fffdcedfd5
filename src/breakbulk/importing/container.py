"""What an image says of how it is run, and what that is in a manifest. Shared by Dockerfiles and images.

Variables become `[vars]`, the command `containerize.config.cmd`, and, where it listens on a port or has a health check,
a service that is ready when the port answers or the check succeeds.
"""

from __future__ import annotations

import re
import shlex

import msgspec

from breakbulk.importing.assembly import Assembly
from breakbulk.manifest.schema import Ready, Service

__all__ = ["DEFAULT_PATH", "Container", "Health", "describe", "literal", "seconds"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OURS = ("BREAKBULK_", "FLOX_")
"""Set by every activation: an image that was exported from an environment has them."""
_SPECIAL = re.compile(r"[\\$`]")
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|ms|s|m|h)")
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TCP_PORT = re.compile(r"(\d{1,5})(?:/tcp)?")


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A health check: `command` for a shell; how often, how many times, and how long the start may take."""

    command: str
    interval_s: float = 30.0
    start_s: float = 0.0
    retries: int = 3


class Container(msgspec.Struct, kw_only=True):
    """What the configuration of an image holds; commands are words, or one string for a shell."""

    variables: dict[str, str] = {}
    entrypoint: list[str] | str | None = None
    command: list[str] | str | None = None
    directory: str = "/"
    user: str | None = None
    ports: list[str] = []
    volumes: list[str] = []
    labels: dict[str, str] = {}
    stop_signal: str | None = None
    health: Health | None = None


def describe(container: Container, assembly: Assembly, name: str) -> None:
    """Put a container's settings into a manifest; its service is called `name`."""
    for variable, value in container.variables.items():
        if not variable.startswith(_OURS) and (variable, value) != ("PATH", DEFAULT_PATH):
            assembly.variable(variable, _own_value(variable, value))
    words = _words(container)
    assembly.configure(
        cmd=tuple(words) or None,
        user=container.user,
        working_dir=container.directory if container.directory != "/" else None,
        exposed_ports=tuple(dict.fromkeys(container.ports)) or None,
        volumes=tuple(dict.fromkeys(container.volumes)) or None,
        labels=container.labels or None,
        stop_signal=container.stop_signal,
    )
    ready = _ready(container)
    if words and ready:
        assembly.service(name, Service(command=_line(container, words), ready=ready))
        assembly.remark("taken", shlex.join(words), f"services.{name}, containerize.config.cmd")
    elif words:
        assembly.remark("taken", shlex.join(words), f"containerize.config.cmd; breakbulk run -- {shlex.join(words)}")
    if container.user not in {None, "root", "0"}:
        note = "containerize.config.user, for exported images; `breakbulk run` runs as you"
        assembly.remark("approximated", f"user {container.user}", note)


def literal(value: str) -> str:
    """Return text as a variable of a manifest that has this value and refers to nothing."""
    return _SPECIAL.sub(r"\\\g<0>", value)


def seconds(duration: str) -> float | None:
    """Return a duration such as `1m30s` in seconds, None if it is none."""
    parts = _DURATION.findall(duration)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != duration:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _own_value(name: str, value: str) -> str:
    """Return a variable's value; in PATH the usual directories stand for those that the environment has."""
    return literal(value).replace(DEFAULT_PATH, "$PATH") if name == "PATH" else literal(value)


def _words(container: Container) -> list[str]:
    """Return the words that are executed: of a shell form, a shell."""
    match container.entrypoint, container.command:
        case (str(line), _):
            return ["/bin/sh", "-c", line]
        case (None | [], str(line)):
            return ["/bin/sh", "-c", line]
        case (entrypoint, str(line)):
            return [*(entrypoint or ()), "/bin/sh", "-c", line]
        case (entrypoint, command):
            return [*(entrypoint or ()), *(command or ())]


def _line(container: Container, words: list[str]) -> str:
    line = words[2] if words[:2] == ["/bin/sh", "-c"] and len(words) == 3 else f"exec {shlex.join(words)}"
    return line if container.directory == "/" else f"cd {shlex.quote(container.directory)} && {line}"


def _ready(container: Container) -> Ready | None:
    if container.health is not None:
        health = container.health
        timeout_s = max(60.0, health.start_s + health.retries * health.interval_s)
        return Ready(command=health.command, interval_s=min(max(health.interval_s, 0.1), 5.0), timeout_s=timeout_s)
    ports = (_TCP_PORT.fullmatch(port) for port in container.ports)
    return next((Ready(port=int(m[1])) for m in ports if m and 1 <= int(m[1]) <= 65535), None)
