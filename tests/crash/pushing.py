"""Push or pull as a process of its own that kills itself at a milestone.

`pushing.py push|pull DIRECTORY [MILESTONE NUMBER]`; settings come from the environment.
"""

import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from breakbulk.hub.names import parse_reference
from breakbulk.hub.records import Authorship
from breakbulk.library import Environment
from breakbulk.library.publishing import publish
from breakbulk.library.pulling import pull
from breakbulk.settings import Settings
from breakbulk.store import milestones

NAME = parse_reference("ada/tool")


def main(verb: str, directory: Path, milestone: str = "", number: str = "1") -> None:
    left, counting = int(number), threading.Lock()

    def observer(name: str) -> None:
        nonlocal left
        with counting:
            left -= name == milestone
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    milestones.observe(observer)
    settings = Settings.load(os.environ)
    if verb == "pull":
        pull(NAME, directory, settings)
        return
    by = Authorship(author="ada", host="loom", command="breakbulk push", time=datetime.now(UTC))
    pushed = publish(Environment.open(directory, settings), NAME, by)
    sys.stdout.write(f"{pushed.recorded.change.generation} {pushed.new:d} {pushed.made} {pushed.bytes_sent}\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
