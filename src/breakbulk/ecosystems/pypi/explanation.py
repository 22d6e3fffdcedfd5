"""Why uv found no answer, as one of our errors.

uv explains itself in sentences; they are kept as `why`, since nobody can say better who asks for what. What is
taken out is what must not leave this machine or is noise: colour, hosts, credentials, names of temporary files,
advice about options of uv. Each distinct cause gets its identifier and the fix in our words. Pure; the texts are
those of uv's resolver reports, and the tests run uv to keep them true.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from breakbulk.ecosystems.pypi.target import Target
from breakbulk.errors import BreakbulkError, ManifestError, NetworkError, NotFoundError, ResolutionError

__all__ = ["explain", "plain"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_URL = re.compile(r"\b(?:git\+)?[a-z]+://[^\s`'\"<>)]+")
_TEMPORARY = re.compile(r"/\S*/breakbulk-uv-[^/\s`]+/")
_CAUSE = re.compile(r"^\s*(?:cause|error):?\s*", re.MULTILINE)
_FILTERED = r"hint: `([^`]+)` was filtered by `exclude-newer`"
_NO_WHEEL = r"([\w.-]+?)(?:[<>=!~]=?[^\s]+)? has no wheels with a matching"
_NOT_FOUND = r"([\w.-]+) was not found in the (?:package registry|provided package locations)"
_SOURCE_ONLY = r"Wheels are required for `([^`]+)`"
_SPACES = re.compile(r"[ \t]+")


class _Failure(msgspec.Struct, frozen=True):
    """What uv said: `text` is all of it, `why` its explanation, both plain."""

    text: str
    why: str
    target: Target

    def names(self, pattern: str) -> list[str]:
        """Return the distributions that a pattern finds, each once."""
        return list(dict.fromkeys(re.findall(pattern, self.text)))


def explain(stderr: str, target: Target) -> BreakbulkError:
    """Return the error for a failure of `uv pip compile` that wrote `stderr`."""
    text = plain(stderr)
    failure = _Failure(text, _why(text), target)
    for sign, make in _SIGNS:
        if re.search(sign, text):
            return make(failure)
    return ResolutionError("the Python packages could not be resolved", identifier="resolver-failed", why=failure.why)


def plain(text: str) -> str:
    """Return a text of uv without colour, hosts, credentials and temporary paths."""
    return _TEMPORARY.sub("", _URL.sub(_redacted, _ANSI.sub("", text)))


def _redacted(match: re.Match[str]) -> str:
    """Return the last words of an address: enough to know which, without where."""
    path = match[0].partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0].strip("/")
    last = "/".join(path.split("/")[-2:])
    return f"…/{last}" if last else "the index"


def _why(text: str) -> str:
    """Return the explanation as one paragraph: without hints, whose advice is about uv's options."""
    explanation = re.split(r"^hint:", text, flags=re.MULTILINE)[0]
    lines = [line for line in explanation.splitlines() if not line.startswith("warning:")]
    headless = [line for line in lines if "No solution found when resolving" not in line]
    paragraph = _SPACES.sub(" ", " ".join(_CAUSE.sub("", line).strip() for line in headless if line.strip()))
    return paragraph.replace("your requirements are", "the manifest's requirements are").replace(
        "you require", "the manifest requires"
    )


def _unauthorised(failure: _Failure) -> BreakbulkError:
    return NetworkError(
        "a package index does not accept the credentials, or wants some",
        identifier="index-unauthorised",
        why=failure.why,
        hint="give them in ~/.netrc, in keyring, with `uv auth login`, or in the index's address in uv's or pip's "
        "configuration",
    )


def _offline(failure: _Failure) -> BreakbulkError:
    return NetworkError(
        "the network is switched off, and uv's cache does not hold what is needed",
        identifier="offline",
        why=failure.why,
        hint="unset UV_OFFLINE, or lock once with the network",
    )


def _unreachable(failure: _Failure) -> BreakbulkError:
    return NetworkError(
        "the package index does not answer",
        identifier="index-unreachable",
        why=failure.why,
        hint="check the network, the proxy, and the index in uv's or pip's configuration; then try again",
    )


def _snapshot(failure: _Failure) -> BreakbulkError:
    names = failure.names(_FILTERED)
    published = failure.names(r"published at (\S+?)(?:T\S*)?\. ")
    newest = max(published, default=None)
    if newest is None:
        return ResolutionError(
            f"the index does not say when {', '.join(names)} was published, so options.snapshot leaves it out",
            identifier="index-without-dates",
            where="options.snapshot",
            why=failure.why,
            hint="use an index that gives dates (Simple API in JSON, PEP 700), or leave options.snapshot out",
        )
    return ResolutionError(
        f"at the date of options.snapshot there was no fitting version of {', '.join(names)}",
        identifier="not-in-snapshot",
        where="options.snapshot",
        why=failure.why,
        hint=f"set options.snapshot to {newest} or later",
    )


def _sdist_only(failure: _Failure) -> BreakbulkError:
    names = failure.names(_SOURCE_ONLY)
    return ResolutionError(
        f"{', '.join(names)} can only be had as source for {failure.target.words}, and environments are made of wheels",
        identifier="sdist-only",
        where=", ".join(f"pypi:{name}" for name in names),
        why=failure.why,
        hint=f'have it built: {names[0]} = {{ pypi = "{names[0]}", build = true }} in [install]; or ask for a version '
        "that has a wheel",
    )


def _no_matching_wheel(failure: _Failure) -> BreakbulkError:
    names = failure.names(_NO_WHEEL)
    return ResolutionError(
        f"{', '.join(names)} has no wheel for {failure.target.words}",
        identifier="no-matching-wheel",
        where=", ".join(f"pypi:{name}" for name in names),
        why=failure.why,
        hint="ask for another version, choose a suite with another Python (options.suite), or leave the system out "
        'with systems = ["..."] on the install',
    )


def _unknown(failure: _Failure) -> BreakbulkError:
    names = failure.names(_NOT_FOUND)
    return NotFoundError(
        f"the package index has no {', '.join(names)}",
        identifier="pypi-package-unknown",
        where=", ".join(f"pypi:{name}" for name in names),
        why=failure.why,
        hint="check the spelling; a private package needs its index in uv's or pip's configuration",
    )


def _no_version(failure: _Failure) -> BreakbulkError:
    return ResolutionError(
        "no set of Python packages satisfies the manifest",
        why=failure.why,
        hint="loosen one of the requirements named above, or `--upgrade` the packages that the lock holds back",
    )


def _requirement(failure: _Failure) -> BreakbulkError:
    return ManifestError(
        "a requirement or constraint cannot be read",
        identifier="requirement-invalid",
        why=failure.why,
        hint="correct it; the form is `name>=1.2,<2`",
    )


_Maker = Callable[[_Failure], BreakbulkError]
_SIGNS: tuple[tuple[str, _Maker], ...] = (
    (r"401 Unauthorized|403 Forbidden|lack of valid authentication credentials|Missing credentials", _unauthorised),
    (r"network was disabled|network connectivity is disabled", _offline),
    (r"Failed to fetch|Request failed after|error sending request|HTTP status server error|timed out", _unreachable),
    (_FILTERED, _snapshot),
    (_SOURCE_ONLY, _sdist_only),
    (_NO_WHEEL, _no_matching_wheel),
    (_NOT_FOUND, _unknown),
    (r"No solution found when resolving", _no_version),
    (r"Couldn't parse requirement|Unsupported requirement|Invalid URL", _requirement),
)
"""Signs of a cause, the most telling first: a failed index also leaves packages unfound."""
