"""A connection to an API server: requests and streams of plain JSON objects, and every error in our words.

lightkube makes TLS and credentials of a kubeconfig and keeps tokens fresh. Its typed objects stay out: what watches a
thousand objects keeps a handful of fields of each (`reflector`), and what explains a pod passes on what it was given.

Guarantees: whatever goes wrong on the way is a `ClusterError` with the server's address and the reason; an answer in
the negative is a `RefusedError` with its status; a connection whose other end is gone is noticed within half a
minute, also while nothing is said. Certificates that were renewed on the disk are read again when the server stops
believing the old.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.configuration import Access, load

if TYPE_CHECKING:
    import httpx2

__all__ = ["APPLY", "MERGE", "STRATEGIC_MERGE", "Connection", "RefusedError", "UnreachableError", "connect", "refusal"]

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"

_JSON = "application/json"
_CONNECT_S = 10.0
_READ_S = 30.0
_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
)
_UNAUTHORIZED = 401
_FORBIDDEN = 403


class UnreachableError(ClusterError):
    """The API server does not answer."""

    identifier = "cluster-unreachable"
    retryable: ClassVar[bool] = True


class RefusedError(ClusterError):
    """The API server answers in the negative.

    Attributes:
        status: HTTP status.
        reason: The server's word for it: `NotFound`, `Conflict`, `Expired`.
        said: The server's own message.
        retry_after_s: How long a busy server asks to be left alone.

    """

    identifier = "cluster-refused"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str = "",
        said: str = "",
        **told: str | None,
    ) -> None:
        super().__init__(message, why=said or None, **told)
        self.retry_after_s: float | None = None
        self.status = status
        self.reason = reason
        self.said = said


class Connection:
    """A connection to one API server, for one event loop; made by `connect`.

    Attributes:
        server: Address of the server.
        namespace: Of the context, where a name comes without one.

    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client = self._opened()

    def _opened(self) -> httpx2.AsyncClient:
        config = load(self._access)
        self.server = config.cluster.server
        self.namespace = config.namespace
        return _client(config, self._access.where)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        media_type: str = _JSON,
    ) -> Any:
        """Return the answer's JSON value.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
            path: From the root: `/api/v1/nodes`.
            params: Of the query.
            body: A value that is sent as JSON.
            media_type: Of the body; one of the patches.

        Raises:
            UnreachableError, RefusedError, ClusterError: See the module.

        """
        answer = await self._answer(method, path, params=params, body=body, media_type=media_type)
        return self._decoded(answer, path)

    async def text(self, path: str, params: Mapping[str, str] | None = None) -> str:
        """Return an answer that is text, as logs are; raise as `request`."""
        return (await self._answer("GET", path, params=params)).text

    async def get(self, path: str, **params: str) -> Any:
        """Return an object or a list; raise as `request`."""
        return await self.request("GET", path, params=params)

    async def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, None when there is none; raise as `request` for everything else."""
        try:
            found: dict[str, Any] = await self.get(path)
        except RefusedError as error:
            if error.status == 404:
                return None
            raise
        return found

    @asynccontextmanager
    async def lines(
        self, path: str, params: Mapping[str, str], *, silence_s: float
    ) -> AsyncIterator[AsyncIterator[str]]:
        """Open a stream of lines, as a watch is; raises as `request`, on the way too.

        Args:
            path: From the root.
            params: Of the query.
            silence_s: Without a byte for so long, the stream has failed.

        """
        import httpx2

        timeout = httpx2.Timeout(_CONNECT_S, read=silence_s)
        request = self._client.build_request("GET", path, params=dict(params), timeout=timeout)
        with self._worded(path):
            answer = await self._client.send(request, stream=True)
        try:
            if answer.is_error:
                await answer.aread()
                raise _refused(answer, f"{self.server}{path}")
            yield self._lines(answer, path)
        finally:
            await answer.aclose()

    async def _lines(self, answer: httpx2.Response, path: str) -> AsyncIterator[str]:
        with self._worded(path):
            async for line in answer.aiter_lines():
                yield line

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        media_type: str = _JSON,
    ) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Accept": _JSON} | ({} if body is None else {"Content-Type": media_type})
        with self._worded(path):
            for last in (False, True):
                answer = await self._client.request(
                    method, path, params=dict(params or {}), content=content, headers=headers
                )
                if last or answer.status_code != _UNAUTHORIZED:
                    break
                await self._renew()
        if answer.is_error:
            raise _refused(answer, f"{self.server}{path}")
        return answer

    async def _renew(self) -> None:
        """Read credentials again: certificates of a kubelet are replaced while it runs."""
        old, self._client = self._client, self._opened()
        await old.aclose()

    def _decoded(self, answer: httpx2.Response, path: str) -> Any:
        try:
            return msgspec.json.decode(answer.content)
        except msgspec.DecodeError as error:
            raise UnreachableError(
                "what answers is no API server of Kubernetes",
                where=f"{self.server}{path}",
                why=f"the answer is no JSON: {answer.text[:80]!r}",
                hint="look at `server` in the kubeconfig, and at proxies on the way",
            ) from error

    def _worded(self, path: str) -> _Worded:
        return _Worded(self.server, path, self._access.where)


@asynccontextmanager
async def connect(access: Access) -> AsyncIterator[Connection]:
    """Open a connection; raises `ClusterError`: `kubeconfig-invalid`. Nothing is asked of the server yet."""
    connection = Connection(access)
    try:
        yield connection
    finally:
        await connection.close()


def _client(config: Any, where: str) -> httpx2.AsyncClient:
    """Return the HTTP client; raises `ClusterError` for certificates and credentials that cannot be used."""
    import httpx2
    from lightkube.config.client_adapter import ConnectionParams
    from lightkube.core.exceptions import ConfigError

    try:
        made = ConnectionParams(timeout=httpx2.Timeout(_CONNECT_S, read=_READ_S)).httpx_params(config)
    except (
        ConfigError,
        OSError,
        ValueError,
    ) as error:  # `ssl.SSLError` is an `OSError`, `binascii.Error` a `ValueError`
        raise _unusable(error, where) from error
    transport = httpx2.AsyncHTTPTransport(verify=made["verify"], socket_options=_KEEP_ALIVE)
    return httpx2.AsyncClient(
        base_url=made["base_url"],
        auth=made["auth"],
        timeout=made["timeout"],
        verify=made["verify"],  # for proxies, which have a transport of their own
        transport=transport,
    )


class _Worded:
    """Turns errors of the transport and of credentials into ours."""

    def __init__(self, server: str, path: str, access: str) -> None:
        self._server = server
        self._where = f"{server}{path}"
        self._access = access

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        import httpx2
        from lightkube.core.exceptions import ConfigError

        if isinstance(error, httpx2.TransportError):
            raise self._unreachable(error) from error
        if isinstance(error, (ConfigError, FileNotFoundError, PermissionError, KeyError, ValueError)):
            raise _unusable(error, self._access) from error

    def _unreachable(self, error: httpx2.TransportError) -> UnreachableError:
        why = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in why:
            hint = "the kubeconfig's certificate-authority is not that of this server: fetch the kubeconfig again"
        else:
            hint = "is the cluster up (`breakbulk cluster status`), and is `server` in the kubeconfig right?"
        return UnreachableError("the API server of the cluster does not answer", where=self._server, why=why, hint=hint)


def _unusable(error: BaseException, where: str) -> ClusterError:
    missing = f"there is no {error}" if isinstance(error, KeyError) else str(error)
    return ClusterError(
        "the credentials for the cluster cannot be used",
        identifier="kubeconfig-invalid",
        where=where,
        why=missing,
        hint="compare with `kubectl --kubeconfig FILE get --raw /version`",
    )


def _refused(answer: httpx2.Response, where: str) -> RefusedError:
    try:
        status = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        status = {}
    status = status if isinstance(status, dict) else {}
    error = refusal(answer.status_code, str(status.get("reason") or ""), str(status.get("message") or ""), where)
    after = answer.headers.get("Retry-After", "")
    error.retry_after_s = float(after) if after.isdecimal() else None
    return error


def refusal(status: int, reason: str, said: str, where: str) -> RefusedError:
    """Return the error for an answer in the negative, from its parts (`Status` of the API)."""
    if status == _UNAUTHORIZED:
        what, identifier = "the cluster does not know who asks", "cluster-forbidden"
        hint: str | None = "credentials may have expired: fetch the kubeconfig again"
    elif status == _FORBIDDEN:
        what, identifier = "the cluster does not permit it", "cluster-forbidden"
        hint = "look at what is permitted: `kubectl auth can-i --list`"
    else:
        what, identifier, hint = f"the cluster refuses ({reason or status})", "cluster-refused", None
    return RefusedError(what, status=status, reason=reason, said=said, where=where, identifier=identifier, hint=hint)
