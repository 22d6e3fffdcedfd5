"""The far side of `unpacking`: a process that unpacks archives one after the other, as it is told on its input.

Started as `python -I -S unpack_worker.py PARENT`. The first pickle on its input is the parent's `sys.path`; each
further one is (unpack, archive, package, python, into), answered by (listing, None) or (None, error). It ends with its
input or with the thread that started it. Its standard output carries the answers, so whatever an unpacker prints goes
to standard error.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    orders = sys.stdin.buffer
    try:
        sys.path += [path for path in pickle.load(orders) if path not in sys.path]  # noqa: S301 - from our parent
        _end_with(int(sys.argv[1]))
        os.umask(0o022)
        gc.disable()  # a listing is thousands of objects without a cycle among them, not worth looking through
        while True:
            order = pickle.load(orders)  # noqa: S301 - from our parent
            pickle.dump(_answer(*order), answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
    except (EOFError, pickle.UnpicklingError):  # the parent has ended, perhaps in the middle of an order
        return 0


def _end_with(parent: int) -> None:
    from breakbulk.store import linux

    linux.set_parent_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _answer(unpack: Any, archive: Path, package: Any, python: Any, into: Path) -> tuple[bytes | None, object]:
    """Unpack and return the encoded `Unpacked`, or the error; what is neither ours nor the system's is a defect."""
    import msgspec

    from breakbulk.errors import ArchiveError, BreakbulkError

    try:
        return msgspec.msgpack.encode(unpack(archive, package, python, into)), None
    except (BreakbulkError, OSError) as error:
        return None, error
    except Exception as error:  # noqa: BLE001 - the parent tells it with the archive's name
        import traceback

        return None, ArchiveError(
            f"{package.file} could not be unpacked",
            identifier="unpack-failed",
            where=package.id,
            why=f"{type(error).__name__}: {error} ({traceback.extract_tb(error.__traceback__)[-1].name})",
            hint="this is a defect of Breakbulk: please report it with the package's name and version",
        )


if __name__ == "__main__":
    sys.exit(main())
