"""The one tree of errors.

Every error that reaches a user says **what** happened, **where**, **why**, and the **fix**; it carries a stable
identifier (kebab-case, never reused for another meaning) and an exit code. Third-party errors are wrapped where they
enter, with their cause kept. This module imports nothing of Breakbulk.

    BreakbulkError
    ├── UsageError                    2   the command line
    ├── ManifestError                65   what the user wrote
    ├── LockError                    66   what was locked
    │   ├── ResolutionError          67   no set of packages satisfies the manifest
    │   └── ConflictError            68   two packages own one path
    ├── IntegrityError               69   bytes that are not what was promised: digests, signatures
    ├── ArchiveError                 70   an archive that must not be unpacked
    ├── NetworkError                 71   an index or mirror that does not answer (retryable)
    ├── NotFoundError                72   a package, file or environment that does not exist
    ├── StoreError                   73   the store cannot be written: full, not permitted
    ├── PlatformError                74   the kernel or machine lacks something
    ├── BuildError                   75   a build back end failed
    ├── ServiceError                 76   a service of the environment failed
    ├── ActivationError              77   a hook failed
    ├── HubError                     78   a hub that refuses: not permitted, another policy, a later format
    ├── ClusterError                 79   a Kubernetes cluster that cannot be reached, made or used
    ├── CommandNotExecutableError   126   a command that cannot be executed, as in a shell
    └── CommandNotFoundError        127   a command that is not in the environment, as in a shell
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than the runtime handler has
if TYPE_CHECKING:
    from typing import ClassVar

__all__ = [
    "ActivationError",
    "ArchiveError",
    "BreakbulkError",
    "BuildError",
    "ClusterError",
    "CommandNotExecutableError",
    "CommandNotFoundError",
    "ConflictError",
    "HubError",
    "IntegrityError",
    "LockError",
    "ManifestError",
    "NetworkError",
    "NotFoundError",
    "PlatformError",
    "ResolutionError",
    "ServiceError",
    "StoreError",
    "UsageError",
]


class BreakbulkError(Exception):
    """Carry what happened, where, why and the fix.

    Args:
        message: What happened, one sentence without a full stop.
        identifier: Overrides the class's identifier where one family has several distinct causes.
        where: File and line, package, URL without credentials: the place to look at.
        why: The cause, when it is known and not obvious.
        hint: What to do about it, in the imperative; a command where possible.

    """

    identifier: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        identifier: str | None = None,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reference = identifier or self.identifier
        self.where = where
        self.why = why
        self.hint = hint

    def as_dict(self) -> dict[str, str | int | bool]:
        """Return the fields for `--json`, absent ones left out."""
        fields = {"what": self.message, "where": self.where, "why": self.why, "hint": self.hint}
        present = {name: value for name, value in fields.items() if value is not None}
        return {"error": self.reference, "exit_code": self.exit_code, "retryable": self.retryable, **present}

    def __str__(self) -> str:
        parts = [self.message, self.where and f"at {self.where}", self.why, self.hint and f"fix: {self.hint}"]
        return f"{self.reference}: " + "; ".join(part for part in parts if part)


class UsageError(BreakbulkError):
    """A command line that asks for something impossible."""

    identifier = "usage"
    exit_code = 2


class ManifestError(BreakbulkError):
    """A manifest that cannot be read as one; `where` is `file:line`, the message names the key path."""

    identifier = "manifest-invalid"
    exit_code = 65


class LockError(BreakbulkError):
    """A lock that is missing, damaged, newer than this program, or out of date with its manifest."""

    identifier = "lock-invalid"
    exit_code = 66


class ResolutionError(LockError):
    """No set of packages satisfies the manifest; `why` says who asks for what."""

    identifier = "resolution-impossible"
    exit_code = 67


class ConflictError(LockError):
    """Two packages own one path with different content."""

    identifier = "file-conflict"
    exit_code = 68


class IntegrityError(BreakbulkError):
    """Bytes are not what was promised: a digest, a size or a signature does not match."""

    identifier = "digest-mismatch"
    exit_code = 69


class ArchiveError(BreakbulkError):
    """An archive holds something that must not be unpacked, or is damaged; `where` names archive and member."""

    identifier = "archive-refused"
    exit_code = 70


class NetworkError(BreakbulkError):
    """An index or mirror does not answer, or answers with an error."""

    identifier = "network"
    exit_code = 71
    retryable = True


class NotFoundError(BreakbulkError):
    """Something that was named does not exist."""

    identifier = "not-found"
    exit_code = 72


class StoreError(BreakbulkError):
    """The store cannot be read or written."""

    identifier = "store"
    exit_code = 73


class PlatformError(BreakbulkError):
    """The kernel or the machine lacks something that is needed."""

    identifier = "platform"
    exit_code = 74


class BuildError(BreakbulkError):
    """The build back end of a source failed."""

    identifier = "build-failed"
    exit_code = 75


class ServiceError(BreakbulkError):
    """A service did not start, did not become ready, or ended."""

    identifier = "service-failed"
    exit_code = 76


class ActivationError(BreakbulkError):
    """A hook of the environment failed."""

    identifier = "activation-failed"
    exit_code = 77


class HubError(BreakbulkError):
    """A hub refuses what is asked of it: credentials, its policy, a format that is newer than this program."""

    identifier = "hub-refused"
    exit_code = 78


class ClusterError(BreakbulkError):
    """A Kubernetes cluster cannot be reached, made or used as asked."""

    identifier = "cluster"
    exit_code = 79


class CommandNotExecutableError(BreakbulkError):
    """A command that exists but cannot be executed."""

    identifier = "command-not-executable"
    exit_code = 126


class CommandNotFoundError(BreakbulkError):
    """A command that is not in the environment."""

    identifier = "command-not-found"
    exit_code = 127
