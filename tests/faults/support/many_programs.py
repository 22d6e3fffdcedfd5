"""The program, many times at once: `many_programs.py COUNT DIRECTORY...` realises each directory's environment in turn.

Forks of one process, so that two hundred do not import everything two hundred times. Prints how each ended, as JSON.
"""

import json
import os
import sys
from pathlib import Path

from breakbulk import library
from breakbulk.cli import progress
from breakbulk.cli.commands import realise
from breakbulk.cli.main import main
from breakbulk.ecosystems import registry
from breakbulk.store import production, transfers
from breakbulk.store.base import building

IMPORTED_ONCE_FOR_ALL = (library, progress, realise, registry, production, transfers, building)


def start(directory: str, starting: int) -> int:
    """Return the process that realises once `starting` is at its end."""
    child = os.fork()
    if child == 0:
        os.read(starting, 1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os._exit(main(["realise", "--json", "-e", directory]))
    return child


def run(count: int, directories: list[str]) -> None:
    reading, writing = os.pipe()
    children = [start(directories[number % len(directories)], reading) for number in range(count)]
    os.write(writing, b"." * count)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    sys.stdout.write(json.dumps(statuses))


if __name__ == "__main__":
    run(int(sys.argv[1]), [str(Path(word)) for word in sys.argv[2:]])
