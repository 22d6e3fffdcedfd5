"""Where everything of one Kubernetes node is: what containerd reads, and what the handler and the agent share.

A machine may hold several nodes, as those of a native cluster do, so every path of a node is a field of one value and
nothing on a node is found by a fixed name. Counterparts: `installation`, which writes what is named here; `handler` and
`agent`, which are told the same paths; `distributions`, which knows where Kubernetes distributions keep things.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from breakbulk.node.distributions import Distribution, distribution
from breakbulk.settings import Settings

__all__ = ["NodePlace"]


class NodePlace(msgspec.Struct, frozen=True, kw_only=True):
    """The paths of one node, all absolute.

    Attributes:
        name: Of the Kubernetes node.
        state: What outlives a restart of the machine: `plans/`, and the store unless settings put it elsewhere.
        store: Directory of packages.
        run: What need not: `agent.sock`, `pods/`.
        runtime: The program that containerd calls for our pods; it is written by an installation.
        runc: What that program calls in the end.
        containerd_config: The file that containerd is started with.
        containerd: Program, asked for what it makes of its configuration.
        containerd_socket: Where it listens.

    """

    name: str
    state: Path
    store: Path
    run: Path
    runtime: Path
    runc: Path
    containerd_config: Path
    containerd: Path
    containerd_socket: Path

    @classmethod
    def default(
        cls, settings: Settings, *, name: str = "", runc: Path | None = None, containerd_config: Path | None = None
    ) -> NodePlace:
        """Return the place of the node that this machine is, as its Kubernetes distribution has it.

        Args:
            settings: Say where the store is.
            name: Of the Kubernetes node; by default the machine's, in lower case as kubelet has it.
            runc: Another one than the distribution's, as NVIDIA's.
            containerd_config: Another one than the distribution's.

        """
        found: Distribution = distribution(search=settings.environment.get("PATH", ""))
        return cls(
            name=name or machine_name(),
            state=settings.store,
            store=settings.store,
            run=Path("/run/breakbulk"),
            runtime=Path("/usr/local/bin/breakbulk-runtime"),
            runc=runc or found.runc,
            containerd_config=containerd_config or found.containerd_config,
            containerd=found.containerd,
            containerd_socket=found.containerd_socket,
        )

    @property
    def leaving(self) -> Path:
        """The file by which an agent that is told to end knows that none comes after it."""
        return self.run / "leaving"


def machine_name() -> str:
    """Return the name that kubelet gives the node of this machine unless it is told another one."""
    import socket

    return socket.gethostname().strip().lower()
