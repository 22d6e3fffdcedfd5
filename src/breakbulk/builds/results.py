"""Show what was built: unpack it into the store, and leave a link `result-NAME` to it beside the manifest."""

from __future__ import annotations

import os
from pathlib import Path

from breakbulk.builds.building import Built, Ground
from breakbulk.ecosystems.registry import ecosystems
from breakbulk.ecosystems.source.selection import RESULT
from breakbulk.errors import StoreError
from breakbulk.reporting import Reporter
from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise

__all__ = ["link_result"]


def link_result(built: Built, ground: Ground, reporter: Reporter) -> Path:
    """Return the link to what a build put into `$out`; of several levels of CPU to that of the last one.

    Raises:
        StoreError: `result-not-writable`; and what realising raises.

    """
    realise(
        (*ground.locked.packages, built.package),
        ground.locked.python if _is_for(built, ground) else None,
        manifest_installs=ground.manifest.install,
        ecosystems=ecosystems(),
        settings=ground.settings,
        reporter=reporter,
    )
    tree = Layout(ground.settings.store).tree(built.package) / built.recipe.destination.lstrip("/")
    link = ground.directory / f"{RESULT}{built.recipe.name}"
    _point(link, tree)
    return link


def _is_for(built: Built, ground: Ground) -> bool:
    """Tell whether it has sources for the environment's Python, which then compiles them."""
    return ground.locked.python is not None and built.package.python == ground.locked.python.tag


def _point(link: Path, target: Path) -> None:
    """Make or turn a link in one step; what is no link is the user's, and stays."""
    half_made = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        if link.exists() and not link.is_symlink():
            raise FileExistsError(None, "there is something that is no link", str(link))
        half_made.symlink_to(target)
        half_made.replace(link)
    except OSError as error:
        half_made.unlink(missing_ok=True)
        raise StoreError(
            "the link to what was built cannot be made",
            identifier="result-not-writable",
            where=str(link),
            why=error.strerror,
            hint="make the project's directory writable, or build with --no-link",
        ) from error
