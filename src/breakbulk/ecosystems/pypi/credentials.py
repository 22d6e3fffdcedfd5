"""Who one is to a package index, from the places where pip and uv keep it.

In this order: the address of an index in the configuration (`https://user:password@...`), uv's variables for a named
index (`UV_INDEX_<NAME>_USERNAME`), netrc, uv's own store (`uv auth login`), keyring where the configuration says so.
What is found is turned into the header of one request; it is never stored, logged, or part of an error, and goes to the
host it belongs to only.

Formats: netrc(5); RFC 7617 (Basic); uv's "Authentication" page.
"""

from __future__ import annotations

import base64
import json
import netrc
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from breakbulk.ecosystems.pypi import uv
from breakbulk.ecosystems.pypi.client_configuration import ClientConfiguration, client_configuration, uv_files
from breakbulk.settings import Settings

__all__ = ["Credentials"]

_KEYRING_TIMEOUT_S = 30


class Credentials:
    """Headers that authorise, by address. `indexes` are the configured ones, with their credentials.

    Sources that start a program are asked once for each host. Safe to use from several threads.
    """

    def __init__(self, indexes: Iterable[str], settings: Settings) -> None:
        self._settings = settings
        self._configuration: ClientConfiguration = client_configuration(settings)
        self._indexes = [urlsplit(url) for url in indexes]
        self._named = dict(_named_indexes(settings.environment))
        self._netrc = _read_netrc(settings.environment)
        self._asked: dict[str, str | None] = {}

    def headers(self, url: str) -> dict[str, str]:
        """Return the headers that authorise a request of `url`; empty where nobody is known."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"}:
            return {}
        authorization = (
            self._of_address(parts) or self._of_index(parts) or self._of_netrc(parts) or self._of_host(parts)
        )
        return {"Authorization": authorization} if authorization else {}

    def _of_address(self, parts: SplitResult) -> str | None:
        return _basic(parts.username, parts.password) if parts.password is not None else None

    def _of_index(self, parts: SplitResult) -> str | None:
        """Return what the configuration says of an index on the same host."""
        for index in self._indexes:
            if _realm(index) == _realm(parts) and index.password is not None:
                return _basic(index.username, index.password)
        for address, (user, password) in self._named.items():
            if _realm(urlsplit(address)) == _realm(parts):
                return _basic(user, password)
        return None

    def _of_netrc(self, parts: SplitResult) -> str | None:
        found = self._netrc.authenticators(parts.hostname or "") if self._netrc else None
        return _basic(found[0], found[2], quoted=False) if found else None

    def _of_host(self, parts: SplitResult) -> str | None:
        host = f"{parts.scheme}://{_realm(parts)[1]}"
        if host not in self._asked:
            self._asked[host] = self._of_uv(parts) or self._of_keyring(host, parts)
        return self._asked[host]

    def _of_uv(self, parts: SplitResult) -> str | None:
        """Ask uv's own store, where there is one."""
        environment = self._configuration.environment
        data = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "/nonexistent")) / ".local/share")
        directory = environment.get("UV_CREDENTIALS_DIR") or f"{data}/uv/credentials"
        if not Path(directory).is_dir():
            return None
        request = json.dumps({"uri": parts._replace(netloc=_realm(parts)[1]).geturl()})
        arguments = ["auth", "helper", "--preview-features", "auth-helper", "--protocol", "bazel", "get"]
        with tempfile.TemporaryDirectory(prefix="breakbulk-uv-") as scratch:
            answer = uv.run(arguments, Path(scratch), self._settings, standard_input=request)
        headers = json.loads(answer.stdout).get("headers", {}) if answer.returncode == 0 else {}
        return next((str(values[0]) for name, values in headers.items() if name.lower() == "authorization"), None)

    def _of_keyring(self, host: str, parts: SplitResult) -> str | None:
        """Ask the `keyring` program, as uv does, when the configuration says so and a user name is known."""
        if self._configuration.environment.get("UV_KEYRING_PROVIDER") != "subprocess":
            return None
        users = [index.username for index in self._indexes if _realm(index) == _realm(parts) and index.username]
        services = [*(_anonymous(index) for index in self._indexes if _realm(index) == _realm(parts)), host]
        for service in services:
            for user in users:
                if password := self._keyring(["get", service, unquote(user)]):
                    return _basic(user, password, quoted=False)
        return None

    def _keyring(self, arguments: list[str]) -> str | None:
        try:
            answer = subprocess.run(
                ["keyring", *arguments],
                env=self._configuration.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_KEYRING_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):  # no keyring here is an ordinary state, and the index says 401
            return None
        return answer.stdout.rstrip("\n") if answer.returncode == 0 else None


def _named_indexes(environment: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield address, user and password of the named indexes for which there are variables."""
    words = f"{environment.get('UV_INDEX', '')} {environment.get('UV_DEFAULT_INDEX', '')}".split()
    named = [tuple(word.split("=", 1)) for word in words if re.match(r"[\w.-]+=", word)]
    for file in uv_files(environment):
        named += [(entry.get("name", ""), entry.get("url", "")) for entry in file.get("index", [])]
    for name, url in named:
        variable = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
        user, password = environment.get(f"{variable}_USERNAME"), environment.get(f"{variable}_PASSWORD")
        if name and (user or password):
            yield url, (user or "", password or "")


def _read_netrc(environment: Mapping[str, str]) -> netrc.netrc | None:
    path = environment.get("NETRC") or str(Path(environment.get("HOME", "/nonexistent")) / ".netrc")
    try:
        return netrc.netrc(path)
    except (OSError, netrc.NetrcParseError):  # pip and uv pass over a file that they cannot read, too
        return None


def _realm(parts: SplitResult) -> tuple[str, str]:
    """Return scheme and host with port: what credentials belong to."""
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _anonymous(parts: SplitResult) -> str:
    return parts._replace(netloc=_realm(parts)[1]).geturl()


def _basic(user: str | None, password: str | None, *, quoted: bool = True) -> str:
    words = [word or "" for word in (user, password)]
    text = ":".join(unquote(word) if quoted else word for word in words)
    return "Basic " + base64.b64encode(text.encode()).decode("ascii")
