"""The certificate bundle that TLS libraries look for, as update-ca-certificates(8) makes it.

Every certificate of /usr/share/ca-certificates and /usr/local/share/ca-certificates is trusted, which is Debian's
default. Java's key store is made where the package ca-certificates-java asks for it. The links by hash are made by
`openssl rehash` (`programs`) where openssl is there.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from typing import TYPE_CHECKING

from breakbulk.store.base.keystore import jks

if TYPE_CHECKING:
    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts

__all__ = ["BUNDLE", "JAVA_STORE", "add_certificates"]

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
JAVA_STORE = "etc/ssl/certs/java/cacerts"
_PACKAGED = "usr/share/ca-certificates"
_LOCAL = "usr/local/share/ca-certificates"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+(.*?)-----END CERTIFICATE-----", re.DOTALL)
_LIST_HEAD = """\
# The certificates of /usr/share/ca-certificates that are trusted: all of them, which is the default.
# Read by update-ca-certificates(8).
"""


def add_certificates(facts: Facts, additions: Additions) -> None:
    """Add the bundle, a link per certificate, the list of the trusted ones, and Java's key store."""
    packaged = facts.below(_PACKAGED, ".crt")
    paths = [*packaged, *facts.below(_LOCAL, ".crt")]
    if not paths:
        return
    texts = {path: (facts.read(f"/{path}") or b"").rstrip() + b"\n" for path in paths}
    additions.file(BUNDLE, b"".join(texts[path] for path in sorted(paths)))
    for path in paths:
        additions.link(f"etc/ssl/certs/{_link_name(path)}", f"/{path}")
    listed = "".join(f"{path.removeprefix(_PACKAGED + '/')}\n" for path in packaged)
    additions.file("etc/ca-certificates.conf", _LIST_HEAD + listed)
    if facts.kind("/etc/ssl/certs/java") or facts.kind("/usr/share/ca-certificates-java"):
        trusted = [(f"debian:{_link_name(path)}".lower(), der) for path in paths for der in _der(texts[path])]
        additions.file(JAVA_STORE, jks(trusted))


def _link_name(path: str) -> str:
    """Return the name below /etc/ssl/certs: without the characters that update-ca-certificates replaces."""
    name = posixpath.basename(path).removesuffix(".crt")
    return name.replace(" ", "_").replace(",", "_").replace("(", "=").replace(")", "=") + ".pem"


def _der(text: bytes) -> list[bytes]:
    """Return the certificates of a PEM file (RFC 7468); what is none is left out."""
    found = []
    for match in _PEM.finditer(text):
        try:
            found.append(base64.b64decode(match.group(1), validate=False))
        except binascii.Error:
            continue
    return found
