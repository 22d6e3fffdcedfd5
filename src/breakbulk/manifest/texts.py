"""What text in a manifest must look like: names, paths, addresses, versions and dates.

Each function checks one kind of text at one key path and raises a `Fault` with the correction; values that pass may be
used as parts of paths and as arguments of programs (nothing begins with a dash, nothing holds control characters).
"""

from __future__ import annotations

import datetime as dt
import posixpath
import re
import urllib.parse

from breakbulk.manifest.faults import Fault, KeyPath

__all__ = [
    "address",
    "destination",
    "entry_name",
    "host_path",
    "inner_path",
    "matching",
    "moment",
    "no_credentials",
    "sha256",
    "suite",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENTRY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(?:/[A-Za-z0-9][A-Za-z0-9._+-]*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2}))?")
_KERNEL_TREES = ("/proc", "/sys", "/dev")


def entry_name(name: str, path: KeyPath) -> None:
    """Check the name of an install, a service or a build: it becomes part of file names."""
    if not _ENTRY_NAME.fullmatch(name) or len(name) > 128:
        raise Fault(
            path,
            "is not a name that can be part of a file name",
            hint="use letters, digits and . _ + -, beginning with a letter or digit, at most 128 of them",
        )


def matching(pattern: re.Pattern[str], text: str, path: KeyPath, problem: str, hint: str) -> None:
    """Check that the whole of `text` has the form of `pattern`."""
    if not pattern.fullmatch(text):
        raise Fault(path, f'is "{text}", which is {problem}', hint=hint)


def host_path(text: str, path: KeyPath) -> None:
    """Check a path on this machine, absolute or relative to the manifest."""
    if not text:
        raise Fault(path, "is empty", hint='write "." for the directory of the manifest')
    if _CONTROL.search(text):
        raise Fault(path, "holds a control character", hint="name the path without it")


def inner_path(text: str, path: KeyPath) -> None:
    """Check a path inside a source: relative, and not leaving it."""
    host_path(text, path)
    if text.startswith("/") or ".." in text.split("/"):
        raise Fault(path, f'is "{text}", which leaves the source', hint="name a directory inside of it, without `..`")


def destination(text: str, path: KeyPath) -> None:
    """Check a place in the root file system of the environment."""
    host_path(text, path)
    if not text.startswith("/"):
        raise Fault(path, f'is "{text}", which is not absolute', hint=f'write "/{text.removeprefix("./")}"')
    normalised = posixpath.normpath(text).replace("//", "/")
    if text != normalised:
        raise Fault(path, f'is "{text}", which is not normalised', hint=f'write "{normalised}"')
    for tree in _KERNEL_TREES:
        if text == tree or text.startswith(f"{tree}/"):
            raise Fault(path, f'is "{text}", and {tree} belongs to the kernel', hint='choose another, such as "/opt/x"')


def address(text: str, path: KeyPath, schemes: tuple[str, ...]) -> None:
    """Check an address: one of `schemes`, a host unless it is a file, no credentials."""
    no_credentials(text, path)
    parts = urllib.parse.urlsplit(text)
    if parts.scheme not in schemes:
        raise Fault(
            path, f'is "{text}", expected an address with {" or ".join(schemes)}', hint=f"begin it with {schemes[0]}://"
        )
    if (not parts.netloc and parts.scheme != "file") or _CONTROL.search(text) or " " in text:
        raise Fault(path, f'is "{text}", which is no address', hint=f"write it as {schemes[0]}://host/path")


def no_credentials(text: str, path: KeyPath) -> None:
    """Check that an address carries no password or token: manifests and locks are shared."""
    try:
        parts = urllib.parse.urlsplit(text)
    except ValueError:
        raise Fault(path, "holds an address that cannot be read", hint="write it as https://host/path") from None
    if parts.password is not None or (parts.username and parts.scheme in {"http", "https"}):
        raise Fault(
            path,
            "holds credentials, which would end up in the lock",
            hint="take them out of the address and put them into ~/.netrc or the keyring",
            identifier="manifest-credentials",
        )


def sha256(text: str, path: KeyPath) -> None:
    """Check a SHA-256 digest in lowercase hexadecimal."""
    if _SHA256.fullmatch(text):
        return
    if _SHA256.fullmatch(text.lower()):
        raise Fault(path, "is a digest in capital letters", hint=f'write "{text.lower()}"')
    bare = text.removeprefix("sha256:")
    hint = f'write "{bare}"' if _SHA256.fullmatch(bare) else "take it from `sha256sum FILE`"
    raise Fault(path, "is not a SHA-256 digest of 64 hexadecimal digits", hint=hint)


def suite(text: str, path: KeyPath) -> None:
    """Check the name of a Debian suite: `bookworm`, `bookworm-backports`, `stable/updates`."""
    matching(_SUITE, text, path, "not the name of a suite", "write a name such as bookworm or bookworm-backports")


def moment(text: str, path: KeyPath) -> None:
    """Check a date or date-time after RFC 3339, section 5.6."""
    if _MOMENT.fullmatch(text):
        try:
            dt.datetime.fromisoformat(text.upper())
        except ValueError:
            pass
        else:
            return
    raise Fault(
        path, f'is "{text}", which is not a date of RFC 3339', hint='write "2025-11-01" or "2025-11-01T00:00:00Z"'
    )
