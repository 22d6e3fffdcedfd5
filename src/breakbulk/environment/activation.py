"""The variables a command starts with.

In this order, each over the one before: what the caller has, less what would lead programs to this machine's own
libraries; what every environment sets (PATH, LANG, FLOX_ENV...); `vars` of the manifest, expanded. Then `hooks` runs
`hook.on-activate`, whose exports come on top. Values are never logged: they may be secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from breakbulk.environment.specification import Launch
from breakbulk.manifest.variables import expand

__all__ = ["inherited", "own_variables", "search_path", "variables"]

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOREIGN = re.compile(
    r"""
      PATH | MANPATH | INFOPATH | BASH_ENV | BASH_FUNC_.* | ENV | SHELLOPTS | BASHOPTS | PS[124] | PROMPT_COMMAND
    | PWD | OLDPWD | SHLVL | TMP | TEMP | TEMPDIR | TMPDIR | XDG_(DATA|CONFIG)_DIRS | XDG_RUNTIME_DIR
    | DBUS_SESSION_BUS_ADDRESS | TERMINFO(_DIRS)? | LD_.* | GCONV_PATH | LOCPATH | NLSPATH
    | PYTHON(HOME|PATH|STARTUP|USERBASE|PLATLIBDIR|EXECUTABLE|SAFEPATH) | VIRTUAL_ENV.* | PYENV.* | PIPENV.*
    | POETRY_.* | CONDA.* | MAMBA.* | _CONDA.* | _CE_.* | UV_(PYTHON|PROJECT_ENVIRONMENT)
    | PERL5LIB | PERL5OPT | PERL_(MB|MM|LOCAL_LIB).* | NODE_PATH | NVM_.* | GEM_.* | RUBY(LIB|OPT|SHELL) | BUNDLE_.*
    | RBENV.* | R_.* | JAVA_HOME | JDK_HOME | CLASSPATH | GOROOT | GUILE_.* | LUA_C?PATH.* | TCLLIBPATH | OCAML.*
    | GHC_.* | QT_PLUGIN_PATH | GTK_(PATH|EXE_PREFIX|IM_MODULE_FILE) | GI_TYPELIB_PATH | GDK_PIXBUF_.*
    | GIO_(MODULE_DIR|EXTRA_MODULES) | FONTCONFIG_(FILE|PATH|SYSROOT) | SNAP.* | APPDIR | APPIMAGE
    | CPATH | C(PLUS)?_INCLUDE_PATH | LIBRARY_PATH | PKG_CONFIG_.* | ACLOCAL_PATH | CMAKE_PREFIX_PATH
    | NIX_.* | _?FLOX_.* | BREAKBULK_(ENV|SERVICE|HUB_TOKEN).*
    """,
    re.VERBOSE,
)
"""Names of variables that say where something of this machine is, which in the environment is elsewhere or absent.

And one that no workload is to have: the token for the hub.
"""

_CERTIFICATES = frozenset(
    {
        "AWS_CA_BUNDLE",
        "CARGO_HTTP_CAINFO",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        "NODE_EXTRA_CA_CERTS",
        "PIP_CERT",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERTIFICATE_FILE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    }
)
"""These are kept where what they name is visible: behind a proxy nothing works without its certificate."""

_LOCALES = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LANGUAGE",
)
_PURE = ("TERM", "COLORTERM", "NO_COLOR", "LINES", "COLUMNS", "TZ", "USER", "LOGNAME")
_BUILT_IN_LOCALES = re.compile(r"C|POSIX|C\.utf-?8", re.IGNORECASE)


def variables(launch: Launch, home: str, cache: str) -> dict[str, str]:
    """Return the variables before the hook; call it inside the root. Raises `ManifestError` for `vars` that fail."""
    environment = inherited(launch.host, pure=launch.pure) | own_variables(launch, home, cache)
    return environment | expand(launch.manifest.vars, environment)


def inherited(host: Mapping[str, str], *, pure: bool) -> dict[str, str]:
    """Return those of the caller's variables that mean the same inside; looks at the root file system."""
    if pure:
        return {name: host[name] for name in _PURE if name in host}
    kept = {name: value for name, value in host.items() if not _FOREIGN.fullmatch(name)}
    for name in _CERTIFICATES & kept.keys():
        if not os.path.exists(kept[name].split(":")[0]):
            del kept[name]
    for name in _LOCALES:
        if name in kept and not _has_locale(kept[name]):
            del kept[name]
    return kept


def own_variables(launch: Launch, home: str, cache: str) -> dict[str, str]:
    """Return what every environment sets; looks at the root file system."""
    fixed = {
        "PATH": search_path("/opt"),
        "HOME": home,
        "PWD": os.getcwd(),
        "PYTHONNOUSERSITE": "1",  # packages in the home directory are for this machine's Python
        "FLOX_ENV": "/",
        "FLOX_ENV_CACHE": cache,
        "FLOX_ENV_PROJECT": str(launch.project),
        "FLOX_ENV_DESCRIPTION": launch.name,
        "BREAKBULK_ENV": launch.name,
        "BREAKBULK_ENV_CACHE": cache,
        "BREAKBULK_ENV_PROJECT": str(launch.project),
    }
    language = launch.host.get("LANG", "")
    locales = launch.manifest.options.locales or ()
    usable = not launch.pure and language and _has_locale(language)
    return fixed | {"LANG": language if usable else next(iter(locales), "C.UTF-8")}


def search_path(own_trees: str) -> str:
    """Return PATH: where Debian's programs are, then `bin` of each of the user's own trees below `own_trees`."""
    try:
        names = sorted(os.listdir(own_trees))
    except FileNotFoundError:
        names = []
    candidates = [f"{own_trees}/{name}/bin" for name in names]
    own = [path for path in candidates if os.path.isdir(path)]
    return ":".join([_SYSTEM_PATH, *own])


def _has_locale(name: str) -> bool:
    """Tell whether a locale exists here: built into the C library, or compiled in the environment."""
    if not name or _BUILT_IN_LOCALES.fullmatch(name):
        return True
    stem, _, charset = name.partition(".")
    folder = f"{stem}.{charset.lower().replace('-', '')}" if charset else stem
    if os.path.isdir(f"/usr/lib/locale/{folder}"):
        return True
    return os.path.exists("/usr/lib/locale/locale-archive")
