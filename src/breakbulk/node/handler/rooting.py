"""Make the root file system of a container: the packages of its environment over what containerd has mounted.

containerd's overlay at the bundle's `rootfs` is replaced by one with the same upper and work directories, the packages
as lower layers, and below them the layers of the image. So cleaning up, accounting and read-only roots stay
containerd's. It gives way as late as possible, when everything that can be looked at beforehand has been; what fails
after leaves no mount, which containerd takes as it takes its own.

In a pod with a user namespace, files of packages belong to the users of that namespace: the store is cloned with its
mapping and mounted where only this process sees it (a mount namespace of its own, which ends with it, however it ends),
and the overlay made there is moved to where containerd's was. Counterparts: `store.rootfs`, `mount_table`.
"""

from __future__ import annotations

import os

from breakbulk.errors import BreakbulkError, PlatformError, StoreError
from breakbulk.node.mount_table import Overlay, overlay_at, overlay_of
from breakbulk.store import linux
from breakbulk.store.descriptors import Descriptors
from breakbulk.store.rootfs import mount_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["IMAGE_LAYERS_MAX", "PACKAGE_LAYERS_MAX", "mount_root"]

PACKAGE_LAYERS_MAX = 450
"""The store merges longer lists (`store.bundle`)."""

IMAGE_LAYERS_MAX = 50
"""Together an overlay's 500."""


def mount_root(root: str, lowers: Sequence[str], *, store: str, user_namespace: str, only_stub: bool) -> None:
    """Replace containerd's mount at `root`.

    Args:
        root: Directory in a bundle, its path without links.
        lowers: Directories of the packages, below `store`, the first on top; somebody keeps them from collection.
        store: Of this node.
        user_namespace: File of the namespace (`/proc/PID/ns/user`) of the pod; empty for that of this machine.
        only_stub: Whether the image is one of ours, without content.

    Raises:
        PlatformError: `rootfs-unknown`, `overlay-unavailable`, `too-many-layers`.
        StoreError: `plan-damaged`.

    """
    _check(lowers, store)
    overlay = _of_containerd(root)
    image = _of_image(overlay, mapped=bool(user_namespace), only_stub=only_stub)
    if not user_namespace:
        _give_way(root, overlay)
        _mount([*lowers, *image], root, overlay)
        return
    with Descriptors() as held:
        mapping = held.keep(os.open(user_namespace, os.O_RDONLY | os.O_CLOEXEC))
        _give_way(root, overlay)
        mapped = [_place(store) + lower.removeprefix(store) for lower in lowers]
        _mount_mapped(root, [*mapped, *image], overlay, store, mapping)


def _check(lowers: Sequence[str], store: str) -> None:
    if len(lowers) > PACKAGE_LAYERS_MAX:
        raise _too_many(f"{len(lowers)} packages", PACKAGE_LAYERS_MAX, "run `breakbulk node prewarm` again")
    for lower in lowers:
        if not lower.startswith(f"{store}/") or ".." in lower.split("/"):
            raise StoreError(
                "the plan of the environment names a directory that is not in this node's store",
                identifier="plan-damaged",
                where=lower,
                why=f"the store is {store}",
                hint="remove the file of the plan below `plans`; the node agent writes it again",
            )


def _of_containerd(root: str) -> Overlay:
    overlay = _overlay_at(root)
    if overlay is None:
        raise PlatformError(
            "the root of the container is no overlay that can be written, so no packages can be put below it",
            identifier="rootfs-unknown",
            where=root,
            hint='set `snapshotter = "overlayfs"` for this runtime in the configuration of containerd',
        )
    return overlay


def _overlay_at(root: str) -> Overlay | None:
    """Ask for this one mount where the kernel answers that: the table of all grows with the pods of the node."""
    if found := linux.mount_at(root):
        kind, options = found
        return overlay_of(options) if kind == "overlay" else None
    with open("/proc/self/mountinfo", "rb") as file:
        return overlay_at(file.read(), root)


def _of_image(overlay: Overlay, *, mapped: bool, only_stub: bool) -> list[str]:
    """Return the image's layers; with a user namespace, containerd's mapped ones have lost their names."""
    if len(overlay.lowers) > IMAGE_LAYERS_MAX:
        raise _too_many(f"{len(overlay.lowers)} layers of an image", IMAGE_LAYERS_MAX, "use the stub image")
    if not mapped:
        return overlay.lowers
    named = [lower for lower in overlay.lowers if lower.startswith(f"{overlay.snapshots}/")]
    if len(named) < len(overlay.lowers) and not only_stub:
        raise PlatformError(
            "an environment cannot lie over an image in a pod with a user namespace",
            identifier="image-below-user-namespace",
            why="containerd has mapped the image's layers where nobody else can see them",
            hint="use the stub image, or set `hostUsers: true` in the pod",
        )
    return named


def _give_way(root: str, overlay: Overlay) -> None:
    linux.unmount(root)
    # Of a volatile overlay; whoever mounts again is to remove it.
    mark = os.path.join(overlay.work, "work", "incompat", "volatile")
    try:
        os.unlink(f"{mark}/dirty")
        os.rmdir(mark)
    except FileNotFoundError:
        return


def _mount(lowers: Sequence[str], root: str, overlay: Overlay) -> None:
    mount_overlay(lowers, root, upper=overlay.upper, work=overlay.work, user=False)


def _mount_mapped(root: str, lowers: Sequence[str], overlay: Overlay, store: str, mapping: int) -> None:
    """Mount with the store at its place for mounts, mapped; containerd's other layers are mapped already."""
    with Descriptors() as held:
        outside = held.keep(os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC))
        directory = held.keep(os.open(".", os.O_PATH | os.O_CLOEXEC))
        linux.unshare(linux.CLONE_NEWNS)
        try:
            linux.mount(None, "/", flags=linux.MS_REC | linux.MS_PRIVATE)
            tree = held.keep(linux.open_tree(store))
            linux.mount_setattr(tree, add=linux.MOUNT_ATTR_IDMAP, user_namespace=mapping)
            linux.move_mount(tree, _place(store))
            _mount(lowers, root, overlay)
            made = held.keep(linux.open_tree(root))
        finally:
            linux.setns(outside, linux.CLONE_NEWNS)
            os.fchdir(directory)  # entering a namespace leads to its root
        linux.move_mount(made, root)


def _place(store: str) -> str:
    return f"{store}/mnt"


def _too_many(what: str, most: int, hint: str) -> BreakbulkError:
    return PlatformError(
        f"a container cannot be made of {what}",
        identifier="too-many-layers",
        why=f"at most {most} fit into one overlay",
        hint=hint,
    )
