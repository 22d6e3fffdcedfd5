"""What a Kubernetes consists of here: which programs of which module, and with which flags each is built.

Which version of a module, and of everything it is made of, is said in `go.mod` and `go.sum` of the part's directory,
and nowhere else. `building` builds the parts, `pin` writes those two files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEWEST = "1.35"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One module and the programs that are built from it."""

    name: str
    """Of the directory that holds its `go.mod`."""
    module: str
    programs: Mapping[str, str]
    """The package of each program, by the path it has in the directory of programs."""
    version_in: tuple[str, ...] = ()
    """Variables of the source that the linker sets to the version, which a module from a proxy does not know."""
    static: bool = True
    tags: tuple[str, ...] = ()
    needs_libseccomp: bool = False
    staging: str = ""
    """Prefix of modules that upstream keeps in its own tree, and publishes as v0 with the same minor and patch."""

    @property
    def directory(self) -> Path:
        """Where its `go.mod` and `go.sum` are."""
        return HERE / self.name

    @property
    def definition(self) -> str:
        """The text of its `go.mod`."""
        return (self.directory / "go.mod").read_text(encoding="utf-8")

    @property
    def version(self) -> str:
        """The version of upstream's module that go.mod requires."""
        return self._said(rf"(?:require)?\s+{re.escape(self.module)} (v\S+)")

    @property
    def least_go(self) -> tuple[int, ...]:
        """The release of Go that go.mod asks for."""
        return go_release(self._said(r"go (\S+)"))

    @property
    def linker_flags(self) -> str:
        """What the linker is told: no symbols, and which version this is."""
        return " ".join(("-s", "-w", *(f"-X {text}" for text in self._version_variables())))

    @property
    def flags(self) -> tuple[str, ...]:
        """Of `go build`; with go.mod, go.sum and the release of Go they decide what comes out."""
        tags = (f"-tags={','.join(self.tags)}",) if self.tags else ()
        return ("-mod=readonly", "-trimpath", "-buildvcs=false", *tags, f"-ldflags={self.linker_flags}")

    def _said(self, pattern: str) -> str:
        found = re.search(f"^{pattern}", self.definition, re.MULTILINE)
        if not found:
            raise ValueError(f"{self.directory}/go.mod has no line {pattern}")
        return found[1]

    def _version_variables(self) -> list[str]:
        major, minor = self.version.removeprefix("v").split(".")[:2]
        values = {"version": self.version, "major": major, "minor": minor}
        return [text.format(**values) for text in self.version_in]


def kubernetes(minor: str) -> Part:
    """Return Kubernetes itself, of a minor release such as 1.35."""
    programs = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    return Part(
        name=f"kubernetes-{minor}",
        module="k8s.io/kubernetes",
        programs={program: f"k8s.io/kubernetes/cmd/{program}" for program in programs},
        # Without these it calls itself v0.0.0-master, and whoever compares versions refuses it.
        version_in=(
            "k8s.io/component-base/version.gitVersion={version}",
            "k8s.io/component-base/version.gitMajor={major}",
            "k8s.io/component-base/version.gitMinor={minor}",
            "k8s.io/client-go/pkg/version.gitVersion={version}",
            "k8s.io/client-go/pkg/version.gitMajor={major}",
            "k8s.io/client-go/pkg/version.gitMinor={minor}",
        ),
        staging="k8s.io/",
    )


def around() -> tuple[Part, ...]:
    """Return what a cluster needs besides Kubernetes itself, what it cannot start without first."""
    containerd = "github.com/containerd/containerd/v2"
    cni = "github.com/containernetworking/plugins"
    return (
        Part(name="etcd", module="go.etcd.io/etcd/server/v3", programs={"etcd": "go.etcd.io/etcd/server/v3"}),
        Part(
            name="containerd",
            module=containerd,
            programs={name: f"{containerd}/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
            version_in=(f"{containerd}/version.Version={{version}}",),
        ),
        Part(
            name="runc",
            module="github.com/opencontainers/runc",
            programs={"runc": "github.com/opencontainers/runc"},
            static=False,
            tags=("seccomp",),
            needs_libseccomp=True,
        ),
        Part(
            name="cni",
            module=cni,
            programs={
                "cni/bridge": f"{cni}/plugins/main/bridge",
                "cni/host-local": f"{cni}/plugins/ipam/host-local",
                "cni/loopback": f"{cni}/plugins/main/loopback",
                "cni/portmap": f"{cni}/plugins/meta/portmap",
            },
            version_in=(f"{cni}/pkg/utils/buildversion.BuildVersion={{version}}",),
        ),
        Part(
            name="coredns",
            module="github.com/coredns/coredns",
            programs={"coredns": "github.com/coredns/coredns"},
        ),
        Part(
            name="crictl",
            module="sigs.k8s.io/cri-tools",
            programs={"crictl": "sigs.k8s.io/cri-tools/cmd/crictl"},
            version_in=("sigs.k8s.io/cri-tools/pkg/version.Version={version}",),
        ),
        Part(
            name="registry",
            module="github.com/distribution/distribution/v3",
            programs={"registry": "github.com/distribution/distribution/v3/cmd/registry"},
            version_in=("github.com/distribution/distribution/v3/version.version={version}",),
        ),
    )


def known_minors() -> list[str]:
    """Return the minor releases of Kubernetes that have a go.mod here, the newest first."""
    found = [path.parent.name.removeprefix("kubernetes-") for path in HERE.glob("kubernetes-*/go.mod")]
    return sorted(found, key=go_release, reverse=True)


def go_release(text: str) -> tuple[int, ...]:
    """Return the numbers of a release such as 1.26.1 or go1.26rc1."""
    return tuple(int(number) for number in re.findall(r"\d+", re.split(r"rc|beta|-", text)[0]))
