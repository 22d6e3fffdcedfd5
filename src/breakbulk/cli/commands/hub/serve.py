"""`breakbulk hub serve`: the hub over HTTP, with tokens, search and pages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakbulk.cli.declaration import declare
from breakbulk.cli.invocation import Invocation
from breakbulk.cli.service_state import state_directory, state_option
from breakbulk.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from breakbulk.hub.service.limits import Rate
    from breakbulk.hub.service.serving import Listening

__all__ = ["command"]

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@declare(
    "serve",
    ("breakbulk hub serve", "Serve your hub to this machine, on 127.0.0.1:8470."),
    (
        "breakbulk hub serve --hub s3://team --listen 0.0.0.0:443 --certificate hub.pem --key hub.key",
        "Serve a bucket to others, over TLS.",
    ),
    ("breakbulk hub serve --behind 10.0.0.5", "Serve to a reverse proxy, which does TLS."),
    environment=False,
)
@click.option("--listen", metavar="HOST:PORT", default="127.0.0.1:8470", show_default=True, help="Where to listen.")
@click.option("--hub", "url", metavar="URL", help="The hub to serve; by default the configured one.")
@state_option
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM file: do TLS with it.")
@click.option("--key", type=click.Path(path_type=Path), help="PEM file with the key of the certificate.")
@click.option("--behind", metavar="ADDRESS", multiple=True, help="A reverse proxy that does TLS and is believed.")
@click.option("--public-read", is_flag=True, help="Let everybody read everything without a token.")
@click.option("--public-metrics", is_flag=True, help="Let everybody read /metrics without a token.")
@click.option(
    "--largest-object", metavar="SIZE", default="8GiB", show_default=True, help="Refuse larger objects, as 500MB."
)
@click.option(
    "--token-rate", metavar="RATE", default="500/s:5000", show_default=True, help="Requests of one token, and a burst."
)
@click.option(
    "--address-rate", metavar="RATE", default="50/s:500", show_default=True, help="Those of an address without a token."
)
def command(
    invocation: Invocation,
    *,
    listen: str,
    url: str | None,
    state: Path | None,
    certificate: Path | None,
    key: Path | None,
    behind: tuple[str, ...],
    public_read: bool,
    public_metrics: bool,
    largest_object: str,
    token_rate: str,
    address_rate: str,
) -> None:
    """Serve a hub over HTTP until it is told to end.

    What is served is the same hub as in a directory or a bucket; the service adds tokens (`breakbulk hub token new`),
    an audit log, search and pages. Logs go to standard error, one JSON document per line.
    """
    try:
        from breakbulk.hub.service.options import Options
        from breakbulk.hub.service.service import Service
        from breakbulk.hub.service.serving import serve
    except ModuleNotFoundError as error:
        raise PlatformError(
            "what the service is made of is not installed",
            identifier="service-not-installed",
            why=f"there is no {error.name}",
            hint="install `breakbulk[service]`",
        ) from error
    from breakbulk.hub.opening import open_hub
    from breakbulk.hub.requiring import check_required

    listening = _listening(listen, certificate, key, behind)
    hub = open_hub(invocation.settings, url)
    if hub.url.startswith(("http://", "https://")):
        raise UsageError("this hub is served already", where=hub.url, hint="name a directory or a bucket with --hub")
    options = Options(
        state=state_directory(invocation, state),
        public_read=public_read,
        public_metrics=public_metrics,
        secure_cookies=certificate is not None or bool(behind),
        largest_object_bytes=_size(largest_object),
        per_token=_rate(token_rate),
        per_address=_rate(address_rate),
    )

    def ready(address: str) -> None:
        invocation.report({"address": address, "hub": hub.url}, f"serving {hub.url} at {address}")

    serve(Service(hub, options, check_signed=check_required(hub, invocation.settings)), listening, sys.stderr, ready)


def _listening(listen: str, certificate: Path | None, key: Path | None, behind: tuple[str, ...]) -> Listening:
    from breakbulk.hub.service.serving import Listening

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError("this is no address to listen at", where=listen, hint="write HOST:PORT, as 127.0.0.1:8470")
    if (certificate is None) != (key is None):
        raise UsageError("TLS needs both --certificate and --key")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise UsageError("there is no such PEM file", where=str(file))
    return Listening(host=host.strip("[]"), port=int(port), certificate=certificate, key=key, proxies=behind)


def _size(text: str) -> int:
    number = text.rstrip("BGiMT")
    unit = text[len(number) :]
    if not number.isdecimal() or unit not in _UNITS or not int(number):
        raise UsageError("this is no size", where=text, hint=f"write a number with {', '.join(_UNITS)}, as 8GiB")
    return int(number) * _UNITS[unit]


def _rate(text: str) -> Rate:
    from breakbulk.hub.service.limits import parse_rate

    try:
        return parse_rate(text)
    except (ValueError, KeyError) as error:
        raise UsageError(
            "this is no rate", where=text, hint="write NUMBER/s, /min or /h, and :BURST, as 50/s:500"
        ) from error
