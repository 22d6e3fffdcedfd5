"""What containerd asks of runc, as far as it matters here: verb, container, bundle, log and process file.

The command line of runc (`man 8 runc`): global options, a verb, options of the verb, the container's id. Options that
have a value take it from the next word or after `=`; which ones do is listed here, for runc 1.1 to 1.4. Pure.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Invocation", "parse"]

_GLOBAL = frozenset({"criu", "log", "log-format", "root", "rootless"})
_OF_VERB = frozenset(
    {
        "additional-gids",
        "apparmor",
        "b",
        "bundle",
        "c",
        "cap",
        "cgroup",
        "console-socket",
        "cwd",
        "e",
        "env",
        "g",
        "p",
        "pid-file",
        "preserve-fds",
        "process",
        "process-label",
        "u",
        "user",
    }
)


class Invocation:
    """One call of runc.

    Attributes:
        verb: Such as `create`; empty when there is none.
        container: Its id.
        log: File that errors go to; empty for standard error.
        log_format: Of that file, `text` or `json`.
        bundle: Directory of the container; empty for the current one.
        process: File with the process of an `exec`; empty when there is none.

    """

    __slots__ = ("bundle", "container", "log", "log_format", "process", "verb")

    def __init__(self, before: dict[str, str], verb: str, after: dict[str, str], container: str) -> None:
        self.verb = verb
        self.container = container
        self.log = before.get("log", "")
        self.log_format = before.get("log-format", "text")
        self.bundle = after.get("bundle") or after.get("b", "")
        self.process = after.get("process") or after.get("p", "")


def parse(words: Sequence[str]) -> Invocation:
    """Return what runc would understand of `words`, which come after its name; it refuses what is wrong with them."""
    rest = iter(words)
    before, verb = _options(rest, _GLOBAL)
    after, container = _options(rest, _OF_VERB)
    return Invocation(before, verb, after, container)


def _options(words: Iterator[str], valued: frozenset[str]) -> tuple[dict[str, str], str]:
    """Return the options up to the first word that is none, and that word."""
    found: dict[str, str] = {}
    for word in words:
        if word == "--":
            return found, next(words, "")
        if not word.startswith("-") or word == "-":
            return found, word
        name, separator, value = word.lstrip("-").partition("=")
        found[name] = next(words, "") if name in valued and not separator else value
    return found, ""
