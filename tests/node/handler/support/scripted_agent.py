"""An agent that speaks `breakbulk.node.protocol` on a real socket, and makes environments ready as a test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from breakbulk.node.protocol import socket_path


class Agent:
    """Answers each question with what `answer` returns; closes without an answer when that is None.

    Args:
        run: Directory of the socket.
        answer: From a question to an answer.

    """

    def __init__(self, run: Path, answer: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> None:
        self.questions: list[dict[str, Any]] = []
        self._answer = answer
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(socket_path(str(run)))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        Path(self._listening.getsockname()).unlink()
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as lines:
                question = json.loads(lines.readline())
                self.questions.append(question)
                answer = self._answer(question)
                if answer is not None:
                    lines.write(json.dumps(answer).encode() + b"\n")
