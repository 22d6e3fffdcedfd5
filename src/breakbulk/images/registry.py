"""Push an image to a registry: what it lacks, in parallel, the manifest last.

Credentials are those that container engines keep (`auths` in Docker's `config.json` or Podman's `auth.json`); they go
to the registry, and to the token server it names, over TLS, or over loopback. Source: the OCI distribution
specification 1.1, and Docker's token authentication.
"""

from __future__ import annotations

import ipaddress
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import msgspec

from breakbulk.ecosystems.side_by_side import side_by_side
from breakbulk.errors import HubError, NetworkError, UsageError
from breakbulk.images.configuration import MANIFEST_TYPE
from breakbulk.images.layout import Image
from breakbulk.settings import Settings
from breakbulk.store.http_access import open_client

if TYPE_CHECKING:
    import httpx2

__all__ = ["Repository", "is_repository", "parse_repository", "push_image"]

_REFERENCE = re.compile(
    r"(?:docker://)?(?P<host>localhost|\[[0-9a-f:]+\]|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:[0-9]))"
    r"(?P<port>:[0-9]{1,5})?/(?P<name>[a-z0-9]+(?:(?:[._-]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._-]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?",
    re.ASCII,
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_PIECE_BYTES = 1 << 20
_DONE = {200, 201, 202, 204}


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image goes: `host[:port]`, name, tag."""

    host: str
    name: str
    tag: str

    @property
    def url(self) -> str:
        """The address of the repository; without TLS on loopback only."""
        return f"{'http' if _is_loopback(self.host) else 'https'}://{self.host}/v2/{self.name}"

    def __str__(self) -> str:
        return f"{self.host}/{self.name}:{self.tag}"


def is_repository(text: str) -> bool:
    """Say whether `text` names a place in a registry: the first part has a dot or a port, or is `localhost`."""
    return _REFERENCE.fullmatch(text) is not None


def parse_repository(text: str, tag: str) -> Repository:
    """Return what `text` names, with `tag` where it has none; raise `UsageError` `image-reference-invalid`."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(
            "this names neither a directory, nor a file, nor a place in a registry",
            identifier="image-reference-invalid",
            where=repr(text[:200]),
            hint="write ./DIRECTORY, FILE.tar or HOST[:PORT]/NAME[:TAG]",
        )
    return Repository(host=match["host"] + (match["port"] or ""), name=match["name"], tag=match["tag"] or tag)


def push_image(image: Image, repository: Repository, settings: Settings) -> int:
    """Push an image; return the bytes that were sent.

    Raises:
        NetworkError: `registry-unreachable`.
        HubError: `registry-refused`.

    """
    client = open_client(settings, connections=settings.downloads)
    try:
        pushing = _Pushing(client, repository, _credentials(settings.environment, repository.host))
        blobs: dict[str, bytes | Path] = {layer.digest: layer.path for layer in image.layers}
        blobs[image.configuration.digest] = image.configuration.data
        sent = sum(side_by_side(lambda blob: pushing.blob(*blob), blobs.items(), threads=min(4, settings.downloads)))
        pushing.manifest(image.manifest.data)
        return sent + len(image.manifest.data)
    finally:
        client.close()


