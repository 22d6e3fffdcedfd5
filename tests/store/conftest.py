"""What the store's tests share: the tar ecosystem, a server of one's own, processes of their own, an ordinary user."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from breakbulk.store.removal import remove_tree


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that an ordinary user owns and reaches, which pytest's own is not when root runs it."""
    directory = Path(tempfile.mkdtemp(prefix="breakbulk-", dir="/var/tmp"))
    if os.geteuid() == 0:
        os.chown(directory, 65534, 65534)
    directory.chmod(0o755)
    yield directory
    remove_tree(directory)
