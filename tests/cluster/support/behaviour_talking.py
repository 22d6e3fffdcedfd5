"""Ways in which people and Kubernetes talk with a container that runs; each returns what one side of the twins says."""

import json
import os
import pty
import re
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from behaviour import DEADLINE_S, Side, same
from behaviour_pods import OTHER, image_of

_NODE_STATS = "/api/v1/nodes/{}/proxy/stats/summary"
_TYPED = "test -t 0 && test -t 1 && read line && echo heard $line with $GREETING"


def executed(
    side: Side, *command: str, options: tuple[str, ...] = (), pod: str = "life", **more: Any
) -> dict[str, Any]:
    """Return the exit code of `kubectl exec`, and what it printed."""
    side.ready(pod)
    words = _words(side, "exec", *options, pod, "--", *command)
    ended = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False, **more)
    return {"code": ended.returncode, "out": same(ended.stdout), "err": same(ended.stderr)}


def looked(side: Side) -> dict[str, Any]:
    """Return what a process that is started in a running container finds."""
    return _looked(side, "life")


def looked_beside(side: Side) -> Any:
    """Return the processes that a container of a pod finds that shares them."""
    return _looked(side, "shared")["processes"]


def typed(side: Side) -> dict[str, Any]:
    """Return what a terminal shows in which `kubectl exec -it` runs."""
    side.ready("life")
    ours, theirs = pty.openpty()
    command = _words(side, "exec", "-it", "life", "--", "sh", "-c", _TYPED)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, b"words\n")
        shown = b""
        with suppress(OSError):  # EIO: nobody has the terminal any more
            while chunk := os.read(ours, 4096):
                shown += chunk
        os.close(ours)
    lines = [line for line in shown.decode().splitlines() if line.startswith("heard")]
    return {"code": process.returncode, "lines": lines}


def copied(side: Side) -> dict[str, Any]:
    """Return what has become of a directory that `kubectl cp` has copied there and back again."""
    side.ready("life")
    with tempfile.TemporaryDirectory() as place:
        there, back = Path(place, "there"), Path(place, "back")
        (there / "inner").mkdir(parents=True)
        (there / "inner" / "file").write_bytes(bytes(range(256)) * 4096)
        (there / "program").write_text("#!/bin/sh\n")
        (there / "program").chmod(0o750)
        side.kubectl("cp", str(there), "life:/var/tmp/copied", timeout_s=DEADLINE_S)
        side.kubectl("cp", "life:/var/tmp/copied", str(back), timeout_s=DEADLINE_S)
        is_same = (back / "inner" / "file").read_bytes() == (there / "inner" / "file").read_bytes()
    inside = executed(side, "sh", "-c", "cd /var/tmp/copied && stat -c '%n %A %u %g %s' program inner/file")
    return {"same": is_same, "inside": inside["out"].splitlines()}


def attached(side: Side) -> str:
    """Return what the container's main process answers to a word that `kubectl attach` hands in."""
    side.ready("life")
    with _kubectl(side, "attach", "-i", "life", "-c", "main", stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"a word\n")
        process.stdin.flush()
        return next(line.decode().strip() for line in process.stdout or () if b"heard" in line)


def forwarded(side: Side) -> str:
    """Return the page that is behind a forwarded port."""
    side.ready("life")
    with _kubectl(side, "port-forward", "life", ":web") as process:
        found = (re.search(rb"127.0.0.1:(\d+)", line) for line in process.stdout or ())
        port = next(int(one[1]) for one in found if one)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/forwarded", timeout=DEADLINE_S) as answer:
            return str(answer.read().decode())


def debugged(side: Side) -> dict[str, Any]:
    """Return what a container finds that `kubectl debug` has added, of an image of its own, to look at another one."""
    if not side.ready("life")["spec"].get("ephemeralContainers"):
        options = ("--image", image_of(OTHER), "--image-pull-policy=Never", "--target=main", "--container=debugger")
        side.kubectl("debug", "life", *options, "--", "observe", "snapshot")
        side.seen.pop("life")
    seen = side.found("life", "debugger")
    return {name: seen[name] for name in ("variables", "processes", "user", "directory", "mounts")}


def used(side: Side) -> int:
    """Return how many MiB of a container's root kubelet counts after 12 were written into it, less the last few."""
    said = executed(side, "sh", "-c", "[ -e /var/tmp/twelve ] || head -c 12582912 /dev/urandom > /var/tmp/twelve; sync")
    assert said["code"] == 0, said

    def look() -> int:
        node = side.pod("life")["spec"]["nodeName"]
        summary = json.loads(side.cluster.kubectl("get", "--raw", _NODE_STATS.format(node)))
        for pod in summary["pods"]:
            if (pod["podRef"]["namespace"], pod["podRef"]["name"]) == (side.namespace, "life"):
                main = next((one for one in pod["containers"] if one["name"] == "main"), {})
                return int(main.get("rootfs", {}).get("usedBytes", 0)) >> 20
        return 0

    return side.cluster.wait_for(lambda: (size := look()) >= 12 and size // 4 * 4, timeout_s=DEADLINE_S, what="bytes")


def last_words(side: Side) -> list[str]:
    """Return what a container writes when its pod is deleted; whoever asks is the last to ask."""
    side.ready("life")
    with _kubectl(side, "logs", "-f", "--tail=-1", "life", "-c", "main") as following:
        side.kubectl("delete", "pod", "life", "--wait=false")
        return [line.decode().strip() for line in following.stdout or () if b"end" in line]


def _looked(side: Side, pod: str) -> dict[str, Any]:
    said = executed(side, "observe", "snapshot", pod=pod)
    assert said["code"] == 0, said
    inside: dict[str, Any] = json.loads(said["out"])
    return inside


def _words(side: Side, *arguments: str) -> list[str]:
    where = [f"--kubeconfig={side.cluster.kubeconfig}", "-n", side.namespace]
    return [str(side.cluster.programs / "kubectl"), *where, *arguments]


@contextmanager
def _kubectl(side: Side, *arguments: str, **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Have a kubectl that goes on until the context ends."""
    command = _words(side, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more) as process:
        try:
            yield process
        finally:
            process.terminate()