class _Pushing:
    """One push, with the token that the registry asked for."""

    def __init__(self, client: httpx2.Client, repository: Repository, credentials: str | None) -> None:
        self._client = client
        self._repository = repository
        self._credentials = credentials
        self._lock = threading.Lock()
        self._authorization: str | None = None

    def blob(self, digest: str, content: bytes | Path) -> int:
        """Send a blob unless it is there; return the bytes sent."""
        url = self._repository.url
        if self._ask("HEAD", f"{url}/blobs/sha256:{digest}", missing=True).status_code == 200:
            return 0
        begun = self._ask("POST", f"{url}/blobs/uploads/")
        place = urljoin(f"{url}/", begun.headers["Location"])
        separator = "&" if urlsplit(place).query else "?"
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._ask("PUT", f"{place}{separator}digest=sha256:{digest}", headers=headers, content=content)
        return size

    def manifest(self, data: bytes) -> None:
        """Send the manifest, which makes an image of the blobs."""
        url = f"{self._repository.url}/manifests/{self._repository.tag}"
        self._ask("PUT", url, headers={"Content-Type": MANIFEST_TYPE}, content=data)

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Path | None = None,
        missing: bool = False,
    ) -> httpx2.Response:
        response = self._send(method, url, headers or {}, content)
        if response.status_code == 401:
            self._authorize(response)
            response = self._send(method, url, headers or {}, content)
        if response.status_code in _DONE or (missing and response.status_code == 404):
            return response
        raise self._refused(method, url, response)

    def _send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | Path | None) -> httpx2.Response:
        own = urlsplit(url).netloc == urlsplit(self._repository.url).netloc
        said = {**headers, **({"Authorization": self._authorization} if self._authorization and own else {})}
        body = _pieces(content) if isinstance(content, Path) else content
        return self._request(method, url, headers=said, content=body)

    def _request(self, method: str, url: str, **content: Any) -> httpx2.Response:
        import httpx2

        try:
            return self._client.request(method, url, **content)
        except httpx2.HTTPError as error:
            raise NetworkError(
                "the registry does not answer",
                identifier="registry-unreachable",
                where=str(self._repository),
                why=str(error) or type(error).__name__,
                hint="see that the name is right and the registry can be reached; what has been sent stays there",
            ) from error

    def _authorize(self, response: httpx2.Response) -> None:
        """Do what the registry's challenge asks for: credentials, or a token that they give."""
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        with self._lock:
            if scheme.lower() == "basic" and self._credentials:
                self._authorization = f"Basic {self._credentials}"
            elif scheme.lower() == "bearer":
                self._authorization = f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"

    def _token(self, challenge: dict[str, str]) -> str:
        realm = challenge.get("realm", "")
        address = urlsplit(realm)
        if address.scheme != "https" and not _is_loopback(address.netloc):
            raise self._unauthorized("the token server it names is not reached over TLS")
        parameters: dict[str, str] = {name: text for name, text in challenge.items() if name in {"service", "scope"}}
        headers = {"Authorization": f"Basic {self._credentials}"} if self._credentials else {}
        response = self._request("GET", realm, params=parameters, headers=headers)
        if response.status_code != 200:
            raise self._unauthorized(f"the token server answered {response.status_code}")
        found = response.json()
        return str(found.get("token") or found.get("access_token") or "")

    def _unauthorized(self, why: str) -> HubError:
        return HubError(
            "the registry does not let us in",
            identifier="registry-refused",
            where=str(self._repository),
            why=why,
            hint=f"podman login {self._repository.host}",
        )

    def _refused(self, method: str, url: str, response: httpx2.Response) -> HubError:
        if response.status_code in {401, 403}:
            return self._unauthorized(f"it answered {response.status_code}")
        return HubError(
            "the registry refuses the image",
            identifier="registry-refused",
            where=str(self._repository),
            why=f"{method} {urlsplit(url).path} was answered with {response.status_code}: {response.text[:300]}",
            hint="see what the registry allows; what has been sent stays there",
        )


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _is_loopback(netloc: str) -> bool:
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _credentials(environment: Mapping[str, str], host: str) -> str | None:
    """Return user and password for a registry in base64, as container engines keep them."""
    for path in _credential_files(environment):
        try:
            found = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError):
            continue
        entry = found.get("auths", {}).get(host)
        if isinstance(entry, dict) and isinstance(entry.get("auth"), str):
            return str(entry["auth"])
    return None


def _credential_files(environment: Mapping[str, str]) -> Iterator[Path]:
    if file := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(file)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime, "containers", "auth.json")
    if home := environment.get("HOME"):
        yield Path(environment.get("XDG_CONFIG_HOME") or f"{home}/.config", "containers", "auth.json")
        yield Path(environment.get("DOCKER_CONFIG") or f"{home}/.docker", "config.json")
