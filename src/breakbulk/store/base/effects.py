"""What maintainer scripts do to files, done to the base package in the making: mkdir, install, chown, ln, cp, ucf, ...

Only below /etc, /var, /usr and the like, never over a file that a package brings; owner and mode of what packages bring
do change, by copying. `FileEffects` is the file half of the world that `shell_evaluation` talks to.
"""

from __future__ import annotations

import getopt
import posixpath
import re
from typing import TYPE_CHECKING, Literal

import msgspec

from breakbulk.store.base.additions import Addition, Additions
from breakbulk.store.base.shell_outputs import TEMPORARY
from breakbulk.store.base.shell_state import Invocation, Outcome, is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from breakbulk.store.base.facts import Facts

__all__ = ["FileEffects", "changed_mode"]

_CHANGEABLE = frozenset({"etc", "home", "media", "mnt", "opt", "root", "run", "srv", "usr", "var"})
_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*)")
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": 0o7777}
_WHAT = {"r": 0o444, "w": 0o222, "x": 0o111, "X": 0o111, "s": 0o6000, "t": 0o1000}

_Options = list[tuple[str, str]]


def changed_mode(mode: int, change: str) -> int | None:
    """Return a mode after chmod(1)'s `change`, octal or symbolic; None when it is neither."""
    if re.fullmatch(r"[0-7]{1,4}", change):
        return int(change, 8)
    for clause in change.split(","):
        match = _CLAUSE.fullmatch(clause)
        if not match:
            return None
        who = 0
        for letter in match.group(1) or "a":
            who |= _WHO[letter]
        bits = 0
        for letter in match.group(3):
            bits |= _WHAT[letter] & who
        mode = {"+": mode | bits, "-": mode & ~bits, "=": (mode & ~who) | bits}[match.group(2)]
    return mode


