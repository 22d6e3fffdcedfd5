"""Write a Java key store of trusted certificates, as `keytool -importcert` would, without Java.

The format is JKS, as read by sun.security.provider.JavaKeyStore: magic 0xFEEDFEED, version 2, the number of entries;
per entry tag 2 (trusted certificate), alias, milliseconds since 1970, type of certificate, DER; at the end SHA-1 over
password, the words "Mighty Aphrodite" and all of that. Java reads JKS where its default is PKCS 12 too (keystore type
`jks` is dual, JEP 229). The password is the public convention `changeit`; it guards nothing but against damage.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["jks"]

_CONVENTION = "changeit"
_HEAD = struct.Struct(">III")  # magic, version, entries
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2


def jks(trusted: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a key store of (alias, DER) pairs; of equal aliases the first stays. Times are 0, so bytes are stable."""
    entries: dict[str, bytes] = {}
    for alias, der in trusted:
        entries.setdefault(alias, der)
    body = _HEAD.pack(_MAGIC, _VERSION, len(entries))
    body += b"".join(_entry(alias, entries[alias]) for alias in sorted(entries))
    seal = hashlib.sha1(_CONVENTION.encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False)
    return body + seal.digest()


def _entry(alias: str, der: bytes) -> bytes:
    return b"".join(
        (
            struct.pack(">I", _TRUSTED),
            _utf(alias),
            struct.pack(">q", 0),
            _utf("X.509"),
            struct.pack(">I", len(der)),
            der,
        )
    )


def _utf(text: str) -> bytes:
    """Return text as java.io.DataOutput.writeUTF has it, for characters of one to three bytes but U+0000."""
    encoded = text.encode("utf-8")
    return struct.pack(">H", len(encoded)) + encoded
