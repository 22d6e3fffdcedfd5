"""Parts of the index for those who may not see all of it: the snapshot with only their environments. Pure."""

from __future__ import annotations

import msgspec
import zstandard

from breakbulk.hub.records import Summary
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.keys import Key

__all__ = ["narrowed"]

_SNAPSHOT_MAX_BYTES = 1 << 30


def narrowed(caller: Caller, key: Key, data: bytes) -> bytes:
    """Return what the caller is shown of an object: all of it, unless it tells of others' environments."""
    if key.family != "snapshot" or caller.permits("read", "*"):
        return data
    decompressed = zstandard.ZstdDecompressor().decompress(data, max_output_size=_SNAPSHOT_MAX_BYTES)
    summaries = msgspec.json.decode(decompressed, type=list[Summary])
    seen = [found for found in summaries if caller.permits("read", found.environment.partition("/")[0])]
    return zstandard.ZstdCompressor().compress(msgspec.json.encode(seen))
