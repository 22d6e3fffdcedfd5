"""What handlers are handed by their parameters' types: the service, and whoever asks."""

from __future__ import annotations

from typing import TypeAlias

from litestar.di import NamedDependency

from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.service import Service

__all__ = ["TheCaller", "TheService"]

TheService: TypeAlias = NamedDependency[Service]
TheCaller: TypeAlias = NamedDependency[Caller]
