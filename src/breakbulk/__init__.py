"""Breakbulk ships workloads to Kubernetes without container images.

    from breakbulk import Environment

    environment = Environment.open("examples/hello")
    environment.relock()
    status = environment.launch(["hello"])

`library` has the whole of it; names are loaded when they are first used, as the command line pays for every import.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than the runtime handler has
if TYPE_CHECKING:
    from typing import Any

    from breakbulk.errors import BreakbulkError
    from breakbulk.library import Environment, Locked, running_system
    from breakbulk.library.services import Services
    from breakbulk.reporting import Reporter
    from breakbulk.settings import Settings

__all__ = ["BreakbulkError", "Environment", "Locked", "Reporter", "Services", "Settings", "running_system"]

_HOMES = {
    "BreakbulkError": "errors",
    "Environment": "library",
    "Locked": "library",
    "Reporter": "reporting",
    "Services": "library.services",
    "Settings": "settings",
    "running_system": "library",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"breakbulk.{_HOMES[name]}"), name)
