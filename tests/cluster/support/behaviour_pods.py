"""The pods of the table of behaviours: each is made twice, of an environment and of an image of the same content.

Both have the same names, in a namespace each, so that little of what they say of themselves differs.
"""

from typing import Any

Object = dict[str, Any]

IMAGELESS, IMAGES = "imageless", "images"
NAMESPACES = (IMAGELESS, IMAGES)
MAIN, OTHER = "ada/behaviour", "ada/other"
_STUB = "docker.io/breakbulk/empty:1"
_UNPRIVILEGED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def image_of(environment: str) -> str:
    """Return the name under which an environment's image is on the node."""
    return f"localhost/{environment}:1"


def container(name: str, *args: str, environment: str = MAIN, **more: Any) -> Object:
    """Return a container that runs something in an environment, or in its image."""
    return {"name": name, "environment": environment, **({"args": ["observe", *args]} if args else {}), **more}


def mounted(**places: str | tuple[str, str]) -> list[Object]:
    """Return mounts of volumes: `name=PLACE`, or `name=(PLACE, PATH IN THE VOLUME)`."""
    return [
        {"name": name.replace("_", "-"), "mountPath": place}
        if isinstance(place, str)
        else {"name": name.replace("_", "-"), "mountPath": place[0], "subPath": place[1]}
        for name, place in places.items()
    ]


def pod(namespace: str, name: str, *containers: Object, **spec: Any) -> Object:
    """Return a pod, imageless or of images as its namespace is."""
    everyone = [*spec.get("initContainers", ()), *containers]
    annotations = {
        f"environment.breakbulk.dev/{one['name']}": one["environment"] for one in everyone if one["environment"] != MAIN
    }
    if namespace == IMAGELESS:
        spec = {"runtimeClassName": "breakbulk", **spec}
        annotations = {"breakbulk.dev/environment": MAIN, **annotations}
    if "initContainers" in spec:
        spec["initContainers"] = [_of_image(namespace, one) for one in spec["initContainers"]]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app": name},
            "annotations": annotations if namespace == IMAGELESS else {},
        },
        "spec": {
            "containers": [_of_image(namespace, one) for one in containers],
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            **spec,
        },
    }


def _of_image(namespace: str, container: Object) -> Object:
    environment = container["environment"]
    image = _STUB if namespace == IMAGELESS else image_of(environment)
    rest = {key: value for key, value in container.items() if key != "environment"}
    return {**rest, "image": image, "imagePullPolicy": "Never"}


def surroundings(namespace: str) -> list[Object]:
    """Return what the pods of a namespace refer to."""
    return [
        _object("Namespace", namespace, None),
        _object("ServiceAccount", "observer", namespace),
        _object("ConfigMap", "settings", namespace, data={"COLOUR": "blue", "file": "of a ConfigMap\n"}),
        _object("Secret", "secrets", namespace, stringData={"PASSWORD": "secret", "key": "of a Secret\n"}),
        _object(
            "Service",
            "life",
            namespace,
            spec={"selector": {"app": "life"}, "ports": [{"port": 8080}]},
        ),
    ]


def pods(namespace: str) -> list[Object]:
    """Return all pods of a namespace; those that take longest to their end first."""
    lasting = (_filling, _filling_directory, _life, _again, _crash)
    return [make(namespace) for make in (*lasting, _shots, _users, _user_namespace, _host, _shared)]


def static_pod(namespace: str) -> Object:
    """Return a pod that is a file of the node."""
    return pod(namespace, "static", container("main", "snapshot"))


def _object(kind: str, name: str, namespace: str | None, **more: Any) -> Object:
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **place}, **more}


def _filling(namespace: str) -> Object:
    limits = {"limits": {"ephemeral-storage": "20Mi"}}
    return pod(namespace, "filling", container("main", "fill", "/var/tmp", "40", resources=limits))


def _filling_directory(namespace: str) -> Object:
    main = container("main", "fill", "/room", "40", volumeMounts=mounted(room="/room"))
    return pod(namespace, "filling-directory", main, volumes=[{"name": "room", "emptyDir": {"sizeLimit": "20Mi"}}])


