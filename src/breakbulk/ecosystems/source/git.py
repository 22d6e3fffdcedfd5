"""Sources in Git repositories: which commit, and its files.

Each repository is mirrored bare in the cache, so that a commit is fetched once. `git` from PATH does the work
(`git_command`). An address or a name that begins with a dash never reaches it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from breakbulk.ecosystems.source.git_command import PROTOCOLS, run_git
from breakbulk.errors import ManifestError, NetworkError, NotFoundError, ResolutionError
from breakbulk.manifest.schema import GitInstall
from breakbulk.settings import Settings

__all__ = ["Repository", "lend_history"]

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_HEAD = "refs/breakbulk/HEAD"


class Repository:
    """The mirror of one repository.

    Args:
        install: Its descriptor.
        directory: Where a relative path starts.
        settings: The cache, and the environment that git is started with.
        install_id: For errors.

    Raises `ManifestError` (`git-address`, `git-reference`) for what git must not be handed.

    """

    def __init__(self, install: GitInstall, directory: Path, settings: Settings, install_id: str) -> None:
        self._where = f"install.{install_id}"
        self._url = _address(install.git, directory, self._where)
        self._wanted = _reference(install, self._where)
        self._settings = settings
        self._mirror = settings.cache / "git" / hashlib.sha256(self._url.encode()).hexdigest()[:32]

    def commit(self, locked: str | None) -> str:
        """Return the commit that the manifest asks for; `locked` if it still is one of those.

        Raises:
            NetworkError: `git-fetch`: the repository does not answer.
            ResolutionError: `git-reference-missing`: it has no such branch, tag or commit.

        """
        with self._locked():
            if locked is not None and self._satisfies(locked):
                return locked
            if _COMMIT.fullmatch(self._wanted) and (present := self._parse(self._wanted)):
                return present
            self._fetch()
            if locked is not None and self._satisfies(locked):
                return locked
            found = self._parse(self._wanted)
        if found is None:
            raise ResolutionError(
                "the Git repository has no such branch, tag or commit",
                identifier="git-reference-missing",
                where=self._where,
                why=f"{self._wanted.removeprefix('refs/')} is not in {self._url}",
                hint="correct rev, branch or tag; `git ls-remote` lists what there is",
            )
        return found

    def checkout(self, commit: str, into: Path) -> None:
        """Write the files of `commit` to the directory `into`, which does not exist, as a clone of its own.

        Build back ends that take the version from Git find their tags there.
        """
        with self._locked():
            if self._parse(commit) is None:
                self._fetch()
            self._checked("clone", "--quiet", "--shared", "--no-checkout", "--", str(self._mirror), str(into))
        self._checked("-C", str(into), "checkout", "--quiet", "--detach", commit)

    def submodules(self, checkout: Path) -> list[str]:
        """Return the paths of submodules, which are not fetched."""
        listing = self._checked("-C", str(checkout), "ls-files", "--stage", "-z")
        return [line.partition("\t")[2] for line in listing.split("\0") if line.startswith("160000 ")]

    def _satisfies(self, commit: str) -> bool:
        """Tell whether a commit that was locked is still one that the manifest asks for, as far as the mirror knows."""
        if not self._mirror.exists() or self._parse(commit) is None:
            return False
        found = self._parse(self._wanted)
        if found is None or not self._moves():
            return found == commit
        return self._in_mirror("merge-base", "--is-ancestor", commit, found).returncode == 0

    def _moves(self) -> bool:
        return self._wanted == _HEAD or self._wanted.startswith("refs/heads/")

    def _parse(self, name: str) -> str | None:
        if not self._mirror.exists():
            return None
        answer = self._in_mirror("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return answer.stdout.strip() if answer.returncode == 0 else None

    def _fetch(self) -> None:
        if not (self._mirror / "HEAD").exists():
            self._checked("init", "--quiet", "--bare", "--", str(self._mirror))
        references = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"+HEAD:{_HEAD}"]
        if _COMMIT.fullmatch(self._wanted):
            references.append(self._wanted)
        for left_over in self._mirror.rglob("*.lock"):  # of a git that was killed: nobody else is at the mirror
            left_over.unlink()
        answer = self._fetched(references)
        if answer.returncode != 0 and len(references) > 3:
            # Not every server hands out a commit by its name; it may come with a branch.
            answer = self._fetched(references[:3])
        if answer.returncode != 0:
            raise NetworkError(
                "the Git repository cannot be fetched",
                identifier="git-fetch",
                where=self._where,
                why=_without_credentials(answer.stderr.strip()[-1000:]),
                hint=f"check that `git ls-remote {_without_credentials(self._url)}` works here, without being asked",
            )

    def _fetched(self, references: list[str]) -> subprocess.CompletedProcess[str]:
        options = ["--quiet", "--prune", "--no-tags", "--no-write-fetch-head"]
        return self._in_mirror("fetch", *options, "--", self._url, *references)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes away from the mirror."""
        self._mirror.parent.mkdir(parents=True, exist_ok=True)
        with self._mirror.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _in_mirror(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_git(["--git-dir", str(self._mirror), *arguments], self._settings)

    def _checked(self, *arguments: str) -> str:
        answer = run_git(list(arguments), self._settings)
        if answer.returncode != 0:
            raise NotFoundError(
                "the files of a Git commit cannot be written",
                identifier="git-checkout",
                where=self._where,
                why=_without_credentials(answer.stderr.strip()[-1000:]),
                hint=f"remove {self._mirror} and run the command again",
            )
        return answer.stdout


def lend_history(source: Path, into: Path, settings: Settings) -> None:
    """Make the new directory `into` a repository without files that has the history of the one in `source`.

    For build back ends that take the version from tags. Objects are borrowed and `source` is not written to. Where
    `source` is no repository, or one that git does not trust, `into` is an empty directory.
    """
    answer = run_git(["clone", "--quiet", "--shared", "--no-checkout", "--", str(source), str(into)], settings)
    if answer.returncode == 0:
        run_git(["-C", str(into), "reset", "--quiet"], settings)
    else:
        into.mkdir(exist_ok=True)


def _address(text: str, directory: Path, where: str) -> str:
    """Return the address as git is handed it: a URL, `user@host:path`, or an absolute path."""
    scheme = _SCHEME.match(text)
    if text.startswith("-") or "::" in text or (scheme and scheme[1] not in PROTOCOLS) or not text.isprintable():
        raise ManifestError(
            "the address of a Git repository cannot be used",
            identifier="git-address",
            where=where,
            why=f"{_without_credentials(text)!r} is no https, ssh, git or file URL, no user@host:path and no path",
            hint="give the address that `git clone` takes",
        )
    is_scp = re.match(r"[^/]+:", text) is not None
    return text if scheme or is_scp else os.path.abspath(directory / text)  # noqa: PTH100  # links are kept


def _reference(install: GitInstall, where: str) -> str:
    wanted = [name for name in (install.rev, install.branch, install.tag) if name is not None]
    if any(name.startswith("-") or not name.isprintable() or not name for name in wanted) or len(wanted) > 1:
        raise ManifestError(
            "what to take from a Git repository is not clear",
            identifier="git-reference",
            where=where,
            why=f"given are {', '.join(map(repr, wanted))}",
            hint="give one of rev, branch and tag, a name that does not begin with a dash",
        )
    if install.branch is not None:
        return f"refs/heads/{install.branch}"
    if install.tag is not None:
        return f"refs/tags/{install.tag}"
    return install.rev or _HEAD


def _without_credentials(text: str) -> str:
    return re.sub(r"(://)[^/@\s]+@", r"\1", text)
