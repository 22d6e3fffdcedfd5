"""The program, killed at a moment: `killed_program.py MILESTONE NUMBER WORDS...` ends itself with SIGKILL there.

The milestone `file-written` is when a file that is about to replace another has been written and is put on the disk.
"""

import os
import signal
import sys
import threading

from breakbulk.cli.main import main
from breakbulk.store import milestones


def run(milestone: str, number: str, words: list[str]) -> int:
    left = int(number)
    counting = threading.Lock()

    def observer(name: str) -> None:
        nonlocal left
        with counting:
            left -= name == milestone
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def written(_descriptor: int) -> None:
        observer("file-written")

    milestones.observe(observer)
    os.fsync = written
    return main(words)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