class FileEffects:
    """Applies invocations to `additions`; paths that nothing is known about are left alone."""

    def __init__(self, facts: Facts, additions: Additions) -> None:
        self._facts = facts
        self._additions = additions
        self._temporary: dict[str, Addition] = {}
        self._programs: dict[str, Callable[[list[str]], Outcome]] = {
            "chgrp": lambda words: self._chown(words, group_only=True),
            "chmod": self._chmod,
            "chown": self._chown,
            "cp": self._cp,
            "dpkg-statoverride": self._statoverride,
            "install": self._install,
            "ln": self._ln,
            "mkdir": self._mkdir,
            "mv": self._mv,
            "rm": self._rm,
            "rmdir": self._rm,
            "touch": self._touch,
            "ucf": self._ucf,
        }

    def kind(self, path: str, *, follow: bool = True) -> Literal["file", "link", "directory"] | None:
        """Return what is at a path, of a package or made so far."""
        made = self._temporary.get(path) or self._additions.get(self._facts.at(path, follow=follow))
        return made.kind if made else self._facts.kind(path, follow=follow)

    def text(self, path: str) -> str | None:
        """Return the text of a file, of a package or made so far."""
        made = self._additions.get(self._facts.at(path))
        if made and isinstance(made.content, bytes) and made.kind == "file":
            return made.content.decode("utf-8", "replace")
        return self._facts.text(path)

    def apply(self, invocation: Invocation) -> Outcome:
        """Do what the program would do to files, if it is one of those known here."""
        if invocation.output is not None:
            return self._write(invocation)
        program = self._programs.get(posixpath.basename(invocation.words[0])) if invocation.words else None
        try:
            return program(list(invocation.words[1:])) if program else None
        except getopt.GetoptError:
            return None

    def change(self, path: str, *, mode: str | None = None, user: str | None = None, group: str | None = None) -> None:
        """Change mode and owner of what is at a script's path, if something is."""
        found = self._changeable(path) if is_known(user or "", group or "") else None
        current = found and (self._additions.get(found) or self._of_package(found))
        if not found or not current or current.kind == "link":
            return
        changed = changed_mode(current.mode, mode) if mode else current.mode
        new = msgspec.structs.replace(
            current,
            mode=current.mode if changed is None else changed,
            user=user or current.user,
            group=group or current.group,
        )
        if new != current:
            self._additions.add(found, new)

    def _of_package(self, path: str) -> Addition | None:
        entry = self._facts.entry(path)
        if entry is None:
            return None
        content = self._facts.owners[path].tree / path if entry.kind == "file" else b""
        return Addition(kind=entry.kind, mode=entry.mode, content=content)

    def _changeable(self, path: str) -> str | None:
        if not path.startswith("/") or not is_known(path):
            return None
        found = self._facts.at(path)
        return found if (found.partition("/")[0] in _CHANGEABLE and "/" in found) or found == "root" else None

    def _new(self, path: str) -> str | None:
        """Return where to make something new, None when something is there or must not be."""
        found = self._changeable(path)
        absent = found and found not in self._additions and self._facts.entry(found) is None
        return found if absent else None

    def _make(self, path: str, addition: Addition) -> None:
        if found := self._new(path):
            self._additions.add(found, addition)

    def _mkdir(self, words: list[str]) -> Outcome:
        options, paths = getopt.gnu_getopt(words, "pm:vZ", ["parents", "mode=", "verbose"])
        for path in paths:
            self._make(path, Addition(kind="directory", mode=_octal(_option(options, "-m", "--mode"), 0o755)))
        return True

    def _install(self, words: list[str]) -> Outcome:
        long = ["mode=", "owner=", "group=", "directory", "compare", "target-directory=", "verbose"]
        options, paths = getopt.gnu_getopt(words, "dDm:o:g:cpCTt:vb", long)
        given = dict(options)
        mode, user, group = (
            _option(options, *names) for names in (("-m", "--mode"), ("-o", "--owner"), ("-g", "--group"))
        )
        if "-d" in given or "--directory" in given:
            made = paths
            for path in paths:
                self._make(path, Addition(kind="directory"))
        else:
            made = self._copies(paths)
        for path in made:
            self.change(path, mode=mode or "755", user=user, group=group)
        return True

    def _cp(self, words: list[str]) -> Outcome:
        _, paths = getopt.gnu_getopt(
            words, "abdfHilLnpPrRsuvTx", ["no-clobber", "archive", "preserve=", "update", "force"]
        )
        self._copies(paths)
        return True

    def _ucf(self, words: list[str]) -> Outcome:
        long = ["three-way", "debconf-ok", "sum-file=", "src-dir=", "state-dir=", "purge", "verbose", "debug=", "help"]
        options, paths = getopt.gnu_getopt(words, "hnd:pv", long)
        if not {"-p", "--purge"} & dict(options).keys():
            self._copies(paths[:2])
        return True

    def _copies(self, paths: Sequence[str]) -> list[str]:
        """Copy files of packages to the last of the paths; return the paths of the copies."""
        *sources, target = paths or ("",)
        made = []
        for source in sources:
            into = self.kind(target) == "directory" or target.endswith("/")
            path = posixpath.join(target, posixpath.basename(source)) if into else target
            if self._new(path) and (copy := self._copied(source)):
                self._make(path, copy)
                made.append(path)
        return made

    def _copied(self, source: str) -> Addition | None:
        if not source.startswith("/") or not is_known(source):
            return None
        if source == "/dev/null":
            return Addition(kind="file", mode=0o644)
        found = self._facts.at(source)
        copy = self._temporary.get(source) or self._additions.get(found) or self._of_package(found)
        return copy if copy and copy.kind == "file" else None

    def _ln(self, words: list[str]) -> Outcome:
        options, paths = getopt.gnu_getopt(words, "sfnTvrb", ["symbolic", "force", "no-dereference", "verbose"])
        if not {"-s", "--symbolic"} & dict(options).keys() or len(paths) != 2 or not is_known(*paths):
            return None
        target, path = paths
        if self.kind(path) == "directory" and not {"-n", "-T", "--no-dereference"} & dict(options).keys():
            path = posixpath.join(path, posixpath.basename(target))
        if (found := self._changeable(posixpath.dirname(path) + "/x")) and self.kind(path, follow=False) is None:
            self._additions.add(posixpath.join(posixpath.dirname(found), posixpath.basename(path)), _symlink(target))
        return True

    def _mv(self, words: list[str]) -> Outcome:
        _, paths = getopt.gnu_getopt(words, "fnivTu", ["force", "no-clobber"])
        moved = self._additions.get(self._facts.at(paths[0], follow=False)) if len(paths) == 2 else None
        if moved and moved.kind != "directory":
            self._additions.remove(self._facts.at(paths[0], follow=False))
            self._make(paths[1], moved)
        return None

    def _rm(self, words: list[str]) -> Outcome:
        _, paths = getopt.gnu_getopt(words, "frRivdp", ["force", "recursive", "ignore-fail-on-non-empty"])
        for path in paths:
            found = self._facts.at(path, follow=False)
            made = self._additions.get(found)
            if made and made.kind != "directory":
                self._additions.remove(found)
        return True

    def _touch(self, words: list[str]) -> Outcome:
        _, paths = getopt.gnu_getopt(words, "acmhr:d:t:", ["no-dereference", "reference=", "date=", "no-create"])
        for path in paths:
            self._make(path, Addition(kind="file", mode=0o644))
        return True

    def _chown(self, words: list[str], *, group_only: bool = False) -> Outcome:
        options, (owner, *paths) = getopt.gnu_getopt(
            words, "RhcfvHLP", ["recursive", "no-dereference", "from=", "quiet", "silent", "verbose"]
        )
        user, _, group = owner.replace(".", ":", 1 if ":" not in owner else 0).partition(":")
        user, group = ("", user) if group_only else (user, group)
        for path in self._each(paths, options):
            self.change(path, user=user or None, group=group or None)
        return True

    def _chmod(self, words: list[str]) -> Outcome:
        if words and re.match(r"-[rwxst]", words[0]):
            words = [f"a{words[0]}", *words[1:]]
        options, (mode, *paths) = getopt.gnu_getopt(words, "Rcfv", ["recursive", "quiet", "silent", "changes"])
        for path in self._each(paths, options):
            self.change(path, mode=mode)
        return True

    def _each(self, paths: Sequence[str], options: _Options) -> list[str]:
        """Return the paths, and with -R also what is below those in /etc and /var."""
        if not {"-R", "--recursive"} & dict(options).keys():
            return list(paths)
        found = list(paths)
        for path in paths:
            top = self._changeable(path)
            if top and top.startswith(("etc/", "var/")):
                found.extend(f"/{below}" for below in self._facts.within(top))
                found.extend(f"/{below}" for below, _ in self._additions if below.startswith(f"{top}/"))
        return found

    def _statoverride(self, words: list[str]) -> Outcome:
        long = ["add", "remove", "list", "update", "force", "quiet", "admindir=", "force-all"]
        options, arguments = getopt.gnu_getopt(words, "", long)
        if "--list" in dict(options):
            return False
        if "--add" in dict(options) and "--update" in dict(options) and len(arguments) == 4:
            user, group, mode, path = arguments
            self.change(path, mode=mode, user=user, group=group)
        return True

    def _write(self, invocation: Invocation) -> Outcome:
        """Do what `cat > file <<END`, `cat file > file`, `echo text > file` and `: > file` do."""
        new = self._output(invocation)
        path = invocation.output or ""
        if new is None or not invocation.certain:
            return None
        if path.startswith(TEMPORARY):
            self._temporary[path] = new
            return True
        found = self._changeable(path)
        before = self._additions.get(found) if found and invocation.appends else None
        if found and before and isinstance(before.content, bytes) and isinstance(new.content, bytes):
            self._additions.add(found, msgspec.structs.replace(before, content=before.content + new.content))
        else:
            self._make(path, new)
        return True

    def _output(self, invocation: Invocation) -> Addition | None:
        """Return what a program writes as a file; None when that is not known."""
        match invocation.words:
            case () | (":",) | ("true",):
                text = ""
            case ("cat",) | ("cat", "-"):
                text = invocation.text
            case ("cat", path):
                copied = self._copied(path)
                return copied and msgspec.structs.replace(copied, mode=0o644, user="root", group="root")
            case ("echo", *words) if words and not words[0].startswith("-"):
                text = " ".join(words) + "\n"
            case _:
                return None
        return Addition(kind="file", mode=0o644, content=text.encode()) if is_known(text) else None


def _symlink(target: str) -> Addition:
    return Addition(kind="link", mode=0o777, target=target)


def _option(options: _Options, *names: str) -> str | None:
    return next((value for name, value in options if name in names), None)


def _octal(text: str | None, default: int) -> int:
    return int(text, 8) if text and re.fullmatch(r"[0-7]{1,4}", text) else default
