"""Sizes and spans of time, as users type them in options."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import click

__all__ = ["Size", "Span"]

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?i?)b?", re.IGNORECASE)
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SPAN = re.compile(r"(?P<number>\d{1,6})(?P<unit>[smhd])?")
_SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Size(click.ParamType[int]):
    """A size such as 5G, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return it in bytes."""
        match = _SIZE.fullmatch(str(value))
        if match is None or match["unit"].lower() not in _BYTES:
            self.fail(f"{value!r} is no size; write 500M or 5G", param, ctx)
        return int(float(match["number"]) * _BYTES[match["unit"].lower()])


class Span(click.ParamType[timedelta]):
    """A span of time such as 24h."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return it as a span."""
        match = _SPAN.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no span of time; write 30m, 24h or 7d", param, ctx)
        return timedelta(**{_SPANS[match["unit"] or "s"]: int(match["number"])})
