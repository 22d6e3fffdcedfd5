"""tools/kubernetes/build: what it says, what it leaves, and when it builds; with a `go` that is quick and can be held.

The real `go` makes the programs of the cluster tests.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from breakbulk.settings import Settings

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "kubernetes"
DOCUMENTATION = TOOLS.parents[1] / "docs" / "kubernetes-build.md"
PARTS = ["kubernetes-1.35", "etcd", "containerd", "runc", "cni", "coredns", "crictl", "registry"]
PROGRAMS = {
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "etcd",
    "containerd", "containerd-shim-runc-v2", "ctr", "runc", "coredns", "crictl", "registry",
    "cni/bridge", "cni/host-local", "cni/loopback", "cni/portmap",
}  # fmt: skip
DEADLINE_S = 30

# Only what a shell has built in: nothing but this directory is on PATH.
FAKE_GO = """#!/bin/sh
control=${0%/*}/../control
part=${PWD##*/}
case "$1" in
  env) read -r release < "$control/release"; printf '%s\\nlinux\\namd64\\ncc -m64\\n' "$release"; exit ;;
esac
echo "$part" >> "$control/built"
while [ "$1" != -o ]; do shift; done
target=$2
shift 2
if [ -e "$control/fail-$part" ]; then
  while IFS= read -r line; do printf '%s\\n' "$line" >&2; done < "$control/fail-$part"
  exit 1
fi
for package; do
  name=${package##*/}
  [ "$name" != v3 ] || name=server
  printf 'half' > "$target$name"
  if [ -e "$control/hold-$part" ]; then read -r line < "$control/hold-$part"; fi
  printf '#!/bin/sh\\necho %s of %s\\n' "$name" "$CGO_ENABLED" > "$target$name"
done
"""


@dataclass
class Workplace:
    """A copy of the tool, a `go` of its own, and where it builds to."""

    directory: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        shutil.copytree(TOOLS, self.tools, ignore=shutil.ignore_patterns("__pycache__"))
        self.control.mkdir()
        self.path.mkdir()
        self.program("go", FAKE_GO)
        self.program("cc", "#!/bin/sh\n")
        self.program("pkg-config", "#!/bin/sh\n")
        self.release("go1.99.1")

    @property
    def tools(self) -> Path:
        return self.directory / "tools"

    @property
    def control(self) -> Path:
        return self.directory / "control"

    @property
    def path(self) -> Path:
        return self.directory / "path"

    @property
    def root(self) -> Path:
        return self.directory / "root"

    @property
    def bin(self) -> Path:
        return self.root / "v1.35.4" / "bin"

    def program(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")
        (self.path / name).chmod(0o755)

    def release(self, text: str) -> None:
        (self.control / "release").write_text(f"{text}\n", encoding="utf-8")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-B", str(self.tools / "building.py"), *arguments],
            env={"PATH": str(self.path), "BREAKBULK_KUBERNETES": str(self.root), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def build(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=DEADLINE_S)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def built(self) -> list[str]:
        """What go was told to build so far."""
        log = self.control / "built"
        return log.read_text(encoding="utf-8").split() if log.exists() else []

    def linked(self) -> set[str]:
        """The programs that can be reached."""
        return {name for name in PROGRAMS if (self.bin / name).exists()}

    def hold(self, part: str) -> None:
        """Have go stop in the middle of a part."""
        os.mkfifo(self.control / f"hold-{part}")

    def let_go(self, part: str) -> None:
        """Have go continue, and nothing be held from now on."""
        fifo = self.control / f"hold-{part}"
        held = os.open(fifo, os.O_RDWR)
        fifo.unlink()
        os.write(held, b"go on\n" * 50)
        until(lambda: not self.somebody_reads(held))
        os.close(held)

    def somebody_reads(self, held: int) -> bool:
        """Whether a `go` still has what `held` is open."""
        identity = os.fstat(held)
        for entry in Path("/proc").glob("[0-9]*/fd/*"):
            if entry.parts[2] != str(os.getpid()) and _is(entry, identity):
                return True
        return False

    def settled(self) -> set[str]:
        """The names below `parts`, without their keys and without locks."""
        names = {path.name for path in (self.root / "parts").iterdir() if not path.name.endswith(".lock")}
        return {re.sub(r"-[0-9a-f]{16}", "", name) for name in names}

    def change_sums(self, part: str) -> None:
        with (self.tools / part / "go.sum").open("a", encoding="utf-8") as sums:
            sums.write("example.org/another v1.0.0 h1:0000000000000000000000000000000000000000000=\n")

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for fifo in self.control.glob("hold-*"):
            self.let_go(fifo.name.removeprefix("hold-"))


def until(condition: Callable[[], Any]) -> None:
    """Look until a condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def _is(entry: Path, identity: os.stat_result) -> bool:
    try:
        found = entry.stat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (identity.st_dev, identity.st_ino)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workplace]:
    workplace = Workplace(tmp_path)
    yield workplace
    workplace.close()


