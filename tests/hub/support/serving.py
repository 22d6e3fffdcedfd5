"""A hub service in a thread of the test, on a port of its own: real sockets and the real server, and no process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from breakbulk.hub.backends.service import ServiceObjects
from breakbulk.hub.hub import Hub
from breakbulk.hub.objects import Objects
from breakbulk.hub.records import Change
from breakbulk.hub.service.application import make_application
from breakbulk.hub.service.callers import Caller
from breakbulk.hub.service.keys import Key
from breakbulk.hub.service.options import Options
from breakbulk.hub.service.policy import Received
from breakbulk.hub.service.service import Service
from breakbulk.hub.service.tokens import VERBS, Token, mint
from breakbulk.settings import Settings

DEADLINE_S = 20.0


@dataclass
class Clock:
    """The service's clock, which a test moves."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Served:
    """A running service, and how to talk to it."""

    url: str
    service: Service
    clock: Clock
    settings: Settings
    opened: list[ServiceObjects] = field(default_factory=list)

    def token(
        self,
        subject: str = "ada",
        owners: tuple[str, ...] = ("*",),
        verbs: tuple[str, ...] = VERBS,
        lifetime: timedelta | None = None,
    ) -> tuple[Token, str]:
        """Make a token."""
        token, text = mint(subject=subject, owners=owners, verbs=verbs, lifetime=lifetime, now=self.clock())
        self.service.registry.add(token, text)
        return token, text

    def objects(self, text: str | None = None, **scope: Any) -> ServiceObjects:
        """Return the objects as a client with a token sees them."""
        given = text or self.token(**scope)[1]
        self.opened.append(ServiceObjects(self.url, self.settings, token=given, pause=lambda _seconds: None))
        return self.opened[-1]

    def ask(self, method: str, path: str, text: str | None = None, **request: Any) -> httpx2.Response:
        """Send one request, with a token or without."""
        headers = {**({"Authorization": f"Bearer {text}"} if text else {}), **request.pop("headers", {})}
        return httpx2.request(method, self.url + path, headers=headers, timeout=DEADLINE_S, **request)


class AnyKey:
    """The policy of a service that keeps whatever it is given: to ask of it what is asked of every place."""

    def parse(self, text: str) -> Key:
        return Key(text=text, family="content" if text.startswith(("large", "of-file", "warm")) else "hub")

    def check_read(self, caller: Caller, key: Key) -> None:
        caller.check("read")

    def check_list(self, caller: Caller, prefix: str) -> Callable[[str], bool]:
        caller.check("read")
        return lambda _key: True

    def check_write(self, caller: Caller, key: Key, *, replace: bool) -> int:
        caller.check("push")
        return 1 << 40

    def admit(self, caller: Caller, key: Key, received: Received) -> Change | bool:
        return True

    def check_delete(self, caller: Caller, key: Key) -> None:
        caller.check("collect")


class _Server(uvicorn.Server):
    """A server that tells other threads when it listens, or never will."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up_or_gone = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up_or_gone.set()

    def run_until_told(self) -> None:
        try:
            self.run()
        finally:
            self.up_or_gone.set()


@contextmanager
def serving(objects: Objects, settings: Settings, state: Path, **arguments: Any) -> Iterator[Served]:
    """Serve a place until the end of the block; `arguments` are those of `Service`, and `options` by name."""
    options = Options(state=state, **{"poll_s": 0.2} | arguments.pop("options", {}))
    clock = Clock()
    service = Service(Hub(objects), options, now=clock, **arguments)
    server = _Server(uvicorn.Config(make_application(service), port=0, log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run_until_told, daemon=True)
    thread.start()
    try:
        assert server.up_or_gone.wait(DEADLINE_S)
        assert server.started
        port = server.servers[0].sockets[0].getsockname()[1]
        served = Served(f"http://127.0.0.1:{port}", service, clock, settings)
        yield served
        for opened in served.opened:
            opened.close()
    finally:
        service.broadcast.close()
        server.should_exit = True
        thread.join(DEADLINE_S)


def until(condition: Callable[[], Any]) -> Any:
    """Return what `condition` gives once it gives something true; fail after a while."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)  # nobody tells when the answer of a service becomes another
    return found
