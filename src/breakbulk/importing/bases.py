"""What an image that others build on is here: a suite of Debian, a version of Python, packages that bring its program.

Only images whose program Debian has are known. Tags are read for the suite and the version they name; what cannot be
had is said in the note. Pure.
"""

from __future__ import annotations

import re

import msgspec

from breakbulk.importing.report import Fate

__all__ = ["PYTHON_OF_SUITE", "Base", "base_of", "suite_of_version", "suite_with_python"]

PYTHON_OF_SUITE = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13"}
_SUITE_OF_DEBIAN = {"11": "bullseye", "12": "bookworm", "13": "trixie", "stable": "trixie", "latest": "trixie"}
_SUITE_OF_UBUNTU = {"20.04": "bullseye", "22.04": "bookworm", "24.04": "trixie", "focal": "bullseye",
                    "jammy": "bookworm", "noble": "trixie", "latest": "trixie"}  # fmt: skip
"""The suite of about the same age."""
_PACKAGES = {
    "node": ("nodejs", "npm"), "golang": ("golang-go",), "rust": ("rustc", "cargo"), "nginx": ("nginx",),
    "redis": ("redis-server",), "postgres": ("postgresql",), "mariadb": ("mariadb-server",), "ruby": ("ruby",),
    "perl": ("perl",), "php": ("php-cli",), "openjdk": ("default-jdk-headless",), "httpd": ("apache2",),
    "eclipse-temurin": ("default-jdk-headless",), "memcached": ("memcached",), "haproxy": ("haproxy",),
    "gcc": ("gcc", "g++", "make"), "r-base": ("r-base-core",), "maven": ("maven",),
}  # fmt: skip
_REFERENCE = re.compile(
    r"(?:(?P<path>[^@\s]*)/)?(?P<name>[^/:@\s]+)(?::(?P<tag>[^@\s]+))?(?:@(?P<digest>\S+))?", re.DOTALL
)
_PYTHON = re.compile(r"3\.\d{1,2}(?=\.|-|$)")


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for an image.

    Attributes:
        fate: Whether that is the same.
        suite: Of Debian; None leaves it to the default.
        python: Whether the image brings Python.
        packages: Of Debian.
        note: What to tell the user.

    """

    fate: Fate
    suite: str | None
    python: bool = False
    packages: tuple[str, ...] = ()
    note: str


def base_of(image: str) -> Base:
    """Return what the image of a FROM is here."""
    match = _REFERENCE.fullmatch(image)
    name, tag = (match["name"], match["tag"] or "latest") if match else (image, "latest")
    suite = next((each for each in PYTHON_OF_SUITE if each in tag.split("-")), None)
    if name in {"debian", "buildpack-deps"}:
        return _debian(tag, suite)
    if name == "ubuntu":
        near = _SUITE_OF_UBUNTU.get(tag.removesuffix("-slim"), "bookworm")
        return Base(fate="approximated", suite=near, note=f"Debian {near} for Ubuntu; versions of packages differ")
    if name == "python":
        return _python(tag, suite)
    if name in _PACKAGES:
        note = f"Debian's {' and '.join(_PACKAGES[name])}, whose version may be another than {tag}"
        return Base(fate="approximated", suite=suite, packages=_PACKAGES[name], note=note)
    if name == "scratch":
        return Base(fate="taken", suite=None, note="nothing to take over")
    why = "its packages are not Debian's" if "alpine" in f"{name}-{tag}" else "the image is not known"
    return Base(fate="left", suite=suite, note=f"{why}: name in [install] what is needed of it")


def suite_of_version(version: str) -> str | None:
    """Return the suite of a release of Debian by its number."""
    return _SUITE_OF_DEBIAN.get(version.partition(".")[0])


def suite_with_python(minor: str) -> tuple[str, bool]:
    """Return the suite that has this minor version of Python, or the next newer, and whether it is the same."""
    wanted = int(minor.partition(".")[2] or 0)
    for suite, has in PYTHON_OF_SUITE.items():
        if int(has.partition(".")[2]) >= wanted:
            return suite, has == minor
    return "trixie", False


def _debian(tag: str, suite: str | None) -> Base:
    suite = suite or suite_of_version(tag.removesuffix("-slim"))
    if suite is None:
        return Base(fate="approximated", suite=None, note=f"the suite of {tag} is not known")
    return Base(fate="taken", suite=suite, note=f"options.suite = {suite}")


def _python(tag: str, suite: str | None) -> Base:
    """Return the suite that is asked for, or else the one with this version of Python: an interpreter is Debian's."""
    match = _PYTHON.match(tag)
    wanted = match.group() if match else None
    if "alpine" in tag:
        suite = None
    fitting, same = suite_with_python(wanted) if wanted else (suite or "trixie", True)
    chosen = fitting if same or suite is None else suite
    has = PYTHON_OF_SUITE[chosen]
    if wanted and has != wanted:
        note = f"Python {has} of Debian {chosen}: no suite has {wanted}"
        return Base(fate="approximated", suite=chosen, python=True, note=note)
    fate: Fate = "approximated" if suite not in {None, chosen} else "taken"
    return Base(fate=fate, suite=chosen, python=True, note=f"Python {has} of Debian {chosen}")