class TestWhatIsMissing:
    def test_no_go_is_said_with_the_release_to_install(self, work: Workplace) -> None:
        (work.path / "go").unlink()
        result = work.build()
        assert result.returncode == 1
        assert "there is no Go to build Kubernetes with" in result.stderr
        assert re.search(r"fix: install Go 1\.\d+[.\d]* or newer", result.stderr)
        assert not work.root.exists()

    def test_a_go_that_is_too_old_is_not_tried(self, work: Workplace) -> None:
        work.release("go1.19.8")
        result = work.build()
        assert result.returncode == 1
        assert "go1.19.8" in result.stderr
        assert "fix: install Go 1." in result.stderr
        assert work.built() == []

    @pytest.mark.parametrize(
        ("spoil", "why"),
        [
            (lambda work: work.program("pkg-config", "#!/bin/sh\nexit 1\n"), "pkg-config knows no libseccomp"),
            (lambda work: (work.path / "pkg-config").unlink(), "there is no pkg-config"),
            (lambda work: (work.path / "cc").unlink(), "there is no cc"),
        ],
    )
    def test_what_runc_needs_is_asked_for_before_anything_is_built(
        self, work: Workplace, spoil: Callable[[Workplace], None], why: str
    ) -> None:
        spoil(work)
        result = work.build()
        assert result.returncode == 1
        assert why in result.stderr
        assert "fix: apt-get install gcc libc6-dev libseccomp-dev pkg-config" in result.stderr
        assert work.built() == []

    def test_headers_are_not_asked_for_where_nothing_is_built(self, work: Workplace) -> None:
        assert work.build().returncode == 0
        (work.path / "pkg-config").unlink()
        assert work.build().returncode == 0

    def test_a_version_that_is_not_pinned_is_named_with_those_that_are(self, work: Workplace) -> None:
        result = work.build("1.2")
        assert result.returncode == 1
        assert "no Kubernetes 1.2 here" in result.stderr
        assert "v1.35.4" in result.stderr

    def test_a_patch_release_that_is_not_pinned_is_not_taken_for_another(self, work: Workplace) -> None:
        assert "no Kubernetes v1.35.3 here" in work.build("v1.35.3").stderr

    def test_a_relative_directory_is_refused(self, work: Workplace) -> None:
        result = work.build(BREAKBULK_KUBERNETES="programs")
        assert result.returncode == 1
        assert "BREAKBULK_KUBERNETES is not an absolute path" in result.stderr


