"""What a user is told when a lock changes."""

from breakbulk.lock.differences import compare
from breakbulk.lock.model import Lock, LockedSystem, Package

SYSTEM = "x86_64-linux"


def package(
    name: str, version: str = "1", *, size: int = 10, licence: str | None = "MIT", why: tuple[str, ...] = ()
) -> Package:
    digest = (name + version).encode().hex().ljust(64, "0")[:64]
    return Package(
        ecosystem="pypi",
        name=name,
        version=version,
        file=f"{name}.whl",
        size=size,
        sha256=digest,
        purl="",
        license=licence,
        why=why,
    )


def lock(*packages: Package) -> Lock:
    return Lock(lock_version=1, manifest={}, systems={SYSTEM: LockedSystem(packages=packages)})


def test_added_removed_and_changed_are_told_apart() -> None:
    old = lock(package("stays"), package("goes", size=7), package("moves", "1", size=5))
    new = lock(package("stays"), package("comes", size=100), package("moves", "2", size=6))
    difference = compare(old, new, SYSTEM)
    assert [c.package.name for c in difference.added] == ["comes"]
    assert [c.package.name for c in difference.removed] == ["goes"]
    assert [(c.before.version, c.after.version) for c in difference.changed if c.before and c.after] == [("1", "2")]
    assert difference.unchanged == 1
    assert difference.size_bytes == 100 - 7 + 1
    assert difference.new_bytes == 106


def test_another_reason_is_no_difference() -> None:
    assert not compare(lock(package("a", why=("install.a",))), lock(package("a", why=("pypi:b",))), SYSTEM)


def test_a_first_lock_adds_everything() -> None:
    difference = compare(None, lock(package("a"), package("b", licence="GPL-3.0-only")), SYSTEM)
    assert len(difference.added) == 2
    assert difference.licences_added == ("GPL-3.0-only", "MIT")


def test_a_licence_that_some_package_had_is_not_new() -> None:
    assert compare(lock(package("a")), lock(package("a"), package("b")), SYSTEM).licences_added == ()


def test_a_changed_licence_is_seen() -> None:
    (change,) = compare(lock(package("a", "1")), lock(package("a", "2", licence="BUSL-1.1")), SYSTEM).changed
    assert change.licence_changed
