"""Have the first process that passes a milestone kill itself: `BREAKBULK_TEST_KILL_AT="MILESTONE FILE"`.

Python imports this when it starts in a process of an agent under test; the file says that it has happened.
"""

import os
import signal

wanted, _, marker = os.environ.get("BREAKBULK_TEST_KILL_AT", "").partition(" ")


def kill_at(name: str) -> None:
    if name != wanted:
        return
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


if wanted:
    from breakbulk.store.milestones import observe

    observe(kill_at)
