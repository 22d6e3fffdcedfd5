"""What the stub image is called and runs: for whoever makes it, and for the runtime handler, which knows it by that.

Imported on the way to every start of a container: nothing but words. Counterpart: `minimal`, which makes the image.
"""

from __future__ import annotations

__all__ = ["DEFAULT_COMMAND", "STUB_NAMES"]

STUB_NAMES = ("docker.io/breakbulk/empty:1", "docker.io/flox/empty:1.0.0")
"""What the stub is called: our name, and Flox's (flox.dev/docs/imageless-kubernetes)."""

DEFAULT_COMMAND = "breakbulk-default-command"
"""The stub's whole command, which stands for that of the environment."""
