"""One small machine per test, with mirrors of its own: faults are made there and taken away again."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

import fault_content
from fault_world import World, serving

from breakbulk.store.removal import remove_tree


@pytest.fixture(scope="session")
def key() -> Any:
    """The key that the archive is signed with, and apt trusts."""
    return fault_content.new_key()


@pytest.fixture(scope="session")
def debs() -> dict[str, tuple[bytes, str]]:
    """The packages of the archive, each with its Depends."""
    return fault_content.debs()


@pytest.fixture(scope="session")
def files(key: Any, debs: dict[str, tuple[bytes, str]]) -> dict[str, bytes]:
    """Everything that the mirrors serve, by path."""
    return fault_content.signed_archive(debs, key) | fault_content.index_of(*fault_content.wheels())


@pytest.fixture
def world(files: dict[str, bytes], key: Any) -> Iterator[World]:
    """A machine on which nothing has been done yet; at the end nothing may be left on it."""
    root = Path(tempfile.mkdtemp(prefix="breakbulk-faults-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        with serving(files) as site:
            made = World(root, site, str(key.extract_certificate()))
            yield made
            made.assert_tidy()
    finally:
        remove_tree(root)
