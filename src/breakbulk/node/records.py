"""What the node agent writes down and the runtime handler reads: one file per environment, one per pod.

    <state>/plans/<owner>~<name>~<digest>.json
                            `MountPlan`: how the root of a container with that environment is made; it is there once
                            everything is realised, and survives a restart of the node
    <run>/pods/<uid>.json   `PodRecord`: which digest each reference of a pod meant when the pod came; it lives as long
                            as the pod, so that a container that starts again gets what it had
    <run>/ready/<uid>       empty: all environments of the pod have been here since, so that its sandbox need not wait
    <run>/waiting/<uid>     empty: locked while something is done for the pod, so that its sandbox waits for the lock

A plan is of an environment *and* a digest: whoever pushes vouches for prepared trees, which the digest says nothing of,
so that who pushes the same lock under another name must not have a say in what this one mounts.

The handler finds everything it needs in these two, so that pods start while the agent is away. Files are replaced
whole. JSON by the standard library: other parsers take longer to import than the whole call may last.
"""

from __future__ import annotations

import os

from breakbulk.node import json_text

TYPE_CHECKING = False  # typing takes longer to import than the runtime handler has
if TYPE_CHECKING:
    from typing import Any

__all__ = ["MountPlan", "PodRecord", "plan_path", "ready_path", "record_path", "waiting_path"]

_FORMAT = 1
_DIGITS = "0123456789"
_LOWER = "abcdefghijklmnopqrstuvwxyz"
_WORD_MAX = 64  # as `hub.names`, whose regular expressions take longer to import
_UID_MAX = 128


class MountPlan:
    """How a container with an environment is made.

    Attributes:
        environment: `owner/name`.
        generation: Of the environment.
        digest: Of the environment, 64 hexadecimal digits.
        lowers: Directories of the packages, absolute, the first on top.
        path: The PATH of commands.
        variables: What every environment sets, PATH among them.
        vars: Those of the manifest, not expanded yet.
        hook: `hook.on-activate`, empty when there is none.
        command: What runs where the pod names no command; empty when nothing does.
        working_directory: Where commands start when the pod does not say; empty for `/`.
        groups: Group id of each user id that the environment knows.
        members: Ids of other groups that a user id is a member of; of those that are.
        user: Who runs commands where the pod does not say, `USER[:GROUP]` by name or number; empty for root.

    """

    __slots__ = (
        "command",
        "digest",
        "environment",
        "generation",
        "groups",
        "hook",
        "lowers",
        "members",
        "path",
        "user",
        "variables",
        "vars",
        "working_directory",
    )

    def __init__(
        self,
        *,
        environment: str,
        generation: int,
        digest: str,
        lowers: list[str],
        path: str,
        variables: dict[str, str],
        vars: dict[str, str],  # noqa: A002 - as the manifest calls them
        hook: str = "",
        command: list[str] | None = None,
        working_directory: str = "",
        groups: dict[str, int] | None = None,
        members: dict[str, list[int]] | None = None,
        user: str = "",
    ) -> None:
        self.environment = environment
        self.generation = generation
        self.digest = digest
        self.lowers = lowers
        self.path = path
        self.variables = variables
        self.vars = vars
        self.hook = hook
        self.command = command or []
        self.working_directory = working_directory
        self.groups = groups or {}
        self.members = members or {}
        self.user = user

    def write(self, state: str) -> None:
        """Write it, durably; raise `OSError`, `ValueError` for an environment that cannot name a file."""
        _replace(
            plan_path(state, self.environment, self.digest), {name: getattr(self, name) for name in self.__slots__}
        )

    @classmethod
    def read(cls, state: str, environment: str, digest: str) -> MountPlan | None:
        """Return the plan of a digest of `owner/name`, None when there is none that this version understands."""
        try:
            fields = _read(plan_path(state, environment, digest))
        except ValueError:
            return None
        if fields is None or (fields.get("environment"), fields.get("digest")) != (environment, digest):
            return None
        try:
            return cls(**fields)
        except TypeError:
            return None


