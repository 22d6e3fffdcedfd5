"""Objects that Breakbulk needs in a cluster, as plain values: runtime classes, the agent's account, its daemon set.

Pure: functions of their arguments, JSON in the end. The agent may read pods, and write of pods and of its own node what
`status` writes; RBAC cannot say "of its own node", so an admission policy does, by the node that the API server has put
into the agent's token (kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin). Counterpart: `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

__all__ = [
    "AGENT",
    "HANDLERS",
    "METRICS_PORT",
    "NAMESPACE",
    "READY_LABEL",
    "AgentDaemon",
    "agent_account",
    "agent_daemon_set",
    "agent_policy",
    "namespace",
    "runtime_classes",
]

Object = dict[str, Any]

AGENT = "breakbulk-agent"
NAMESPACE = "breakbulk-system"
HANDLERS = ("breakbulk", "flox")
"""Runtime handlers that containerd knows on our nodes, each with a runtime class of its name."""
METRICS_PORT = 9464
"""Of the agent, on the node's loopback interface."""
READY_LABEL = "breakbulk.dev/ready"
"""A node on which pods with environments can start; the agent sets it."""

_LABELS = {"app.kubernetes.io/name": "breakbulk", "app.kubernetes.io/component": "node-agent"}
_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"
_NODE_NAME = {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
"""A variable; commands refer to it as `$(NODE_NAME)`."""
_NODE_OF_TOKEN = "authentication.kubernetes.io/node-name"  # noqa: S105 - the name of a claim


class AgentDaemon(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon set of the agent depends on.

    Attributes:
        image: With Python and Breakbulk.
        command: Of the agent, words.
        install_command: Run to its end before the agent; none for nodes that are installed otherwise.
        install_directory: Of the node, where it has the same path below `/host`.
        host_directories: Shared with the node, at the same path: store, state, run.
        environment: Variables of the agent; secrets come by `secret`.
        secret: Whose keys become variables: credentials of the hub. Optional in the cluster.
        configuration: ConfigMap whose keys become files of `configuration_directory`. Optional in the cluster.
        configuration_directory: Where the agent looks for its configuration.
        capabilities: Kept by the agent, all others are dropped.
        node_selector: Nodes that get the agent.
        memory: Limit, as Kubernetes writes it.
        namespace: Of the daemon set.

    """

    image: str
    command: tuple[str, ...]
    install_command: tuple[str, ...] = ()
    install_directory: str = "/opt/breakbulk"
    host_directories: tuple[str, ...] = ("/var/lib/breakbulk", "/run/breakbulk")
    environment: Mapping[str, str] = {}
    secret: str = "breakbulk-hub"  # noqa: S105 - its name
    configuration: str = "breakbulk-configuration"
    configuration_directory: str = "/etc/breakbulk"
    capabilities: tuple[str, ...] = (
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "KILL",
        "SETFCAP",
        "SETGID",
        "SETUID",
        "SYS_ADMIN",
    )
    node_selector: Mapping[str, str] = msgspec.field(default_factory=lambda: {"kubernetes.io/os": "linux"})
    memory: str = "2Gi"
    namespace: str = NAMESPACE


def runtime_classes(handlers: Sequence[str] = HANDLERS, node_labels: Mapping[str, str] | None = None) -> list[Object]:
    """Return the runtime classes; their pods go to nodes with all `node_labels`, by default those that are ready."""
    selector = dict({READY_LABEL: "true"} if node_labels is None else node_labels)
    return [
        {
            "apiVersion": "node.k8s.io/v1",
            "kind": "RuntimeClass",
            "metadata": {"name": handler, "labels": {"app.kubernetes.io/name": "breakbulk"}},
            "handler": handler,
            **({"scheduling": {"nodeSelector": selector}} if selector else {}),
        }
        for handler in handlers
    ]


def namespace(name: str = NAMESPACE) -> Object:
    """Return the namespace of the agent, which needs what the stricter Pod Security standards refuse."""
    enforced = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**_LABELS, **enforced}}}


def agent_account(name: str = AGENT, in_namespace: str = NAMESPACE) -> list[Object]:
    """Return the agent's account and what it may do, no more than `reflector`, `events` and `status` ask for."""
    rules = [
        _rule("", ["pods"], ["get", "list", "watch"]),
        _rule("", ["pods/status", "nodes/status", "nodes"], ["patch"]),
        _rule("", ["nodes"], ["get"]),
        _rule("", ["events"], ["create", "patch"]),
    ]
    subject = {"kind": "ServiceAccount", "name": name, "namespace": in_namespace}
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": in_namespace, "labels": _LABELS},
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": _LABELS},
            "rules": rules,
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name, "labels": _LABELS},
            "subjects": [subject],
            "roleRef": role,
        },
    ]