def _life(namespace: str) -> Object:
    """A pod that stays, for whoever wants to talk with it."""
    main = container(
        "main",
        "serve",
        stdin=True,
        ports=[{"name": "web", "containerPort": 8080}],
        env=[{"name": "GREETING", "value": "of the pod"}],
        startupProbe={"httpGet": {"path": "/started", "port": "web"}, "periodSeconds": 1, "failureThreshold": 120},
        readinessProbe={"tcpSocket": {"port": 8080}, "periodSeconds": 2, "timeoutSeconds": 10, "failureThreshold": 30},
        livenessProbe={
            "exec": {"command": ["sh", "-c", '[ "$GREETING" = "of the pod" ] && [ "$PLACE" = behaviour ]']},
            "periodSeconds": 5,
            "timeoutSeconds": 30,
        },
        lifecycle={
            "postStart": {"exec": {"command": ["sh", "-c", "echo started with $LANG > /shared/post-start"]}},
            "preStop": {"exec": {"command": ["sh", "-c", "echo before the end, $LANG > /proc/1/fd/1"]}},
        },
        resources={"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
        volumeMounts=mounted(shared="/shared"),
    )
    first = container("first", "leave", "0", "/shared/first", "of the first", volumeMounts=mounted(shared="/shared"))
    beside = container(
        "beside",
        "stay",
        restartPolicy="Always",
        startupProbe={
            "exec": {"command": ["test", "-e", "/shared/first"]},
            "periodSeconds": 1,
            "timeoutSeconds": 30,
            "failureThreshold": 60,
        },
        volumeMounts=mounted(shared="/shared"),
    )
    other = container("other", environment=OTHER)
    return pod(
        namespace,
        "life",
        main,
        other,
        initContainers=[first, beside],
        volumes=[{"name": "shared", "emptyDir": {}}],
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["alias.example", "other-alias.example"]}],
        dnsConfig={"searches": ["example.org"], "options": [{"name": "ndots", "value": "3"}]},
        hostname="named",
        subdomain="below",
        serviceAccountName="observer",
        terminationGracePeriodSeconds=60,
    )


def _again(namespace: str) -> Object:
    """A pod whose container fails once, and is started again with what it left in its volume."""
    main = container("main", "once", "/left/mark", volumeMounts=mounted(left="/left"))
    return pod(namespace, "again", main, restartPolicy="OnFailure", volumes=[{"name": "left", "emptyDir": {}}])


def _crash(namespace: str) -> Object:
    """Containers that are started again and again: one ends by itself, one is no longer alive."""
    dead = container(
        "dead",
        "stay",
        livenessProbe={
            "exec": {"command": ["sh", "-c", "echo not alive; exit 1"]},
            "periodSeconds": 1,
            "failureThreshold": 1,
            "timeoutSeconds": 30,
        },
    )
    return pod(namespace, "crash", container("main", "say", "5", "crashed"), dead, restartPolicy="Always")


