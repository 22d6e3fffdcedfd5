"""Short ways to say what a check has found (`checks.Check`): a verdict that something is wrong always has a remedy."""

from __future__ import annotations

from breakbulk.checks import Check

__all__ = ["failed", "passed", "unknown", "warning"]


def passed(identifier: str, what: str) -> Check:
    """Return that something is as it should be."""
    return Check(identifier=identifier, what=what, state="ok")


def failed(identifier: str, what: str, why: str | None, fix: str | None) -> Check:
    """Return that something hinders pods."""
    return Check(identifier=identifier, what=what, state="failed", why=why, fix=fix)


def warning(identifier: str, what: str, why: str | None, fix: str | None) -> Check:
    """Return that something will hinder pods, or some of them."""
    return Check(identifier=identifier, what=what, state="warning", why=why, fix=fix)


def unknown(identifier: str, what: str, why: str | None) -> Check:
    """Return that something could not be looked at."""
    return Check(identifier=identifier, what=what, state="unknown", why=why)
