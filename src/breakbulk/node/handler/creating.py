"""What happens when containerd creates a container: its environment is put in place before runc sees it.

Twice per container of a pod this is asked. For the *sandbox*, where nothing of an environment runs, it waits until all
environments of the pod are there: kubelet tries a sandbox again whatever the restart policy is, so an environment that
takes longer than any deadline fails nothing. For the container itself everything is there, and two files on this node
say what it is (`records`); only where one of them is missing the agent is asked.

Nothing runs unless all of it has succeeded.
"""

from __future__ import annotations

import os

from breakbulk.errors import ManifestError, NotFoundError, UsageError
from breakbulk.images.stub import STUB_NAMES
from breakbulk.node.annotations import CONTAINER_PREFIX, PREFIXES, PodAnnotations, digest_of, environment_of
from breakbulk.node.handler import hooking, process
from breakbulk.node.handler.asking import Agent, Pod
from breakbulk.node.handler.bundle import Bundle
from breakbulk.node.handler.holding import InUse
from breakbulk.node.records import MountPlan, PodRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["Node", "create"]

_CRI = "io.kubernetes.cri."
_STUBS = tuple(name.removeprefix("docker.io/").partition(":")[0] for name in STUB_NAMES)


class Node:
    """Where things are on this node, and how long an environment may take."""

    __slots__ = ("deadline_s", "run", "state", "store")

    def __init__(self, *, state: str, run: str, store: str, deadline_s: float) -> None:
        self.state = state
        self.run = run
        self.store = store
        self.deadline_s = deadline_s


def create(place: str, node: Node) -> None:
    """Prepare the bundle at `place`; raise `BreakbulkError`, `OSError`."""
    bundle = Bundle(place)
    configuration = bundle.read()
    annotations = configuration.get("annotations") or {}
    kind = annotations.get(f"{_CRI}container-type")
    if kind not in {"sandbox", "container"}:
        return
    creation = _Creation(bundle, configuration, annotations, node)
    if kind == "sandbox":
        creation.await_environments()
    else:
        creation.put_in_environment()