class PodRecord:
    """What the references of a pod meant when it came, and what else a runtime is not told of it.

    Attributes:
        uid: Of the pod.
        namespace: Of the pod.
        name: Of the pod.
        digests: Digest (64 hexadecimal digits) of each reference, as it is written in the annotations.
        grouped: Containers whose group the pod names itself.
        ephemeral: Ephemeral containers, which keep the image that they name.
        strict: Whether the pod wants no groups that an environment makes its users members of.
        owned: Containers whose user the pod names itself.

    """

    __slots__ = ("digests", "ephemeral", "grouped", "name", "namespace", "owned", "strict", "uid")

    def __init__(
        self,
        *,
        uid: str,
        namespace: str,
        name: str,
        digests: dict[str, str],
        grouped: list[str] | None = None,
        ephemeral: list[str] | None = None,
        strict: bool = False,
        owned: list[str] | None = None,
    ) -> None:
        self.uid = uid
        self.namespace = namespace
        self.name = name
        self.digests = digests
        self.grouped = grouped or []
        self.ephemeral = ephemeral or []
        self.strict = strict
        self.owned = owned or []

    def write(self, run: str) -> None:
        """Write it; raise `OSError`, `ValueError` for a uid that cannot name a file."""
        _replace(record_path(run, self.uid), {name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def read(cls, run: str, uid: str) -> PodRecord | None:
        """Return the record of a pod, None when there is none that this version understands."""
        fields = _read(record_path(run, uid))
        if fields is None or fields.get("uid") != uid:
            return None
        try:
            return cls(**fields)
        except TypeError:
            return None


def plan_path(state: str, environment: str, digest: str) -> str:
    """Return where the plan of a digest of `owner/name` is; raise `ValueError` for what cannot name a file."""
    owner, _, name = environment.partition("/")
    if not (_is_word(owner) and _is_word(name) and len(digest) == 64 and _consists(digest, f"{_DIGITS}abcdef")):
        raise ValueError(f"no environment: {environment[:200]!r}, {digest[:200]!r}")
    return f"{state}/plans/{environment.replace('/', '~')}~{digest}.json"


def record_path(run: str, uid: str) -> str:
    """Return where the record of a pod is; raise `ValueError` for a uid that cannot name a file."""
    letters = f"{_DIGITS}{_LOWER}{_LOWER.upper()}"
    if not (_consists(uid[:1], letters) and _consists(uid, f"{letters}-") and len(uid) <= _UID_MAX):
        raise ValueError(f"no uid of a pod: {uid[:200]!r}")
    return f"{run}/pods/{uid}.json"


def ready_path(run: str, uid: str) -> str:
    """Return what is there when all environments of a pod are; for a uid that `record_path` has taken."""
    return f"{run}/ready/{uid}"


def waiting_path(run: str, uid: str) -> str:
    """Return what is locked while something is done for a pod; for a uid that `record_path` has taken."""
    return f"{run}/waiting/{uid}"


def _is_word(text: str) -> bool:
    ends = f"{_DIGITS}{_LOWER}"
    return (
        len(text) <= _WORD_MAX
        and _consists(text[:1], ends)
        and _consists(text[-1:], ends)
        and _consists(text, f"{ends}_.-")
    )


def _consists(text: str, letters: str) -> bool:
    """Say whether a text is of these letters, and not empty."""
    return bool(text) and not text.strip(letters)


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            fields = json_text.loads(file.read())
    except (OSError, ValueError):
        return None
    if not isinstance(fields, dict) or fields.pop("format", None) != _FORMAT:
        return None
    return fields


def _replace(path: str, fields: dict[str, Any]) -> None:
    """Write a file whole or not at all; only root may read it, as names of environments may be confidential."""
    half = f"{path}.{os.getpid()}"
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json_text.dumps({"format": _FORMAT, **fields}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except BaseException:
        _forget(half)
        raise


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # the agent removes what is left half written
