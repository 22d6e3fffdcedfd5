import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.deb.merged_usr import MERGED, MergedUsr, merged

PLACEMENT = MergedUsr()


@pytest.mark.parametrize(
    ("member", "path"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("libexec/x", "libexec/x"),
        ("usr/bin/env", "usr/bin/env"),
        ("etc/bin/x", "etc/bin/x"),
        ("bin", None),
        ("lib64", None),
        ("", None),
    ],
)
def test_paths_are_below_usr_and_the_top_level_links_are_left_to_the_base_package(
    member: str, path: str | None
) -> None:
    assert PLACEMENT.path(member) == path


@pytest.mark.parametrize(
    ("member", "target", "adapted"),
    [
        ("lib64/ld.so", "../lib/x/ld.so", "../lib/x/ld.so"),
        ("bin/vi", "../usr/bin/vim", "vim"),
        ("sbin/init", "/lib/systemd/systemd", "/lib/systemd/systemd"),
        ("lib/x/libz.so", "../../usr/lib/x/libz.so.1", "libz.so.1"),
        ("bin/rbash", "bash", "bash"),
        ("lib/udev/rules", "../../etc/udev", "../../../etc/udev"),
        ("usr/lib/x/libz.so", "../../../lib/x/libz.so.1", "../../../lib/x/libz.so.1"),
    ],
)
def test_links_name_what_they_named(member: str, target: str, adapted: str) -> None:
    assert PLACEMENT.target(member, target) == adapted


PATHS = st.lists(st.sampled_from(["bin", "lib", "usr", "a", "b"]), min_size=2, max_size=5).map("/".join)


@given(link=PATHS, meant=PATHS)
def test_every_relative_link_that_moves_still_finds_its_file(link: str, meant: str) -> None:
    target = posixpath.relpath(f"/{meant}", f"/{posixpath.dirname(link)}")
    place = PLACEMENT.path(link)
    assert place is not None
    resolved = posixpath.normpath(f"/{posixpath.dirname(place)}/{PLACEMENT.target(link, target)}").lstrip("/")
    assert merged(resolved) == merged(meant)
    assert not set(MERGED) & {place.split("/")[0]}
