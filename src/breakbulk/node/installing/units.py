"""The unit that runs the node agent under systemd, with as little privilege as its work allows.

Pure. The agent is root's: it makes trees with owners and file capabilities, mounts them in namespaces of its own to
compile them, and looks into the mount tables of all processes before it removes one. What it has no need of is taken
away here; setuid bits are part of packages (ADR 0005), so `RestrictSUIDSGID` is not. Credentials of a hub are read from
`agent.env` in the configuration directory, which root alone may read, and never stand in a unit, which everybody may.
Sources: systemd.exec(5), systemd.service(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from breakbulk.node.place import NodePlace
from breakbulk.settings import Settings

__all__ = ["CAPABILITIES", "UNIT", "AgentService", "agent_arguments", "agent_unit", "handed_on"]

UNIT = "breakbulk-agent.service"

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_ADMIN",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
)
_HARDENING = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateIPC=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "UMask=0022",
)
_HANDED_ON = (
    "BREAKBULK_CACHE",
    "BREAKBULK_CONFIGURATION",
    "BREAKBULK_CPU",
    "BREAKBULK_HUB",
    "BREAKBULK_REQUIRE_SIGNATURES",
)


class AgentService(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent of a node is run.

    Attributes:
        python: The interpreter.
        source: Directory in which it finds Breakbulk, empty where it does so by itself.
        kubeconfig: With which it speaks to the API server; kubelet's reaches what concerns this node, and no more.
        configuration: Directory of `config.toml`, keys, and `agent.env`.
        cache: What can be had again.
        variables: Settings that were in force when it was installed.
        memory_max_bytes: What the agent and all that it starts may take; more is killed, and started again.

    """

    python: str
    source: str = ""
    kubeconfig: Path | None = None
    configuration: Path
    cache: Path
    variables: dict[str, str] = {}
    memory_max_bytes: int = 4 << 30


def handed_on(settings: Settings) -> dict[str, str]:
    """Return the settings that an installation hands on to the agent; none of them is a secret."""
    return {name: settings.environment[name] for name in _HANDED_ON if settings.environment.get(name)}


def agent_arguments(place: NodePlace) -> list[str]:
    """Return the options of `breakbulk node agent` that name every path of a node."""
    return [
        word
        for option, value in (
            ("--name", place.name),
            ("--state", place.state),
            ("--store", place.store),
            ("--run", place.run),
            ("--runtime", place.runtime),
            ("--runc", place.runc),
            ("--containerd", place.containerd),
            ("--containerd-config", place.containerd_config),
            ("--containerd-socket", place.containerd_socket),
        )
        for word in (option, str(value))
    ]


def agent_unit(place: NodePlace, service: AgentService) -> str:
    """Return the text of the unit."""
    command = [service.python, "-m", "breakbulk", "node", "agent", *agent_arguments(place)]
    command += ["--kubeconfig", str(service.kubeconfig)] if service.kubeconfig else []
    lines = [
        "# Written by `breakbulk node install`; put changes into `systemctl edit breakbulk-agent`.",
        "[Unit]",
        "Description=Breakbulk node agent",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={' '.join(_word(word).replace('$', '$$') for word in command)}",
        *(f"Environment={_word(f'{name}={value}')}" for name, value in sorted(_variables(place, service).items())),
        f"EnvironmentFile=-{_path(service.configuration / 'agent.env')}",
        "Restart=always",
        "RestartSec=2",
        "TimeoutStopSec=10",
        "OOMPolicy=continue",
        "OOMScoreAdjust=-250",
        f"MemoryMax={service.memory_max_bytes}",
        "TasksMax=1024",
        "CPUWeight=50",
        "IOWeight=50",
        *_directories(place, service),
        f"ProtectHome={'read-only' if _is_at_home(service) else 'yes'}",
        *_HARDENING,
        f"CapabilityBoundingSet={' '.join(CAPABILITIES)}",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _variables(place: NodePlace, service: AgentService) -> Mapping[str, str]:
    own = {"BREAKBULK_STORE": str(place.store)}
    return {**service.variables, **own, **({"PYTHONPATH": service.source} if service.source else {})}


def _directories(place: NodePlace, service: AgentService) -> list[str]:
    """Return what says where the agent may write; a directory of /run is made anew at every boot."""
    writable = dict.fromkeys((place.state, place.store, service.cache))
    if place.run.parent == Path("/run"):
        made = [f"RuntimeDirectory={_path(Path(place.run.name))}", "RuntimeDirectoryMode=0700"]
        made += ["RuntimeDirectoryPreserve=yes"]
    else:
        writable[place.run] = None
        made = []
    return [*made, *(f"ReadWritePaths=-{_path(path)}" for path in writable)]


def _is_at_home(service: AgentService) -> bool:
    """Say whether the program itself is in somebody's home, so that the agent has to see it."""
    return any(path.startswith(("/home/", "/root/")) for path in (service.python, service.source))


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")


def _word(word: str) -> str:
    """Return a word as systemd takes it apart again."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if any(character in word for character in " \t\"'\\;") else escaped
