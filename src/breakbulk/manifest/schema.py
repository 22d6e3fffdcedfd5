"""The manifest as values: Flox's schema (`manifest.toml`, schema 1.15.0) and what Breakbulk adds to it.

Counterpart of `reading`, which turns a file into these values and says where a fault is. Names are the manifest's own
in kebab-case. Field types are exact, so that msgspec refuses what does not fit; rules that span fields are in
`reading`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

__all__ = [
    "Activate",
    "Allow",
    "ArchiveInstall",
    "Build",
    "CatalogInstall",
    "Containerize",
    "ContainerizeConfig",
    "CpuLevel",
    "DebInstall",
    "FlakeInstall",
    "GitInstall",
    "Hook",
    "Include",
    "IncludedDirectory",
    "IncludedRemote",
    "Install",
    "Manifest",
    "MinimumVersion",
    "Options",
    "PathInstall",
    "Profile",
    "ProfileDeactivate",
    "PypiInstall",
    "Ready",
    "SemanticVersions",
    "Service",
    "Shutdown",
    "StoreInstall",
    "Suite",
    "System",
    "VersionCommand",
    "VersionFile",
]

System = Literal["x86_64-linux", "aarch64-linux", "x86_64-darwin", "aarch64-darwin"]
CpuLevel = Literal["x86_64-v1", "x86_64-v2", "x86_64-v3", "x86_64-v4"]
DEFAULT_PRIORITY = 5  # Flox's default; the lower number wins


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True, omit_defaults=True):
    """A table of the manifest: unknown keys are refused, absent ones have Flox's defaults."""


class _Descriptor(_Table, frozen=True, kw_only=True):
    systems: tuple[System, ...] | None = None
    priority: int = DEFAULT_PRIORITY


class CatalogInstall(_Descriptor, frozen=True, kw_only=True):
    """A package of Flox's catalog or, as `owner/package`, of a hub."""

    pkg_path: str | tuple[str, ...]
    pkg_group: str | None = None
    version: str | None = None
    outputs: Literal["all"] | tuple[str, ...] | None = None


class FlakeInstall(_Descriptor, frozen=True, kw_only=True):
    """A Nix flake reference."""

    flake: str
    outputs: Literal["all"] | tuple[str, ...] | None = None


class StoreInstall(_Descriptor, frozen=True, kw_only=True):
    """A path of the Nix store of this machine."""

    store_path: str


class PypiInstall(_Descriptor, frozen=True, kw_only=True):
    """A Python distribution: `pypi = "name"` or `"name[extra]>=1.2"`, or a direct reference `"name @ https://..."`.

    `version` is a PEP 440 specifier, or a bare version, which means exactly that one. With `dependencies = false` what
    it requires is left out. With `build` it is built here from its source archive, for what has no wheel.
    """

    pypi: str
    version: str | None = None
    extras: tuple[str, ...] = ()
    dependencies: bool = True
    build: bool = False


class DebInstall(_Descriptor, frozen=True, kw_only=True):
    """A Debian package: `deb = "name"`.

    `version` is a Debian version, with `*` at its end for a prefix, or a relation such as `">= 1.2"`. `suite` takes
    this package, and what only it needs, from that suite.
    """

    deb: str
    version: str | None = None
    suite: str | None = None


class PathInstall(_Descriptor, frozen=True, kw_only=True):
    """The user's own source in a directory relative to the manifest: of a Python project a wheel, else a tree."""

    path: str
    destination: str | None = None
    exclude: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()


class GitInstall(_Descriptor, frozen=True, kw_only=True):
    """Source in a Git repository, locked to a commit."""

    git: str
    rev: str | None = None
    branch: str | None = None
    tag: str | None = None
    subdirectory: str | None = None
    destination: str | None = None
    extras: tuple[str, ...] = ()


class ArchiveInstall(_Descriptor, frozen=True, kw_only=True):
    """A tar, zip or zstd archive at an address; `strip` leading path components are dropped."""

    url: str
    sha256: str
    strip: int = 0
    destination: str | None = None


Install = (
    CatalogInstall | FlakeInstall | StoreInstall | PypiInstall | DebInstall | PathInstall | GitInstall | ArchiveInstall
)


class Hook(_Table, frozen=True, kw_only=True):
    """Bash, run once per activation, before the command."""

    on_activate: str | None = None
    on_deactivate: str | None = None


class ProfileDeactivate(_Table, frozen=True, kw_only=True):
    """Shell code per shell, when an interactive shell ends."""

    common: str | None = None
    bash: str | None = None
    zsh: str | None = None
    fish: str | None = None
    tcsh: str | None = None


class Profile(ProfileDeactivate, frozen=True, kw_only=True):
    """Shell code per shell, sourced by interactive shells only."""

    deactivate: ProfileDeactivate | None = None


class Shutdown(_Table, frozen=True, kw_only=True):
    """How a daemon is ended."""

    command: str


class Ready(_Table, frozen=True, kw_only=True):
    """When a service is ready: `command` exits with 0, or something listens on `port` of loopback.

    Exactly one of the two. Tried every `interval-s` seconds; after `timeout-s` the service has failed.
    """

    command: str | None = None
    port: int | None = None
    interval_s: float = 0.1
    timeout_s: float = 60.0


