"""Archives made to escape: signed and locked as they are, refused when they are unpacked, and nothing is outside."""

from pathlib import Path
from typing import Any

import fault_content
import pytest
from fault_content import deb
from fault_world import World

OUTSIDE = Path("/var/tmp/breakbulk-faults-escaped")


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({f"../../../../../../../..{OUTSIDE}": b"x"}, "archive-path-escape"),
        ({str(OUTSIDE): b"x"}, "archive-path-escape"),
        (
            {"usr/share/door": "../../../../../../../../var/tmp", "usr/share/door/breakbulk-faults-escaped": b"x"},
            "archive-symlink-escape",
        ),
        ({"usr/share/a": b"1", "usr/share/a/b": b"2"}, "archive-name-collision"),
        ({"usr/share/\x01": b"x"}, "archive-name-invalid"),
    ],
    ids=["dots", "absolute", "through a link", "below a file", "control character"],
)
def test_a_debian_package(world: World, debs: Any, key: Any, members: dict[str, bytes | str], error: str) -> None:
    world.site.files |= fault_content.signed_archive({**debs, "words": (deb("words", members), "")}, key)
    world.manifest("deb:words", "deb:part1")
    world.document("lock")
    refused = world.fails("realise", error=error)
    assert "words_1.0" in refused["where"]
    assert not list((world.store / "packages").glob("*-words-*"))
    assert not OUTSIDE.exists()
    world.site.files |= fault_content.signed_archive(debs, key)
    world.lock.unlink()
    world.document("lock", "--upgrade")
    world.completes("words", "part1")


@pytest.mark.integration
def test_a_wheel(world: World, files: dict[str, bytes]) -> None:
    up = "../" * 12
    bad = fault_content.wheel("phrase", {"phrase.py": b"text = ''\n", f"{up}{OUTSIDE.relative_to('/')}": b"x"})
    world.site.files |= fault_content.index_of(bad)
    world.manifest("pypi:greeting")
    world.document("lock")
    refused = world.fails("realise", error="archive-path-escape")
    assert "phrase-1.0" in refused["where"]
    assert not OUTSIDE.exists()
    world.site.files |= files
    world.lock.unlink()
    world.completes("greeting", "phrase")
