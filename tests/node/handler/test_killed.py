"""A handler that is killed at any moment: what containerd does then leaves nothing, and packages stay as they are.

containerd kills what takes longer than its deadline, and a shim takes its runtime along when it dies.
"""

from contextlib import nullcontext

import pytest
from runc_containers import user_namespace

pytestmark = pytest.mark.integration

KILLED = """
import os, signal
from breakbulk.node{package} import {module}
before = {target}
def killed(*arguments, **options):
    {then}os.kill(os.getpid(), signal.SIGKILL)
{target} = killed

main("""
MOMENTS = {
    "before the mount of containerd is gone": ("rooting", "rooting._give_way", ""),
    "when it is gone": ("rooting", "rooting._mount", ""),
    "when ours is there": ("rooting", "rooting._mount", "before(*arguments, **options); "),
    "before the note": ("bundle", "bundle.Bundle.write_note", ""),
    "before the configuration": ("bundle", "bundle.Bundle.replace", ""),
    "in the middle of the configuration": ("bundle", "bundle.os.replace", ""),
    "when the configuration is there": ("handler", "handler._become", ""),
}


@pytest.mark.parametrize("namespaced", [False, True], ids=["", "user namespace"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_nothing_is_left(node, moment, namespaced):
    module, target, then = MOMENTS[moment]
    package = "" if module == "handler" else ".handler"
    patch = KILLED.format(package=package, module=module, target=target, then=then)
    node.runtime.write_text(node.runtime.read_text().replace("\nmain(", patch))
    with user_namespace() if namespaced else nullcontext("") as held:
        container = node.container("tool", user_namespace=held)
        assert container.create().status == -9
    assert not container.known
    container.delete()
    assert node.mounts() == []
    assert not container.bundle.exists()
    node.install()
    assert node.container().run().output == "tool of the environment: by default\n"


def test_packages_are_kept_from_collection_while_they_are_mounted(node):
    patch = """
import fcntl
from breakbulk.node.handler import rooting
mount = rooting._mount
def looking(*arguments, **options):
    with open(STORE + "/locks/use") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return mount(*arguments, **options)
    raise SystemExit("anybody may collect")
rooting._mount = looking

main(""".replace("STORE", f'"{node.realised.store}"')  # the shell has the program between single quotes
    node.runtime.write_text(node.runtime.read_text().replace("\nmain(", patch))
    assert node.container().run().status == 0
