"""The runtime handler: what containerd calls in the place of runc for pods that run environments.

It understands runc's command line, does what has to be done before runc for `create` (`creating`) and `exec`
(`entering`), and becomes runc. Every other call it passes on at once: the generated script is one of the shell, which
starts Python for these two alone, as runc is called many times in the life of a container. Whatever fails is said where
runc says it, in a line of its log that containerd makes an event of the pod, and nothing runs.

Imported on the way to every start of a container: the standard library, and of that as little as possible.
"""

from __future__ import annotations

import os
import sys

from breakbulk.errors import BreakbulkError, PlatformError
from breakbulk.node.handler.invocation import Invocation, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["main", "script"]

_FAILED = 1

_SCRIPT = """\
#!/bin/sh
# Written by `breakbulk node install`, which writes it again: runc for pods that run environments.
case " $* " in
*" create "*)
  # The sandbox of a pod whose environments are all here waits for nothing; of another, until the agent unlocks a file
  # or Python asks it what is wrong. Bundles with a file `sandbox` are in one.
  breakbulk_uid=
  for breakbulk_word; do
    [ "$breakbulk_option" != --bundle ] || breakbulk_bundle=$breakbulk_word
    breakbulk_option=$breakbulk_word
  done
  [ -e "$breakbulk_bundle/sandbox" ] || breakbulk_uid=$(sed -n {sandbox} "$breakbulk_bundle/config.json" 2>/dev/null)
  [ "$breakbulk_uid" ] || exec {python} -IS -c {program} "$@"
  [ -e {ready}"$breakbulk_uid" ] || [ ! -e {waiting}"$breakbulk_uid" ] ||
    flock -s -w {gate_s} 9 2>/dev/null 9<{waiting}"$breakbulk_uid"
  [ -e {ready}"$breakbulk_uid" ] || exec {python} -IS -c {program} "$@"
  ;;
*" exec "*) exec {python} -IS -c {program} "$@" ;;
esac
exec {runc} "$@"
"""
"""A shell starts in a tenth of the time that Python takes, and most calls are not for us."""

_GATE_S = 20
"""Realisations mostly take less; with what Python then waits, it is less than kubelet's two minutes."""

_SANDBOX = (
    r'/"io\.kubernetes\.cri\.container-type":"sandbox"/'
    r's/.*"io\.kubernetes\.cri\.sandbox-uid":"\([0-9A-Za-z-]*\)".*/\1/p'
)
"""Prints the uid of the pod, for a sandbox. Who has this print another one makes a container that is refused."""

_PROGRAM = """\
import sys
sys.path.insert(0, {source_directory!a})
try:
    from breakbulk.node.handler import main
except Exception:  # moved, removed, half replaced: containerd reads why in the log
    words = sys.argv[1:]
    with open(words[words.index("--log") + 1] if "--log" in words else "/dev/stderr", "a") as log:
        log.write({missing!a} + "\\n")
    sys.exit(1)

main(runc={runc!a}, state={state!a}, run={run!a}, store={store!a}, deadline_s={deadline_s!a})
"""


def main(*, runc: str, state: str, run: str, store: str, deadline_s: float) -> NoReturn:
    """Do what the command line of this process asks of runc.

    Args:
        runc: The real one.
        state: Directory with `plans/`.
        run: Directory with the agent's socket and `pods/`.
        store: Of this node.
        deadline_s: How long environments of a pod may take in one call.

    """
    invocation = parse(sys.argv[1:])
    try:
        _prepare(invocation, state=state, run=run, store=store, deadline_s=deadline_s)
        _become(runc, sys.argv[1:])
    except BreakbulkError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - whatever it is, containerd is told, and nothing runs
        failure = _unforeseen(error)
    from breakbulk.node.handler.refusing import refuse

    refuse(failure, invocation)
    sys.exit(_FAILED)


def script(
    python: str, source_directory: str, *, runc: str, state: str, run: str, store: str, deadline_s: float
) -> str:
    """Return the text of the program that containerd calls.

    Args:
        python: Interpreter, 3.11 or newer, with nothing but its standard library; absolute.
        source_directory: Where the package `breakbulk` is.
        runc: As the others, an argument of `main`.
        state: ...
        run: ...
        store: ...
        deadline_s: ...

    """
    from json import dumps
    from shlex import quote

    from breakbulk.node.records import ready_path, waiting_path

    missing = PlatformError(
        "the runtime handler is not where it was when this node was installed",
        identifier="handler-missing",
        where=source_directory,
        hint="run `breakbulk node install` again",
    )
    words: dict[str, object] = {"runc": runc, "state": state, "run": run, "store": store, "deadline_s": deadline_s}
    words["missing"] = dumps({"level": "error", "msg": f"breakbulk: {missing}"})
    program = _PROGRAM.format(source_directory=source_directory, **words)
    return _SCRIPT.format(
        python=quote(python),
        program=quote(program),
        runc=quote(runc),
        sandbox=quote(_SANDBOX),
        ready=quote(ready_path(run, "")),
        waiting=quote(waiting_path(run, "")),
        gate_s=_GATE_S,
    )


def _prepare(invocation: Invocation, *, state: str, run: str, store: str, deadline_s: float) -> None:
    if invocation.verb == "create":
        from breakbulk.node.handler.creating import Node, create

        create(invocation.bundle, Node(state=state, run=run, store=store, deadline_s=deadline_s))
    elif invocation.verb == "exec" and invocation.process and invocation.log:
        from breakbulk.node.handler.entering import enter

        enter(os.path.dirname(invocation.log), invocation.process)  # containerd has the log in the bundle


def _become(runc: str, words: list[str]) -> None:
    """Turn into runc, with signals as they were before Python."""
    from _signal import SIG_DFL, SIGPIPE, SIGXFSZ, signal  # type: ignore[import-not-found]  # `signal` takes longer

    for number in (SIGPIPE, SIGXFSZ):
        signal(number, SIG_DFL)
    try:
        os.execv(runc, [runc, *words])  # noqa: S606 - it is what this is for
    except OSError as error:
        raise PlatformError(
            "runc cannot be started",
            identifier="runc-missing",
            where=runc,
            why=error.strerror,
            hint="run `breakbulk node install --runc PATH`",
        ) from error


def _unforeseen(error: Exception) -> BreakbulkError:
    """Return an error that says where something went wrong; only the system's errors say why, as values are secrets."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}" if trace else ""
    return PlatformError(
        "the container could not be put into its environment",
        identifier="handler-failed",
        where=(error.filename if isinstance(error, OSError) else None) or place,
        why=f"{type(error).__name__}: {error.strerror}" if isinstance(error, OSError) else type(error).__name__,
        hint="run `breakbulk node doctor`",
    )
