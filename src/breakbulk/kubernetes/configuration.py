"""Which API server is asked, and as whom: kubeconfig files with a context, or the service account of a pod.

Guarantees: files are found and merged as kubectl does it (kubernetes.io/docs/concepts/configuration/
organize-cluster-access-kubeconfig): of one name the first file decides, relative paths are relative to their file. What
the client cannot do is refused by name instead of left out. lightkube has the models and makes TLS and credentials of
them (`connection`); merging, relative paths of several files and current exec plugins are what it lacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from breakbulk.errors import ClusterError

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

__all__ = ["SERVICE_ACCOUNT", "Access", "Chosen", "choose", "find_access", "load"]

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, CA and namespace."""

_EXEC_API = "client.authentication.k8s.io/v1"
_EXEC_API_OF_LIGHTKUBE = "client.authentication.k8s.io/v1beta1"  # the answer has the same form
_PATHS = {
    "cluster": ("certificate-authority",),
    "user": ("client-certificate", "client-key", "tokenFile"),
}
_UNSUPPORTED = {"cluster": ("proxy-url", "tls-server-name"), "user": ("auth-provider", "as", "as-groups", "as-uid")}
_INVALID = "kubeconfig-invalid"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look for a cluster and credentials.

    Attributes:
        files: Kubeconfig files, the first of a name decides; empty for the service account of this pod.
        context: Of the files, None for the current one.
        server: Of the API server, for a service account.
        service_account: Directory with token, CA and namespace.

    """

    files: tuple[Path, ...] = ()
    context: str | None = None
    server: str = ""
    service_account: Path = SERVICE_ACCOUNT

    @property
    def where(self) -> str:
        """The place to look at when something is wrong."""
        if not self.files:
            return str(self.service_account)
        return ", ".join(map(str, self.files)) + (f", context {self.context}" if self.context else "")


def find_access(
    environment: Mapping[str, str],
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    service_account: Path = SERVICE_ACCOUNT,
) -> Access:
    """Return where to look: a named file, `KUBECONFIG`, `~/.kube/config`, then the service account of this pod.

    Raises:
        ClusterError: `kubeconfig-invalid` when there is nothing of all these.

    """
    files = (kubeconfig,) if kubeconfig else tuple(_existing(environment))
    if files:
        return Access(files=files, context=context)
    host = environment.get("KUBERNETES_SERVICE_HOST")
    if host and (service_account / "token").exists():
        name = f"[{host}]" if ":" in host else host
        server = f"https://{name}:{environment.get('KUBERNETES_SERVICE_PORT', '443')}"
        return Access(server=server, service_account=service_account)
    raise ClusterError(
        "there is no kubeconfig, so nothing says which cluster is meant",
        identifier=_INVALID,
        where=environment.get("KUBECONFIG") or "~/.kube/config",
        hint="give --kubeconfig FILE, set KUBECONFIG, or make a cluster: `breakbulk cluster up`",
    )


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """A context and what it names, as the files have them, with absolute paths."""

    name: str
    context: dict[str, Any]
    cluster: dict[str, Any]
    user: dict[str, Any]


def load(access: Access) -> SingleConfig:
    """Return the cluster and the credentials; raise `ClusterError`: `kubeconfig-invalid`."""
    return _usable(access, choose(access)) if access.files else _of_service_account(access)


def choose(access: Access) -> Chosen:
    """Return what the files say of the context; raise `ClusterError`: `kubeconfig-invalid`."""
    entries: dict[str, dict[str, Any]] = {"cluster": {}, "user": {}, "context": {}}
    current = access.context
    for file in access.files:
        document = _read(file)
        current = current or _text(document.get("current-context"))
        for kind, known in entries.items():
            for name, value in _named(document, kind, file).items():
                known.setdefault(name, value)
    context = _entry(access, entries, "context", current)
    cluster = _entry(access, entries, "cluster", context.get("cluster"))
    user = _entry(access, entries, "user", context["user"]) if context.get("user") else {}
    return Chosen(name=current or "", context=context, cluster=cluster, user=user)


def _existing(environment: Mapping[str, str]) -> Iterable[Path]:
    if listed := environment.get("KUBECONFIG"):
        candidates = [Path(part) for part in listed.split(":") if part]
    else:
        candidates = [Path(environment.get("HOME", "/nonexistent")) / ".kube" / "config"]
    return [path for path in candidates if path.exists()]


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(
            "a kubeconfig cannot be read", str(file), getattr(error, "strerror", None) or str(error)
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise _invalid("a kubeconfig is not YAML", where, getattr(error, "problem", None)) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise _invalid("a kubeconfig is no table of keys", str(file))
    return document


def _named(document: Mapping[str, Any], kind: str, file: Path) -> dict[str, dict[str, Any]]:
    """Return the entries of `clusters`, `users` or `contexts` by name, with paths made absolute."""
    found: dict[str, dict[str, Any]] = {}
    for entry in document.get(f"{kind}s") or ():
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise _invalid(f"an entry of `{kind}s` has no name", str(file))
        value = entry.get(kind) or {}
        if not isinstance(value, dict):
            raise _invalid(f"{kind} {entry['name']!r} is no table of keys", str(file))
        found.setdefault(entry["name"], _absolute(value, kind, file))
    return found


def _absolute(value: Mapping[str, Any], kind: str, file: Path) -> dict[str, Any]:
    paths = {key: str(file.absolute().parent / value[key]) for key in _PATHS.get(kind, ()) if value.get(key)}
    return {**value, **paths}


def _usable(access: Access, chosen: Chosen) -> SingleConfig:
    from lightkube.config.kubeconfig import SingleConfig
    from lightkube.config.models import Cluster, Context, User

    for kind, value in (("cluster", chosen.cluster), ("user", chosen.user)):
        for key in _UNSUPPORTED[kind]:
            if value.get(key):
                raise _invalid(f"`{key}` of a kubeconfig is not supported", access.where)
    try:
        return SingleConfig(
            context_name=chosen.name,
            context=msgspec.convert(chosen.context, Context),
            cluster=msgspec.convert(chosen.cluster, Cluster),
            user=msgspec.convert(_with_current_plugin(chosen.user), User),
        )
    except msgspec.ValidationError as error:
        raise _invalid("a kubeconfig has a value of the wrong kind", access.where, str(error)) from error


def _entry(access: Access, entries: Mapping[str, Mapping[str, Any]], kind: str, name: str | None) -> dict[str, Any]:
    if not name:
        what = "no context is chosen" if kind == "context" else f"the context names no {kind}"
        raise _invalid(what, access.where, hint=f"give --context: {_listed(entries['context'])}")
    if name not in entries[kind]:
        raise _invalid(f"there is no {kind} {name!r}", access.where, hint=f"known: {_listed(entries[kind])}")
    found: dict[str, Any] = entries[kind][name]
    return found


def _with_current_plugin(user: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user such that an exec plugin of the current API version is called, and told what it may do.

    The form of the question: kubernetes.io/docs/reference/access-authn-authz/authentication, "input and output
    formats".
    """
    plugin = user.get("exec")
    if not isinstance(plugin, dict) or plugin.get("apiVersion") not in {_EXEC_API, _EXEC_API_OF_LIGHTKUBE}:
        return dict(user)
    question = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    told = {"name": "KUBERNETES_EXEC_INFO", "value": msgspec.json.encode(question).decode()}
    environment = [*(plugin.get("env") or ()), told]
    return {**user, "exec": {**plugin, "apiVersion": _EXEC_API_OF_LIGHTKUBE, "env": environment}}


def _of_service_account(access: Access) -> SingleConfig:
    from lightkube.config.kubeconfig import SingleConfig
    from lightkube.config.models import Cluster, Context, User

    directory = access.service_account
    try:
        namespace = (directory / "namespace").read_text().strip()
    except OSError as error:
        raise _invalid("the service account of this pod cannot be read", str(directory), error.strerror) from error
    return SingleConfig(
        context_name="in-cluster",
        context=Context(cluster="in-cluster", user="in-cluster", namespace=namespace),
        cluster=Cluster(server=access.server, certificate_auth=str(directory / "ca.crt")),
        user=User(token_file=str(directory / "token")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _listed(names: Iterable[str]) -> str:
    known: Sequence[str] = sorted(names)
    return ", ".join(known[:10]) if known else "none"


def _invalid(what: str, where: str, why: str | None = None, hint: str | None = None) -> ClusterError:
    return ClusterError(
        what, identifier=_INVALID, where=where, why=why, hint=hint or "compare it with `kubectl config view`"
    )
