"""Run the service until it is told to end: sockets, TLS, signals, logs.

At SIGTERM or SIGINT it takes no new connections, ends streams of events, finishes what it is answering, and gives up
after a while on what does not finish. Counterpart: `cli.commands.hub.serve`.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TextIO

import msgspec
import uvicorn

from breakbulk.errors import ServiceError, UsageError
from breakbulk.hub.service.application import make_application
from breakbulk.hub.service.service import Service

__all__ = ["Listening", "serve"]

_FINISH_S = 20
_IDLE_S = 75
_CONNECTIONS = 2000


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a service listens.

    Attributes:
        host, port: Of the socket; port 0 takes a free one.
        certificate, key: PEM files for TLS, None for plain HTTP.
        proxies: Addresses of reverse proxies whose `X-Forwarded-For` is believed.

    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    proxies: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.certificate else "http"


class _Server(uvicorn.Server):
    """A server that ends streams of events as soon as it is told to end, and for which being told is no failure."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.ending()
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # or it would raise the signal again once it has ended


def serve(service: Service, listening: Listening, log: TextIO, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once connections are taken.

    Raises:
        ServiceError: `service-not-started`, the address is taken or not ours.
        UsageError: `certificate-invalid`.

    """
    _log_to(log)
    config = uvicorn.Config(
        make_application(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(listening.proxies),
        forwarded_allow_ips=list(listening.proxies),
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_FINISH_S,
        limit_concurrency=_CONNECTIONS,
        ssl_certfile=listening.certificate,
        ssl_keyfile=listening.key,
        ws="none",
    )
    _load(config, listening)
    with _bound(listening) as bound:
        host = f"[{listening.host}]" if ":" in listening.host else listening.host
        ready(f"{listening.scheme}://{host}:{bound.getsockname()[1]}")
        _Server(config, service).run(sockets=[bound])


def _load(config: uvicorn.Config, listening: Listening) -> None:
    try:
        config.load()
    except OSError as error:
        raise UsageError(
            "the certificate cannot be used",
            identifier="certificate-invalid",
            where=f"{listening.certificate} and {listening.key}",
            why=error.strerror or str(error),
            hint="both are PEM files; the certificate comes first in its file, then those that vouch for it",
        ) from error


def _bound(listening: Listening) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
        return socket.create_server((listening.host, listening.port), family=family, backlog=2048)
    except OSError as error:
        raise ServiceError(
            "the service cannot listen",
            identifier="service-not-started",
            where=f"{listening.host}:{listening.port}",
            why=error.strerror,
            hint="`--listen` takes another address",
        ) from error


def _log_to(stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Lines())
    for name, level in (("breakbulk.hub.service", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level)


class _Lines(logging.Formatter):
    """One JSON document per line; those of the access log are that already."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.name.endswith(".access"):
            return message
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "message": message,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
