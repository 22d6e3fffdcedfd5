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

[vars]
# DATA_DIRECTORY = "$HOME/data"

[hook]
# on-activate = "mkdir -p $DATA_DIRECTORY"

[services]
# redis = {{ command = "redis-server", ready.port = 6379 }}

[options]
systems = {systems}
suite = {suite}
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
    text = _TEMPLATE.format(systems=json.dumps(list(systems)), suite=json.dumps(suite))
    more = {"python": python, "snapshot": snapshot}
    return text + "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items() if value is not None)