class TestBuilding:
    def test_all_programs_are_reached_through_the_directory_that_is_printed(self, work: Workplace) -> None:
        result = work.build()
        assert result.returncode == 0, result.stderr
        assert result.stdout == f"{work.bin}\n"
        assert {str(path.relative_to(work.bin)) for path in work.bin.rglob("*") if path.is_file()} == PROGRAMS
        assert (work.bin / "etcd").read_text(encoding="utf-8").endswith("server of 0\n")
        assert (work.bin / "runc").read_text(encoding="utf-8").endswith("runc of 1\n")

    def test_kubernetes_and_what_starts_pods_come_first(self, work: Workplace) -> None:
        work.build()
        assert work.built() == PARTS

    def test_each_part_is_said_with_its_position_version_and_seconds(self, work: Workplace) -> None:
        said = work.build().stderr
        assert re.search(
            r"^kubernetes: 1 of 8: kubernetes-1\.35 v1\.35\.4: building kube-apiserver, ", said, re.MULTILINE
        )
        assert re.search(r"^kubernetes: 4 of 8: runc v[\d.]+: built in \d+ s$", said, re.MULTILINE)

    def test_a_second_run_builds_nothing_and_says_nothing(self, work: Workplace) -> None:
        first = work.build()
        second = work.build()
        assert (second.stdout, second.stderr) == (first.stdout, "")
        assert work.built() == PARTS

    @pytest.mark.parametrize("version", ["1.35", "v1.35", "1.35.4", "v1.35.4"])
    def test_a_version_may_be_written_in_short(self, work: Workplace, version: str) -> None:
        assert work.build(version).stdout == f"{work.bin}\n"

    def test_other_sums_of_a_part_build_that_part(self, work: Workplace) -> None:
        work.build()
        work.change_sums("etcd")
        assert work.build().returncode == 0
        assert work.built() == [*PARTS, "etcd"]

    def test_another_release_of_go_builds_everything(self, work: Workplace) -> None:
        work.build()
        work.release("go1.99.2")
        work.build()
        assert work.built() == [*PARTS, *PARTS]

    def test_a_link_that_somebody_removed_is_made_again(self, work: Workplace) -> None:
        work.build()
        (work.bin / "ctr").unlink()
        assert work.build().returncode == 0
        assert work.linked() == PROGRAMS
        assert work.built() == PARTS

    def test_a_part_that_somebody_removed_is_built_again(self, work: Workplace) -> None:
        work.build()
        shutil.rmtree((work.bin / "cni" / "bridge").resolve().parents[1])
        work.build()
        assert work.built() == [*PARTS, "cni"]
        assert work.linked() == PROGRAMS

    def test_it_is_run_by_its_name_from_anywhere(self, work: Workplace) -> None:
        result = subprocess.run(
            [str(work.tools / "build"), "1.35"],
            env={
                "PATH": f"{work.path}:/usr/bin:/bin",
                "BREAKBULK_KUBERNETES": str(work.root),
                "PYTHON": sys.executable,
            },
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.splitlines()[-1] == str(work.bin)

    @pytest.mark.parametrize(
        "environment",
        [
            {"HOME": "/home/ada"},
            {"HOME": "/home/ada", "XDG_CACHE_HOME": "/caches"},
            {"HOME": "/home/ada", "XDG_CACHE_HOME": "relative"},
            {"HOME": "/home/ada", "BREAKBULK_KUBERNETES": "/programs"},
        ],
    )
    def test_it_builds_to_where_breakbulk_looks(self, environment: Mapping[str, str]) -> None:
        asked = "import json, sys; from building import root_of; print(root_of(json.loads(sys.argv[1])))"
        printed = subprocess.run(
            [sys.executable, "-B", "-c", asked, str(dict(environment)).replace("'", '"')],
            env={"PYTHONPATH": str(TOOLS)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert Path(printed.strip()) == Settings.load(environment).kubernetes


class TestPublishing:
    def test_what_is_built_can_be_used_while_the_rest_is_built(self, work: Workplace) -> None:
        work.hold("containerd")
        process = work.start()
        until(lambda: work.built()[-1:] == ["containerd"])
        assert {"kubelet", "etcd"} <= work.linked()
        assert not work.linked() & {"containerd", "runc"}
        work.let_go("containerd")
        assert process.wait(DEADLINE_S) == 0
        assert work.linked() == PROGRAMS

    def test_a_complete_set_is_replaced_only_by_a_complete_one(self, work: Workplace) -> None:
        work.build()
        before = {name: (work.bin / name).resolve() for name in PROGRAMS}
        work.change_sums("etcd")
        work.change_sums("runc")
        work.hold("runc")
        process = work.start()
        until(lambda: work.built()[-1:] == ["runc"])
        assert {name: (work.bin / name).resolve() for name in PROGRAMS} == before
        work.let_go("runc")
        assert process.wait(DEADLINE_S) == 0
        assert {name for name in PROGRAMS if (work.bin / name).resolve() != before[name]} == {"etcd", "runc"}

    def test_links_do_not_depend_on_where_the_directory_is(self, work: Workplace) -> None:
        work.build()
        moved = work.root.rename(work.directory / "moved")
        assert all((moved / "v1.35.4" / "bin" / name).exists() for name in PROGRAMS)


class TestInterruption:
    def test_a_killed_build_leaves_nothing_that_counts(self, work: Workplace) -> None:
        work.hold("etcd")
        process = work.start()
        until(lambda: work.built()[-1:] == ["etcd"])
        process.kill()
        process.wait(DEADLINE_S)
        assert "kubernetes-1.35" in work.settled()
        assert "etcd" not in work.settled()
        assert "etcd" not in work.linked()
        work.let_go("etcd")
        assert work.build().returncode == 0
        assert work.linked() == PROGRAMS
        assert work.built() == ["kubernetes-1.35", "etcd", *PARTS[1:]]
        assert work.settled() == set(PARTS)

    def test_go_that_outlives_its_build_is_waited_for(self, work: Workplace) -> None:
        work.hold("etcd")
        first = work.start()
        until(lambda: work.built()[-1:] == ["etcd"])
        first.kill()
        first.wait(DEADLINE_S)
        second = work.start()
        assert second.stderr is not None
        assert "another build is at it, waiting" in second.stderr.readline()
        work.let_go("etcd")
        assert second.wait(DEADLINE_S) == 0
        assert (work.bin / "etcd").read_text(encoding="utf-8").endswith("server of 0\n")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_build_that_is_told_to_end_takes_go_with_it(self, work: Workplace, number: signal.Signals) -> None:
        work.hold("etcd")
        process = work.start()
        until(lambda: work.built()[-1:] == ["etcd"])
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 128 + number
        assert work.settled() == {"kubernetes-1.35"}
        again = work.start()
        assert again.stderr is not None
        assert "building etcd" in again.stderr.readline()  # nobody holds its lock

    def test_two_builds_at_once_build_each_part_once(self, work: Workplace) -> None:
        work.hold("kubernetes-1.35")
        first = work.start()
        until(work.built)
        second = work.start()
        assert second.stderr is not None
        assert "another build is at it, waiting" in second.stderr.readline()
        work.let_go("kubernetes-1.35")
        assert [first.wait(DEADLINE_S), second.wait(DEADLINE_S)] == [0, 0]
        assert sorted(work.built()) == sorted(PARTS)
        assert work.linked() == PROGRAMS

    def test_a_failure_shows_what_go_said_and_leaves_what_was_built(self, work: Workplace) -> None:
        (work.control / "fail-runc").write_text("github.com/opencontainers/runc\nmain.go:3: undefined: x\n")
        result = work.build()
        assert result.returncode == 1
        assert "runc was not built" in result.stderr
        assert "main.go:3: undefined: x" in result.stderr
        assert work.settled() == {"kubernetes-1.35", "etcd", "containerd"}
        (work.control / "fail-runc").unlink()
        assert work.build().returncode == 0
        assert work.built() == [*PARTS[:4], *PARTS[3:]]

    @pytest.mark.parametrize(
        ("said", "why", "fix"),
        [
            ("mkdir /tmp/go-build1: no space left on device", "there is no space left", "BREAKBULK_KUBERNETES"),
            ("verifying a@v1.0.0: checksum mismatch", "not the one that go.sum names", "do not use it"),
            ("a@v1: Get: dial tcp: lookup proxy: no such host", "modules cannot be fetched", "go env GOPROXY"),
            ("compile: signal: killed", "too little memory", "GOFLAGS=-p=1"),
        ],
    )
    def test_failures_that_are_known_come_with_their_remedy(
        self, work: Workplace, said: str, why: str, fix: str
    ) -> None:
        (work.control / "fail-kubernetes-1.35").write_text(f"{said}\n")
        errors = work.build().stderr
        assert re.search(rf"why: .*{re.escape(why)}", errors)
        assert said in errors
        assert re.search(rf"fix: .*{re.escape(fix)}", errors)


@pytest.mark.integration
def test_a_full_disk_is_noticed_before_minutes_are_spent(work: Workplace) -> None:
    work.root.mkdir()
    mounting = 'mount -t tmpfs -o size=64m none "$0" && exec "$@"'
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mounting, str(work.root), sys.executable, "-B", str(work.tools / "building.py")],
        env={"PATH": f"{work.path}:/usr/sbin:/usr/bin:/sbin:/bin", "BREAKBULK_KUBERNETES": str(work.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "there is no space for kubernetes-1.35" in result.stderr
    assert work.built() == []


class TestPinning:
    @pytest.fixture
    def definition(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
        before = set(sys.modules)
        monkeypatch.syspath_prepend(str(TOOLS))
        import parts
        import pin

        itself = parts.kubernetes("1.35")
        yield lambda **authors: pin.definition(itself, "v1.35.4", {"Go": "1.25.0", **authors}).splitlines()
        for name in set(sys.modules) - before:
            del sys.modules[name]

    def test_a_neighbour_in_the_authors_tree_becomes_the_one_that_is_published(
        self, definition: Callable[..., list[str]]
    ) -> None:
        neighbour = {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}}
        assert "replace k8s.io/api => k8s.io/api v0.35.4" in definition(Replace=[neighbour])

    def test_what_authors_replace_exclude_and_set_is_copied(self, definition: Callable[..., list[str]]) -> None:
        lines = definition(
            Replace=[
                {"Old": {"Path": "a.org/a", "Version": "v1.0.0"}, "New": {"Path": "b.org/b", "Version": "v2.0.0"}}
            ],
            Exclude=[{"Path": "c.org/c", "Version": "v3.0.0"}],
            GoDebug=[{"Key": "default", "Value": "go1.25"}],
        )
        assert "replace a.org/a v1.0.0 => b.org/b v2.0.0" in lines
        assert "exclude c.org/c v3.0.0" in lines
        assert "godebug default=go1.25" in lines
        assert "go 1.25.0" in lines

    @pytest.mark.parametrize("part", sorted(path.parent.name for path in TOOLS.glob("*/go.mod")))
    def test_every_part_is_pinned_with_sums_and_its_version_is_in_the_docs(self, part: str) -> None:
        definition = (TOOLS / part / "go.mod").read_text(encoding="utf-8")
        assert f"module breakbulk.dev/tools/kubernetes/{part}\n" in definition
        assert len((TOOLS / part / "go.sum").read_text(encoding="utf-8").splitlines()) > 50
        tool = re.findall(r"^tool (\S+)$", definition, re.MULTILINE)[0]
        versions = [line.split()[:2] for line in definition.replace("require ", "").splitlines() if " v" in line]
        version = next(version for module, version in versions if f"{tool}/".startswith(f"{module}/"))
        assert version in DOCUMENTATION.read_text(encoding="utf-8")
