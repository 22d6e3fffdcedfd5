"""The runtime handler's questions to the node agent (`protocol`), with patience for an agent that is being replaced.

An agent that does not answer is asked again for a while, as an upgrade takes some seconds and a container that fails
may be one that is never tried again. Whoever needs no answer does not ask, and pods start while the agent is away.
"""

from __future__ import annotations

import time

from breakbulk.errors import BreakbulkError, PlatformError

TYPE_CHECKING = False  # typing takes longer to import than the runtime handler has
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["Agent", "Pod"]

_PATIENCE_S = 15.0
_PAUSE_S = 0.2
_TRANSPORT_S = 5.0
_EPHEMERAL_S = 2.0
_TEXT_MAX = 900
"""Characters of the agent's words; an event of Kubernetes has 1024."""


class Pod:
    """Whose container it is, as containerd has it."""

    __slots__ = ("name", "namespace", "uid")

    def __init__(self, *, uid: str, namespace: str, name: str) -> None:
        self.uid = uid
        self.namespace = namespace
        self.name = name

    @property
    def fields(self) -> dict[str, str]:
        """As a question has them."""
        return {"uid": self.uid, "namespace": self.namespace, "name": self.name}


class Agent:
    """The agent of this node.

    Args:
        run: Directory with its socket.
        deadline_s: Until when an environment has to be there, from now on.
        patience_s: How long an agent may be away.

    """

    def __init__(self, run: str, deadline_s: float, patience_s: float = _PATIENCE_S) -> None:
        self._run = run
        self._until = time.monotonic() + deadline_s
        self._patience_s = patience_s

    def prepare(self, pod: Pod, annotations: Mapping[str, str]) -> None:
        """Return as soon as every environment of a pod is there and its record is written.

        Raises:
            BreakbulkError: What the agent says is wrong, under its identifier; `agent-away`.

        """
        answer = self._patiently({"prepare": {**pod.fields, "annotations": dict(annotations)}})
        if answer.get("ready") is not True:
            raise _refused(answer)

    def is_ephemeral(self, pod: Pod, container: str) -> bool:
        """Say whether a container was added to a running pod; not so when the agent does not know or is away."""
        from breakbulk.node.protocol import ask

        try:
            question = {"ephemeral": {**pod.fields, "container": container}}
            return ask(self._run, question, _EPHEMERAL_S).get("ephemeral") is True
        except OSError:
            return False

    def _patiently(self, question: Mapping[str, Any]) -> dict[str, Any]:
        from breakbulk.node.protocol import ask

        last_seen = time.monotonic()
        while True:
            asked = time.monotonic()
            left_s = max(self._until - asked, 0.0)
            try:
                return ask(self._run, {**question, "within_s": left_s}, left_s + _TRANSPORT_S)
            except OSError as error:
                now = time.monotonic()
                last_seen = now if now - asked > _PAUSE_S else last_seen  # it was there, and has gone since
                if now + _PAUSE_S > min(last_seen + self._patience_s, self._until):
                    raise self._away(error) from error
            time.sleep(_PAUSE_S)

    def _away(self, error: OSError) -> PlatformError:
        from breakbulk.node.protocol import socket_path

        return PlatformError(
            "an environment has to be made ready, and the node agent does not answer",
            identifier="agent-away",
            where=socket_path(self._run),
            why=error.strerror or str(error),
            hint="start it on this node, `systemctl start breakbulk-agent`; `breakbulk node doctor` says what is wrong",
        )


def _refused(answer: Mapping[str, Any]) -> BreakbulkError:
    words = str(answer.get("message") or "the node agent does not say why the environment is not ready")
    return BreakbulkError(words[:_TEXT_MAX], identifier=str(answer.get("error") or "environment-not-ready")[:100])
