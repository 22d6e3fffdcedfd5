"""The one place that starts git: with the user's own configuration, but never asking, and without what could run code.

Protocols are https, ssh, git and file only (`GIT_ALLOW_PROTOCOL` in git(1)); hooks and file system monitors are off;
variables that would turn git to another repository are left out.
"""

from __future__ import annotations

import os
import subprocess

from breakbulk.ecosystems.programs import run_program
from breakbulk.errors import PlatformError
from breakbulk.settings import Settings

__all__ = ["PROTOCOLS", "run_git"]

PROTOCOLS = ("https", "ssh", "git", "file")
_CONFIGURATION = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.symlinks": "true",
    "core.fileMode": "true",
    "advice.detachedHead": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1",
}
# `git rev-parse --local-env-vars`
_LOCAL = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def run_git(arguments: list[str], settings: Settings) -> subprocess.CompletedProcess[str]:
    """Run `git ARGUMENTS` and return how it ended; raise `PlatformError` when there is no git."""
    configuration = _CONFIGURATION | {"http.lowSpeedTime": str(max(1, int(settings.timeout_s)))}
    options = [word for name, value in configuration.items() for word in ("-c", f"{name}={value}")]
    try:
        return run_program(["git", *options, *arguments], environment=_environment(settings), errors="surrogateescape")
    except FileNotFoundError as error:
        raise PlatformError("git is not installed", identifier="git-missing", hint="run `apt install git`") from error


def _environment(settings: Settings) -> dict[str, str]:
    inherited = {name: value for name, value in settings.environment.items() if name not in _LOCAL}
    silent = {"GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}
    forced = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS), "LC_ALL": "C.UTF-8"}
    return {**silent, **inherited, **forced}
