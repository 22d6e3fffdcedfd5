"""Pods that are made twice, of an environment and of an image: made, asked, and their answers made comparable.

What two containers cannot have in common is replaced by words: addresses, identifiers, names of images and namespaces.
Everything else is left for the tests to compare. Counterparts: `behaviour_pods`, `behaviour_rows`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from behaviour_pods import IMAGELESS, IMAGES, MAIN, NAMESPACES, OTHER, image_of, pods, static_pod, surroundings
from running_cluster import RunningCluster

Found = TypeVar("Found")

DEADLINE_S = 600.0
_OBSERVER = Path(__file__).with_name("behaviour_observer.py")
_MANIFEST = """\
[install]
accounts = { path = "./accounts", destination = "/usr/lib/sysusers.d" }
observer = { path = "./observer" }
python = { deb = "python3" }
tar = { deb = "tar" }

[options]
suite = "bookworm"
systems = ["x86_64-linux", "aarch64-linux"]

[vars]
GREETING = "hello $PLACE"
PLACE = "behaviour"

[hook]
on-activate = 'export FROM_HOOK="hook of $PLACE"'

[containerize.config]
cmd = ["observe", "snapshot", "by-default"]
working-dir = "/srv"
"""
_OTHER_MANIFEST = """\
[install]
observer = { path = "./observer" }
python = { deb = "python3" }

[options]
suite = "bookworm"
systems = ["x86_64-linux", "aarch64-linux"]

[vars]
GREETING = "hello other"

[containerize.config]
cmd = ["observe", "stay"]
"""
_ACCOUNTS = """\
u observer 4321 "Observer" /srv
m observer audio
"""
_SAME = (
    (re.compile(r"pod([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32})"), "pod-UID"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+\d\d:\d\d)"), "TIME"),
    (re.compile(r"(?<![0-9.])10\.\d+\.\d+\.\d+(?![0-9])"), "ADDRESS"),
    (re.compile(rf"\b({IMAGELESS}|{IMAGES})\b"), "NAMESPACE"),
)


@dataclass
class Side:
    """The pods of one namespace."""

    cluster: RunningCluster
    namespace: str
    seen: dict[str, Any] = field(default_factory=dict)

    def kubectl(self, *arguments: str, **more: Any) -> str:
        """Return what kubectl prints, made comparable."""
        return same(self.cluster.kubectl("-n", self.namespace, *arguments, **more))

    def pod(self, name: str) -> dict[str, Any]:
        """Return a pod as it is now."""
        return self.cluster.get("pod", name, self.namespace)

    def until(self, name: str, is_so: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return a pod when it has come to what it should; the last look is kept for all who ask for no less."""
        known = self.seen.get(name)
        if known and is_so(known):
            return known

        def look() -> dict[str, Any] | None:
            found = self.pod(name)
            return found if found and is_so(found) else None

        self.seen[name] = self.cluster.wait_for(look, timeout_s=DEADLINE_S, what=f"{self.namespace}/{name}")
        return self.seen[name]

    def ended(self, name: str, container: str) -> dict[str, Any]:
        """Return how a container of a pod ended, without times."""
        state = state_of(self.until(name, lambda pod: "terminated" in state_of(pod, container)), container)
        return {key: same(str(value)) for key, value in state["terminated"].items() if key in _OF_ENDS}

    def log(self, name: str, container: str) -> str:
        """Return everything that a container has written by its end, made comparable."""
        self.ended(name, container)
        return self.kubectl("logs", name, "-c", container)

    def found(self, name: str, container: str) -> dict[str, Any]:
        """Return what the observer in a container has found; what it wrote is its last line."""
        key = f"{name}/{container}"
        if key not in self.seen:
            text = self.log(name, container)
            try:
                self.seen[key] = json.loads(text.splitlines()[-1])
            except (ValueError, IndexError):
                raise AssertionError(f"{self.namespace}/{key}: {self.ended(name, container)}: {text[-2000:]}") from None
        return self.seen[key]

    def ready(self, name: str) -> dict[str, Any]:
        """Return a pod when all that it has is ready."""
        return self.until(name, lambda pod: ("Ready", "True") in conditions(pod))


_OF_ENDS = {"exitCode", "signal", "reason", "message"}


def state_of(pod: dict[str, Any], container: str) -> dict[str, Any]:
    """Return the state of a container."""
    return status_of(pod, container).get("state", {})


def status_of(pod: dict[str, Any], container: str) -> dict[str, Any]:
    """Return all that is known of a container."""
    status = pod.get("status", {})
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    return next((one for kind in kinds for one in status.get(kind, ()) if one["name"] == container), {})