class _Creation:
    """One call."""

    def __init__(
        self, bundle: Bundle, configuration: dict[str, Any], annotations: Mapping[str, str], node: Node
    ) -> None:
        self._bundle = bundle
        self._configuration = configuration
        self._node = node
        self._container = annotations.get(f"{_CRI}container-name", "")
        self._only_stub = _is_stub(annotations.get(f"{_CRI}image-name", ""))
        self._annotations = {
            key: annotations[key] for key in annotations if key.startswith((*PREFIXES, CONTAINER_PREFIX))
        }
        self._wishes = PodAnnotations(self._annotations)
        self._agent = Agent(node.run, node.deadline_s)
        words = ("uid", "namespace", "name")
        self._pod = Pod(**{word: annotations.get(f"{_CRI}sandbox-{word}", "") for word in words})
        self._record = self._read_record() if self._wishes.references else None

    def await_environments(self) -> None:
        """Return when all environments of the pod are there."""
        if not all(self._present(reference) for reference in self._wishes.references):
            self._prepare()

    def put_in_environment(self) -> None:
        """Give a container its root file system and its process, if it has an environment."""
        reference = self._wishes.reference(self._container)
        if reference is None:
            self._check_image()
        elif self._only_stub or self._wishes.names(self._container) or not self._is_ephemeral():
            plan = self._rooted(reference)
            self._describe(plan)

    def _check_image(self) -> None:
        """Refuse the stub image, in which there is nothing to run, where the pod names no environment at all."""
        if self._only_stub and not self._wishes.references:
            raise UsageError(
                "the image is a stub, and the pod names no environment",
                identifier="environment-missing",
                where=f"container {self._container[:100]!r}",
                hint="set the annotation `breakbulk.dev/environment: OWNER/NAME` in the pod's metadata",
            )

    def _is_ephemeral(self) -> bool:
        known = self._record is not None and self._container in self._record.ephemeral
        return known or self._agent.is_ephemeral(self._pod, self._container)

    def _rooted(self, reference: str) -> MountPlan:
        """Mount the root file system; ask the agent once if something of the environment is missing."""
        for asked in (False, True):
            with InUse(self._node.store):
                plan = self._plan(reference)
                if plan is not None:
                    self._mount(plan)
                    return plan
            if not asked:
                self._prepare()
        raise NotFoundError(
            "the environment is said to be ready, but something of it is missing on this node",
            identifier="plan-missing",
            where=reference[:200],
            hint="run `breakbulk node prewarm` with the environment on this node, and `breakbulk node doctor`",
        )

    def _mount(self, plan: MountPlan) -> None:
        from breakbulk.node.handler.rooting import mount_root

        mount_root(
            self._bundle.root(self._configuration),
            plan.lowers,
            store=self._node.store,
            user_namespace=_user_namespace(self._configuration),
            only_stub=self._only_stub,
        )

    def _describe(self, plan: MountPlan) -> None:
        """Write what runs, and the note from which `entering` does the same for `exec`."""
        wanted, user = self._configuration["process"], self._user(plan)
        if user:
            wanted = process.as_user(wanted, *user)
        given = process.table(wanted.get("env") or ())
        defaults = process.defaults(plan, given, self._home(plan, wanted))
        groups = {} if self._is_grouped(plan, wanted) or (user and user[1] is not None) else plan.groups
        members = {} if self._is_strict(plan, wanted) else plan.members
        made = process.of_user(process.in_directory(wanted, plan.working_directory), groups, members)
        made["env"] = process.environ(defaults, given)
        made["args"] = self._command(plan, wanted.get("args") or ())
        self._bundle.write_note(
            {
                "inside": self._wishes.exec_inside(self._container),
                "variables": defaults,
                "directory": plan.working_directory,
                "user": user,
                "groups": groups,
                "members": members,
                "hook": bool(plan.hook),
            }
        )
        self._bundle.replace({**self._configuration, "process": made})

    def _command(self, plan: MountPlan, given: Sequence[str]) -> list[str]:
        command = process.arguments(plan, given)
        if not plan.hook:
            return command
        from breakbulk.node.handler.looking import find_program

        bash = find_program(self._bundle.root(self._configuration), "bash", plan.path)
        if bash is None:
            raise hooking.needs_bash(f"{plan.environment}:{plan.generation}")
        return hooking.wrapped(plan.hook, bash, command)

    def _home(self, plan: MountPlan, wanted: Mapping[str, Any]) -> str:
        """Return the user's home directory, as far as `vars` refer to it."""
        if not any("HOME" in value for value in plan.vars.values()):
            return "/"
        from breakbulk.node.handler.looking import home_of

        return home_of(self._bundle.root(self._configuration), (wanted.get("user") or {}).get("uid", 0))

    def _user(self, plan: MountPlan) -> tuple[int, int | None] | None:
        """Return user and group of the environment, where it has a user and the pod names none."""
        if not plan.user or (self._configuration["process"].get("user") or {}).get("uid", 0) != 0:
            return None
        record = self._needed_record()
        if record is not None and self._container in record.owned:
            return None
        from breakbulk.node.handler.looking import user_of

        found = user_of(self._bundle.root(self._configuration), plan.user)
        if found is None:
            raise ManifestError(
                f"the environment has no user {plan.user[:100]!r} to run as",
                identifier="user-unknown",
                where=f"{plan.environment}:{plan.generation}",
                hint="correct `containerize.config.user` in the manifest and push again, or set `runAsUser` in the pod",
            )
        return found

    def _is_grouped(self, plan: MountPlan, wanted: Mapping[str, Any]) -> bool:
        """Say whether the pod names the group itself: no one else can tell 0 that is meant from 0 that is not."""
        user = wanted.get("user") or {}
        if user.get("gid", 0) != 0 or not plan.groups.get(str(user.get("uid", 0))):
            return False
        record = self._needed_record()
        return record is not None and self._container in record.grouped

    def _is_strict(self, plan: MountPlan, wanted: Mapping[str, Any]) -> bool:
        """Say whether the pod takes only the groups that it names: `supplementalGroupsPolicy: Strict`."""
        if not plan.members.get(str((wanted.get("user") or {}).get("uid", 0))):
            return False
        record = self._needed_record()
        return record is not None and record.strict

    def _needed_record(self) -> PodRecord | None:
        if self._record is None:
            self._prepare()
        return self._record

    def _present(self, reference: str) -> bool:
        return self._plan(reference) is not None

    def _plan(self, reference: str) -> MountPlan | None:
        """Return the plan of what the reference meant when the pod came, if all of it is there."""
        digest = digest_of(reference) or (self._record.digests.get(reference) if self._record else None)
        plan = MountPlan.read(self._node.state, environment_of(reference), digest) if digest else None
        return plan if plan is not None and all(map(os.path.isdir, plan.lowers)) else None

    def _prepare(self) -> None:
        self._agent.prepare(self._pod, self._annotations)
        self._record = self._read_record()

    def _read_record(self) -> PodRecord | None:
        try:
            return PodRecord.read(self._node.run, self._pod.uid)
        except ValueError as error:
            raise self._bundle.invalid("the uid of the pod is none") from error


def _is_stub(image: str) -> bool:
    """Say whether an image is one of ours, from whatever registry."""
    name = image.partition("@")[0]
    head, separator, tail = name.rpartition(":")
    name = head if separator and "/" not in tail else name
    return any(name == stub or name.endswith(f"/{stub}") for stub in _STUBS)


def _user_namespace(configuration: Mapping[str, Any]) -> str:
    """Return the file of the pod's user namespace, empty where it is this machine's."""
    namespaces = (configuration.get("linux") or {}).get("namespaces") or ()
    for namespace in namespaces:
        if namespace.get("type") == "user":
            return str(namespace.get("path") or "") or _no_path()
    return ""


def _no_path() -> str:
    raise UsageError(
        "the container is to have a user namespace of its own, and not its pod's",
        identifier="user-namespace-unknown",
        hint="use containerd 2.0 or newer, through its CRI plugin",
    )
