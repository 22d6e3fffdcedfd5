"""Make every package of an environment present in the store.

Guarantees: afterwards every tree is there, whole and verified, or an error says which is not and why; two processes
never make one tree twice; a process that dies, at whatever moment, leaves nothing that counts as present and nothing
that the next one does not remove. When everything is present this reads one directory and one small file, and what is
offered where trees are taken on the word of whoever pushed them.

`realise` is for packages, `realise_system` for a whole environment with its base package and the order of its layers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from breakbulk.errors import LockError
from breakbulk.lock.model import LockedSystem, Package, Python
from breakbulk.reporting import SILENT, Reporter
from breakbulk.store.layout import Layout, directory_name

if TYPE_CHECKING:
    from breakbulk.ecosystems.interface import Ecosystem
    from breakbulk.manifest.schema import Install, Manifest
    from breakbulk.settings import Settings
    from breakbulk.store.choosing import Choosing
    from breakbulk.store.claims import Claims
    from breakbulk.store.offers import Offers
    from breakbulk.store.prepared import PreparedSource
    from breakbulk.store.production import Interpreter

__all__ = ["Realised", "realise", "realise_system"]


class Realised(msgspec.Struct, frozen=True, kw_only=True):
    """What there is now, and what it took.

    Attributes:
        lowers: The directories to mount, the top one first.
        base: The base package's tree, which is the first of `lowers`; None when only packages were asked for.
        trees: The packages, each as the one of its trees that was chosen for this environment (`Package.vouched`).
        packages: How many packages the environment has.
        made: How many of them this call has made.
        bytes_downloaded: By this call.
        seconds: Wall time of `download`, `unpack`, `bytecode`, `commit` (which overlap), `base` and `total`.

    """

    lowers: tuple[Path, ...]
    trees: tuple[Package, ...]
    base: Path | None = None
    packages: int = 0
    made: int = 0
    bytes_downloaded: int = 0
    seconds: dict[str, float] = {}


def realise_system(
    system: LockedSystem,
    manifest: Manifest,
    ecosystems: Mapping[str, Ecosystem],
    settings: Settings,
    reporter: Reporter = SILENT,
    *,
    prepared: PreparedSource | None = None,
) -> Realised:
    """Make a system's packages and its base package present, and say what to mount.

    `prepared` offers prepared packages, which are used before archives.

    Raises:
        ConflictError: Two packages own one path and nothing decides.
        IntegrityError, NetworkError, ArchiveError, StoreError, PlatformError: See `realise`.

    """
    from breakbulk.store.base import realise_base
    from breakbulk.store.composition import compose
    from breakbulk.store.using import using

    begun = time.monotonic()
    layout = Layout(settings.store)
    with using(layout):  # so that no collection takes away what is found to be there
        realised = realise(
            system.packages,
            system.python,
            manifest_installs=manifest.install,
            ecosystems=ecosystems,
            settings=settings,
            reporter=reporter,
            prepared=prepared,
        )
        before_base = time.monotonic()
        try:
            chosen = msgspec.structs.replace(system, packages=realised.trees)
            base = realise_base(layout, chosen, manifest, settings, reporter)
            lowers = compose(layout, base, realised.trees)
        except OSError as error:
            from breakbulk.store.faults import store_fault

            raise store_fault(error, settings.store, variable="BREAKBULK_STORE") from error
    ended = time.monotonic()
    seconds = {**realised.seconds, "base": ended - before_base, "total": ended - begun}
    return msgspec.structs.replace(realised, lowers=lowers, base=base, seconds=seconds)


def realise(
    packages: Sequence[Package],
    python: Python | None,
    *,
    manifest_installs: Mapping[str, Install],
    ecosystems: Mapping[str, Ecosystem],
    settings: Settings,
    reporter: Reporter = SILENT,
    prepared: PreparedSource | None = None,
) -> Realised:
    """Make packages present; `lowers` has their trees in the order given.

    Args:
        packages: Of one system; what the interpreter consists of is among them.
        python: Whose bytecode is compiled, None when nothing is.
        manifest_installs: The manifest's descriptors, for archives that it says the place of.
        ecosystems: By name.
        settings: Of this process.
        reporter: Is told of progress, and of prepared packages that are of no use.
        prepared: Offers prepared packages, which are used before archives, by this environment alone.

    Raises:
        NetworkError: `download-failed`.
        IntegrityError: `digest-mismatch`, `download-truncated`.
        ArchiveError: An archive must not be unpacked.
        StoreError: `disk-full`, `store-not-writable`, and others.
        PlatformError: `foreign-system`, and what mounting lacks (`confined`).

    """
    begun = time.monotonic()
    layout = Layout(settings.store)
    present = _present(layout)
    left_over = _left_over(layout)
    chosen = {directory_name(package): package for package in packages}
    if chosen.keys() <= present and not left_over:
        return _realised(layout, chosen, begun)
    from breakbulk.store.choosing import Choosing
    from breakbulk.store.offers import Offers

    offers = Offers(prepared, reporter)
    choosing = Choosing(chosen, python, offers)
    chosen = choosing.choose(present)
    if chosen.keys() <= present and not left_over:
        return _realised(layout, chosen, begun)
    made = _Making(
        layout,
        choosing,
        _interpreter(packages, python),
        installs=manifest_installs,
        ecosystems=ecosystems,
        settings=settings,
        reporter=reporter,
        offers=offers,
    )
    made.run()
    realised = _realised(layout, made.chosen, begun)
    seconds = {**made.seconds, **realised.seconds}
    return msgspec.structs.replace(realised, made=made.count, bytes_downloaded=made.downloaded, seconds=seconds)


def _realised(layout: Layout, chosen: Mapping[str, Package], begun: float) -> Realised:
    return Realised(
        lowers=tuple(layout.packages / name for name in chosen),
        trees=tuple(chosen.values()),
        packages=len(chosen),
        seconds={"total": time.monotonic() - begun},
    )


def _present(layout: Layout) -> frozenset[str]:
    try:
        return frozenset(os.listdir(layout.packages))
    except FileNotFoundError:
        return frozenset()


def _left_over(layout: Layout) -> bool:
    """Tell whether there is something half-made, of the dead or of somebody at work, that we may look at."""
    try:
        return bool(os.listdir(layout.staging)) and os.access(layout.staging, os.W_OK)
    except FileNotFoundError:
        return False


class _Making:
    """The slow way: claim what is missing, make it, wait for what others make, until nothing is missing."""

    def __init__(
        self,
        layout: Layout,
        choosing: Choosing,
        interpreter: Interpreter | None,
        *,
        installs: Mapping[str, Install],
        ecosystems: Mapping[str, Ecosystem],
        settings: Settings,
        reporter: Reporter,
        offers: Offers,
    ) -> None:
        self._layout = layout
        self._choosing = choosing
        self._installs = installs
        self._ecosystems = ecosystems
        self._settings = settings
        self._reporter = reporter
        self._offers = offers
        self._interpreter = interpreter
        self._missing: dict[str, Package] = {}
        self.chosen: dict[str, Package] = {}
        self.count = 0
        self.downloaded = 0
        self.seconds: dict[str, float] = {}

    def run(self) -> None:
        from breakbulk.store.claims import Claims
        from breakbulk.store.faults import store_fault
        from breakbulk.store.milestones import passed
        from breakbulk.store.partial import remove_old
        from breakbulk.store.staging import sweep

        try:
            remove_old(self._settings.cache / "partial")
        except OSError as error:
            raise store_fault(error, self._settings.cache, variable="BREAKBULK_CACHE") from error
        try:
            self._layout.prepare()
            with Claims(self._layout.claims) as claims:
                passed("store-prepared")
                sweep(self._layout, claims)
                passed("staging-swept")
                while self._look():
                    self._produce(claims, self._claim(claims, self._missing))
        except OSError as error:
            needed = sum(package.size for package in self._missing.values())
            raise store_fault(error, self._settings.store, variable="BREAKBULK_STORE", needed_bytes=needed) from error

    def _look(self) -> bool:
        """Choose anew, as offers have failed and others have made trees meanwhile; tell whether any is missing."""
        present = _present(self._layout)
        self.chosen = self._choosing.choose(present)
        self._missing = {name: package for name, package in self.chosen.items() if name not in present}
        return bool(self._missing)

    def _absent(self, packages: Mapping[str, Package]) -> dict[str, Package]:
        return {name: package for name, package in packages.items() if not (self._layout.packages / name).exists()}

    def _claim(self, claims: Claims, missing: Mapping[str, Package]) -> dict[str, Package]:
        """Claim as much as nobody else makes; with nothing to do, wait for one package (`claims` says why so)."""
        for name in self._interpreter_names(missing):
            self._wait(claims, name)
        owned = {name: package for name, package in missing.items() if claims.attempt(name)}
        if not owned:
            name = min(missing)
            self._wait(claims, name)
            owned = {name: missing[name]}
        absent = self._absent(owned)  # another may have made it between our look and our claim
        for name in owned.keys() - absent.keys():
            claims.release(name)
        return absent

    def _wait(self, claims: Claims, name: str) -> None:
        if not claims.attempt(name):
            self._reporter.note(f"waiting for another process that makes {name.partition('-')[2]}")
            claims.wait(name)

    def _interpreter_names(self, missing: Mapping[str, Package]) -> list[str]:
        parts = {package.id for package in self._interpreter.packages} if self._interpreter else set()
        return sorted(name for name, package in missing.items() if package.id in parts)

    def _produce(self, claims: Claims, packages: Mapping[str, Package]) -> None:
        from breakbulk.store.milestones import passed
        from breakbulk.store.production import Production
        from breakbulk.store.staging import sweep

        if not packages:
            return
        passed("claims-taken")
        sweep(self._layout, claims)
        production = Production(
            self._layout,
            claims,
            list(packages.values()),
            self._interpreter,
            ecosystems=self._ecosystems,
            installs=self._installs,
            settings=self._settings,
            reporter=self._reporter,
            offers=self._offers,
        )
        production.run()
        self.count += production.made
        self.downloaded += production.progress.downloaded
        for phase, seconds in production.progress.seconds().items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds


def _interpreter(packages: Sequence[Package], python: Python | None) -> Interpreter | None:
    """Return what compiles, None when nothing needs it."""
    if python is None or not any(package.python for package in packages):
        return None
    from breakbulk.store.bytecode import interpreter_closure
    from breakbulk.store.production import Interpreter

    closure = interpreter_closure(packages, python)
    if not closure:
        raise LockError(
            f"the lock names {python.package} as its Python but does not have it",
            identifier="python-not-locked",
            where=python.package,
            hint="run `breakbulk lock` again",
        )
    return Interpreter(python=python, packages=closure)
