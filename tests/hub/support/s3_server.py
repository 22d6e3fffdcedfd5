"""A real S3 server on loopback: versitygw, built once by tools/s3/build, with a directory per bucket."""

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from breakbulk.settings import Settings

BUILD = Path(__file__).parents[3] / "tools" / "s3" / "build"
START_MAX_S = 20
TRIES = 5
_TRY_EVERY_S = 0.02


@dataclass(frozen=True)
class S3Server:
    """A server that runs; credentials are its own and die with it."""

    url: str
    buckets: Path
    access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))

    def new_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"hub-{secrets.token_hex(6)}"
        (self.buckets / name).mkdir()
        return name

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which a client reaches it."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
        }

    def settings(self, settings: Settings, **variables: str) -> Settings:
        """Return `settings` with these variables, and no others of Amazon's."""
        own = {name: value for name, value in settings.environment.items() if not name.startswith("AWS_")}
        return replace(settings, environment={**own, **self.environment, **variables})


@contextmanager
def serving_s3(directory: Path) -> Iterator[S3Server]:
    """Run a server whose buckets are in `directory`, until the end of the block or of this process."""
    program = subprocess.run([BUILD], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    buckets, metadata = directory / "buckets", directory / "metadata"
    buckets.mkdir(parents=True)
    metadata.mkdir()
    for _ in range(TRIES):  # somebody may take the port between looking for it and listening
        server = S3Server(f"http://127.0.0.1:{_free_port()}", buckets)
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                # Whatever becomes of the tests, the server ends with them.
                ["setpriv", "--pdeathsig", "KILL", *_command(program, server.url, metadata, buckets)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ROOT_ACCESS_KEY": server.access_key, "ROOT_SECRET_KEY": server.secret_key},
            )
        try:
            if _listens(process, urlsplit(server.url).port or 0):
                yield server
                return
        finally:
            process.kill()
            process.wait()
    raise AssertionError(f"the S3 server does not start:\n{(directory / 'log').read_text()}")


def _command(program: str, url: str, metadata: Path, buckets: Path) -> list[str | Path]:
    listening = ["--port", urlsplit(url).netloc, "--quiet", "--keep-alive"]
    return [program, *listening, "posix", "--sidecar", metadata, buckets]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_MAX_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TRY_EVERY_S)
        else:
            return True
    return False
