"""The ecosystem `hub`: packages that were built with Breakbulk, here or by whoever published them."""

from breakbulk.ecosystems.hub.ecosystem import Hub

__all__ = ["Hub"]
