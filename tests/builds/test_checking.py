"""Building twice: what is told of recipes that give other files each time."""

import gzip
import io
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.builds.checking import check
from breakbulk.builds.differences import compare_items, reason
from breakbulk.ecosystems.source.selection import Item

NOW = 1_790_000_000
MOMENTS = (NOW, NOW + 2.0)


def zipped(*members: tuple[str, bytes, int]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data, second in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, second)), data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (gzip.compress(b"x", mtime=NOW), gzip.compress(b"x", mtime=NOW + 2), "gzip"),
        (zipped(("a", b"1", 0)), zipped(("a", b"1", 2)), "times"),
        (zipped(("a", b"1", 0), ("b", b"2", 0)), zipped(("b", b"2", 0), ("a", b"1", 0)), "order"),
        (b"one\ntwo\n", b"two\none\n", "order"),
        (b"made at 12:01:07\n", b"made at 12:01:09\n", "time"),
        (f"t = {NOW}\n".encode(), f"t = {NOW + 3}\n".encode(), "time"),
        (b"\0\1\2\3" + NOW.to_bytes(4, "little"), b"\0\1\2\3" + (NOW + 2).to_bytes(4, "little"), "time"),
        (b"in /tmp/tmp.AbCdEfGh here\n", b"in /tmp/tmp.ZyXwVuTs here\n", "random"),
    ],
)
def test_a_reason_is_found(first, second, word):
    assert word in reason(first, second, moments_s=MOMENTS)


@pytest.mark.parametrize(("first", "second"), [(b"1\n", b"2\n"), (b"a b c\n", b"a\n"), (b"\x00\x01", b"\x7f\xff\xff")])
def test_where_nothing_is_clear_no_reason_is_made_up(first, second):
    assert reason(first, second, moments_s=MOMENTS) is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_two_files_can_be_compared(first, second):
    told = reason(first, second, moments_s=MOMENTS)
    assert told is None or told


def test_paths_that_differ_are_told_each_with_its_reason():
    first = (
        Item("a", "file", content="1"),
        Item("b", "link", content="x"),
        Item("c", "file", executable=True, content="3"),
    )
    second = (Item("b", "link", content="y"), Item("c", "file", content="3"), Item("d", "directory"))
    found = compare_items(first, second, str)
    assert [(each.path, each.reason) for each in found] == [
        ("a", "only the first build has it"),
        ("b", "it points to x in the first build, to y in the second"),
        ("c", "executable in one build only"),
        ("d", "only the second build has it"),
    ]


@pytest.mark.integration
def test_a_recipe_that_gives_the_same_bytes_is_reproducible(project, recipe, listener):
    text = """
[build.same]
command = '''
mkdir -p $out/lib/python3.11
printf 'x = 1\\n' > $out/lib/python3.11/module.py
python3 -m compileall -q $out
python3 -c "import sys; sys.path.insert(0, '$out/lib/python3.11'); import module"
ln $out/lib/python3.11/module.py $out/second
'''
"""
    ground = project(text)
    checked = check(recipe(ground), ground, listener)
    assert checked.reproducible
    assert checked.built.package.python == ground.locked.python.tag


@pytest.mark.integration
def test_a_recipe_that_does_not_is_told_with_its_files(project, recipe, listener):
    text = """
[build.other]
command = '''
mkdir $out
date +%H:%M:%S > $out/time
head -c 40 /dev/urandom > $out/random
echo same > $out/same
echo x | gzip > $out/x.gz
ls -U > $out/order
echo $BREAKBULK_JOBS > $out/jobs
'''
"""
    ground = project(text, {f"file{number}": "" for number in range(20)})
    began = time.monotonic()
    checked = check(recipe(ground), ground, listener)
    assert time.monotonic() - began >= 2
    told = {each.path: each.reason for each in checked.differences}
    assert {"time", "random", "jobs"} <= told.keys() <= {"time", "random", "jobs", "order"}
    assert "time of the build" in told["time"]
    assert told["random"] is None
