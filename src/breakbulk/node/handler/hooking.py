"""Run `hook.on-activate` in front of a container's command, with the meaning that `environment.hooks` gives it.

Bash sources the hook, its standard output going to standard error, and becomes the command: what the hook has exported
is the command's, and no process of ours stays. The hook is an argument, as a file would have to be written somewhere,
and a root file system may be read-only. A hook that does not reach its end is an error (77), and so the container does
not run. Differences to `environment.hooks`: a hook that says `exec` becomes the container, as nobody is left to notice,
and umask and limits that it sets hold for the command.
"""

from __future__ import annotations

from breakbulk.errors import ActivationError, ManifestError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["exports", "needs_bash", "wrapped"]

_ARGUMENT_MAX = 131_000
"""Bytes of one argument: MAX_ARG_STRLEN of execve(2) is 131072, the closing zero included."""

# Everything of ours begins with __breakbulk and is not exported, so that it ends with bash. The writer of a process
# substitution is waited for, as whatever this becomes may not expect children.
_WRAPPER = """\
__breakbulk_hook=$1
__breakbulk_command=("${@:2}")
__breakbulk_directory=$PWD
set --
__breakbulk_ended() {
  echo "breakbulk: hook-failed: the hook ended with status $1 before its end; at hook.on-activate"\\
"${__breakbulk_line:+; the last command that failed is in line $__breakbulk_line}; fix: what it wrote is above;"\\
" write \\`return\\` instead of \\`exit\\`" >&2
  exit 77
}
trap 'exit 143' TERM
trap '__breakbulk_line=$LINENO' ERR
trap '__breakbulk_ended $?' EXIT
exec {__breakbulk_text}< <(printf '%s\\n' "$__breakbulk_hook")
__breakbulk_writer=$!
source /proc/self/fd/"$__breakbulk_text" 1>&2
__breakbulk_status=$?
trap - ERR EXIT TERM
exec {__breakbulk_text}<&-
wait "$__breakbulk_writer"
if [ "$__breakbulk_status" -ne 0 ] && ! "$BASH" -n -c "$__breakbulk_hook" 2>/dev/null; then __breakbulk_ended 2; fi
[ "$PWD" = "$__breakbulk_directory" ] || cd -- "$__breakbulk_directory" || exit 77
unset OLDPWD
exec "${__breakbulk_command[@]}"
"""

_NOT_OF_HOOKS = frozenset({"_", "HOME", "HOSTNAME", "OLDPWD", "PWD", "SHLVL", "TERM"})


def wrapped(hook: str, bash: str, command: Sequence[str]) -> list[str]:
    """Return program and arguments that run `hook` by `bash` (a path) and then are `command`.

    Raises:
        ManifestError: `hook-too-long`.

    """
    if len(hook.encode(errors="surrogatepass")) > _ARGUMENT_MAX:
        raise ManifestError(
            "the hook is too long to be handed to bash",
            identifier="hook-too-long",
            where="hook.on-activate",
            why=f"Linux takes {_ARGUMENT_MAX} bytes",
            hint="put most of it into a file of a package and source that",
        )
    return [bash, "--norc", "--noprofile", "-c", _WRAPPER, bash, hook, *command]


def exports(before: Sequence[str], after: bytes) -> dict[str, str]:
    """Return what a hook has exported.

    Args:
        before: `NAME=value` entries that its container was started with.
        after: `environ` of its first process, which that process may have written anything into (proc_pid_environ(5)).

    """
    known = dict(entry.partition("=")[::2] for entry in before)
    entries = (entry.partition("=") for entry in after.decode(errors="surrogateescape").split("\0"))
    return {
        name: value
        for name, separator, value in entries
        if separator and name.isidentifier() and name.isascii() and name not in _NOT_OF_HOOKS
        if known.get(name) != value
    }


def needs_bash(place: str) -> ActivationError:
    """Return the error for an environment with a hook and without bash."""
    return ActivationError(
        "the environment has a hook, but no bash to run it",
        identifier="hook-needs-bash",
        where=place,
        hint='breakbulk install deb:bash, or set options.base = "minimal"; then push again',
    )
