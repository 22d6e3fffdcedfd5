"""Connections to real servers on loopback: what is sent, what comes back, and how failures are worded."""

import asyncio
import json
import ssl
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recording_server import Recorder

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.configuration import Access
from breakbulk.kubernetes.connection import MERGE, RefusedError, UnreachableError, connect

AccessTo = Callable[..., Access]


def ask(access: Access, *words: Any, **options: Any) -> Any:
    async def once() -> Any:
        async with connect(access) as connection:
            return await connection.request(*words, **options)

    return asyncio.run(once())


def status(code: int, reason: str, message: str) -> tuple[int, bytes, dict[str, str]]:
    body = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()
    return code, body, {"Retry-After": "7"} if code == 429 else {}


def test_a_patch_has_its_media_type_and_the_token(server: Recorder, access_to: AccessTo) -> None:
    server.answers = [(200, b'{"a": 1}', {})]
    access = access_to(server.url, user={"token": "t0ken"})
    found = ask(access, "PATCH", "/api/v1/nodes/n", params={"force": "true"}, body={"b": 2}, media_type=MERGE)
    assert found == {"a": 1}
    [(method, path, headers, body)] = server.seen
    assert (method, path, body) == ("PATCH", "/api/v1/nodes/n?force=true", b'{"b":2}')
    assert headers["Content-Type"] == MERGE
    assert headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("code", "reason", "identifier"),
    [
        (401, "Unauthorized", "cluster-forbidden"),
        (403, "Forbidden", "cluster-forbidden"),
        (404, "NotFound", "cluster-refused"),
        (409, "Conflict", "cluster-refused"),
        (429, "TooManyRequests", "cluster-refused"),
    ],
)
def test_an_answer_in_the_negative_keeps_its_reason(
    server: Recorder, access_to: AccessTo, code: int, reason: str, identifier: str
) -> None:
    server.answers = [status(code, reason, "because")] * 2
    with pytest.raises(RefusedError) as caught:
        ask(access_to(server.url), "GET", "/api/v1/pods")
    error = caught.value
    assert (error.reference, error.status, error.reason, error.why) == (identifier, code, reason, "because")
    assert error.where == f"{server.url}/api/v1/pods"
    assert error.exit_code == 79
    assert error.retry_after_s == (7.0 if code == 429 else None)


def test_what_is_not_there_is_none(server: Recorder, access_to: AccessTo) -> None:
    async def find() -> Any:
        async with connect(access_to(server.url)) as connection:
            return await connection.find("/api/v1/pods/x")

    server.answers = [status(404, "NotFound", "no"), status(500, "InternalError", "broken")]
    assert asyncio.run(find()) is None
    with pytest.raises(RefusedError):
        asyncio.run(find())


def test_a_server_that_is_away_or_is_another(server: Recorder, access_to: AccessTo) -> None:
    server.answers = [(200, b"<html>", {})]
    with pytest.raises(UnreachableError, match="no API server"):
        ask(access_to(server.url), "GET", "/version")
    with pytest.raises(UnreachableError) as caught:
        ask(access_to("http://127.0.0.1:1"), "GET", "/version")
    assert caught.value.reference == "cluster-unreachable"
    assert caught.value.as_dict()["retryable"] is True
    assert "breakbulk cluster status" in (caught.value.hint or "")


def test_a_server_with_another_authority_is_not_believed(access_to: AccessTo, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    with Recorder() as recorder:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        recorder.socket = context.wrap_socket(recorder.socket, server_side=True)
        thread = threading.Thread(target=recorder.serve_forever)
        thread.start()
        url = f"https://127.0.0.1:{recorder.server_port}"
        assert ask(access_to(url, cluster={"certificate-authority": str(certificate)}), "GET", "/version") == {}
        with pytest.raises(UnreachableError) as caught:
            ask(access_to(url), "GET", "/version")
        assert "certificate-authority" in (caught.value.hint or "")
        recorder.shutdown()
        thread.join()


def test_a_token_that_was_renewed_on_the_disk_is_read_again(server: Recorder, tmp_path: Path) -> None:
    for name, text in {"token": "old", "namespace": "team"}.items():
        (tmp_path / name).write_text(text)

    async def twice() -> None:
        access = Access(server=server.url, service_account=tmp_path)
        async with connect(access) as connection:
            await connection.get("/version")
            (tmp_path / "token").write_text("new")
            server.answers = [status(401, "Unauthorized", "expired")]
            await connection.get("/version")

    (tmp_path / "ca.crt").write_bytes(_certificate(tmp_path)[0].read_bytes())
    asyncio.run(twice())
    assert [headers["Authorization"] for _, _, headers, _ in server.seen] == ["Bearer old", "Bearer old", "Bearer new"]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_plugin_gives_the_token(server: Recorder, access_to: AccessTo, tmp_path: Path, version: str) -> None:
    api = f"client.authentication.k8s.io/{version}"
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\nimport json, os\n"
        "asked = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "print(json.dumps({'apiVersion': asked['apiVersion'], 'kind': 'ExecCredential',\n"
        "    'status': {'token': os.environ['GIVEN'] + asked['apiVersion']}}))\n"
    )
    plugin.chmod(0o755)
    exec_ = {"apiVersion": api, "command": str(plugin), "env": [{"name": "GIVEN", "value": "for "}]}
    ask(access_to(server.url, user={"exec": exec_}), "GET", "/version")
    assert server.seen[0][2]["Authorization"] == f"Bearer for {api}"


@pytest.mark.parametrize(
    "user",
    [
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/none"}},
        {"exec": {"apiVersion": "client.authentication.k8s.io/v9", "command": "true"}},
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "false"}},
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "true"}},
        {"client-certificate": "/none", "client-key": "/none"},
        {"client-certificate-data": "!", "client-key-data": "!"},
    ],
)
def test_credentials_that_cannot_be_used_are_said_to_be(
    server: Recorder, access_to: AccessTo, user: dict[str, Any]
) -> None:
    with pytest.raises(ClusterError) as caught:
        ask(access_to(server.url, user=user), "GET", "/version")
    assert caught.value.reference == "kubeconfig-invalid"
    assert server.seen == []


def _certificate(directory: Path) -> tuple[Path, Path]:
    """Write a certificate of 127.0.0.1 that signs itself."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "server.crt", directory / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