def agent_policy(name: str = AGENT, in_namespace: str = NAMESPACE) -> list[Object]:
    """Return the admission policy that keeps each agent to its own node and its pods (Kubernetes 1.32 or newer)."""
    claimed = f"request.userInfo.extra[?'{_NODE_OF_TOKEN}'].orValue([''])[0]"
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE"],
                    "resources": ["nodes", "nodes/status", "pods/status"],
                }
            ]
        },
        "matchConditions": [
            {
                "name": "is-the-agent",
                "expression": f"request.userInfo.username == 'system:serviceaccount:{in_namespace}:{name}'",
            }
        ],
        "variables": [{"name": "node", "expression": claimed}],
        "validations": [
            {
                "expression": "request.resource.resource == 'nodes' ? object.metadata.name == variables.node"
                " : has(oldObject.spec.nodeName) && oldObject.spec.nodeName == variables.node",
                "message": "a node agent writes about its own node and the pods on it",
            }
        ],
    }
    return [
        {
            "apiVersion": f"{_ADMISSION}/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name, "labels": _LABELS},
            "spec": policy,
        },
        {
            "apiVersion": f"{_ADMISSION}/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name, "labels": _LABELS},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def agent_daemon_set(daemon: AgentDaemon, name: str = AGENT) -> Object:
    """Return the daemon set of the agent, on every node whatever its taints, restarted one node at a time."""
    selected = {"app.kubernetes.io/name": "breakbulk", "app.kubernetes.io/component": "node-agent"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": daemon.namespace, "labels": _LABELS},
        "spec": {
            "selector": {"matchLabels": selected},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": selected}, "spec": _agent_pod(daemon, name)},
        },
    }


def _agent_pod(daemon: AgentDaemon, account: str) -> Object:
    install = {
        "name": "install",
        "image": daemon.image,
        "command": list(daemon.install_command),
        "env": [_NODE_NAME],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "program", "mountPath": f"/host{daemon.install_directory}"}],
    }
    program = {"name": "program", "hostPath": _directory(daemon.install_directory)}
    volumes: list[Object] = [
        {"name": "configuration", "configMap": {"name": daemon.configuration, "optional": True}},
        *({"name": name, "hostPath": _directory(path)} for name, path in _shared(daemon)),
    ]
    return {
        "serviceAccountName": account,
        "priorityClassName": "system-node-critical",
        "nodeSelector": dict(daemon.node_selector),
        "tolerations": [{"operator": "Exists"}],
        "hostPID": True,  # what is mounted by whom is seen in the node's own processes
        "hostNetwork": True,  # environments come while the pod network does not work yet
        "dnsPolicy": "ClusterFirstWithHostNet",
        "terminationGracePeriodSeconds": 10,
        **({"initContainers": [install]} if daemon.install_command else {}),
        "containers": [_agent_container(daemon)],
        "volumes": [*volumes, *([program] if daemon.install_command else [])],
    }


def _agent_container(daemon: AgentDaemon) -> Object:
    return {
        "name": "agent",
        "image": daemon.image,
        "command": list(daemon.command),
        "env": [_NODE_NAME, *({"name": key, "value": value} for key, value in daemon.environment.items())],
        "envFrom": [{"secretRef": {"name": daemon.secret, "optional": True}}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": daemon.memory}},
        "securityContext": {
            "allowPrivilegeEscalation": True,  # capabilities of root need it
            "capabilities": {"drop": ["ALL"], "add": list(daemon.capabilities)},
            "appArmorProfile": {"type": "Unconfined"},  # it makes mounts
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "readinessProbe": {
            "httpGet": {"host": "127.0.0.1", "port": METRICS_PORT, "path": "/readyz"},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": daemon.configuration_directory, "readOnly": True},
            *({"name": name, "mountPath": path} for name, path in _shared(daemon)),
        ],
    }


def _directory(path: str) -> Object:
    return {"path": path, "type": "DirectoryOrCreate"}


def _shared(daemon: AgentDaemon) -> list[tuple[str, str]]:
    """Return what the agent shares with its node, each with the name of its volume."""
    return [(f"node-{number}", path) for number, path in enumerate(daemon.host_directories, 1)]


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str]) -> Object:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
