"""From an address of a bucket and the settings to its objects: credentials, endpoints, certificates, time-outs.

The variables are those of the clouds' own tools, so a shell in which these work can use a hub. Plain HTTP is for this
machine alone, unless AWS_ALLOW_HTTP says otherwise: what signs requests to S3 may be a token that anyone on the way
could use again. Where the settings say nothing, obstore itself looks into the process's environment.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from breakbulk.errors import UsageError
from breakbulk.hub.backends.addresses import Address
from breakbulk.hub.backends.aws_files import profile_settings
from breakbulk.hub.backends.persisting import Persistence
from breakbulk.hub.backends.stored import StoredObjects, Stores
from breakbulk.settings import Settings

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig, ObjectStore

__all__ = ["bucket_objects"]

_FOR_EVER = timedelta(days=7)  # of a request whose silences are limited
_PATIENCE = 10  # times the time-out, for a request that sends up to 8 MiB
_CONNECT_MAX_S = 10.0

_S3 = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_DEFAULT_REGION": "region",
    "AWS_REGION": "region",
    "AWS_ENDPOINT": "endpoint",
    "AWS_ENDPOINT_URL": "endpoint",
    "AWS_ENDPOINT_URL_S3": "endpoint",
    "AWS_ENDPOINT_URL_STS": "sts_endpoint",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "web_identity_token_file",
    "AWS_ROLE_ARN": "role_arn",
    "AWS_ROLE_SESSION_NAME": "role_session_name",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "container_credentials_relative_uri",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "container_credentials_full_uri",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "container_authorization_token_file",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "metadata_endpoint",
    "AWS_SKIP_SIGNATURE": "skip_signature",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "virtual_hosted_style_request",
    "AWS_REQUEST_PAYER": "request_payer",
    "AWS_SERVER_SIDE_ENCRYPTION": "server_side_encryption",
    "AWS_SSE_KMS_KEY_ID": "sse_kms_key_id",
}
_GS = {
    "GOOGLE_SERVICE_ACCOUNT": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_PATH": "service_account",
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",
    "GOOGLE_APPLICATION_CREDENTIALS": "application_credentials",
    "STORAGE_EMULATOR_HOST": "base_url",
}
_NOBODY = '{"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": true}'
_AZ = {
    "AZURE_STORAGE_ACCOUNT": "account_name",
    "AZURE_STORAGE_ACCOUNT_NAME": "account_name",
    "AZURE_STORAGE_KEY": "account_key",
    "AZURE_STORAGE_ACCOUNT_KEY": "account_key",
    "AZURE_STORAGE_SAS_TOKEN": "sas_key",
    "AZURE_STORAGE_TOKEN": "token",
    "AZURE_CLIENT_ID": "client_id",
    "AZURE_CLIENT_SECRET": "client_secret",
    "AZURE_TENANT_ID": "tenant_id",
    "AZURE_AUTHORITY_HOST": "authority_host",
    "AZURE_FEDERATED_TOKEN_FILE": "federated_token_file",
    "AZURE_STORAGE_ENDPOINT": "endpoint",
    "AZURE_STORAGE_USE_EMULATOR": "use_emulator",
    "AZURE_USE_AZURE_CLI": "use_azure_cli",
}


def bucket_objects(
    address: Address, settings: Settings, pause: Callable[[float], object] | None = None
) -> StoredObjects:
    """Return the objects of a bucket; nothing is asked of it yet.

    Raises:
        UsageError: `hub-address-invalid`, an endpoint or a variable is wrong or missing.

    """
    make, endpoint = _maker(address, settings.environment)
    client = _client(endpoint, settings)
    timeout = timedelta(seconds=settings.timeout_s)
    expecting: ClientConfig = {**client, "timeout": _FOR_EVER, "read_timeout": timeout}
    sending: ClientConfig = {**client, "timeout": timeout * _PATIENCE}
    try:
        brisk = make(expecting, 0)
    except (BaseError, ValueError) as error:
        raise _unusable(address.url, str(error).partition("\n")[0]) from None
    stores = Stores(brisk, patient=lambda: make(sending, 0), parts=lambda: make(sending, settings.retries - 1))
    persistence = Persistence(settings.retries) if pause is None else Persistence(settings.retries, pause)
    # S3 itself, Google and Azure have it; what else speaks S3's protocol may be older than conditional writes.
    proven = address.scheme != "s3" or endpoint is None
    return StoredObjects(stores, address.url, persistence, proven=proven)


def _maker(
    address: Address, environment: Mapping[str, str]
) -> tuple[Callable[[ClientConfig, int], ObjectStore], str | None]:
    """Return what opens the place with a client and a number of retries, and the endpoint if one is set."""
    opened: Any
    if address.scheme == "s3":
        opened, config = S3Store, {**profile_settings(environment), **_chosen(_S3, environment)}
    elif address.scheme == "gs":
        opened, config = GCSStore, _google(environment)
    else:
        opened, config = AzureStore, _chosen(_AZ, environment)
    endpoint = _checked(config.get("endpoint") or config.get("base_url"))

    def make(client: ClientConfig, retries: int) -> ObjectStore:
        store: ObjectStore = opened(
            address.place,
            prefix=address.prefix or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": retries, "retry_timeout": timedelta(minutes=4), "backoff": _BACKOFF},
        )
        return store

    return make, endpoint


_BACKOFF: BackoffConfig = {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=10), "base": 2}


def _google(environment: Mapping[str, str]) -> dict[str, str]:
    """Return Google's settings; nobody signs what is for an emulator, as in Google's own tools."""
    config = _chosen(_GS, environment)
    host = config.get("base_url")
    if host is None:
        return config
    return {"service_account_key": _NOBODY, **config, "base_url": host if "://" in host else f"http://{host}"}


def _chosen(variables: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is set; of several variables for one thing, the last that is."""
    return {name: environment[variable] for variable, name in variables.items() if environment.get(variable)}


def _checked(endpoint: str | None) -> str | None:
    if endpoint is not None and not re.fullmatch(r"https?://[^/@?#\s]+[^@?#\s]*", endpoint):
        raise _unusable(
            "the endpoint", "it is no address that begins with https:// or http://, or it holds credentials"
        )
    return endpoint


def _client(endpoint: str | None, settings: Settings) -> ClientConfig:
    client: ClientConfig = {
        "connect_timeout": timedelta(seconds=min(settings.timeout_s, _CONNECT_MAX_S)),
        "user_agent": "breakbulk",
    }
    if endpoint is not None and urlsplit(endpoint).scheme == "http":
        if not _here(endpoint) and settings.environment.get("AWS_ALLOW_HTTP", "").lower() not in {"1", "true"}:
            raise _unusable(endpoint, "it is not encrypted")
        client["allow_http"] = True
    authorities = settings.environment.get("AWS_CA_BUNDLE") or settings.environment.get("SSL_CERT_FILE")
    if authorities:
        client["root_certificate"] = _read(authorities)
    return client


def _here(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _unusable(where: str, why: str) -> UsageError:
    return UsageError(
        "the place of the hub cannot be opened",
        identifier="hub-address-invalid",
        where=where,
        why=why,
        hint="see AWS_*, GOOGLE_* or AZURE_* in the environment; AWS_ALLOW_HTTP=true allows an endpoint without TLS",
    )
