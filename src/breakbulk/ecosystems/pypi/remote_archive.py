"""A wheel on a server, read like a file without downloading it.

The end of a zip file says where everything is, and a wheel's metadata are usually written last; so one request of the
last bytes answers nearly every question, and `zipfile` reads the rest by further ranges, each kept. A server that does
not know ranges sends the whole file, which is kept as well.

Format: RFC 9110 section 14 (range requests).
"""

from __future__ import annotations

import io
import re

from breakbulk.ecosystems.pypi.transport import Answer, Transport
from breakbulk.errors import NetworkError

__all__ = ["RangesUnsupportedError", "RemoteArchive"]

_TAIL_BYTES = 64 << 10
_AHEAD_BYTES = 32 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangesUnsupportedError(Exception):
    """Says that a server sends whole files only."""


class RemoteArchive(io.RawIOBase):
    """The archive at `url` as a seekable file; raises `NetworkError`, and `RangesUnsupportedError` when it is made."""

    def __init__(self, url: str, transport: Transport) -> None:
        super().__init__()
        self._url = url
        self._transport = transport
        self._position = 0
        answer = self._request(f"bytes=-{_TAIL_BYTES}")
        if answer.status == 416:  # shorter than the tail: some servers refuse instead of sending all
            answer = self._request("bytes=0-")
        start, self.size = self._range_of(answer)
        self._blocks = {start: answer.body}
        """What is known, by offset."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes from the position on, asking the server for those that are not known."""
        end = self.size if size < 0 else min(self.size, self._position + size)
        if end <= self._position:
            return b""
        start, block = self._block(self._position, end)
        data = block[self._position - start : end - start]
        self._position = end
        return data

    def _block(self, start: int, end: int) -> tuple[int, bytes]:
        for known, block in self._blocks.items():
            if known <= start and end <= known + len(block):
                return known, block
        return self._fetch(start, end)

    def _fetch(self, start: int, end: int) -> tuple[int, bytes]:
        """Ask for a range, and for some more, as the next question is usually about what follows."""
        block = self._range(start, min(self.size, max(end, start + _AHEAD_BYTES)))
        self._blocks[start] = block
        return start, block

    def _range(self, start: int, end: int) -> bytes:
        answer = self._request(f"bytes={start}-{end - 1}")
        if self._range_of(answer) != (start, self.size) or len(answer.body) != end - start:
            raise self._broken("it sends another range than it is asked for")
        return answer.body

    def _request(self, wanted: str) -> Answer:
        return self._transport.get(self._url, {"Range": wanted, "Accept-Encoding": "identity"}, body_limit=0)

    def _range_of(self, answer: Answer) -> tuple[int, int]:
        """Return the offset and the size of the whole file."""
        if answer.status == 200:
            raise RangesUnsupportedError(self._url)
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range", ""))
        if answer.status != 206 or match is None:
            raise self._broken(f"it answers with status {answer.status} to a request of a range")
        start, last, size = (int(group) for group in match.groups())
        if len(answer.body) != last - start + 1 or last >= size:
            raise self._broken("its answer is cut short")
        return start, size

    def _broken(self, why: str) -> NetworkError:
        return NetworkError(
            "a server does not give a part of a wheel",
            identifier="index-unreachable",
            where=self._url,
            why=why,
            hint="try again; if that does not help, tell those who run the index",
        )
