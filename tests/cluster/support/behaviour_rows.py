"""The table of behaviours: what is asked of a pod of an environment and of one of an image, and must be the same.

A row also says what the answer has to be, so that two pods that both fail do not pass. `page` is the table for users.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import behaviour_talking as talking
from behaviour import DEADLINE_S, Side, conditions, same, status_of

Ask = Callable[[Side], Any]


@dataclass(frozen=True)
class Row:
    """One behaviour.

    Attributes:
        group: Heading in the table.
        title: What behaves alike.
        ask: Returns what one of the pods says.
        holds: Says whether that is what Kubernetes promises.

    """

    group: str
    title: str
    ask: Ask
    holds: Callable[[Any], Any]

    def __str__(self) -> str:
        return f"{self.group}: {self.title}"


@dataclass(frozen=True)
class Difference:
    """One behaviour that is not the same, on purpose.

    Attributes:
        title: What differs.
        ask: Returns what one of the pods says.
        imageless: What a pod of an environment says.
        images: What a pod of an image says.
        words: Both, for users.

    """

    title: str
    ask: Ask
    imageless: Any
    images: Any
    words: tuple[str, str]

    def __str__(self) -> str:
        return self.title


def found(pod: str, container: str, *sections: str) -> Ask:
    """Ask what the observer of a container has found: all of it, or some sections."""

    def ask(side: Side) -> Any:
        everything = side.found(pod, container)
        return {name: everything[name] for name in sections or everything}

    return ask


def shot(container: str, *sections: str) -> Ask:
    """Ask the same of one of the containers that look around in a different way each."""
    return found("shots", container, *sections)


def ended(container: str) -> Ask:
    """Ask how one of them has ended."""
    return lambda side: side.ended("shots", container)


def executing(*command: str, options: tuple[str, ...] = (), stdin: str | None = None) -> Ask:
    """Ask what `kubectl exec` does with a command."""
    return lambda side: talking.executed(side, *command, options=options, input=stdin)


def has(**wanted: Any) -> Callable[[Any], bool]:
    """Say that an answer has these entries, or in one of its sections."""

    def holds(answer: Any) -> bool:
        tables = [answer, *(one for one in answer.values() if isinstance(one, dict))]
        return any({name: table.get(name) for name in wanted} == wanted for table in tables)

    return holds


def _looks_ready(side: Side) -> Any:
    return sorted(conditions(side.ready("life")))


def _containers(side: Side) -> Any:
    pod = side.ready("life")
    first, other = status_of(pod, "first")["state"]["terminated"], status_of(pod, "other")
    said = talking.executed(side, "sh", "-c", "cat /shared/first /shared/post-start", options=("-c", "main"))
    return {
        "first": first["reason"],
        "said": said["out"],
        "other": other["ready"],
        "greeting": talking.executed(side, "sh", "-c", "echo $GREETING", options=("-c", "other"))["out"],
        "beside": talking.executed(side, "sh", "-c", "echo $GREETING", options=("-c", "beside"))["out"],
    }


def _restarted(side: Side) -> Any:
    """Return how containers that are started again and again came to their last end."""
    both = ("main", "dead")
    pod = side.until("crash", lambda pod: all(status_of(pod, one).get("restartCount", 0) >= 1 for one in both))
    last = {one: status_of(pod, one)["lastState"]["terminated"] for one in both}
    return {one: [state["exitCode"], state["reason"]] for one, state in last.items()}


def _failing_probe(side: Side) -> Any:
    """Return what the events say of a probe that fails."""

    def look() -> list[str]:
        where = ("get", "events", "--field-selector=involvedObject.name=crash", "-o", "json")
        events = json.loads(side.kubectl(*where))["items"]
        found = {f"{one['reason']}: {one['message'].strip()}" for one in events if one["reason"] in _OF_PROBES}
        return sorted(found) if len(found) >= len(_OF_PROBES) else []

    return side.cluster.wait_for(look, timeout_s=DEADLINE_S, what="events of a failing probe")


_OF_PROBES = {"Unhealthy", "Killing"}


def _tried_again(side: Side) -> Any:
    pod = side.until("again", lambda pod: pod["status"]["phase"] == "Succeeded")
    return {"restarts": status_of(pod, "main")["restartCount"]}


def _phase(side: Side) -> Any:
    return side.until("shots", lambda pod: pod["status"]["phase"] in {"Failed", "Succeeded"})["status"]["phase"]


def _evicted(name: str) -> Ask:
    def ask(side: Side) -> Any:
        status = side.until(name, lambda pod: pod["status"]["phase"] == "Failed")["status"]
        return {"reason": status.get("reason"), "message": same(status.get("message", ""))}

    return ask


def _of_host(side: Side) -> Any:
    seen = side.found("host", "main")
    return {
        "kubelet": any("kubelet" in one for one in seen["processes"]),
        "pod network": "cni0" in seen["interfaces"],
        **{name: seen[name] for name in ("pid", "user", "hosts", "resolver", "names", "capabilities")},
    }


def _mounts(container: str, *places: str) -> Ask:
    return lambda side: {
        one.split()[0]: one for one in side.found("shots", container)["mounts"] if one.split()[0] in places
    }


def _tree(pod: str, container: str) -> Ask:
    """Ask for every file that is an environment's: not those of its image's hook, and not those that kubelet makes."""

    def ask(side: Side) -> Any:
        tree = side.found(pod, container)
        return {
            path: line
            for path, line in tree.items()
            if not path.startswith("/usr/lib/breakbulk")
            if path not in _KUBELETS
        }

    return ask


def _over(side: Side) -> Any:
    """Return what is at the places of packages where volumes are, without times."""
    tree = side.found("shots", "over")
    places = {path: line.split() for path, line in tree.items() if path.startswith(tuple(_OVER))}
    return {path: [words[0], *words[1:4], words[-1]] for path, words in places.items()}


_OVER = ("/usr/share/python3", "/etc/debian_version", "/etc/observe-absent", "/etc/passwd")
_KUBELETS = {
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/debian_version",
    "/etc/passwd",
    "/etc/observe-absent/key",
}
_HOOKED = {"FROM_HOOK": "hook of behaviour"}


def _of_group(group: str, *rows: tuple[str, Ask, Callable[[Any], Any]]) -> list[Row]:
    return [Row(group, *row) for row in rows]


ROWS = (
    *_of_group(
        "Content",
        (
            "every file: kind, mode, owners, size, time, content, target, attributes",
            _tree("user-namespace", "tree"),
            lambda tree: len(tree) > 3000,
        ),
        (
            "changes to packages' files: append, rename, exchange, link, lock, modes, owners, sockets, devices",
            shot("operations"),
            has(append="first of the package\nmore"),
        ),
        (
            "`emptyDir` over a directory of a package, ConfigMap and Secret over its files by `subPath`",
            _over,
            lambda over: "/usr/share/python3/runtime.d" not in over and over["/etc/passwd"][0] == "-rw-r-----",
        ),
        ("the rest of the files beside such volumes", _tree("shots", "over"), lambda tree: len(tree) > 3000),
        (
            "read-only root: `readOnlyRootFilesystem`",
            shot("read-only", "writes", "mounts"),
            lambda seen: seen["writes"]["/etc"] == "EROFS" and seen["writes"]["/dev/shm"] == "written",
        ),
        ("bytes in the root, as kubelet counts them", talking.used, lambda size: size == 12),
    ),
    *_of_group(
        "Process",
        (
            "variables: `env` over the environment's `vars`, of ConfigMap, Secret, pod, limits",
            shot("variables", "variables"),
            has(
                GREETING="hello behaviour",
                PLACE="the pod",
                REFERS="to the pod and blue",
                PASSWORD="secret",
                MEMORY="209715200",
                FROM_HOOK="hook of the pod",
            ),
        ),
        (
            "`envFrom` of ConfigMap and Secret",
            shot("from", "variables"),
            has(COLOUR="blue", S_PASSWORD="secret", PLACE="behaviour", FROM_HOOK="hook of behaviour"),
        ),
        (
            "neither `command` nor `args`: the environment's own command and directory",
            shot("default", "arguments", "directory"),
            has(arguments=["snapshot", "by-default"], directory="/srv"),
        ),
        ("`command` with `args`", shot("command"), has(arguments=["snapshot", "of the pod"])),
        ("`workingDir`", shot("directory"), has(directory="/usr/share")),
        ("limits, signals, open files, `oom_score_adj`, process 1", shot("from"), has(pid=1)),
        ("`tty` and `stdin`", shot("terminal"), has(terminal=[True, True, True])),
        ("a command that is not there: error, exit code", ended("unknown"), has(exitCode="128", reason="StartError")),
        ("a working directory that is none", ended("no-directory"), has(exitCode="128", reason="StartError")),
    ),
    *_of_group(
        "Users and rights",
        (
            "`runAsUser`, `fsGroup`, `supplementalGroups` of the pod; owners in volumes",
            found("users", "pod"),
            has(user=1000, group=0, groups=[0, 2000, 3000]),
        ),
        ("`runAsUser` of the container", found("users", "own"), has(user=1234)),
        ("a user of `/etc/passwd`: its group", found("users", "known"), has(user=33, group=33)),
        (
            "a user of `/etc/passwd`: the groups that it is a member of",
            found("users", "member"),
            has(user=4321, groups=[29, 2000, 3000, 4321]),
        ),
        ("`runAsGroup`", found("users", "grouped"), has(user=33, group=50)),
        ("`runAsGroup: 0`", found("users", "of-root"), has(user=33, group=0)),
        ("root in a pod of another user", found("users", "root"), has(user=0)),
        (
            "writing to a volume of `fsGroup`",
            lambda side: side.log("users", "tree"),
            lambda text: "2000 /room/made" in text,
        ),
        (
            "user namespace (`hostUsers: false`) with volumes of all kinds",
            found("user-namespace", "root"),
            has(mapping=[["0", "65536", "another"]] * 2),
        ),
        ("user namespace and `runAsUser`", found("user-namespace", "user"), has(user=33, group=33)),
        (
            "user namespace: changes to packages' files",
            found("user-namespace", "operations"),
            has(append="first of the package\nmore"),
        ),
        (
            "`runAsNonRoot`, `drop: [ALL]`, `allowPrivilegeEscalation: false`, seccomp `RuntimeDefault`",
            shot("unprivileged"),
            lambda seen: seen["capabilities"]["CapBnd"] == ["0" * 16] and seen["restrictions"]["Seccomp"] == ["2"],
        ),
        ("`add: [NET_ADMIN]`, seccomp `Unconfined`", shot("capable"), has(Seccomp=["0"])),
        ("`privileged`", shot("privileged"), lambda seen: "/dev/kmsg" in seen["devices"]),
    ),
    *_of_group(
        "Volumes",
        (
            "`emptyDir` on disk and in memory, `hostPath`, ConfigMap, Secret, downward API, projected",
            shot("volumes"),
            lambda seen: (
                sum(
                    place in str(seen["mounts"])
                    for place in ("/room ", "/memory tmpfs", "/node ", "/settings ", "/pod ", "/together ")
                )
                == 6
            ),
        ),
        ("`subPath`, `subPathExpr`", _mounts("volumes", "/part", "/expanded"), lambda mounts: len(mounts) == 2),
        (
            "token of the service account, and one of `serviceAccountToken`",
            _mounts(
                "volumes",
                "/together",
                "/run/secrets/kubernetes.io/serviceaccount",
                "/var/run/secrets/kubernetes.io/serviceaccount",
            ),
            lambda mounts: len(mounts) == 2,
        ),
    ),
    *_of_group(
        "Network and names",
        (
            "DNS of services, a Service in front of the pod, the API server by the pod's own token",
            shot("reaches"),
            has(service="page /\n"),
        ),
        (
            "`/etc/hosts`, `/etc/resolv.conf`, `hostAliases`, `dnsConfig`, `hostname`",
            lambda side: {name: talking.looked(side)[name] for name in ("hosts", "resolver", "names")},
            lambda seen: (
                "alias.example" in seen["hosts"] and "ndots:3" in seen["resolver"] and "named.below" in seen["hosts"]
            ),
        ),
        ("`hostNetwork`, `hostPID`, `hostIPC`", _of_host, has(kubelet=True)),
        (
            "`shareProcessNamespace`",
            talking.looked_beside,
            lambda processes: sum("observe stay" in one for one in processes) == 2,
        ),
    ),
    *_of_group(
        "Life",
        (
            "startup, readiness and liveness probes: HTTP, TCP, exec",
            _looks_ready,
            lambda seen: ("Ready", "True") in seen,
        ),
        (
            "a liveness probe that fails: events, restart",
            _failing_probe,
            lambda said: any("not alive" in one for one in said),
        ),
        (
            "init container, native sidecar with a probe, `postStart`, an environment per container",
            _containers,
            has(first="Completed", greeting="hello other\n", beside="hello behaviour\n"),
        ),
        ("`restartPolicy: Always`: exit codes, restarts", _restarted, has(main=[5, "Error"])),
        ("`restartPolicy: OnFailure`: again, with the same volume", _tried_again, has(restarts=1)),
        ("`restartPolicy: Never`: phase", _phase, lambda phase: phase == "Failed"),
        (
            "a static pod: a file of the node",
            lambda side: side.found(f"static-{side.cluster.name}-1", "main"),
            has(GREETING="hello behaviour", FROM_HOOK="hook of behaviour"),
        ),
        ("exit codes", ended("status"), has(exitCode="3", reason="Error")),
        ("`kubectl logs`", lambda side: side.log("shots", "status"), lambda text: text == "said\n"),
        ("`/dev/termination-log`", ended("message"), has(message="last words")),
        ("`terminationMessagePath`", ended("place"), has(message="last words elsewhere")),
        ("`FallbackToLogsOnError`", ended("log"), has(message="last line\n")),
        ("more memory than `limits.memory`", ended("devours"), has(exitCode="137", reason="OOMKilled")),
        ("more disk than `limits.ephemeral-storage`, written to the root", _evicted("filling"), has(reason="Evicted")),
        ("more than `sizeLimit` of `emptyDir`", _evicted("filling-directory"), has(reason="Evicted")),
    ),
    *_of_group(
        "kubectl",
        (
            "`exec`: variables, user, directory, rights, mounts, open files",
            lambda side: {
                name: value for name, value in talking.looked(side).items() if name not in {"processes", "variables"}
            },
            has(pid="other", directory="/srv"),
        ),
        (
            "`exec`: the variables",
            lambda side: {
                name: value for name, value in talking.looked(side)["variables"].items() if name not in _HOOKED
            },
            has(GREETING="of the pod", PLACE="behaviour"),
        ),
        ("`exec`: exit code", executing("sh", "-c", "exit 7"), has(code=7)),
        (
            "`exec`: a command that is not there",
            executing("nothing-of-this-name"),
            lambda said: said["code"] and "not found in $PATH" in said["err"],
        ),
        ("`exec -i`", executing("cat", options=("-i",), stdin="typed\n"), has(code=0, out="typed\n")),
        ("`exec -it`", talking.typed, has(code=0, lines=["heard words with of the pod"])),
        ("`cp`, both ways", talking.copied, has(same=True)),
        ("`attach -i`", talking.attached, lambda line: line == "heard a word"),
        ("`port-forward`", talking.forwarded, lambda page: page == "page /forwarded\n"),
        (
            "`debug`: a container of another image, `--target`",
            talking.debugged,
            lambda seen: any("observe serve" in one for one in seen["processes"]),
        ),
    ),
)

LAST = Row(
    "Life",
    "`preStop`, then SIGTERM to process 1",
    talking.last_words,
    lambda lines: lines == ["before the end, C.UTF-8", "ended by SIGTERM"],
)
"""After it there is nobody to ask any more."""

DIFFERENCES = (
    Difference(
        "what the hook has exported, in `kubectl exec` and probes",
        lambda side: talking.executed(side, "sh", "-c", "echo $FROM_HOOK")["out"].strip(),
        "hook of behaviour",
        "",
        ("is there", "is not: only the main process has it"),
    ),
    Difference(
        "the hook, where the pod sets `command`",
        lambda side: side.found("shots", "hooked-command")["variables"].get("FROM_HOOK"),
        "hook of behaviour",
        None,
        ("runs", "does not: `command` replaces the image's entrypoint"),
    ),
    Difference(
        "a command that is not there, where there is a hook",
        lambda side: [side.ended("shots", "hooked-unknown")[name] for name in ("exitCode", "reason")],
        ["127", "Error"],
        ["128", "StartError"],
        ("exit code 127, and a line in the log", "exit code 128, and an event"),
    ),
    Difference(
        "files of ours in the root",
        lambda side: "some" if "/usr/lib/breakbulk/entrypoint" in side.found("user-namespace", "tree") else "none",
        "none",
        "some",
        ("none", "`/usr/lib/breakbulk`, with hook and entrypoint"),
    ),
)


def page() -> str:
    """Return the table for users."""
    groups = dict.fromkeys(row.group for row in ROWS)
    lines = ["| | the same as with an image |", "| --- | --- |"]
    for group in groups:
        titles = [row.title for row in (*ROWS, LAST) if row.group == group]
        lines += [f"| {group if title == titles[0] else ''} | {title} |" for title in titles]
    differing = [f"| {one.title} | {one.words[0]} | {one.words[1]} |" for one in DIFFERENCES]
    lines += ["", "| differs | of an environment | of an image |", "| --- | --- | --- |", *differing]
    return "\n".join(lines) + "\n"
