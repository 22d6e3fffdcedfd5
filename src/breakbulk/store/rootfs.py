"""Mount package directories as one file system: one overlay, or one bind mount where there is a single directory.

Guarantees: directories earlier in the list win; the packages themselves are never written; a failed call leaves no
mount. The caller has entered a mount namespace of its own (`namespaces`), so a dead process leaves none either.

Two ways lead to the same mount. `layers`: the new mount API with one `lowerdir+` per directory, Linux 6.8. `options`:
`mount(2)`, whose options must fit in one page of 4096 bytes. In both, layers have short names, of links on a tmpfs that
is never attached anywhere: numbers where space is short, else the beginning of the tree's own name, by which a mount
still tells what it uses (`mounted`). Whoever looks at one mount reads the layers of all: of fifty pods with two hundred
packages, whole paths were 1.6 MB, and 45 ms for each look of runc, containerd and kubelet. Overlayfs takes at most 500
lower layers; `bundle` keeps lists short enough. Source: the kernel's Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os

from breakbulk.errors import PlatformError
from breakbulk.store import linux
from breakbulk.store.descriptors import Descriptors

TYPE_CHECKING = False  # typing and pathlib take longer to import than the runtime handler has
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    Method = Literal["layers", "options"]
    AnyPath = str | os.PathLike[str]

__all__ = ["ALIAS", "ALIAS_DIGITS", "LAYERS_MAX", "mount_overlay"]

LAYERS_MAX = 500
"""Lower layers of one overlay: OVL_MAX_STACK in fs/overlayfs/params.h."""

ALIAS = "t-"
"""Begins the name of a layer that is a tree of a store; the first digits of the tree's own name follow."""

ALIAS_DIGITS = 6
"""Two trees that begin alike cost a longer name, or are kept together; each letter costs whoever looks at mounts."""

_TREES = ("/packages", "/bundles")
_HEX = "0123456789abcdef"
_LAYERS_SINCE = (6, 8)
_PAGE = 4096


def mount_overlay(
    lowers: Sequence[AnyPath],
    target: AnyPath,
    *,
    upper: AnyPath | None = None,
    work: AnyPath | None = None,
    user: bool,
    method: Method | None = None,
) -> None:
    """Mount `lowers`, the first on top, over the directory `target`; read-only unless `upper` and `work` are given.

    Args:
        lowers: 1 to `LAYERS_MAX` directories, absolute.
        target: An existing directory.
        upper: Where changes go; `work` is an empty directory on the same file system.
        work: Needed with `upper`.
        user: Whether this is a user namespace: overlay's own marks are then `user.*` extended attributes.
        method: Forces a way of mounting; by default the one this kernel has.

    Raises:
        PlatformError: `overlay-unavailable`.

    """
    if not 1 <= len(lowers) <= LAYERS_MAX:
        raise ValueError(f"an overlay of {len(lowers)} directories")
    if upper is None and len(lowers) == 1:
        _bind_read_only(lowers[0], target)
        return
    options = {"index": "off", "metacopy": "off", "redirect_dir": "nofollow"}
    if upper is not None and work is not None:
        options |= {"upperdir": os.fspath(upper), "workdir": os.fspath(work)}
    mount = _mount_by_options if (method or _native_method()) == "options" else _mount_by_layers
    try:
        mount(lowers, target, options, ("userxattr",) if user else ())
    except OSError as error:
        raise _unavailable(error, lowers, user=user) from error


def _native_method() -> Method:
    """Return what this kernel has; vendors' version suffixes (`5.14.0-427.el9`) do not matter."""
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in os.uname().release.split(".")[:2])
    return "layers" if (major, minor) >= _LAYERS_SINCE else "options"


def _mount_by_layers(
    lowers: Sequence[AnyPath], target: AnyPath, options: dict[str, str], flags: tuple[str, ...]
) -> None:
    with Descriptors() as held:
        before, links = held.keep(_here()), _links(held)
        names = [_alias(lower, links) or _short_path(lower, held) for lower in lowers]
        context = held.keep(linux.fsopen("overlay"))
        os.fchdir(links)
        try:
            linux.fsconfig_string(context, "source", "overlay")  # what df(1) shows
            for flag in flags:
                linux.fsconfig_flag(context, flag)
            linux.fsconfig_strings(context, "lowerdir+", names)
            for key, value in options.items():
                linux.fsconfig_string(context, key, _short_path(value, held) if key.endswith("dir") else value)
            linux.fsconfig_create(context)
        except OSError as error:
            reason = linux.messages(context)
            raise OSError(error.errno, reason or error.strerror, error.filename) from error
        finally:
            os.fchdir(before)
        attributes = 0 if "upperdir" in options else linux.MOUNT_ATTR_RDONLY
        linux.move_mount(held.keep(linux.fsmount(context, attributes)), target)


