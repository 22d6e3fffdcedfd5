"""Make the trees of packages whose claims are ours: fetch, unpack, compile, commit, all at once.

A package that somebody vouches for is unpacked from what is offered, and compiles nothing; whatever is wrong with the
offer, the package is left out, and whoever wants it makes it from its archive next.

One thread decides, this one; crews do the work and send events back. Packages flow independently, and the
interpreter's go first, because compiling waits for them. Whatever fails ends everything: nothing half-made is left, and
trees that have been committed stay.
"""

from __future__ import annotations

import queue
import sysconfig
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import nullcontext, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from breakbulk.ecosystems.interface import Content, Ecosystem, Unpacked
from breakbulk.lock.model import Package, Python
from breakbulk.manifest.schema import Install
from breakbulk.reporting import Reporter
from breakbulk.settings import Settings
from breakbulk.store.bytecode import Compiled, Compiler, chunks, listing, open_compiler
from breakbulk.store.claims import Claims
from breakbulk.store.crew import Crew
from breakbulk.store.faults import store_fault
from breakbulk.store.layout import Layout, directory_name, plain_name
from breakbulk.store.milestones import passed
from breakbulk.store.offers import Offers, Unusable, object_of, tried
from breakbulk.store.prepared import Offer
from breakbulk.store.prepared_unpacking import PreparedUnpacking
from breakbulk.store.progress import Progress
from breakbulk.store.records import encode_record, make_record
from breakbulk.store.staging import Stage, sync
from breakbulk.store.transfers import Fetched, Transfers, archive_of
from breakbulk.store.unpacking import Unpacks, open_unpacker, unpack_here

__all__ = ["Interpreter", "Production"]

_SMALL_BYTES = 256 * 1024  # of archives: a worker starts in the time it takes to unpack so much
_WAKE_S = 0.5
_COMMIT_EVERY_S = 2.0  # the disk writes while the cores compile, and a crash loses little


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """The Python that compiles, and the packages it consists of."""

    python: Python
    packages: tuple[Package, ...]


class _Job:
    """One package on its way."""

    def __init__(self, layout: Layout, package: Package, offer: Offer | None, settings: Settings) -> None:
        self.package = package
        self.offer = offer
        self.stage = Stage(layout, directory_name(package))
        self.archive = settings.cache / "partial" / partial_name(settings.store, plain_name(self.stage.name))
        self.object = self.archive.with_name(f"{self.archive.name}.prepared")
        self.unpacked: Unpacked | None = None
        self.compiled: Content = {}
        self.chunks = 0


