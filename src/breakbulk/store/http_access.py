"""An HTTP client with the proxies and certificates of the user's configuration.

`httpx2` would read them from the environment of the process; here they come from `Settings.environment`, as everything
does. Redirects are followed by `transfers`, which knows what must not go to another host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    import httpx2

    from breakbulk.settings import Settings

__all__ = ["open_client", "proxy_mounts"]


def open_client(settings: Settings, *, connections: int) -> httpx2.Client:
    """Return a client that gives up on a connection after `settings.timeout_s` seconds without a byte."""
    import httpx2

    environment = settings.environment
    verify = _certificates(environment)
    mounts = {
        pattern: httpx2.HTTPTransport(proxy=proxy, verify=verify) if proxy else None
        for pattern, proxy in proxy_mounts(environment).items()
    }
    return httpx2.Client(
        verify=verify,
        mounts=mounts,
        trust_env=False,
        timeout=settings.timeout_s,
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"Accept-Encoding": "identity", "User-Agent": "breakbulk"},
    )


def _certificates(environment: Mapping[str, str]) -> ssl.SSLContext | bool:
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    if file or directory:
        import ssl

        return ssl.create_default_context(cafile=file, capath=directory)
    return True


def proxy_mounts(environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return proxy addresses by URL pattern from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.

    Lower-case names win, as in curl(1). None stands for no proxy.
    """

    def variable(name: str) -> str:
        return environment.get(name) or environment.get(name.upper()) or ""

    mounts: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        if address := variable(f"{scheme}_proxy"):
            mounts[f"{scheme}://"] = address if "://" in address else f"http://{address}"
    for host in filter(None, (word.strip() for word in variable("no_proxy").split(","))):
        if host == "*":
            return {}
        mounts[f"all://{host}" if host[0] != "." else f"all://*{host}"] = None
    return mounts
