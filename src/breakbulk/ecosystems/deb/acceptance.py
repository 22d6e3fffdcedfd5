"""Whether the Release of a suite may be believed, and how fresh it must be.

A Release is returned when its signature is good, it is that of the suite asked for, it has not expired, and it is not
older than the one accepted before (`memory`). A mirror is asked again after an hour. One that cannot be reached is
bridged by what was accepted before, as long as that has not expired; one that no longer has a suite it had is not
believed, as withholding is the simplest attack.
"""

from __future__ import annotations

import msgspec

from breakbulk.ecosystems.deb.configuration import Configuration
from breakbulk.ecosystems.deb.fetching import Document, Fetcher, Missing, Unchanged
from breakbulk.ecosystems.deb.memory import Memory, State
from breakbulk.ecosystems.deb.release import Release, check_current, check_not_replayed, check_suite, parse_release
from breakbulk.ecosystems.deb.signatures import verify_clear_signed, verify_detached
from breakbulk.ecosystems.deb.sources import Source
from breakbulk.errors import IntegrityError, NetworkError, NotFoundError
from breakbulk.settings import Settings

__all__ = ["FRESH_S", "Acceptance"]

FRESH_S = 3600.0
"""Seconds during which a suite is not asked for again: mirrors are updated every six hours, most suites daily."""


class Acceptance:
    """Gives Releases that may be believed; tells the user through the memory's `notes`.

    Args:
        settings: apt's directory, where keys are.
        fetcher: Does the transfers.
        configuration: apt's own.
        memory: What was accepted before.
        now: Seconds since the epoch.
        always: Ask every mirror, however fresh the last answer is.

    """

    def __init__(
        self,
        settings: Settings,
        fetcher: Fetcher,
        configuration: Configuration,
        memory: Memory,
        *,
        now: float,
        always: bool = False,
    ) -> None:
        self._apt_directory = settings.apt_directory
        self._fetcher = fetcher
        self._configuration = configuration
        self._memory = memory
        self._now = now
        self._always = always

    def release(self, source: Source, *, at: float | None = None, optional: bool = False) -> Release | None:
        """Return the current Release of a suite; None when the mirror has no such suite, and never had.

        Args:
            source: The suite and its mirror.
            at: The moment it must be valid at, for a snapshot; None is now.
            optional: Whether one does without it: then its absence is believed as long as a Release is.

        """
        with self._memory.locked(source):
            state = self._memory.load(source)
            if state is not None and (state.release or optional) and self._is_fresh(state, source, at):
                return state.release
            renewed = self._renew(source, state, at)
            if renewed is not state:
                self._memory.save(source, renewed)
        return renewed.release

    def _is_fresh(self, state: State, source: Source, at: float | None) -> bool:
        """Say whether a mirror need not be asked: it was lately, and what it said is still believable."""
        if self._always or not 0 <= self._now - state.checked < FRESH_S:
            return False
        if state.release is not None:
            try:
                self._check_current(state.release, source, at)
            except IntegrityError:
                return False
        return True

    def _renew(self, source: Source, state: State | None, at: float | None) -> State:
        validators = Document(b"", state.etag, state.modified) if state and state.release else None
        try:
            found = self._fetch_release(source, validators)
        except NetworkError as error:
            if state is None or state.release is None:
                raise
            self._check_current(state.release, source, at)
            self._memory.notes.append(
                f"{source.suite}: the mirror cannot be reached, its last index is used ({error.message})"
            )
            return state
        if isinstance(found, Missing):
            if state is not None and state.release is not None:
                raise _gone(source)
            return State(release=None, checked=self._now)
        if isinstance(found, Unchanged):
            return self._confirmed(state, source, at)
        release = parse_release(found.body.decode(errors="replace"), source.where)
        check_suite(release, source)
        self._check_current(release, source, at)
        if state is not None and state.release is not None:
            check_not_replayed(release, state.release, source)
        compiled = state.compiled if state else {}
        return State(release=release, checked=self._now, etag=found.etag, modified=found.modified, compiled=compiled)

    def _confirmed(self, state: State | None, source: Source, at: float | None) -> State:
        """Return the state that the mirror says is still current."""
        if state is None or state.release is None:
            raise NetworkError(
                "the mirror says that nothing changed, but was not asked that",
                identifier="deb-mirror-refuses",
                where=source.where,
                hint="a proxy between answers wrongly; use another mirror",
            )
        self._check_current(state.release, source, at)
        return msgspec.structs.replace(state, checked=self._now)

    def _fetch_release(self, source: Source, validators: Document | None) -> Document | Missing | Unchanged:
        """Return the verified text of `InRelease`, or of `Release` with `Release.gpg` beside it."""
        directory = self._apt_directory
        signed = self._fetcher.fetch(f"{source.directory}/InRelease", validators=validators)
        if isinstance(signed, Document):
            text = verify_clear_signed(signed.body, source, directory)
            return Document(text, signed.etag, signed.modified)
        if isinstance(signed, Unchanged):
            return signed
        plain = self._fetcher.fetch(f"{source.directory}/Release")
        signature = self._fetcher.fetch(f"{source.directory}/Release.gpg")
        if not isinstance(plain, Document):
            return Missing()
        if not isinstance(signature, Document):
            raise IntegrityError(
                f"the suite {source.suite!r} is not signed",
                identifier="deb-signature-missing",
                where=source.where,
                hint="use an archive that is signed; Breakbulk does not honour trusted=yes",
            )
        return Document(verify_detached(plain.body, signature.body, source, directory))

    def _check_current(self, release: Release, source: Source, at: float | None) -> None:
        try:
            check_current(release, source, self._now if at is None else min(at, self._now))
        except IntegrityError as error:
            if self._is_exempt(error, source):
                self._memory.notes.append(f"{error.message}; apt's configuration of this machine allows it")
                return
            raise

    def _is_exempt(self, error: IntegrityError, source: Source) -> bool:
        if error.reference == "deb-release-expired" and source.check_valid_until is not None:
            return not source.check_valid_until
        names = {
            "deb-release-expired": "Acquire::Check-Valid-Until",
            "deb-release-not-yet-valid": "Acquire::Check-Date",
        }
        return not self._configuration.flag(names[error.reference], default=True)


def _gone(source: Source) -> NotFoundError:
    return NotFoundError(
        f"the mirror no longer has the suite {source.suite!r}",
        identifier="deb-suite-gone",
        where=source.where,
        why="it had the suite when it was last asked",
        hint="use another mirror; a suite that is closed for good has moved to an archive of old releases",
    )
