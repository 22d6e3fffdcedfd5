# ruff: noqa: T201 - its output is what tests read
"""Launch what a JSON document on the command line says, as `breakbulk run` and `services` would; errors as JSON.

A program of its own, because a run forks, changes signal masks and terminals, and is tried as several users.
"""

import json
import os
import sys
import threading
from pathlib import Path

import msgspec

from breakbulk.cli.start import like_the_command
from breakbulk.environment import launching, services
from breakbulk.errors import BreakbulkError
from breakbulk.manifest.decoding import decode
from breakbulk.manifest.schema import Manifest


class Origin:
    """The environment, and who is told."""

    def __init__(self, order):
        self.directory = Path(order["project"])
        self.state = self.directory / ".breakbulk"
        self.name = self.directory.name
        self.manifest = decode(Manifest, order["manifest"], ())
        self.reporter = self

    def note(self, message):
        print(f"note: {message}", file=sys.stderr)


def main() -> int:
    order = json.loads(sys.argv[1])
    origin, lowers, host = Origin(order), [Path(path) for path in order["lowers"]], dict(os.environ)
    names = order.get("services", [])
    if order.get("thread"):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    if order["do"] == "run":
        options = {name: order[name] for name in ("mounts", "pure", "network") if name in order}
        return launching.launch(origin, lowers, order["command"], services=names, environment=host, **options)
    launch = launching.prepare(origin, lowers, None, host=host)
    launch = msgspec.structs.replace(launch, services=services.select(origin.manifest, names))
    actions = {
        "start": lambda: services.start(launch, origin),
        "restart": lambda: services.restart(launch, origin),
        "stop": lambda: services.stop(origin.state, names),
        "status": lambda: services.status(origin.state, launch.services),
    }
    print(msgspec.json.encode(actions[order["do"]]()).decode())
    return 0


if __name__ == "__main__":
    try:
        status = main()
    except BreakbulkError as error:
        print(json.dumps(error.as_dict()), file=sys.stderr)
        status = error.exit_code
    sys.exit(like_the_command(status))
