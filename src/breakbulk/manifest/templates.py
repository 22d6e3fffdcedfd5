"""The manifest that `breakbulk init` writes: short, commented, valid, and ready for `breakbulk install`."""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["new_manifest"]

_TEMPLATE = """\
# An environment of Breakbulk: `breakbulk install pypi:pandas deb:git`, then `breakbulk run -- COMMAND`.

[install]
# pandas.pypi = "pandas>=2"     a Python package
# git.deb = "git"               a Debian package
# app.path = "."                the source in a directory

[options]
{options}

# Tables that are not there yet can be written below, or made of these by taking the marks away:
# [vars]
# DATA_DIRECTORY = "$HOME/data"
#
# [hook]
# on-activate = "mkdir -p $DATA_DIRECTORY"
#
# [services]
# redis = {{ command = "redis-server", ready.port = 6379 }}
"""


def new_manifest(
    suite: str, systems: Sequence[str], *, python: str | None = None, snapshot: str | None = None
) -> str:  # fmt: skip
    """Return the text of a new manifest.

    Args:
        suite: Debian suite that packages come from, such as `bookworm`.
        systems: Systems to lock for, such as `x86_64-linux`.
        python: Minor version of Python, such as `3.11`; the suite's own by default.
        snapshot: RFC 3339 date as of which everything resolves; by default whatever is newest.

    """
    options = {"systems": list(systems), "suite": suite, "python": python, "snapshot": snapshot}
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items() if value is not None]
    return _TEMPLATE.format(options="\n".join(lines))
