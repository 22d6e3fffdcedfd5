from collections.abc import Callable
from pathlib import Path
from typing import Any

from breakbulk.store.layout import Layout

Call = Callable[..., Any]


def test_the_path_needs_no_environment(call: Call, tmp_path: Path) -> None:
    assert call("store", "path").out == f"{tmp_path / 'store'}\n"
    assert call("store", "path", "--json").document == {"path": str(tmp_path / "store")}


def test_the_path_of_a_package_is_that_of_its_tree(call: Call, locked: Call, package: Call, tmp_path: Path) -> None:
    jq = package("jq", why=("install.jq",))
    locked('[install]\njq.deb = "jq"\n', jq)
    assert call("store", "path", "jq", "--json").document["error"] == "package-not-realised"
    tree = Layout(tmp_path / "store").tree(jq)
    tree.mkdir(parents=True)
    assert call("store", "path", "jq").out == f"{tree}\n"
    assert call("store", "path", "git", "--json").document["error"] == "package-not-locked"


def test_a_store_that_was_never_used_is_empty(call: Call) -> None:
    assert call("store", "list").out == "the store is empty\n"
    document = call("store", "stats", "--json").document
    assert (document["packages"], document["size_bytes"]) == (0, 0)
    assert document["free_bytes"] > 0