class Service(_Table, frozen=True, kw_only=True):
    """A service of the environment. `depends-on` names services that are ready before this one starts."""

    command: str
    vars: dict[str, str] = {}
    is_daemon: bool = False
    shutdown: Shutdown | None = None
    systems: tuple[System, ...] | None = None
    systemd: dict[str, Any] | None = None
    ready: Ready | None = None
    restart: Literal["never", "on-failure", "always"] = "never"
    depends_on: tuple[str, ...] = ()


class IncludedDirectory(_Table, frozen=True, kw_only=True):
    """An environment in a directory, relative to the manifest."""

    dir: str
    name: str | None = None


class IncludedRemote(_Table, frozen=True, kw_only=True):
    """An environment on a hub."""

    remote: str
    name: str | None = None
    generation: int | None = None


class Include(_Table, frozen=True, kw_only=True):
    """Environments that this one is composed of, lowest priority first."""

    environments: tuple[IncludedDirectory | IncludedRemote | str, ...] = ()


class VersionFile(_Table, frozen=True, kw_only=True):
    """A file that holds a version."""

    file: str


class VersionCommand(_Table, frozen=True, kw_only=True):
    """A command that prints a version."""

    command: str


class Build(_Table, frozen=True, kw_only=True):
    """A recipe that makes a package, or with `matrix` one for every combination. Below `license` is Breakbulk's own.

    `exclude` leaves combinations out, `name` says what each is called (`matrix.naming`). `cpu` builds the package once
    for each of these levels of x86-64. `destination`: where the package is in the root file system; by default
    `/opt/<name>`.
    """

    command: str
    sandbox: Literal["off", "warn", "enforce", "pure"] | None = None
    sandbox_allow: tuple[str, ...] = ()
    version: str | VersionFile | VersionCommand | None = None
    description: str | None = None
    runtime_packages: tuple[str, ...] | None = None
    license: str | tuple[str, ...] | None = None
    matrix: dict[str, tuple[str, ...]] = {}
    exclude: tuple[dict[str, str], ...] = ()
    name: str | None = None
    cpu: tuple[CpuLevel, ...] = ()
    destination: str | None = None


class Activate(_Table, frozen=True, kw_only=True):
    """How the environment is activated."""

    mode: Literal["dev", "run"] | None = None


class Allow(_Table, frozen=True, kw_only=True):
    """Which packages may be locked."""

    unfree: bool | None = None
    broken: bool | None = None
    licenses: tuple[str, ...] | None = None


class SemanticVersions(_Table, frozen=True, kw_only=True):
    """How semantic versions are matched."""

    allow_pre_releases: bool | None = None


class Suite(_Table, frozen=True, kw_only=True):
    """A suite of a Debian archive; of two candidates the one from the suite with the higher priority wins, then the
    newer version. Priorities are those of apt: 500 for an ordinary suite.
    """

    name: str
    priority: int = 500
    components: tuple[str, ...] = ("main",)


class Options(_Table, frozen=True, kw_only=True):
    """Options of the environment. Below `cuda-detection` Breakbulk's own begin.

    `snapshot`: everything resolves as of this date (RFC 3339 date or date-time). `suite`: a suite, or several.
    `python`: the minor version, such as "3.11"; by default the suite's. `base`: what comes without being asked for:
    `minimal` (a shell, core utilities, certificates, time zones), `essential` (Debian's Essential set too), `none`.
    `locales`: such as "de_DE.UTF-8". `constraints`: files of pip constraints, relative to the manifest.
    """

    systems: tuple[System, ...] | None = None
    activate: Activate | None = None
    allow: Allow | None = None
    semver: SemanticVersions | None = None
    cuda_detection: bool | None = None
    snapshot: str | None = None
    suite: str | tuple[str | Suite, ...] | None = None
    python: str | None = None
    base: Literal["minimal", "essential", "none"] | None = None
    locales: tuple[str, ...] | None = None
    constraints: tuple[str, ...] | None = None


class ContainerizeConfig(_Table, frozen=True, kw_only=True):
    """OCI image configuration in kebab-case."""

    user: str | None = None
    exposed_ports: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] | None = None
    working_dir: str | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None


class Containerize(_Table, frozen=True, kw_only=True):
    """What an exported image says of itself."""

    config: ContainerizeConfig | None = None


class MinimumVersion(_Table, frozen=True, kw_only=True):
    """The oldest command line that understands the manifest."""

    version: str
    reason: str | None = None


class Manifest(_Table, frozen=True, kw_only=True):
    """One manifest, as read or as composed.

    `remove` names entries of the included manifests, as `install.x`, that are left out; Flox has no such key.
    `services` holds the entries only; Flox's `services.auto-start`, which shares their table in the file, is
    `services_auto_start` here.
    """

    schema_version: str | None = None
    version: int | None = None
    minimum_cli_version: str | MinimumVersion | None = None
    install: dict[str, Install] = {}
    vars: dict[str, str] = {}
    hook: Hook = Hook()
    profile: Profile = Profile()
    services: dict[str, Service] = {}
    services_auto_start: bool | None = None
    include: Include = Include()
    build: dict[str, Build] = {}
    options: Options = Options()
    plugins: dict[str, dict[str, Any]] = {}
    containerize: Containerize = Containerize()
    remove: tuple[str, ...] = ()