class Production:
    """One pass over the packages that `claims` holds. `run` it once.

    Args:
        layout: The store.
        claims: Holds the claim of each of `packages`; claims are given back as trees are committed.
        packages: Absent ones, as chosen (`choosing`).
        interpreter: None when nothing is compiled.
        ecosystems: By name.
        installs: The manifest's descriptors by install id.
        settings: Of this process.
        reporter: Is told of bytes and packages.
        offers: For those packages that somebody vouches for.

    Attributes:
        made: How many trees have been committed.

    """

    def __init__(
        self,
        layout: Layout,
        claims: Claims,
        packages: Sequence[Package],
        interpreter: Interpreter | None,
        *,
        ecosystems: Mapping[str, Ecosystem],
        installs: Mapping[str, Install],
        settings: Settings,
        reporter: Reporter,
        offers: Offers,
    ) -> None:
        self.made = 0
        self._layout = layout
        self._claims = claims
        self._interpreter = interpreter
        self._ecosystems = ecosystems
        self._installs = installs
        self._settings = settings
        self._offers = offers
        self._jobs = {package.id: _Job(layout, package, self._offer(package), settings) for package in packages}
        self._left = len(self._jobs)
        self._events: queue.SimpleQueue[tuple[Callable[[_Job, Any], None], _Job, Future[Any]]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self.progress = Progress(reporter, [(job.offer or job.package).size for job in self._jobs.values()])
        self._transfers = Transfers(settings, stop=self._stop, advance=self.progress.bytes_arrived)
        self._fetchers: Crew[None] = Crew("fetch", settings.downloads, nullcontext)
        self._own_and_small = _own_and_small(self._jobs.values())
        opened = unpack_here if self._own_and_small else open_unpacker
        self._unpackers: Crew[Unpacks] = Crew("unpack", settings.jobs, opened)
        self._compilers: Crew[Compiler] = Crew("compile", settings.jobs, self._open_compiler)
        self._committer: Crew[None] = Crew("commit", 1, nullcontext)
        self._uncompiled: list[_Job] = []
        self._finished: list[_Job] = []
        self._committing = 0
        self._committed_at = time.monotonic()

    def run(self) -> None:
        """Make every tree; raise the first error after everything has been tidied."""
        sysconfig.get_config_vars()  # filled by whoever asks first, and seen half-filled by a second thread
        try:
            if (
                not self._own_and_small and self._from_archives()
            ):  # the index is asked meanwhile; if it fails, so will the first who needs it
                self._fetchers.submit(lambda _: self._transfers.client())
            for job in self._in_order():
                self._submit(self._fetchers, partial(self._fetch, job), self._fetched, job)
            self._open_workers()
            while self._left:
                with suppress(queue.Empty):  # a signal that came in the moment before the wait is seen when it ends
                    handle, job, future = self._events.get(timeout=_WAKE_S)
                    handle(job, future.result())
        except CancelledError as error:  # a crew was closed under us, which only run itself does
            raise AssertionError from error
        except OSError as error:
            needed = sum(job.package.size for job in self._jobs.values() if job.unpacked is None)
            raise store_fault(error, self._settings.store, variable="BREAKBULK_STORE", needed_bytes=needed) from error
        finally:
            self._end()

    def _offer(self, package: Package) -> Offer | None:
        return None if package.vouched is None else self._offers.of(plain_name(directory_name(package)), package)

    def _open_workers(self) -> None:
        """Have the processes start while the first archives are on their way, and the cores have little to do."""
        self._unpackers.start(len(self._jobs))
        if self._interpreter and self._interpreter_ready():
            self._compilers.start(sum(job.package.python is not None for job in self._from_archives()))

    def _from_archives(self) -> list[_Job]:
        return [job for job in self._jobs.values() if job.offer is None]

    def _end(self) -> None:
        self._stop.set()
        failed = self._left > 0
        self._fetchers.close(patience_s=1.0 if failed else None)
        for crew in (self._unpackers, self._compilers):
            crew.close(abandon=failed)
        self._committer.close()
        self._transfers.close()
        self.progress.finish()
        if failed:
            for job in self._jobs.values():
                job.stage.discard()

    def _in_order(self) -> list[_Job]:
        """Return the jobs, the interpreter's first, then large ones: they take longest to compile."""
        first = {package.id for package in self._interpreter.packages} if self._interpreter else set()
        return sorted(self._jobs.values(), key=lambda job: (job.package.id not in first, -job.package.size))

    def _submit(
        self, crew: Crew[Any], work: Callable[..., Any], handle: Callable[[_Job, Any], None], job: _Job
    ) -> None:
        crew.submit(work).add_done_callback(lambda future: self._events.put((handle, job, future)))

    def _fetch(self, job: _Job, _worker: None) -> Fetched | Unusable:
        if job.offer is not None and not self._offers.answered:
            return Unusable(error=None)
        try:
            with self.progress.phase("download"):
                return tried(job.offer, partial(self._fetch_archive if job.offer is None else self._fetch_object, job))
        except OSError as error:
            raise store_fault(
                error, self._settings.cache, variable="BREAKBULK_CACHE", needed_bytes=(job.offer or job.package).size
            ) from error

    def _fetch_archive(self, job: _Job) -> Fetched:
        package = job.package
        install = self._installs.get(package.source) if package.source else None
        known = self._ecosystems[package.ecosystem].locate(package, install, self._settings)
        return self._transfers.fetch(archive_of(package), chain(self._offers.archives(package), known), job.archive)

    def _fetch_object(self, job: _Job) -> Fetched:
        assert job.offer is not None  # noqa: S101 - it is what is fetched
        return self._transfers.fetch(object_of(job.package, job.offer), self._offers.places(job.offer), job.object)

    def _fetched(self, job: _Job, fetched: Fetched | Unusable) -> None:
        if isinstance(fetched, Unusable):
            self._decline(job, fetched)
            return
        self.progress.downloaded += fetched.downloaded
        passed("archive-fetched")
        job.stage.make()
        passed("stage-made")
        self._submit(self._unpackers, partial(self._unpack, job, fetched.path), self._unpacked, job)

    def _unpack(self, job: _Job, archive: Path, worker: Unpacks) -> Unpacked | Unusable:
        python = self._interpreter.python if self._interpreter else None
        way = PreparedUnpacking(offer=job.offer) if job.offer else self._ecosystems[job.package.ecosystem]
        with self.progress.phase("unpack"):
            return tried(job.offer, lambda: worker.unpack(way, archive, job.package, python, job.stage.tree))

    def _decline(self, job: _Job, unusable: Unusable) -> None:
        """Leave a package out; nothing that its offer has left stays."""
        self._offers.decline(job.package, unusable)
        job.object.unlink(missing_ok=True)
        job.stage.discard()
        passed("offer-declined")
        self._claims.release(job.stage.name)
        del self._jobs[job.package.id]
        self._left -= 1
        self._commit_some(everything=len(self._finished) == self._left)

    def _unpacked(self, job: _Job, unpacked: Unpacked | Unusable) -> None:
        if isinstance(unpacked, Unusable):
            self._decline(job, unpacked)
            return
        passed("tree-unpacked")
        job.unpacked = unpacked
        self.progress.unpacked()
        if self._interpreter and job.package.python and unpacked.bytecode:
            self._uncompiled.append(job)
        else:
            self._finish(job)
        if self._interpreter_ready():
            for waiting in self._uncompiled:
                self._compile_all(waiting, unpacked=waiting.unpacked)
            self._uncompiled.clear()

    def _interpreter_ready(self) -> bool:
        """Tell whether the interpreter's packages are all unpacked, here or before."""
        packages = self._interpreter.packages if self._interpreter else ()
        jobs = (self._jobs.get(package.id) for package in packages)
        return all(job is None or job.unpacked is not None for job in jobs)

    def _open_compiler(self) -> Any:
        """Run the interpreter from trees that may not have been committed yet (`_finish` holds them back)."""
        assert self._interpreter is not None  # noqa: S101 - nothing is compiled without
        trees = [
            self._jobs[package.id].stage.tree if package.id in self._jobs else self._layout.tree(package)
            for package in self._interpreter.packages
        ]
        return open_compiler(trees, self._interpreter.python, self._layout.staging)

    def _compile_all(self, job: _Job, *, unpacked: Unpacked | None) -> None:
        if unpacked is None or self._interpreter is None:
            raise AssertionError
        tag = self._interpreter.python.tag
        pieces = list(chunks(unpacked.bytecode, unpacked.content, tag))
        job.chunks = len(pieces)
        for sources in pieces:
            work = partial(self._compile, job, sources)
            self._submit(self._compilers, work, partial(self._compiled, sources), job)
        if not pieces:
            self._finish(job)

    def _compile(self, job: _Job, sources: list[str], worker: Compiler) -> Compiled:
        with self.progress.phase("bytecode"):
            return worker.compile(f"{job.stage.directory.name}/tree", sources)

    def _compiled(self, sources: list[str], job: _Job, compiled: Compiled) -> None:
        passed("chunk-compiled")
        assert self._interpreter is not None  # noqa: S101 - nothing is compiled without
        job.compiled |= listing(sources, compiled, self._interpreter.python.tag)
        job.chunks -= 1
        if not job.chunks:
            self._finish(job)

    def _finish(self, job: _Job) -> None:
        """Put a job before the committer; the interpreter's stay until the last, as compilers are mounted on them."""
        self._finished.append(job)
        everything = len(self._finished) + self._committing == self._left
        if self._committing and not everything:
            return
        self._commit_some(everything=everything)

    def _commit_some(self, *, everything: bool) -> None:
        if self._committing or not (everything or time.monotonic() - self._committed_at > _COMMIT_EVERY_S):
            return
        held = set() if everything or not self._interpreter else {package.id for package in self._interpreter.packages}
        group = [job for job in self._finished if job.package.id not in held]
        self._finished = [job for job in self._finished if job.package.id in held]
        if group:
            self._committing = len(group)
            self._submit(self._committer, partial(self._commit, group), partial(self._committed, group), group[0])

    def _commit(self, group: list[_Job], _worker: None) -> None:
        with self.progress.phase("commit"):
            for job in group:
                assert job.unpacked is not None  # noqa: S101 - it is finished
                package = msgspec.structs.replace(job.package, vouched=None)
                record = make_record(package, {**job.unpacked.content, **job.compiled}, job.unpacked.deb)
                job.stage.record.write_bytes(encode_record(record))
                passed("record-written")
            sync(self._layout)
            for job in group:
                job.archive.unlink(missing_ok=True)
                job.object.unlink(missing_ok=True)
                passed("archive-removed")
                job.stage.commit(self._layout)

    def _committed(self, group: list[_Job], _first: _Job, _nothing: None) -> None:
        for job in group:
            self._claims.release(job.stage.name)
        passed("claims-released")
        self._left -= len(group)
        self.made += len(group)
        self._committing = 0
        self._committed_at = time.monotonic()
        self._commit_some(everything=len(self._finished) == self._left)


def _own_and_small(jobs: Collection[_Job]) -> bool:
    """Say whether these are the user's own sources, and little; archives of others may break what unpacks them."""
    own = all(job.package.ecosystem == "source" and job.offer is None for job in jobs)
    return own and sum(job.package.size for job in jobs) < _SMALL_BYTES


def partial_name(store: Path, name: str) -> str:
    """Return the name of a partial download: another store may share the cache, and its claims are not ours."""
    import hashlib

    return f"{name}.{hashlib.sha256(str(store).encode()).hexdigest()[:8]}"
