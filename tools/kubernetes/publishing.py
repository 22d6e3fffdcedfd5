"""The directory of one version, where `bin` leads to links to its programs.

`bin` is replaced as a whole: whoever looks sees the programs of before or those of after. The counterpart is
`breakbulk.cluster`, which starts what it finds there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from locking import locked


@dataclass(frozen=True)
class Links:
    """The links of one version."""

    directory: Path

    def complete(self, programs: Mapping[str, Path]) -> bool:
        """Return whether every program can be reached, though it may be that of an earlier build."""
        return all((self.directory / "bin" / name).exists() for name in programs)

    def publish(self, programs: Mapping[str, Path]) -> Path:
        """Have `bin` lead to exactly these programs; return it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        current = self.directory / "bin"
        wanted = self.directory / f".bin-{_digest(programs)}"
        with locked(self.directory / ".lock"):
            before = current.resolve()
            if before != wanted or not self.complete(programs):
                self._link(wanted, programs)
                self._lead(current, wanted)
            # Those of just before stay, for whoever is on the way to a program through them.
            for path in set(self.directory.glob(".bin-*")) - {wanted, before}:
                shutil.rmtree(path, ignore_errors=True)
        return current

    def _link(self, wanted: Path, programs: Mapping[str, Path]) -> None:
        staged = self.directory / ".staged"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for name, program in programs.items():
            link = staged / name
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(os.path.relpath(program, link.parent))
        shutil.rmtree(wanted, ignore_errors=True)
        staged.rename(wanted)

    def _lead(self, current: Path, wanted: Path) -> None:
        staged = self.directory / ".bin"
        staged.unlink(missing_ok=True)
        staged.symlink_to(wanted.name)
        staged.replace(current)


def _digest(programs: Mapping[str, Path]) -> str:
    text = "".join(f"{name} {program}\n" for name, program in sorted(programs.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
