"""Links that update-alternatives(1) would have made: `awk`, `java`, `cc`, `editor`, `libblas.so.3`, ...

Of the alternatives whose file is there the one with the highest priority is chosen, as in automatic mode. The
administrative files of /var/lib/dpkg/alternatives are written too, so that update-alternatives itself agrees.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from breakbulk.ecosystems.interface import Alternative
from breakbulk.store.base.shell_state import is_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from breakbulk.store.base.additions import Additions
    from breakbulk.store.base.facts import Facts
    from breakbulk.store.base.replay import Replay

__all__ = ["add_alternatives", "chosen", "parse_install", "parse_jinfo", "registered"]

_NUMBER = re.compile(r"-?\d+")


def add_alternatives(facts: Facts, replayed: Replay, additions: Additions) -> None:
    """Add the links and administrative files of every alternative of the environment."""
    offered = registered(facts, replayed)
    for name in sorted({alternative.name for alternative in offered}):
        candidates = [each for each in offered if each.name == name and facts.kind(each.path)]
        if candidates:
            best = chosen(candidates)
            _add_links(best, facts, additions)
            additions.file(f"var/lib/dpkg/alternatives/{name}", _administrative(best, candidates))


def registered(facts: Facts, replayed: Replay) -> list[Alternative]:
    """Return what scripts would have registered, and what Java's .jinfo files list beyond that."""
    found: dict[tuple[str, str], Alternative] = {}
    for _, invocation in replayed.of("update-alternatives"):
        alternative = parse_install(invocation.words)
        if alternative:
            found[alternative.name, alternative.path] = alternative
    scripted = {name for name, _ in found}
    for path in facts.matches("/usr/lib/jvm/.*.jinfo"):
        for alternative in parse_jinfo(facts.text(path) or ""):
            if alternative.name not in scripted:
                found[alternative.name, alternative.path] = alternative
    return list(found.values())


def chosen(candidates: Iterable[Alternative]) -> Alternative:
    """Return the alternative of automatic mode; of equal priorities the first path, so that the choice is stable."""
    return min(candidates, key=lambda each: (-each.priority, each.path))


def parse_install(words: Sequence[str]) -> Alternative | None:
    """Return what `update-alternatives --install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]...` registers.

    None when it does something else, or something is unknown.
    """
    if "--install" not in words:
        return None
    start = words.index("--install") + 1
    link, name, path, priority = (*words[start : start + 4], "", "", "", "")[:4]
    if not is_known(link, name, path) or not _NUMBER.fullmatch(priority) or not link.startswith("/"):
        return None
    rest = words[start + 4 :]
    slaves = tuple(
        (rest[index + 2], rest[index + 1], rest[index + 3])
        for index, word in enumerate(rest)
        if word == "--slave" and index + 3 < len(rest) and is_known(*rest[index : index + 4])
    )
    return Alternative(name, link, path, int(priority), slaves)


def parse_jinfo(text: str) -> list[Alternative]:
    """Return the programs of a Java installation as update-java-alternatives(8) describes them."""
    priority = 0
    found = []
    for line in text.splitlines():
        match line.split():
            case [setting] if setting.startswith("priority=") and _NUMBER.fullmatch(setting[9:]):
                priority = int(setting[9:])
            case ["hl" | "jre" | "jdk" | "jdkhl", name, path]:
                found.append((name, path))
    return [Alternative(name, f"/usr/bin/{name}", path, priority) for name, path in found]


def _add_links(alternative: Alternative, facts: Facts, additions: Additions) -> None:
    _add_link(alternative.name, alternative.link, alternative.path, facts, additions)
    for name, link, path in alternative.slaves:
        if facts.kind(path):
            _add_link(name, link, path, facts, additions)


def _add_link(name: str, link: str, path: str, facts: Facts, additions: Additions) -> None:
    """Add LINK -> /etc/alternatives/NAME -> PATH; a package's own file at LINK stays, as update-alternatives has it."""
    additions.link(f"etc/alternatives/{name}", path)
    directory, base = posixpath.split(link)
    place = posixpath.join(facts.at(directory), base)
    if facts.entry(place) is None:
        additions.link(place, f"/etc/alternatives/{name}")


def _administrative(best: Alternative, candidates: Sequence[Alternative]) -> str:
    """Return the administrative file: mode, link, followers, then every alternative (dpkg's doc/alternatives.txt)."""
    followers = {name: link for each in candidates for name, link, _ in each.slaves}
    followers.update({name: link for name, link, _ in best.slaves})
    lines = ["auto", best.link]
    for name in sorted(followers):
        lines += [name, followers[name]]
    lines.append("")
    for each in sorted(candidates, key=lambda each: each.path):
        paths = {name: path for name, _, path in each.slaves}
        lines += [each.path, str(each.priority), *(paths.get(name, "") for name in sorted(followers))]
    return "\n".join([*lines, "", ""])
