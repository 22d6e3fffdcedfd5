"""What messages of Kubernetes, kubelet, containerd and runc mean, and what to do about them. Pure.

Each table is read from above; the first pattern that is found in a message decides. The wordings are those of
Kubernetes 1.31 to 1.35, containerd 1.7 to 2.2 and runc 1.1 to 1.3. Errors of Breakbulk's own handler and agent travel
in messages as `breakbulk: IDENTIFIER: what; at where; why; fix: hint`, and keep their words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from breakbulk.kubernetes.explanation import Cause

__all__ = [
    "of_admission",
    "of_config",
    "of_image",
    "of_sandbox",
    "of_scheduling",
    "of_start",
    "of_volume",
    "our_error",
    "plain",
]


class _Meaning(msgspec.Struct, frozen=True):
    """A pattern, and what it means; named groups of the pattern fill `what` and `fix`."""

    pattern: str
    identifier: str
    what: str
    fix: str


_OURS = re.compile(r"breakbulk: (?P<identifier>[a-z][a-z0-9]*(?:-[a-z0-9]+)*): (?P<words>.*)", re.DOTALL)
_BARE = re.compile(r"(?P<identifier>[a-z][a-z0-9]*(?:-[a-z0-9]+)*): (?P<words>.*)", re.DOTALL)
_WRAPPING = re.compile(r"^.*?rpc error: code = \w+ desc = ", re.DOTALL)
_INSTALL = "`breakbulk node install` on the nodes that shall have it"

_ADMISSION = (
    _Meaning(
        r'RuntimeClass "(?P<name>[^"]*)" not found',
        "runtime-class-missing",
        "the runtime class {name} does not exist",
        "breakbulk node manifest | kubectl apply -f -",
    ),
    _Meaning(
        r"exceeded quota: (?P<quota>[^,]+), requested: (?P<requested>.*?), used",
        "quota-exceeded",
        "the quota {quota} of the namespace does not allow another {requested}",
        "delete what is not needed, ask for less, or raise it: `kubectl describe quota {quota}`",
    ),
    _Meaning(
        r"failed quota: (?P<quota>[^:]+): must specify (?P<missing>.*)",
        "quota-needs-resources",
        "the quota {quota} of the namespace only admits pods that specify {missing}",
        "set them under `resources` of each container",
    ),
    _Meaning(
        r'violates PodSecurity "(?P<level>[^"]+)": (?P<violations>.*)',
        "pod-security-refused",
        "the namespace enforces the Pod Security standard {level}",
        "change what is named, under `securityContext`: environments need none of it",
    ),
    _Meaning(
        r"error looking up service account \S*?/?(?P<name>[^/:\s]+):",
        "service-account-missing",
        "the service account {name} does not exist",
        "kubectl create serviceaccount {name}",
    ),
    _Meaning(
        r"no PriorityClass with name (?P<name>\S+) was found",
        "priority-class-missing",
        "the priority class {name} does not exist",
        "take `priorityClassName` away, or make it",
    ),
    _Meaning(
        r'admission webhook "(?P<name>[^"]+)" denied the request',
        "webhook-refused",
        "the admission webhook {name} refuses the pod",
        "change what it names",
    ),
    _Meaning(
        r'failed calling webhook "(?P<name>[^"]+)"',
        "webhook-away",
        "the admission webhook {name} does not answer, and nothing is admitted without it",
        "look at what serves it: `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`",
    ),
    _Meaning(
        r"ValidatingAdmissionPolicy '(?P<name>[^']+)'",
        "policy-refused",
        "the admission policy {name} refuses the pod",
        "change what it names",
    ),
    _Meaning(
        r"(?:maximum|minimum) \S+ usage per (?:Container|Pod) is",
        "limit-range-refused",
        "the namespace's limit range does not allow these resources",
        "keep within it: `kubectl describe limitrange`",
    ),
    _Meaning(
        r"is forbidden|is invalid|denied",
        "pod-refused",
        "the API server refuses the pod",
        "change what the message names",
    ),
)

_SCHEDULING = (
    _Meaning(
        r"persistentvolumeclaim \"(?P<name>[^\"]+)\" not found",
        "volume-claim-missing",
        "the volume claim {name} does not exist",
        "make it, or correct the name under `volumes`",
    ),
    _Meaning(
        r"unbound immediate PersistentVolumeClaims",
        "volume-claim-unbound",
        "a volume claim of the pod has no volume",
        "kubectl describe pvc: is there a StorageClass, and does its provisioner run?",
    ),
    _Meaning(
        r"no nodes available|0/0 nodes",
        "no-nodes",
        "the cluster has no nodes",
        "`breakbulk cluster status`, or look why nodes do not register: `kubectl get nodes`",
    ),
    _Meaning(
        r"Insufficient (?P<resource>[\w./-]+)",
        "resources-insufficient",
        "no node has enough {resource} free",
        "ask for less under `resources.requests`, delete other pods, or add a node: `kubectl describe nodes`",
    ),
    _Meaning(
        r"Too many pods",
        "too-many-pods",
        "nodes are full: they take no more pods",
        "add a node, or raise `maxPods` of kubelet",
    ),
    _Meaning(
        r"volume node affinity conflict",
        "volume-elsewhere",
        "the pod's volume is bound to a node that cannot take the pod",
        "free that node, or use a volume that is not local",
    ),
    _Meaning(
        r"node affinity|selector|affinity rules|topology spread",
        "no-node-matches",
        "no node has the labels that the pod, or its runtime class, asks for",
        "kubectl get nodes --show-labels",
    ),
    _Meaning(
        r"untolerated taint(?:\(s\))? ?\{?(?P<taint>[^}:,.]*)",
        "taints-not-tolerated",
        "nodes have a taint that the pod does not tolerate: {taint}",
        "add a toleration, or take the taint away: `kubectl describe nodes | grep Taints`",
    ),
    _Meaning(
        r"didn't have free ports",
        "host-port-taken",
        "the host port that the pod wants is taken on every node",
        "choose another `hostPort`, or none",
    ),
)

_SANDBOX = (
    _Meaning(
        r'no runtime for "(?P<handler>[^"]+)" is configured',
        "runtime-not-configured",
        "containerd on the node knows no runtime {handler}",
        f"{_INSTALL}; if it was installed, another program has replaced containerd's configuration: "
        "`breakbulk node doctor` on the node",
    ),
    _Meaning(
        r"no space left on device",
        "disk-full",
        "a disk of the node is full",
        "make room on the node: `breakbulk store gc`, `kubectl describe node`",
    ),
    _Meaning(
        r"cni plugin not initialized|failed to setup network|plugin type=|network: ",
        "network-failed",
        "the pod's network cannot be made",
        "look at the network plugin of the node: its pods, and /etc/cni/net.d",
    ),
    _Meaning(
        r"failed to (?:get|pull) (?:sandbox )?image",
        "pause-image-missing",
        "the node cannot get the sandbox image",
        "let the node reach its registry, or import the image: `ctr -n k8s.io images import`",
    ),
    _Meaning(
        r"failed to reserve sandbox name",
        "sandbox-still-there",
        "an earlier try to make the sandbox has not ended yet",
        "it ends by itself within minutes; otherwise `crictl pods` on the node",
    ),
    _Meaning(
        r"can't get final child's PID from pipe",
        "container-not-started",
        "runc could not start the sandbox, as when it may not lower oom_score_adj",
        "`breakbulk node doctor` on the node: restrict_oom_score_adj",
    ),
)

_IMAGE = (
    _Meaning(
        r"is not present with pull policy of Never",
        "image-missing",
        "the image is not on the node, and the pod forbids pulling it",
        "for the stub image `breakbulk node install` on the node imports it; else set `imagePullPolicy: IfNotPresent`",
    ),
    _Meaning(
        r"401 Unauthorized|403 Forbidden|authorization failed|pull access denied|insufficient_scope",
        "image-not-permitted",
        "the registry does not give the image to this pod, or has none of that name",
        "check the name, and `imagePullSecrets`; the stub image needs no registry: `breakbulk node install`",
    ),
    _Meaning(
        r"not found",
        "image-unknown",
        "the registry has no such image",
        "correct `image`; a pod with an environment takes docker.io/breakbulk/empty:1",
    ),
    _Meaning(
        r"InvalidImageName|couldn't parse image|invalid reference format",
        "image-name-invalid",
        "the image has no valid name",
        "correct `image`; a pod with an environment takes docker.io/breakbulk/empty:1",
    ),
    _Meaning(
        r"",
        "image-not-pulled",
        "the image cannot be pulled",
        "let the node reach the registry; the stub image needs none: `breakbulk node install` imports it",
    ),
)

_CONFIG = (
    _Meaning(
        r'secret "(?P<name>[^"]+)" not found',
        "secret-missing",
        "the secret {name} does not exist",
        "make it, or mark it `optional: true`",
    ),
    _Meaning(
        r'configmap "(?P<name>[^"]+)" not found',
        "config-map-missing",
        "the config map {name} does not exist",
        "make it, or mark it `optional: true`",
    ),
    _Meaning(
        r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) (?P<name>\S+)",
        "key-missing",
        "the {kind} {name} has no key {key}",
        "add the key, or mark it `optional: true`",
    ),
    _Meaning(
        r"runAsNonRoot and (?:image will run as root|image has non-numeric user)|runAsUser breaks non-root policy",
        "must-not-be-root",
        "the pod demands `runAsNonRoot`, and its container would run as root",
        "set `securityContext.runAsUser`, to 65534 for instance",
    ),
    _Meaning(
        r"failed to reserve container name",
        "container-still-there",
        "an earlier try to make the container has not ended yet",
        "it ends by itself within minutes; otherwise `crictl ps -a` on the node",
    ),
    _Meaning(r"", "container-not-created", "the container cannot be made as it is specified", "change what is named"),
)

_START = (
    _Meaning(
        r'exec: "?(?P<name>[^":]+)"?: executable file not found',
        "command-not-found",
        "{name} is not in the environment",
        "correct `command`, or add its package: `breakbulk search {name}`, `breakbulk install`, `breakbulk push`",
    ),
    _Meaning(
        r'exec: "?(?P<name>[^":]+)"?: stat [^:]*: no such file or directory|exec (?P<path>\S+): no such file',
        "command-not-found",
        "there is no {name} in the environment",
        "correct `command`, or add its package: `breakbulk install`, `breakbulk push`",
    ),
    _Meaning(
        r'exec: "?(?P<name>[^":]+)"?: permission denied',
        "command-not-executable",
        "{name} cannot be executed",
        "give it the mode 0755, or the user that runs it",
    ),
    _Meaning(
        r"exec format error",
        "command-not-executable",
        "the command is no program of this machine: another processor's, or a script without `#!`",
        "lock the environment for the node's system, or add the `#!` line",
    ),
    _Meaning(
        r"chdir to cwd \(\"(?P<name>[^\"]+)\"\)",
        "working-directory-missing",
        "the working directory {name} cannot be entered",
        "correct `workingDir`, or mount a volume there",
    ),
    _Meaning(
        r"no space left on device",
        "disk-full",
        "a disk of the node is full",
        "make room on the node: `breakbulk store gc`",
    ),
    _Meaning(
        r"can't get final child's PID from pipe",
        "container-not-started",
        "runc could not start the container, as when it may not lower oom_score_adj",
        "`breakbulk node doctor` on the node: restrict_oom_score_adj",
    ),
    _Meaning(r"", "container-not-started", "the container cannot be started", "change what is named"),
)

_VOLUME = (
    _Meaning(
        r'(?:secret|references non-existent secret key)[^"]*"(?P<name>[^"]+)" not found',
        "secret-missing",
        "the secret {name}, a volume of the pod, does not exist",
        "make it, or mark it `optional: true`",
    ),
    _Meaning(
        r'configmap "(?P<name>[^"]+)" not found',
        "config-map-missing",
        "the config map {name}, a volume of the pod, does not exist",
        "make it, or mark it `optional: true`",
    ),
    _Meaning(
        r"references non-existent (?:config|secret) key: (?P<key>\S+)",
        "key-missing",
        "a volume of the pod names the key {key}, which is not there",
        "add the key, or correct `items`",
    ),
    _Meaning(
        r"hostPath type check failed: (?P<path>\S+)",
        "host-path-missing",
        "the host path {path} of a volume is not what the pod says",
        "make it on the node, or correct `type`",
    ),
    _Meaning(
        r'(?:Multi-Attach|already exclusively attached)[^"]*(?:"(?P<name>[^"]+)")?',
        "volume-in-use",
        "the volume {name} is still attached to another node",
        "delete the pod there; after a node was lost it takes some minutes",
    ),
    _Meaning(
        r'volume "(?P<name>[^"]+)"',
        "volume-not-mounted",
        "the volume {name} cannot be mounted",
        "look at what provides it: `kubectl describe pvc`, its CSI driver's pods",
    ),
    _Meaning(
        r"", "volume-not-mounted", "a volume cannot be mounted", "look at what provides it: `kubectl describe pvc`"
    ),
)


def of_admission(message: str) -> Cause:
    """Return why a pod was refused, from an event `FailedCreate` or the API server's answer."""
    return _found(_ADMISSION, message) or _unknown("pod-refused", "the pod cannot be made", message)


