"""A compiled index answers as the text would."""

import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from breakbulk.ecosystems.deb.index import Index, compile_index
from breakbulk.errors import IntegrityError, StoreError


@pytest.fixture
def index(tmp_path: Path, package: Callable[..., str]) -> Index:
    text = "\n".join(
        [
            package("web", "2", depends="lib (>= 1),\n other | third", description="serves pages\n to browsers"),
            package("lib", "1", provides="virtual (= 3), plain", essential="yes"),
            package("lib", "2", provides="plain"),
        ]
    )
    compile_index(text, tmp_path / "index", where="test")
    return Index(tmp_path / "index")


def test_finds_versions_and_providers(index: Index) -> None:
    with index:
        assert [stanza.version for stanza in index.stanzas("lib")] == ["1", "2"]
        assert index.stanzas("web")[0].depends == "lib (>= 1), other | third"
        assert index.providers("plain") == ["lib"]
        assert index.providers("virtual") == ["lib"]
        assert index.stanzas("absent") == []
        assert index.essential() == ["lib"]
        assert index.names() == ["lib", "plain", "virtual", "web"]


def test_ranks_are_the_order_in_which_names_are_met(index: Index) -> None:
    with index:
        ranks = [index.rank(name) for name in ("web", "lib", "other", "third", "virtual", "plain")]
        assert ranks == sorted(ranks, key=lambda rank: rank or 0)
        assert index.rank("absent") is None


def test_search_wants_every_word_and_prefers_names(index: Index) -> None:
    with index:
        assert index.search(("PAGES",), 5) == [("web", "2", "serves pages")]
        assert [name for name, _, _ in index.search(("lib",), 1)] == ["lib"]
        assert index.search(("pages", "absent"), 5) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, package: Callable[..., str]) -> None:
    """A limit on the size of files stands for the disk: the system refuses in the same place."""
    text = "\n".join(package(f"p{number}") for number in range(2000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, limits[1]))
    try:
        with pytest.raises(StoreError) as caught:
            compile_index(text, tmp_path / "index", where="test")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.reference == "cache-unwritable"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["Version", "Filename", "SHA256", "Size"])
def test_a_paragraph_without_a_needed_field_is_refused(
    tmp_path: Path, package: Callable[..., str], damage: str
) -> None:
    with pytest.raises(IntegrityError) as caught:
        compile_index(package("web").replace(f"{damage}:", "X:"), tmp_path / "index", where="test")
    assert caught.value.reference == "deb-index-invalid"
    assert list(tmp_path.iterdir()) == []
