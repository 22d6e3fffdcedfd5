"""Manifests and locks that are not what they should be."""

import hashlib
import json
from typing import Any

import pytest
from fault_world import World


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("[install\n", "manifest-syntax"),
        ("[instal]\nwords.deb = 'words'\n", "manifest-unknown-key"),
        ("[install]\nwords.deb = 5\n", "manifest-invalid"),
        ("[vars]\nA = '${B}'\nB = '${A}'\n", "vars-cycle"),
    ],
)
def test_a_manifest_that_is_none(world: World, wrong: str, error: str) -> None:
    (world.project / "breakbulk.toml").write_text(wrong)
    refused = world.fails("realise", error=error)
    assert "breakbulk.toml" in refused["where"]
    assert not world.lock.exists()
    world.manifest("deb:words")
    world.completes("words")


def change(world: World, *, digest: bool, **values: Any) -> None:
    """Edit what the lock says of `words`; with `digest` the lock's own is computed anew."""
    document = json.loads(world.lock.read_text())
    document.pop("digest")
    for system in document["systems"].values():
        for package in system["packages"]:
            if package["name"] == "words":
                package.update(values)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    found = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    world.lock.write_text(json.dumps({**document, "digest": found if digest else "sha256:" + "0" * 64}))


@pytest.fixture
def locked(world: World) -> World:
    """A machine with a lock."""
    world.manifest("deb:words")
    world.document("lock")
    return world


def test_a_lock_edited_by_hand_is_made_anew_as_it_was(locked: World) -> None:
    before = locked.lock.read_bytes()
    change(locked, digest=False, sha256="ab" * 32)
    assert "breakbulk lock" in locked.fails("realise", error="lock-edited")["hint"]
    assert not (locked.store / "packages").exists()
    locked.document("lock")
    assert locked.lock.read_bytes() == before
    locked.completes("words")


def test_a_lock_with_a_wrong_digest_of_a_package(locked: World) -> None:
    before = locked.lock.read_bytes()
    change(locked, digest=True, sha256="ab" * 32)
    refused = locked.fails("realise", error="digest-mismatch")
    assert "breakbulk lock --upgrade words" in refused["hint"]
    locked.document("lock", "--upgrade", "words")
    assert locked.lock.read_bytes() == before
    locked.completes("words")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (b'{"lock-version": 99}', "lock-newer"),
        (b"<<<<<<< ours\n{}", "lock-malformed"),
        (b"{", "lock-malformed"),
        (b"", "lock-malformed"),
    ],
)
def test_a_lock_that_is_none_stays_and_its_remedy_works(locked: World, wrong: bytes, error: str) -> None:
    before = locked.lock.read_bytes()
    locked.lock.write_bytes(wrong)
    for command in ("realise", "lock"):
        locked.fails(command, error=error)
        assert locked.lock.read_bytes() == wrong
    locked.lock.unlink()
    locked.document("lock")
    assert locked.lock.read_bytes() == before
    locked.completes("words")


def test_a_path_in_a_lock_that_leaves_the_archive(locked: World) -> None:
    before = locked.lock.read_bytes()
    change(locked, digest=True, file="../../../etc/passwd")
    locked.fails("realise", error="lock-malformed")
    locked.lock.write_bytes(before)
    locked.completes("words")
