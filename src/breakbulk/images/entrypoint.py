"""What an image runs before its command, as there is no Breakbulk in it: variables and hooks, with the same meaning.

A script in the image's top layer exports the variables that the image's configuration cannot, sources
`hook.on-activate` with its output going to standard error, and becomes the command; with `hook.on-deactivate` it stays,
hands signals on, and sources that at the end. An image whose variables are all known beforehand and that has no hooks
needs none of it. Counterparts: `environment.activation` and `environment.hooks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from breakbulk.ecosystems.interface import Entry
from breakbulk.errors import ActivationError
from breakbulk.images.content import Leaf
from breakbulk.images.layering import LayerPlan
from breakbulk.images.variables import exports
from breakbulk.manifest.schema import Manifest

__all__ = ["ENTRYPOINT", "entrypoint_layer"]

_PLACE = "usr/lib/breakbulk"
ENTRYPOINT = f"/{_PLACE}/entrypoint"

_ACTIVATE = f"""\
trap 'echo "breakbulk: hook.on-activate ended with status $? before its end" >&2; exit 77' EXIT
source /{_PLACE}/hook.on-activate 1>&2
trap - EXIT ERR
"""
_EXECUTE = 'exec "$@"\n'
_ATTEND = f"""\
"$@" <&0 &
__breakbulk_child=$!
for __breakbulk_signal in HUP INT QUIT TERM USR1 USR2; do
  trap "kill -$__breakbulk_signal $__breakbulk_child 2>/dev/null" "$__breakbulk_signal"
done
while :; do
  wait "$__breakbulk_child"
  __breakbulk_status=$?
  kill -0 "$__breakbulk_child" 2>/dev/null || break
done
trap - HUP INT QUIT TERM USR1 USR2
source /{_PLACE}/hook.on-deactivate 1>&2
exit "$__breakbulk_status"
"""


def entrypoint_layer(manifest: Manifest, settled: Mapping[str, str], shells: Mapping[str, bool]) -> LayerPlan | None:
    """Return the layer with the script, None when the image needs none.

    Args:
        manifest: Composed.
        settled: Variables that the image's configuration sets.
        shells: Whether the image has `bash`, and `sh`.

    Raises:
        ActivationError: `hook-needs-bash`; `image-needs-shell`.

    """
    hook = manifest.hook
    hooks = {"hook.on-activate": hook.on_activate, "hook.on-deactivate": hook.on_deactivate}
    files = {name: text for name, text in hooks.items() if text}
    if not files and settled.keys() == manifest.vars.keys():
        return None
    _check_shell(shells, bash=bool(files))
    # What is settled is configured, so that whoever starts a container can set it otherwise, as with any image.
    left = {name: text for name, text in manifest.vars.items() if name not in settled}
    lines = [f"#!{'/bin/bash' if files else '/bin/sh'}", *exports(left)]
    script = "\n".join(lines) + "\n"
    script += _ACTIVATE if hook.on_activate else ""
    script += _ATTEND if hook.on_deactivate else _EXECUTE
    return LayerPlan(title="variables and hooks", leaves=_leaves({**files, "entrypoint": script}))


def _check_shell(shells: Mapping[str, bool], *, bash: bool) -> None:
    if bash and not shells["bash"]:
        raise ActivationError(
            "the manifest has hooks, but the environment has no bash to run them",
            identifier="hook-needs-bash",
            hint='breakbulk install deb:bash, or set options.base = "minimal"',
        )
    if not shells["sh"] and not shells["bash"]:
        raise ActivationError(
            "variables refer to what is only known when the image runs, and it has no shell to find out",
            identifier="image-needs-shell",
            where="vars",
            hint='set options.base = "minimal", or write what the variables refer to into the manifest',
        )


def _leaves(files: Mapping[str, str]) -> dict[str, Leaf]:
    leaves = {}
    for path in ("usr", "usr/lib", _PLACE):
        leaves[path] = Leaf(entry=Entry("directory", 0o755, ""), source=b"")
    for name, text in sorted(files.items()):
        data = (text if text.endswith("\n") else text + "\n").encode()
        entry = Entry("file", 0o755 if name == "entrypoint" else 0o644, hashlib.sha256(data).hexdigest(), len(data))
        leaves[f"{_PLACE}/{name}"] = Leaf(entry=entry, source=data)
    return leaves