def _mount_by_options(
    lowers: Sequence[AnyPath], target: AnyPath, options: dict[str, str], flags: tuple[str, ...]
) -> None:
    with Descriptors() as held:
        before, links = held.keep(_here()), _links(held)
        for number, lower in enumerate(lowers):
            os.symlink(lower, str(number), dir_fd=links)
        os.fchdir(links)
        try:
            _mount_with_names(range(len(lowers)), target, options, flags)
        finally:
            os.fchdir(before)


def _mount_with_names(names: Iterable[int], target: AnyPath, options: dict[str, str], flags: tuple[str, ...]) -> None:
    lowers = ":".join(map(str, names))
    text = ",".join([*flags, f"lowerdir={lowers}", *(f"{key}={_escaped(value)}" for key, value in options.items())])
    if len(os.fsencode(text)) >= _PAGE:
        raise OSError(errno.E2BIG, "the mount options do not fit in a page", f"mount of overlay on {target}")
    linux.mount("overlay", target, "overlay", 0 if "upperdir" in options else linux.MS_RDONLY, text)


def _here() -> int:
    return os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _links(held: Descriptors) -> int:
    """Return a directory for links, on a tmpfs that only this process sees."""
    context = held.keep(linux.fsopen("tmpfs"))
    linux.fsconfig_create(context)
    return held.keep(linux.fsmount(context))


def _alias(path: AnyPath, links: int) -> str | None:
    """Make a link with a short name to a tree of a store, and return it; None for what is no such tree."""
    directory, _, name = os.fspath(path).rpartition("/")
    digits = name[:ALIAS_DIGITS]
    if not directory.endswith(_TREES) or len(digits) < ALIAS_DIGITS or digits.strip(_HEX):
        return None
    try:
        os.symlink(path, f"{ALIAS}{digits}", dir_fd=links)
    except FileExistsError:  # two that begin alike
        return None
    return f"{ALIAS}{digits}"


def _short_path(path: AnyPath, held: Descriptors) -> str:
    """Return a name of `path` that fits in an option of fsconfig(2), which may need a descriptor to be kept."""
    text = os.fspath(path)
    if len(os.fsencode(text)) <= linux.FSCONFIG_STRING_MAX:
        return text
    return f"/proc/self/fd/{held.keep(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))}"


def _escaped(value: str) -> str:
    """Escape what separates options in the text form."""
    return value.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _bind_read_only(source: AnyPath, target: AnyPath) -> None:
    """Show one directory at `target`: overlayfs wants two lower layers when there is no upper one."""
    try:
        with Descriptors() as held:
            tree = held.keep(linux.open_tree(source))
            linux.mount_setattr(tree, add=linux.MOUNT_ATTR_RDONLY)
            linux.move_mount(tree, target)
    except OSError as error:
        raise _unavailable(error, [source], user=False) from error


def _unavailable(error: OSError, lowers: Sequence[AnyPath], *, user: bool) -> PlatformError:
    missing = next((lower for lower in lowers if not os.path.isdir(lower)), None)  # noqa: PTH112
    hint = "use Linux 5.11 or newer and mount from a mount namespace of your own"
    if missing is not None:
        hint = f"{missing} is missing: run `breakbulk realise` again"
    elif error.errno == errno.EINVAL:
        hint = "no overlay over the store's file system: set BREAKBULK_STORE to a directory on ext4, XFS or Btrfs"
    elif error.errno in {errno.ENODEV, errno.ENOSYS}:
        hint = "load the module as root: `modprobe overlay`"
    elif error.errno in {errno.EPERM, errno.EACCES} and user:
        hint = (
            "overlay mounts by ordinary users need Linux 5.11 or newer; on Ubuntu 23.10 or newer also "
            "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` as root"
        )
    return PlatformError(
        f"{len(lowers)} directories cannot be mounted as one overlay",
        identifier="overlay-unavailable",
        where=str(error.filename),
        why=error.strerror,
        hint=hint,
    )
