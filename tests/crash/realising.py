"""Realise as a process of its own that kills itself at a milestone: `realising.py DIRECTORY [MILESTONE NUMBER]`.

What it realises is described by `packages.msgpack` in the directory; what is in `objects` is offered prepared.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
from prepared_source import DirectorySource
from tar_ecosystem import PYTHON, TarEcosystem, settings_for

from breakbulk.lock.model import Package
from breakbulk.store import milestones
from breakbulk.store.bundle import bundled
from breakbulk.store.composition import compose
from breakbulk.store.layout import Layout
from breakbulk.store.realise import realise


def main(directory: Path, milestone: str = "", number: str = "1") -> None:
    left = int(number)
    counting = threading.Lock()

    def observer(name: str) -> None:
        nonlocal left
        with counting:
            if name == milestone:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    milestones.observe(observer)
    packages = msgspec.msgpack.decode((directory / "packages.msgpack").read_bytes(), type=list[Package])
    python = PYTHON if any(package.python for package in packages) else None
    crash_on = packages[int(number)].name if milestone == "unpacking" else None
    ecosystem = TarEcosystem((directory / "url").read_text(), crash_on=crash_on)
    settings = settings_for(directory, jobs=2)
    realised = realise(
        packages,
        python,
        manifest_installs={},
        ecosystems={"archive": ecosystem},
        settings=settings,
        prepared=DirectorySource.load(directory / "objects", streamed=True),
    )
    layout = Layout(settings.store)
    bundled(layout, compose(layout, None, realised.trees), most=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