def conditions(pod: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the conditions of a pod as pairs of type and status, but for the one that images have no need of."""
    found = {(one["type"], one["status"]) for one in pod.get("status", {}).get("conditions", ())}
    return {one for one in found if not one[0].startswith("breakbulk.dev/")}


def same(text: str) -> str:
    """Return a text with words for what two pods cannot have in common."""
    for pattern, word in _SAME:
        text = pattern.sub(word, text)
    return text


@dataclass(frozen=True)
class Twins:
    """Both namespaces."""

    imageless: Side
    images: Side

    def both(self, ask: Callable[[Side], Found]) -> tuple[Found, Found]:
        """Return what both say, asked at once."""
        with ThreadPoolExecutor(2) as pool:
            asked = [pool.submit(ask, side) for side in (self.imageless, self.images)]
            first, second = (one.result() for one in asked)
        return first, second

    def remove(self) -> None:
        """Remove all pods, and what they refer to."""
        for namespace in NAMESPACES:
            _static(self.imageless.cluster, namespace).unlink(missing_ok=True)
        self.imageless.cluster.kubectl("delete", "namespace", *NAMESPACES, timeout_s=DEADLINE_S)


def twins(cluster: RunningCluster, place: Path, cache: Path) -> Twins:
    """Publish the environments, put their images on the first node, and start all pods there."""
    publish(cluster, place, cache)
    node = f"{cluster.name}-1"
    for namespace in NAMESPACES:
        cluster.apply(*surroundings(namespace)[:1])
        cluster.apply({"apiVersion": "v1", "kind": "List", "items": surroundings(namespace)[1:]})
    for namespace in NAMESPACES:
        cluster.wait_for(lambda namespace=namespace: cluster.get("serviceaccount", "default", namespace))
        _static(cluster, namespace).write_text(json.dumps(static_pod(namespace)))
        wanted = [{**one, "spec": {**one["spec"], "nodeName": node}} for one in pods(namespace)]
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
    return Twins(*(Side(cluster, namespace) for namespace in NAMESPACES))


def _static(cluster: RunningCluster, namespace: str) -> Path:
    """Return the file of a static pod of the first node."""
    node = cluster.settings.state / "clusters" / cluster.name / "nodes" / f"{cluster.name}-1"
    return node / "configuration" / "static-pods" / f"{namespace}.json"


def publish(cluster: RunningCluster, place: Path, cache: Path) -> None:
    """Push the environments to the cluster's hub, and put images of the same onto the first node."""
    images = place / "images"
    for environment, manifest in ((MAIN, _MANIFEST), (OTHER, _OTHER_MANIFEST)):
        project = _project(place / environment, manifest)
        _breakbulk(cluster, place, cache, "push", environment, "--no-sign", "--environment", str(project))
        _breakbulk(cluster, place, cache, "export", environment, "--oci", str(images))
    archive = place / "images.tar"
    _pack(images, archive)
    socket = Path("/run/breakbulk/clusters", cluster.name, f"{cluster.name}-1", "containerd.sock")
    _run(cluster.programs / "ctr", "--address", socket, "-n", "k8s.io", "images", "import", "--local", archive)


def _project(place: Path, manifest: str) -> Path:
    """Write a project whose package is the observer, with files of its own to be changed."""
    package = place / "observer"
    for folder in ("bin", "owned/inner"):
        (package / folder).mkdir(parents=True)
    shutil.copy(_OBSERVER, package / "bin" / "observe")
    (package / "bin" / "observe").chmod(0o755)
    for name in ("first", "second", "inner/file"):
        (package / "owned" / name).write_text(f"{name} of the package\n")
    (place / "accounts").mkdir()
    (place / "accounts" / "observer.conf").write_text(_ACCOUNTS)
    (place / "breakbulk.toml").write_text(manifest)
    return place


def _breakbulk(cluster: RunningCluster, place: Path, cache: Path, *arguments: str) -> None:
    settings = cluster.settings
    own = {
        "BREAKBULK_STORE": str(place / "store"),
        "BREAKBULK_CACHE": str(cache),
        "BREAKBULK_HUB": settings.hub,
        "BREAKBULK_CONFIGURATION": str(settings.configuration),
    }
    _run(sys.executable, "-m", "breakbulk", *arguments, "--quiet", env={**os.environ, **own})


def _run(*command: str | Path, env: dict[str, str] | None = None) -> None:
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(map(str, command))}: {ended.stdout}{ended.stderr}"


def _pack(images: Path, archive: Path) -> None:
    """Write a directory of images as an archive that names them as containerd has it."""
    index = json.loads((images / "index.json").read_text())
    for one in index["manifests"]:
        reference = one["annotations"]["org.opencontainers.image.ref.name"]
        one["annotations"]["io.containerd.image.name"] = image_of(reference)
    (images / "index.json").write_text(json.dumps(index))
    with tarfile.open(archive, "w") as file:
        file.add(images, ".")