def _shots(namespace: str) -> Object:
    """Containers that look around in a different way each, and end."""
    env = [
        {"name": "PLACE", "value": "the pod"},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "COLOUR"}}},
        {"name": "REFERS", "value": "to $(PLACE) and $(COLOUR)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "secrets", "key": "PASSWORD"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ]
    look = "snapshot"
    return pod(
        namespace,
        "shots",
        container("variables", look, env=env, resources={"limits": {"memory": "200Mi"}}),
        container(
            "from",
            look,
            envFrom=[{"configMapRef": {"name": "settings"}}, {"prefix": "S_", "secretRef": {"name": "secrets"}}],
        ),
        container("command", command=["observe", look], args=["of the pod"], environment=OTHER),
        container("default"),
        container("directory", look, workingDir="/usr/share"),
        container("read-only", look, securityContext={"readOnlyRootFilesystem": True}),
        container("unprivileged", look, securityContext=_UNPRIVILEGED),
        container(
            "capable",
            look,
            securityContext={"capabilities": {"add": ["NET_ADMIN"]}, "seccompProfile": {"type": "Unconfined"}},
        ),
        container("privileged", look, securityContext={"privileged": True}),
        container("terminal", look, tty=True, stdin=True),
        container("volumes", look, volumeMounts=_VOLUME_MOUNTS, env=[{"name": "COLOUR", "value": "green"}]),
        container("over", "tree", volumeMounts=_OVER_PACKAGES),
        container("operations", "operations"),
        container("reaches", "reaches"),
        container("status", "say", "3", "said"),
        container("message", "leave", "4", "/dev/termination-log", "last words"),
        container("place", "leave", "4", "/tmp/said", "last words elsewhere", terminationMessagePath="/tmp/said"),
        container("log", "say", "4", "last line", terminationMessagePolicy="FallbackToLogsOnError"),
        container("devours", "devour", resources={"limits": {"memory": "48Mi"}}),
        container("unknown", command=["nothing-of-this-name"], environment=OTHER),
        container("hooked-command", command=["observe", look]),
        container("hooked-unknown", command=["nothing-of-this-name"]),
        container("no-directory", look, workingDir="/etc/passwd", environment=OTHER),
        volumes=_VOLUMES,
        serviceAccountName="observer",
    )


_VOLUMES = [
    {"name": "room", "emptyDir": {}},
    {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    {"name": "settings", "configMap": {"name": "settings", "defaultMode": 0o640}},
    {"name": "secrets", "secret": {"secretName": "secrets"}},
    {"name": "pod", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    {"name": "node", "hostPath": {"path": "/proc/sys/kernel"}},
    {
        "name": "together",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"audience": "somebody", "expirationSeconds": 600, "path": "token"}},
                {"configMap": {"name": "settings", "items": [{"key": "file", "path": "deep/file"}]}},
            ]
        },
    },
]
_VOLUME_MOUNTS = [
    *mounted(
        room="/room", memory="/memory", settings="/settings", secrets="/secrets", pod="/pod", together="/together"
    ),
    {"name": "room", "mountPath": "/part", "subPath": "some/part"},
    {"name": "room", "mountPath": "/expanded", "subPathExpr": "$(COLOUR)"},
    {"name": "node", "mountPath": "/node", "readOnly": True},
]
_OVER_PACKAGES = [
    *mounted(room="/usr/share/python3"),
    *mounted(settings=("/etc/debian_version", "file")),
    *mounted(secrets=("/etc/observe-absent/key", "key")),
    *mounted(settings=("/etc/passwd", "file")),
]


def _users(namespace: str) -> Object:
    """Who runs what, by the pod and by its containers."""
    look, where = "snapshot", {"volumeMounts": mounted(room="/room", settings="/settings")}
    return pod(
        namespace,
        "users",
        container("pod", look, **where),
        container("own", look, securityContext={"runAsUser": 1234}, **where),
        container("known", look, securityContext={"runAsUser": 33}, **where),
        container("grouped", look, securityContext={"runAsUser": 33, "runAsGroup": 50}, **where),
        container("of-root", look, securityContext={"runAsUser": 33, "runAsGroup": 0}, **where),
        container("root", look, securityContext={"runAsUser": 0}, **where),
        container("member", look, securityContext={"runAsUser": 4321}, **where),
        container(
            "tree",
            command=["sh", "-c", "id; touch /room/made; stat -c '%A %u %g %n' /room /room/made /settings/file"],
            **where,
        ),
        securityContext={"runAsUser": 1000, "fsGroup": 2000, "supplementalGroups": [3000]},
        volumes=_VOLUMES,
    )


def _user_namespace(namespace: str) -> Object:
    look = "snapshot"
    return pod(
        namespace,
        "user-namespace",
        container("root", look, volumeMounts=_VOLUME_MOUNTS, env=[{"name": "COLOUR", "value": "green"}]),
        container("user", look, securityContext={"runAsUser": 33}, volumeMounts=mounted(room="/room")),
        container("tree", "tree"),
        container("operations", "operations"),
        hostUsers=False,
        securityContext={"fsGroup": 2000},
        volumes=[one for one in _VOLUMES if one["name"] != "node"] + [{"name": "node", "emptyDir": {}}],
    )


def _host(namespace: str) -> Object:
    return pod(namespace, "host", container("main", "snapshot"), hostNetwork=True, hostPID=True, hostIPC=True)


def _shared(namespace: str) -> Object:
    """Two containers that see each other's processes."""
    return pod(namespace, "shared", container("one", "stay"), container("two", "stay"), shareProcessNamespace=True)
