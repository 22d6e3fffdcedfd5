"""What `options.allow` lets into a lock."""

import pytest

from breakbulk.errors import ResolutionError
from breakbulk.lock.licences import is_allowed, refuse_licences
from breakbulk.lock.model import Lock, LockedSystem, Package
from breakbulk.manifest.schema import Allow


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("mit", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("(MIT)", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("BSD License", True),
        ("A licence of our own", False),
        ("", False),
        (None, False),
    ],
)
def test_expressions_hold_or_not(licence, allowed) -> None:
    assert is_allowed(licence, ("MIT", "Apache-2.0", "BSD License")) is allowed


def lock(**licences: str | None) -> Lock:
    packages = tuple(
        Package(ecosystem="pypi", name=name, version="1", file="f", size=1, sha256="a" * 64, purl="", license=licence)
        for name, licence in licences.items()
    )
    return Lock(lock_version=1, manifest={}, systems={"x86_64-linux": LockedSystem(packages=packages)})


def test_without_a_list_everything_is_allowed() -> None:
    refuse_licences(lock(a=None), None)
    refuse_licences(lock(a=None), Allow(unfree=True))


def test_the_packages_are_named_with_their_licences() -> None:
    with pytest.raises(ResolutionError) as refused:
        refuse_licences(lock(good="MIT", bad="BUSL-1.1", silent=None), Allow(licenses=("MIT",)))
    assert refused.value.reference == "licence-refused"
    assert refused.value.why == "pypi:bad (BUSL-1.1), pypi:silent (unknown)"


def test_unfree_packages_are_refused_when_they_are_not_wanted() -> None:
    with pytest.raises(ResolutionError):
        refuse_licences(lock(firmware="LicenseRef-debian-non-free-firmware"), Allow(unfree=False))
    refuse_licences(lock(tool="LicenseRef-debian-main"), Allow(unfree=False))
