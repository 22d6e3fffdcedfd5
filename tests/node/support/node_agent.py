"""The agent of a test, as a process: `node_agent.py CLUSTER < OPTIONS`. It says `ready` when it answers."""

import asyncio
import logging
import os
import sys
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent))

from nodes import Directory

from breakbulk.node.agent.running import run_with
from breakbulk.node.agent.settings import AgentSettings
from breakbulk.node.place import NodePlace
from breakbulk.node.realising.orders import unpacked


def main() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    read = msgspec.json.decode(sys.stdin.buffer.read())
    place = msgspec.convert(read["place"], NodePlace, dec_hook=lambda kind, value: kind(value))
    options = AgentSettings(place=place, settings=unpacked(read["settings"]), metrics="none", **read["limits"])
    asyncio.run(run_with(options, Directory(Path(sys.argv[1])), ready=lambda: os.write(1, b"ready\n")))


if __name__ == "__main__":
    main()
