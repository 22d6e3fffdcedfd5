"""A control plane without nodes: etcd, an API server, controllers; real answers within seconds, on loopback."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from breakbulk.settings import Settings

__all__ = ["ControlPlane", "control_plane"]

USERS = {"administrator": "system:masters", "reader": "readers"}
"""Who may ask, and the group of each."""


class ControlPlane:
    """A control plane that answers."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.server = f"https://127.0.0.1:{port}"

    def kubeconfig(self, user: str = "administrator", context: str = "here") -> Path:
        """Write a kubeconfig whose current context is this server as `user`."""
        path = self.directory / f"{user}-{context}.kubeconfig"
        cluster = {"server": self.server, "certificate-authority": "certificates/apiserver.crt"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": f"token-of-{user}"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def kubectl(self, *words: str, stdin: str | None = None) -> str:
        """Return what kubectl prints as the administrator."""
        cache = ("--cache-dir", self.directory / "kubectl")
        command = [binaries() / "kubectl", "--kubeconfig", self.kubeconfig(), *cache, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


def binaries() -> Path:
    return max(Settings.load(os.environ).kubernetes.glob("v*/bin"))


@contextmanager
def control_plane(directory: Path) -> Iterator[ControlPlane]:
    """Start the programs, wait until the API server is ready, and end them."""
    etcd_port, peer_port, port = free_ports(3)
    (directory / "tokens.csv").write_text(
        "".join(f"token-of-{user},{user},1,{group}\n" for user, group in USERS.items())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    (directory / "accounts.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    etcd = f"http://127.0.0.1:{etcd_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    commands = (
        [
            *(binaries() / "etcd", f"--data-dir={directory / 'etcd'}", "--unsafe-no-fsync"),
            *(f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}"),
            *(
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
            ),
        ],
        [
            *(binaries() / "kube-apiserver", f"--etcd-servers={etcd}", "--authorization-mode=Node,RBAC"),
            *("--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={directory / 'certificates'}"),
            *(f"--token-auth-file={directory / 'tokens.csv'}", "--service-cluster-ip-range=10.254.0.0/24"),
            *(f"--service-account-key-file={directory / 'accounts.key'}", "--endpoint-reconciler-type=none"),
            "--allow-privileged=true",
            f"--service-account-signing-key-file={directory / 'accounts.key'}",
            "--service-account-issuer=https://tests.example.org",
        ],
    )
    made = ControlPlane(directory, port)
    started = [_start(command, directory / f"{number}.log") for number, command in enumerate(commands)]
    try:
        _wait(made, started[-1])
        started.append(_start(_controllers(made), directory / "controllers.log"))
        yield made
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGKILL)
            process.wait()


def _controllers(made: ControlPlane) -> list[str | Path]:
    return [
        *(binaries() / "kube-controller-manager", f"--kubeconfig={made.kubeconfig()}", "--leader-elect=false"),
        *("--secure-port=0", f"--service-account-private-key-file={made.directory / 'accounts.key'}"),
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller",
    ]


def _start(command: list[str | Path], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def _wait(made: ControlPlane, process: subprocess.Popen[bytes], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    request = urllib.request.Request(  # noqa: S310 - https, see `ControlPlane`
        made.server + "/readyz", headers={"Authorization": "Bearer token-of-administrator"}
    )
    while True:
        try:
            context = ssl.create_default_context(cafile=str(made.directory / "certificates" / "apiserver.crt"))
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
            )
            opener.open(request, timeout=5).close()
        except (OSError, urllib.error.URLError):
            assert process.poll() is None, (made.directory / "1.log").read_text()[-2000:]
            assert time.monotonic() < deadline, (made.directory / "1.log").read_text()[-2000:]
            time.sleep(0.1)
        else:
            return


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens at."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
