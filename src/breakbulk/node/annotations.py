"""What the annotations of a pod ask for: which container runs which environment of a hub, and how.

    breakbulk.dev/environment               owner/name, owner/name:3 or owner/name@sha256:..., of every container
    environment.breakbulk.dev/CONTAINER     the same, of one container; `none` leaves it as its image has it
    breakbulk.dev/skip-containers           `a,b`: containers that stay as their images have them
    breakbulk.dev/skip-containers-exec      `a,b`: the main process is in the environment, `kubectl exec` is not
    breakbulk.dev/activate-mode             `run` (default) or `dev`

Flox's names under `flox.dev/` mean the same (flox.dev/docs/imageless-kubernetes/config); where both are there, ours
decides, key by key. `flox.dev/disable-metrics` and `flox.dev/nix-mutable` are accepted: nothing is measured, and the
root of a container can be written anyway. Whether a reference names anything is for the node agent to find out.

Pure, and of the standard library only, as every start of a container waits for it.
"""

from __future__ import annotations

from breakbulk.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CONTAINER_PREFIX",
    "ENVIRONMENTS_MAX",
    "PASSED_ON",
    "PREFIXES",
    "VALUE_MAX",
    "PodAnnotations",
    "digest_of",
    "environment_of",
]

PREFIXES = ("breakbulk.dev/", "flox.dev/")
"""Of annotations of a pod, the one that decides first."""

CONTAINER_PREFIX = "environment.breakbulk.dev/"
"""Of annotations of one container."""

PASSED_ON = ("breakbulk.dev/*", "environment.breakbulk.dev/*", "flox.dev/*")
"""Patterns of annotations that containerd hands to the runtime: `pod_annotations` of its configuration."""

VALUE_MAX = 4096
"""Bytes of one value; a list of all containers that a pod may have is far below."""

ENVIRONMENTS_MAX = 32
"""That one pod may name; every one is looked up, and others wait meanwhile."""

_NONE = "none"
_MODES = ("run", "dev")
_HEX = frozenset("0123456789abcdef")


class PodAnnotations:
    """The wishes of one pod.

    Args:
        annotations: All of the pod's, or those that containerd has passed on; others do not matter.

    Raises:
        UsageError: `annotation-invalid`; `where` names the key.

    """

    __slots__ = ("_containers", "_default", "_skipped", "_skipped_in_exec", "mode")

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self._default = _value(annotations, "environment") or None
        self._containers = {
            key.removeprefix(CONTAINER_PREFIX): _checked(key, value)
            for key, value in annotations.items()
            if key.startswith(CONTAINER_PREFIX)
        }
        self._skipped = _names(annotations, "skip-containers")
        self._skipped_in_exec = _names(annotations, "skip-containers-exec")
        self.mode = _value(annotations, "activate-mode") or _MODES[0]
        if self.mode not in _MODES:
            raise _invalid("activate-mode", repr(self.mode[:100]), "write `run` or `dev`")
        if len(self.references) > ENVIRONMENTS_MAX:
            why = f"the pod names {len(self.references)} environments"
            raise _invalid(f"{CONTAINER_PREFIX}*", why, f"name at most {ENVIRONMENTS_MAX}")

    @property
    def references(self) -> tuple[str, ...]:
        """Every environment that is named, each once, as it is written."""
        named = (self._default, *self._containers.values())
        return tuple(dict.fromkeys(each for each in named if each and each != _NONE))

    def reference(self, container: str) -> str | None:
        """Return the environment of a container, None where it stays as its image has it."""
        own = self._containers.get(container)
        if own is not None:
            return None if own in {"", _NONE} else own
        return None if container in self._skipped else self._default

    def names(self, container: str) -> bool:
        """Say whether there is an annotation for this very container, which then holds whatever its image is."""
        return container in self._containers

    def exec_inside(self, container: str) -> bool:
        """Say whether `kubectl exec` into a container that has an environment is inside of it."""
        return container not in self._skipped_in_exec


def digest_of(reference: str) -> str | None:
    """Return the 64 hexadecimal digits that a reference is pinned to, None when it is not; safe in a file's name."""
    _, separator, digits = reference.rpartition("@sha256:")
    return digits if separator and len(digits) == 64 and _HEX.issuperset(digits) else None


def environment_of(reference: str) -> str:
    """Return `owner/name` of a reference, without what it is pinned to; whether it can be one is for others to say."""
    return reference.partition("@")[0].partition(":")[0]


def _value(annotations: Mapping[str, str], name: str) -> str:
    for prefix in PREFIXES:
        if prefix + name in annotations:
            return _checked(prefix + name, annotations[prefix + name])
    return ""


def _names(annotations: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(word.strip() for word in _value(annotations, name).split(",") if word.strip())


def _checked(key: str, value: str) -> str:
    """Return a value without the blanks around it, if it can be one at all."""
    if len(value.encode(errors="surrogatepass")) > VALUE_MAX:
        raise _invalid(key, f"{len(value)} characters", f"write at most {VALUE_MAX} bytes")
    stripped = value.strip()
    if not stripped.isprintable():
        raise _invalid(key, "a value with control characters", "write OWNER/NAME, or names with commas between them")
    return stripped


def _invalid(key: str, why: str, hint: str) -> UsageError:
    return UsageError(
        "an annotation of the pod cannot be understood",
        identifier="annotation-invalid",
        where=f"annotation {key[:200]!r}",
        why=why,
        hint=hint,
    )
