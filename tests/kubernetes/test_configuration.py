from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakbulk.errors import ClusterError
from breakbulk.kubernetes.configuration import Access, find_access, load

AccessTo = Callable[..., Access]


def _write(path: Path, name: str, server: str, current: str | None = None, **user: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user}],
    }
    path.write_text(yaml.safe_dump({**document, **({"current-context": current} if current else {})}))
    return path


def test_files_are_merged_and_the_first_of_a_name_decides(tmp_path: Path) -> None:
    one = _write(tmp_path / "one", "a", "https://one")
    two = _write(tmp_path / "two", "a", "https://two", current="b")
    three = _write(tmp_path / "three", "b", "https://three", current="a")
    access = find_access({"KUBECONFIG": f"{one}:{tmp_path}/missing:{two}:{three}"})
    assert load(access).cluster.server == "https://three"
    assert load(Access(files=access.files, context="a")).cluster.server == "https://one"


def test_a_named_file_goes_before_the_variable_and_that_before_the_home(tmp_path: Path) -> None:
    named = _write(tmp_path / "named", "a", "https://named", current="a")
    listed = _write(tmp_path / "listed", "a", "https://listed", current="a")
    home = _write(tmp_path / ".kube" / "config", "a", "https://home", current="a")
    variables = {"KUBECONFIG": str(listed), "HOME": str(tmp_path)}
    assert find_access(variables, kubeconfig=named).files == (named,)
    assert find_access(variables).files == (listed,)
    assert find_access({"HOME": str(tmp_path)}).files == (home,)


def test_paths_are_relative_to_their_own_file(tmp_path: Path) -> None:
    fields = {"client-certificate": "me.crt", "client-key": "/elsewhere/me.key"}
    _write(tmp_path / "a" / "config", "a", "https://a")
    other = _write(tmp_path / "b" / "config", "b", "https://b", current="b", **fields)
    user = load(Access(files=(tmp_path / "a" / "config", other))).user
    assert user.client_cert == str(tmp_path / "b" / "me.crt")
    assert user.client_key == "/elsewhere/me.key"


def test_a_pod_uses_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "namespace").write_text("team\n")
    variables = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443", "HOME": str(tmp_path)}
    found = load(find_access(variables, service_account=tmp_path))
    assert found.cluster.server == "https://[fd00::1]:6443"
    assert found.namespace == "team"
    assert found.user.token_file == str(tmp_path / "token")


def test_nothing_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        find_access({"HOME": str(tmp_path)}, service_account=tmp_path)
    assert caught.value.reference == "kubeconfig-invalid"
    assert "--kubeconfig" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [", "not YAML"),
        ("- a", "no table"),
        ("clusters: [{cluster: {}}]", "has no name"),
        ("", "no context is chosen"),
        ("current-context: x", "no context 'x'"),
        ("{current-context: x, contexts: [{name: x, context: {}}]}", "names no cluster"),
        ("{current-context: x, contexts: [{name: x, context: {cluster: c}}]}", "no cluster 'c'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(ClusterError, match=what) as caught:
        load(Access(files=(file,)))
    assert str(file) in (caught.value.where or "")


def test_what_the_client_cannot_do_is_refused_by_name(access_to: AccessTo) -> None:
    with pytest.raises(ClusterError, match="proxy-url"):
        load(access_to("https://a", cluster={"proxy-url": "socks5://b"}))
    with pytest.raises(ClusterError, match="auth-provider"):
        load(access_to("https://a", user={"auth-provider": {"name": "old"}}))
    with pytest.raises(ClusterError) as caught:
        load(access_to("https://a", cluster={"insecure-skip-tls-verify": "perhaps"}))
    assert caught.value.reference == "kubeconfig-invalid"
