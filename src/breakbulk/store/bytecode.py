"""Compile the Python sources of trees in the making with the environment's own Python.

Bytecode is part of a package: an import then neither compiles nor writes. The interpreter is the locked one, run by
`confined` over its own packages with the staging directory bound, so its version, and nothing of this machine, decides
the bytes. Counterpart of `bytecode_worker`, which runs there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from breakbulk.ecosystems.interface import Content, Entry
from breakbulk.errors import NotFoundError, PlatformError, StoreError
from breakbulk.lock.model import Package, Python
from breakbulk.store.confined import Bind, Confined, open_confined

__all__ = ["Compiled", "Compiler", "bytecode_path", "chunks", "interpreter_closure", "listing", "open_compiler"]

Compiled = list[tuple[int, str] | None]
"""Size and SHA-256 of the bytecode of each source of a chunk, None for one that does not compile."""

_FAR_SIDE = Path(__file__).with_name("bytecode_worker.py")
_STAGING = "/.breakbulk/staging"
_WORKER = "/.breakbulk/bytecode_worker.py"
_CHUNK_FILES = 64
_CHUNK_BYTES = 512 * 1024  # about a quarter of a second of work: cores end together
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}


def interpreter_closure(packages: Sequence[Package], python: Python) -> tuple[Package, ...]:
    """Return the interpreter's package and all it depends on, in the order of `packages`."""
    by_id = {package.id: package for package in packages}
    reached: set[str] = set()
    waiting = [python.package]
    while waiting:
        name = waiting.pop()
        if name in by_id and name not in reached:
            reached.add(name)
            waiting.extend(by_id[name].dependencies)
    return tuple(package for package in packages if package.id in reached)


def bytecode_path(source: str, tag: str) -> str:
    """Return where the bytecode of a source is (PEP 3147): `a/__pycache__/b.TAG.pyc` of `a/b.py`."""
    directory, slash, name = source.rpartition("/")  # a PurePath per source would be a tenth of the parent's work
    return f"{directory}{slash}__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def chunks(sources: Iterable[str], content: Content, tag: str) -> Iterator[list[str]]:
    """Split sources into pieces of work of like size; those whose bytecode the archive brings are left out."""
    chunk: list[str] = []
    size = 0
    for source in sources:
        if bytecode_path(source, tag) in content:
            continue
        chunk.append(source)
        size += content[source].size
        if len(chunk) >= _CHUNK_FILES or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def listing(sources: Sequence[str], compiled: Compiled, tag: str) -> Content:
    """Return the entries that compiling has added to a tree."""
    added: Content = {}
    for source, made in zip(sources, compiled, strict=True):
        if made is not None:
            path = bytecode_path(source, tag)
            added[path.rpartition("/")[0]] = Entry("directory", 0o755, "")
            added[path] = Entry("file", 0o644, made[1], made[0])
    return added


class Compiler:
    """One running interpreter."""

    def __init__(self, confined: Confined, python: Python) -> None:
        self._confined = confined
        self._orders, self._answers = _pipes(confined)
        self._python = python
        self._greet()

    def compile(self, stage: str, sources: Sequence[str]) -> Compiled:
        """Write the bytecode of sources beside them.

        Args:
            stage: Path of the tree relative to the staging directory.
            sources: Paths relative to the tree.

        Raises:
            OSError: The tree cannot be written.
            StoreError: `bytecode-failed`, when the interpreter ended.

        """
        order = json.dumps([f"{_STAGING}/{stage}", list(sources)])
        try:
            self._orders.write(order.encode("utf-8", "surrogateescape") + b"\n")
            self._orders.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        answer = self._answer()
        if isinstance(answer, dict):
            raise OSError(answer["errno"], "writing bytecode", answer["path"])
        return [made and (made[0], made[1]) for made in answer]

    def abandon(self) -> None:
        """Kill the interpreter."""
        self._confined.process.kill()

    def _greet(self) -> None:
        tag = self._answers.readline().decode().strip()
        if tag and tag != self._python.tag:
            raise PlatformError(
                f"the locked Python {self._python.tag} turns out to be {tag}",
                identifier="python-mismatch",
                where=self._python.package,
                hint="run `breakbulk lock` again",
            )
        if not tag:
            try:
                self._confined.check()
            except NotFoundError as error:
                raise _not_executable(error, self._python) from error
            raise self._ended()

    def _answer(self) -> Any:
        line = self._answers.readline()
        if not line:
            raise self._ended()
        return json.loads(line)

    def _ended(self) -> StoreError:
        process = self._confined.process
        status = process.wait()
        said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
        return StoreError(
            "the environment's Python ended while compiling",
            identifier="bytecode-failed",
            where=self._python.package,
            why=said.splitlines()[-1] if said else f"status {status}, likely for want of memory",
            hint="set BREAKBULK_JOBS=1 and run the command again",
        )


@contextmanager
def open_compiler(trees: Sequence[Path], python: Python, staging: Path) -> Iterator[Compiler]:
    """Start the interpreter that `trees` hold.

    Raises:
        PlatformError: `foreign-system`, when its machine code is not this machine's; `python-mismatch`; see `confined`.

    """
    argv = [f"/usr/bin/python{python.version}", "-s", "-S", "-B", _WORKER]
    binds = (Bind(source=staging, target=_STAGING, writable=True), Bind(source=_FAR_SIDE, target=_WORKER))
    with open_confined(trees, argv, binds=binds, environment=_ENVIRONMENT) as confined:
        yield Compiler(confined, python)


def _pipes(confined: Confined) -> tuple[IO[bytes], IO[bytes]]:
    process = confined.process
    assert process.stdin is not None  # noqa: S101 - opened as pipes
    assert process.stdout is not None  # noqa: S101
    return process.stdin, process.stdout


def _not_executable(error: NotFoundError, python: Python) -> PlatformError:
    if error.why and "format" in error.why:
        return PlatformError(
            "packages of another system cannot be made here",
            identifier="foreign-system",
            where=python.package,
            why="compiling bytecode runs the environment's own Python, and this machine cannot execute it",
            hint="realise on a machine of that system",
        )
    return PlatformError(
        f"the locked Python has no /usr/bin/python{python.version} that runs",
        identifier="python-missing",
        where=python.package,
        why=error.why,
        hint="run `breakbulk lock` again; the interpreter's package must bring it",
    )
