"""Places that keep objects, by the scheme of their address.

    directory   system calls            a directory, the default; also shared over NFS
    stored      obstore                 memory, S3, Google Cloud Storage, Azure Blob Storage
    service     HTTP                    the hub service, which serves the same objects behind tokens

`addresses` says what an address means, `keys` what a key may be, `faults` what went wrong. Libraries that reach the
network are imported when such a hub is opened, not before.
"""

from __future__ import annotations

from pathlib import Path

from breakbulk.hub.backends.addresses import parse_address
from breakbulk.hub.objects import Objects
from breakbulk.settings import Settings

__all__ = ["open_objects"]


def open_objects(url: str, settings: Settings) -> Objects:
    """Return the place at `url`; a path without a scheme is a directory. Nothing is asked of it yet.

    Raises:
        UsageError: `hub-address-invalid`.

    """
    home = Path(settings.environment.get("HOME", "~")).expanduser()
    address = parse_address(url, base=Path.cwd(), home=home)
    if address.scheme == "file":
        from breakbulk.hub.backends.directory import DirectoryObjects

        return DirectoryObjects(Path(address.place))
    if address.scheme == "memory":
        from breakbulk.hub.backends.stored import memory_objects

        return memory_objects(address.place)
    if address.scheme in {"http", "https"}:
        from breakbulk.hub.backends.service import open_service

        return open_service(address.url, settings)
    from breakbulk.hub.backends.buckets import bucket_objects

    return bucket_objects(address, settings)
