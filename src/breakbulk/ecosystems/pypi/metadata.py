"""What a wheel says of itself in METADATA: what it needs, and under which licence it is.

Pure. Format: https://packaging.python.org/specifications/core-metadata/ (PEP 566, 639, 643).
"""

from __future__ import annotations

import msgspec
from installer.utils import parse_metadata_file

from breakbulk.ecosystems.pypi.licenses import license_of

__all__ = ["Metadata", "parse_metadata"]


class Metadata(msgspec.Struct, frozen=True):
    """`requires` holds the lines of Requires-Dist, `extras` those of Provides-Extra.

    `license` is an SPDX expression or, failing that, a few words.
    """

    requires: tuple[str, ...] = ()
    license: str | None = None
    extras: tuple[str, ...] = ()


def parse_metadata(text: str) -> Metadata:
    """Return what METADATA says. Fields that are absent are empty; a body is passed over."""
    message = parse_metadata_file(text)
    fields = message.get_all("License-Expression") or []
    return Metadata(
        requires=tuple(str(line) for line in message.get_all("Requires-Dist") or ()),
        license=license_of(
            expression=str(fields[0]) if fields else None,
            classifiers=[str(line) for line in message.get_all("Classifier") or ()],
            words=str(message.get("License") or ""),
        ),
        extras=tuple(str(line) for line in message.get_all("Provides-Extra") or ()),
    )