def of_scheduling(message: str) -> Cause:
    """Return why no node is found."""
    return _found(_SCHEDULING, message) or _unknown("unschedulable", "no node can take the pod", message)


def of_sandbox(message: str) -> Cause:
    """Return why there is no sandbox, from an event `FailedCreatePodSandBox`."""
    found = our_error(message) or _found(_SANDBOX, message)
    return found or _unknown("sandbox-failed", "the pod's sandbox cannot be made", message)


def of_image(message: str) -> Cause:
    """Return why an image is not there."""
    return _certain(_IMAGE, message)


def of_config(message: str) -> Cause:
    """Return why a container cannot be made of its specification."""
    return our_error(message) or _certain(_CONFIG, message)


def of_start(message: str) -> Cause:
    """Return why a container could not be started."""
    return our_error(message) or _certain(_START, message)


def of_volume(message: str) -> Cause:
    """Return why a volume is not mounted."""
    return _certain(_VOLUME, message)


def our_error(message: str, *, bare: bool = False) -> Cause | None:
    """Return the error of Breakbulk that a message holds; with `bare` it is nothing but that, without `breakbulk:`."""
    found = _BARE.fullmatch(message) if bare else _OURS.search(message)
    if found is None:
        return None
    words = found["words"].strip().removesuffix(": unknown").splitlines()[0]
    told, _, fix = words.partition("; fix: ")
    what, _, why = told.partition("; ")
    return Cause(identifier=found["identifier"], what=what, why=why or None, fix=fix or None)


def plain(message: str) -> str:
    """Return a message without what each layer on its way has put around it."""
    return _WRAPPING.sub("", message.strip()).removesuffix(": unknown")


def _found(table: Sequence[_Meaning], message: str) -> Cause | None:
    for meaning in table:
        if match := re.search(meaning.pattern, message):
            words = {name: value or "" for name, value in match.groupdict().items()}
            return Cause(
                identifier=meaning.identifier,
                what=_filled(meaning.what, words),
                why=plain(message) or None,
                fix=_filled(meaning.fix, words),
            )
    return None


def _certain(table: Sequence[_Meaning], message: str) -> Cause:
    found = _found(table, message)
    assert found, "the last pattern of such a table is found in everything"  # noqa: S101
    return found


def _filled(template: str, words: dict[str, str]) -> str:
    """Return a template with its names filled in, each by what a message said, which may hold braces itself."""
    return re.sub(r"\{(\w+)\}", lambda name: words.get(name[1], name[0]).strip(), template)


def _unknown(identifier: str, what: str, message: str) -> Cause:
    return Cause(identifier=identifier, what=what, why=plain(message) or None)
