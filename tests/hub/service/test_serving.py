"""The service as people run it: a process, tokens made in another one, machines that push and run."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 60.0
EXAMPLE = Path(__file__).parents[3] / "examples" / "hello"


class Machine:
    """A machine: store, configuration, state and home of its own."""

    def __init__(self, directory: Path, **variables: str) -> None:
        self.work = directory / "work"
        self.work.mkdir(parents=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BREAKBULK_", "XDG_"))}
        self.variables = kept | {
            "BREAKBULK_STORE": str(directory / "store"),
            "BREAKBULK_CACHE": str(directory / "cache"),
            "BREAKBULK_CONFIGURATION": str(directory / "configuration"),
            "BREAKBULK_HUB": str(directory / "hub"),
            "NO_COLOR": "1",
            **variables,
        }

    def __call__(self, *words: str, code: int = 0, typed: str | None = None) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [sys.executable, "-m", "breakbulk", *words],
            cwd=self.work,
            env=self.variables,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert finished.returncode == code, finished.stdout + finished.stderr
        return finished

    def document(self, *words: str, code: int = 0) -> Any:
        return json.loads(self(*words, "--json", code=code).stdout)

    @contextmanager
    def serving(self, *words: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
        """Serve this machine's hub; give the address and the process."""
        log = (self.work / "log").open("a")
        process = subprocess.Popen(
            [sys.executable, "-m", "breakbulk", "hub", "serve", "--listen", "127.0.0.1:0", *words],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rpartition(" ")[2].strip(), process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
            process.stdout.close()
            log.close()


@pytest.fixture
def keeper(tmp_path: Path) -> Machine:
    """The machine whose hub is served."""
    return Machine(tmp_path / "keeper")


def token(keeper: Machine, subject: str, *words: str) -> str:
    return str(keeper.document("hub", "token", "new", "--subject", subject, *words)["token"])


def test_tokens_as_one_makes_lists_and_revokes_them(keeper: Machine, tmp_path: Path) -> None:
    secret = token(keeper, "ada", "--owner", "ada", "--verbs", "read,push", "--expires", "30d")
    [listed] = keeper.document("hub", "token", "list")["tokens"]
    assert (listed["subject"], listed["owners"], listed["verbs"], listed["state"]) == (
        "ada",
        ["ada"],
        ["read", "push"],
        "valid",
    )
    assert secret not in keeper("hub", "token", "list").stdout
    ada = Machine(tmp_path / "ada")
    with keeper.serving() as (url, _):
        login = ada("hub", "login", url, typed=f"{secret}\n")
        assert login.stdout.startswith(f"ada at {url}: read, push of ada until ")
        assert secret not in login.stdout + login.stderr
        kept = tmp_path / "ada" / "configuration" / "credentials.toml"
        assert (kept.stat().st_mode & 0o777, secret in kept.read_text()) == (0o600, True)
        ada.variables["BREAKBULK_HUB"] = url
        assert ada.document("hub", "list")["environments"] == []
        keeper("hub", "token", "revoke", listed["identifier"])
        assert ada.document("hub", "list", code=78)["error"] == "token-revoked"
        ada("hub", "logout")
        assert ada.document("hub", "list", code=78)["error"] == "token-missing"
        assert ada.document("hub", "login", code=2)["error"] == "usage"
        machine = Machine(
            tmp_path / "machine", BREAKBULK_HUB=url, BREAKBULK_HUB_TOKEN=token(keeper, "m", "--verbs", "read")
        )
        assert machine.document("hub", "list")["environments"] == []
    log = (keeper.work / "log").read_text()
    assert secret not in log
    assert {"request", "status", "subject", "address"} <= json.loads(log.splitlines()[-1]).keys()


def test_sigterm_ends_streams_and_is_no_failure(keeper: Machine) -> None:
    with keeper.serving("--public-read") as (url, process):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=DEADLINE_S) as listener:
            listener.sendall(b"GET /v1/events HTTP/1.1\r\nHost: hub\r\n\r\n")
            assert b"200 OK" in listener.recv(4096)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
            while listener.recv(4096):
                pass


