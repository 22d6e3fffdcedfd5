"""Push to an environment of a hub and be killed at a milestone: killed_pusher.py ADDRESS ENVIRONMENT MILESTONE."""

import os
import signal
import sys

from changes import push

from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings
from breakbulk.store.milestones import observe


def _die_at(milestone: str) -> None:
    def passed(name: str) -> None:
        if name == milestone:
            os.kill(os.getpid(), signal.SIGKILL)

    observe(passed)


if __name__ == "__main__":
    address, environment, milestone = sys.argv[1:]
    _die_at(milestone)
    push(open_hub(Settings.load(os.environ), address), "killed", environment=environment)
