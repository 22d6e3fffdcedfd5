"""Prepare an interactive shell: the user's own start files, then `profile`, a prompt that names the environment.

Each kind of shell is told in its own way to read a file of this run. In it, PATH is set again after the user's start
files, so that the environment's programs come first whatever those do. `profile.deactivate` runs when the shell ends,
the shell's own part before `common`, the reverse of activation. tcsh has no way to run code at its end.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping

import msgspec

from breakbulk.environment.hooks import OWN_FILES, write_own_file
from breakbulk.environment.specification import Launch
from breakbulk.errors import CommandNotFoundError
from breakbulk.manifest.schema import Profile

__all__ = ["Shell", "choose", "prepare"]


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """A shell to start."""

    argv: list[str]
    environment: dict[str, str]


def prepare(launch: Launch, environment: Mapping[str, str]) -> Shell:
    """Write the start files and return how to start the shell; raise `CommandNotFoundError` without any shell."""
    program = choose(launch.host.get("SHELL", ""), environment["PATH"])
    kind = os.path.basename(program)
    argv, extra = _PREPARE.get(kind, _prepare_sh)(launch, dict(environment))
    return Shell(argv=[program, *argv], environment={**environment, "SHELL": program, **extra})


def choose(preferred: str, path: str) -> str:
    """Return the caller's kind of shell where the environment has it, else bash, else sh."""
    for name in (os.path.basename(preferred), "bash", "sh"):
        for folder in path.split(":"):
            program = f"{folder}/{name}"
            if name in {*_PREPARE, "sh", "dash"} and os.access(program, os.X_OK):
                return program
    raise CommandNotFoundError(
        "the environment has no shell",
        identifier="shell-missing",
        hint='breakbulk install deb:bash, or set options.base = "minimal"',
    )


Prepared = tuple[list[str], dict[str, str]]


def _prepare_bash(launch: Launch, environment: dict[str, str]) -> Prepared:
    profile = launch.manifest.profile
    lines = [
        *([] if launch.pure else ["if [ -f ~/.bashrc ]; then source ~/.bashrc; fi"]),
        f"export PATH={shlex.quote(environment['PATH'])}",
        f'PS1={shlex.quote(_prompt(launch))}"${{PS1-}}"',
        *_sources(profile, "bash", "source"),
        *_at_end(profile, "bash", lambda commands: f"trap -- {shlex.quote(commands)} EXIT", "source"),
    ]
    return ["--noprofile", "--rcfile", write_own_file("bashrc", "\n".join(lines)), "-i"], {}


def _prepare_zsh(launch: Launch, environment: dict[str, str]) -> Prepared:
    profile, home = launch.manifest.profile, shlex.quote(environment["HOME"])
    user_files = "" if launch.pure else 'if [ -f "$HOME/{0}" ]; then ZDOTDIR="$HOME"; source "$HOME/{0}"; fi'
    own = f"ZDOTDIR={OWN_FILES}"
    write_own_file(".zshenv", "\n".join([f"HOME={home}", user_files.format(".zshenv"), own]))
    lines = [
        user_files.format(".zshrc"),
        'ZDOTDIR="$HOME"',
        f"export PATH={shlex.quote(environment['PATH'])}",
        f'PROMPT={shlex.quote(_prompt(launch))}"${{PROMPT-}}"',
        *_sources(profile, "zsh", "source"),
        *_at_end(
            profile,
            "zsh",
            lambda commands: f"__breakbulk_end() {{ {commands}\n}}\nzshexit_functions+=(__breakbulk_end)",
            "source",
        ),
    ]
    write_own_file(".zshrc", "\n".join(lines))
    return ["-i"], {"ZDOTDIR": OWN_FILES}


def _prepare_fish(launch: Launch, environment: dict[str, str]) -> Prepared:
    profile = launch.manifest.profile
    prompt = _quote_fish(_prompt(launch))
    folders = " ".join(map(_quote_fish, environment["PATH"].split(":")))
    lines = [
        f"set -gx PATH {folders}",
        "functions -c fish_prompt __breakbulk_prompt",
        f"function fish_prompt; printf '%s' {prompt}; __breakbulk_prompt; end",
        *_sources(profile, "fish", "source"),
        *_at_end(
            profile,
            "fish",
            lambda commands: f"function __breakbulk_end --on-event fish_exit; {commands}; end",
            "source",
        ),
    ]
    options = ["--no-config"] if launch.pure else []
    return [*options, "--interactive", "--init-command", f"source {write_own_file('fish', chr(10).join(lines))}"], {}


def _prepare_tcsh(launch: Launch, environment: dict[str, str]) -> Prepared:
    profile, home = launch.manifest.profile, _quote_tcsh(environment["HOME"])
    user_file = [] if launch.pure else ["if ( -f ~/.tcshrc ) source ~/.tcshrc"]
    lines = [
        f"setenv HOME {home}",
        f"set home = {home}",
        *user_file,
        f"setenv PATH {_quote_tcsh(environment['PATH'])}",
        f"set prompt = {_quote_tcsh(_prompt(launch) + '%~%# ')}",
        *_sources(profile, "tcsh", "source"),
    ]
    write_own_file(".tcshrc", "\n".join(lines))  # tcsh looks below HOME, and nowhere else
    return ["-i"], {"HOME": OWN_FILES}


def _prepare_sh(launch: Launch, environment: dict[str, str]) -> Prepared:  # noqa: ARG001 - as the others
    profile = launch.manifest.profile
    lines = [
        f"PS1={shlex.quote(_prompt(launch) + '$ ')}",
        *_sources(profile, None, "."),
        *_at_end(profile, None, lambda commands: f"trap -- {shlex.quote(commands)} EXIT", "."),
    ]
    return ["-i"], {"ENV": write_own_file("shrc", "\n".join(lines))}


_PREPARE: dict[str, Callable[[Launch, dict[str, str]], Prepared]] = {
    "bash": _prepare_bash,
    "zsh": _prepare_zsh,
    "fish": _prepare_fish,
    "tcsh": _prepare_tcsh,
}


def _prompt(launch: Launch) -> str:
    return f"[{launch.name}] "


def _sources(profile: Profile, kind: str | None, command: str) -> list[str]:
    """Return commands that read `profile.common`, then the shell's own part."""
    parts = {"common": profile.common, kind: getattr(profile, kind) if kind else None}
    return [f"{command} {write_own_file(f'profile.{name}', text)}" for name, text in parts.items() if text]


def _at_end(profile: Profile, kind: str | None, register: Callable[[str], str], command: str) -> list[str]:
    """Return what makes a shell run `profile.deactivate` at its end, nothing when there is none."""
    if profile.deactivate is None:
        return []
    parts = {kind: getattr(profile.deactivate, kind) if kind else None, "common": profile.deactivate.common}
    files = [write_own_file(f"deactivate.{name}", text) for name, text in parts.items() if text]
    return [register("; ".join(f"{command} {file}" for file in files))] if files else []


def _quote_fish(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _quote_tcsh(text: str) -> str:
    """Quote for tcsh, where `!` is history even within quotes."""
    escaped = text.replace("'", "'\\''").replace("!", "\\!")
    return f"'{escaped}'"
