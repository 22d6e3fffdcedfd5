"""Decide what of this machine a command sees, and where: the plan that `mounting` carries out.

The root file system is the packages' alone. On top of it come, at their own paths, the project, the current directory
and (unless the run is pure) the home directory; a few files that say which network this machine is in; and what the
user asks for. Directories that the environment itself lives in, such as /usr, are never covered.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from breakbulk.environment.specification import Launch, Mount
from breakbulk.errors import NotFoundError, UsageError

__all__ = ["CA_BUNDLE", "View", "is_system_directory", "view"]

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where Debian's programs look for certificate authorities."""

_CA_BUNDLES = (CA_BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
_NETWORK_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
# `os.path` throughout: unlike `Path`, it takes what must not be looked at for absent, and it is quicker.
_GPU_NODES = ("nvidia*", "dri", "kfd", "dxg", "kvm")
_NEVER_BELOW = ("/proc", "/sys", "/dev", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc")
_NEVER = frozenset(
    {
        *("/", "/boot", "/home", "/media", "/mnt", "/nix", "/nix/store", "/opt", "/run", "/srv"),
        *("/usr", "/usr/bin", "/usr/include", "/usr/lib", "/usr/libexec", "/usr/sbin", "/usr/share", "/usr/src"),
        *("/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/local/share"),
        *("/var", "/var/cache", "/var/lib", "/var/log", "/var/tmp"),  # noqa: S108 - never written
    }
)


class View(msgspec.Struct, frozen=True, kw_only=True):
    """What is visible besides the packages.

    Attributes:
        mounts: Parents before children; the user's own last, in the given order.
        devices: Names below /dev that are there for graphics cards and virtual machines.
        certificates: This machine's bundle, for environments that bring none.
        home: The home directory, visible or not.

    """

    mounts: tuple[Mount, ...]
    devices: tuple[str, ...]
    certificates: Path | None
    home: str


def is_system_directory(path: Path) -> bool:
    """Tell whether mounting `path` of this machine would cover what the environment consists of."""
    text = str(path)
    return text in _NEVER or any(text == top or text.startswith(f"{top}/") for top in _NEVER_BELOW)


def view(launch: Launch) -> View:
    """Return what `launch` shows of this machine.

    Raises:
        UsageError: `project-in-system-directory`.
        NotFoundError: `mount-source-missing`.

    """
    own = _own_directories(launch)
    network = [Mount(source=Path(path), target=path, writable=False) for path in _NETWORK_FILES]
    for mount in launch.mounts:
        if not os.path.exists(mount.source):
            raise NotFoundError(
                f"{mount.source} does not exist, so it cannot be mounted",
                identifier="mount-source-missing",
                where=f"--mount {mount.source}",
                hint=f"create it (`mkdir -p {mount.source}`), or leave the option out",
            )
    return View(
        mounts=(*(mount for mount in network if os.path.exists(mount.source)), *own, *launch.mounts),
        devices=tuple(sorted(node.name for pattern in _GPU_NODES for node in Path("/dev").glob(pattern))),
        certificates=next((bundle for path in _CA_BUNDLES if os.path.exists(bundle := Path(path))), None),
        home=_home(launch),
    )


def _own_directories(launch: Launch) -> list[Mount]:
    """Return home, project, state and current directory, each once, at their own paths."""
    own_project = launch.state.parent == launch.project
    if own_project and is_system_directory(launch.project):
        raise UsageError(
            f"the project is in {launch.project}, which the environment has a directory of its own for",
            identifier="project-in-system-directory",
            where=str(launch.project),
            hint="move the manifest into a directory of its own, for example below /srv or your home directory",
        )
    wanted = [launch.project if own_project else launch.state]
    home = Path(_home(launch))
    if not launch.pure and os.path.isdir(home) and not is_system_directory(home):
        wanted.append(home)
    if not is_system_directory(launch.directory):
        wanted.append(launch.directory)
    shown: list[Path] = []
    for path in sorted(set(wanted)):
        if not any(path.is_relative_to(parent) for parent in shown):
            shown.append(path)
    return [Mount(source=path, target=str(path)) for path in shown]


def _home(launch: Launch) -> str:
    home = launch.host.get("HOME", "")
    return home if home.startswith("/") and home != "/" else "/root"
