"""Push generations to a hub from a process of its own: committer.py ADDRESS AUTHOR COUNT.

Waits until standard input ends, so that many begin at once; prints each generation when it is recorded.
"""

import os
import sys

from changes import push

from breakbulk.hub.opening import open_hub
from breakbulk.settings import Settings

if __name__ == "__main__":
    address, author, count = sys.argv[1:]
    hub = open_hub(Settings.load(os.environ), address)
    sys.stdin.read()
    for _ in range(int(count)):
        sys.stdout.write(f"{push(hub, 'same', author=author).change.generation}\n")
        sys.stdout.flush()
