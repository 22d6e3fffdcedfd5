from __future__ import annotations

import shlex

import pytest

from breakbulk.ecosystems.interface import Diversion
from breakbulk.store.base.additions import Additions
from breakbulk.store.base.diversions import add_diversions, diversions_of, parse_divert
from breakbulk.store.base.replay import replay

DIVERT = "dpkg-divert --package common --rename --divert /usr/bin/pg_config.libpq-dev --add /usr/bin/pg_config"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (DIVERT, ("common", Diversion("/usr/bin/pg_config", "/usr/bin/pg_config.libpq-dev"))),
        ("dpkg-divert --add /a", ("", Diversion("/a", "/a.distrib"))),
        ("dpkg-divert --divert=/b --no-rename /a", ("", Diversion("/a", "/b"))),
        ("dpkg-divert --package x --remove /a", None),
        ("dpkg-divert --list", None),
        ("dpkg-divert --truename /a", None),
    ],
)
def test_command_lines(line: str, expected: tuple[str, Diversion] | None) -> None:
    assert parse_divert(shlex.split(line)) == expected


def test_both_files_are_found_whichever_package_is_on_top(package, facts) -> None:
    common = package("common", {"usr/bin/pg_config": "ours"}, preinst=f'[ "$1" = install ] && {DIVERT}')
    development = package("libpq-dev", {"usr/bin/pg_config": "theirs"})
    for members in ((common, development), (development, common)):
        known = facts(*members)
        additions = Additions(known)
        add_diversions(known, replay(known, additions), additions)
        assert additions.get("usr/bin/pg_config.libpq-dev").content.read_text() == "theirs"
        own = additions.get("usr/bin/pg_config")
        assert (own.content.read_text() if own else known.text("/usr/bin/pg_config")) == "ours"
        assert additions.get("var/lib/dpkg/diversions").content.decode().splitlines()[2] == "common"


def test_the_conflict_check_learns_a_packages_diversions(package) -> None:
    member = package("common", preinst=DIVERT, postinst="if unknown; then dpkg-divert --add /maybe; fi")
    assert diversions_of("common", member.deb, member.tree) == (
        Diversion("/usr/bin/pg_config", "/usr/bin/pg_config.libpq-dev"),
    )