def test_an_address_that_is_taken_and_other_mistakes(keeper: Machine) -> None:
    with keeper.serving() as (url, _):
        taken = keeper.document("hub", "serve", "--listen", url.removeprefix("http://"), code=76)
        assert taken["error"] == "service-not-started"
    for words in (("--listen", "8470"), ("--largest-object", "1 banana"), ("--token-rate", "much"), ("--hub", url)):
        assert keeper.document("hub", "serve", *words, code=2)["error"] == "usage"


def test_over_tls(keeper: Machine, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with keeper.serving("--certificate", str(certificate), "--key", str(key)) as (url, _):
        assert url.startswith("https://")
        variables = {"BREAKBULK_HUB": url, "BREAKBULK_HUB_TOKEN": token(keeper, "ada", "--verbs", "read")}
        strict = Machine(tmp_path / "strict", **variables, BREAKBULK_RETRIES="1")
        assert strict.document("hub", "list", code=71)["error"] == "hub-unreachable"
        trusting = Machine(tmp_path / "trusting", **variables, SSL_CERT_FILE=str(certificate))
        assert trusting.document("hub", "list")["environments"] == []
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = keeper.document("hub", "serve", "--certificate", str(tmp_path / "bad.pem"), "--key", str(key), code=2)
    assert bad["error"] == "certificate-invalid"


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that vouches for itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (directory / "hub.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (directory / "hub.key").write_bytes(pem)
    assert ssl.create_default_context(cafile=directory / "hub.pem")
    return directory / "hub.pem", directory / "hub.key"


@pytest.mark.integration
def test_push_run_and_roll_back_through_the_service(keeper: Machine, tmp_path: Path, shared_cache: Path) -> None:
    with keeper.serving() as (url, process):
        secret = token(keeper, "ada", "--owner", "ada", "--verbs", "read,push,switch")
        here = Machine(
            tmp_path / "here", BREAKBULK_HUB=url, BREAKBULK_HUB_TOKEN=secret, BREAKBULK_CACHE=str(shared_cache)
        )
        shutil.copytree(EXAMPLE, here.work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".breakbulk", "*.lock"))
        manifest = here.work / "breakbulk.toml"
        manifest.write_text(manifest.read_text().replace(', "aarch64-linux"', ""))
        assert here.document("push", "ada/hello")["generation"] == 1
        manifest.write_text(manifest.read_text().replace("Hello from", "Greetings from"))
        assert here.document("push", "ada/hello")["generation"] == 2
        assert here.document("history", "ada/hello")["changes"][0]["author"] == "ada"
        assert here.document("push", "bob/hello", code=78)["error"] == "token-scope"

        node = token(keeper, "node", "--verbs", "read")
        there = Machine(tmp_path / "there", BREAKBULK_HUB=url, BREAKBULK_HUB_TOKEN=node)
        ran = there("run", "-e", "ada/hello", "--", "sh", "-c", "echo $GREETING $BREAKBULK_HUB_TOKEN")
        assert ran.stdout.strip() == "Greetings from an overlay"
        assert there.document("rollback", "ada/hello", code=78)["error"] == "token-scope"
        assert here.document("rollback", "ada/hello")["generation"] == 1
        assert (
            there("run", "-e", "ada/hello", "--", "sh", "-c", "echo $GREETING").stdout.strip()
            == "Hello from an overlay"
        )

        process.kill()
        process.wait()
        pinned = there("run", "-e", "ada/hello:2", "--", "sh", "-c", "echo $GREETING")
        assert pinned.stdout.strip() == "Greetings from an overlay"
    with keeper.serving("--public-read") as (url, _):
        anybody = Machine(tmp_path / "anybody", BREAKBULK_HUB=url)
        assert anybody.document("hub", "list")["environments"][0]["generation"] == 1
