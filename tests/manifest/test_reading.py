"""A manifest is read whole or refused with file, line, key path and correction."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.errors import ManifestError, NotFoundError
from breakbulk.manifest.reading import (
    directory_of,
    find_manifest,
    from_builtins,
    manifest_in,
    parse_manifest,
    read_manifest,
    to_builtins,
)
from breakbulk.manifest.schema import (
    ArchiveInstall,
    CatalogInstall,
    DebInstall,
    GitInstall,
    IncludedDirectory,
    IncludedRemote,
    MinimumVersion,
    PathInstall,
    PypiInstall,
    StoreInstall,
    Suite,
    VersionCommand,
)

EVERYTHING = f"""
schema-version = "1.15.0"
minimum-cli-version = {{ version = "1.14.1", reason = "vars" }}

[install]
airflow.pkg-path = "owner/airflow"
pip.pkg-path = ["python311Packages", "pip"]
hello = {{ flake = "github:owner/hello", outputs = "all" }}
bash.store-path = "/nix/store/{"0" * 32}-bash-5.2"
pandas = {{ pypi = "pandas[excel]>=2", systems = ["x86_64-linux"], priority = 3 }}
git = {{ deb = "git", version = "1:2.39*", suite = "bookworm-backports" }}
jq = "deb:jq"
app = {{ path = ".", exclude = ["*.log"], destination = "/srv/app" }}
lib = {{ git = "https://example.org/lib", tag = "v1", subdirectory = "python" }}
data = {{ url = "https://example.org/data.tar.gz", sha256 = "{"ab" * 32}", strip = 1 }}

[vars]
HOME_OF_DATA = "${{HOME}}/data"

[hook]
on-activate = "true"
on-deactivate = "true"

[profile]
common = "alias l=ls"
deactivate.bash = "true"

[services]
auto-start = true
web = {{ command = "serve", depends-on = ["db"], is-daemon = true, shutdown.command = "stop" }}
[services.db]
command = "postgres"
vars.PGPORT = "5432"
ready.port = 5432
restart = "always"
[services.db.systemd.unit]
After = ["network.target", 1, 2.5, false]

[include]
environments = [{{ dir = "../base", name = "b" }}, {{ remote = "owner/x", generation = 3 }}, "owner/y:4"]

[build.app]
command = "make"
sandbox = "pure"
version.command = "git describe"
license = ["MIT", "Apache-2.0"]

[options]
systems = ["x86_64-linux", "aarch64-linux"]
activate.mode = "run"
allow = {{ unfree = false, licenses = ["MIT"] }}
semver.allow-pre-releases = true
cuda-detection = false
snapshot = "2025-11-01T12:00:00+01:00"
suite = ["bookworm", {{ name = "bookworm-backports", priority = 100, components = ["main", "contrib"] }}]
python = "3.11"
base = "minimal"
locales = ["de_DE.UTF-8", "C.UTF-8"]
constraints = ["constraints.txt"]

[plugins.vault]
address = "https://example.org"
since = 2025-01-01

[containerize.config]
user = "app"
exposed-ports = ["8080/tcp"]
labels = {{ a = "b" }}
"""


def test_every_key_becomes_a_typed_value() -> None:
    manifest = parse_manifest(EVERYTHING, "breakbulk.toml")
    assert manifest.install == {
        "airflow": CatalogInstall(pkg_path="owner/airflow"),
        "pip": CatalogInstall(pkg_path=("python311Packages", "pip")),
        "hello": manifest.install["hello"],
        "bash": StoreInstall(store_path=f"/nix/store/{'0' * 32}-bash-5.2"),
        "pandas": PypiInstall(pypi="pandas[excel]>=2", systems=("x86_64-linux",), priority=3),
        "git": DebInstall(deb="git", version="1:2.39*", suite="bookworm-backports"),
        "jq": DebInstall(deb="jq"),
        "app": PathInstall(path=".", exclude=("*.log",), destination="/srv/app"),
        "lib": GitInstall(git="https://example.org/lib", tag="v1", subdirectory="python"),
        "data": ArchiveInstall(url="https://example.org/data.tar.gz", sha256="ab" * 32, strip=1),
    }
    assert manifest.minimum_cli_version == MinimumVersion(version="1.14.1", reason="vars")
    assert manifest.services_auto_start is True
    assert set(manifest.services) == {"db", "web"}
    assert manifest.include.environments == (
        IncludedDirectory(dir="../base", name="b"),
        IncludedRemote(remote="owner/x", generation=3),
        "owner/y:4",
    )
    assert manifest.build["app"].version == VersionCommand(command="git describe")
    assert manifest.options.suite == (
        "bookworm",
        Suite(name="bookworm-backports", priority=100, components=("main", "contrib")),
    )
    assert manifest.plugins == {"vault": {"address": "https://example.org", "since": "2025-01-01"}}


def test_builtins_carry_a_manifest_without_loss_and_without_defaults() -> None:
    manifest = parse_manifest(EVERYTHING, "breakbulk.toml")
    values = to_builtins(manifest)
    assert from_builtins(values) == manifest
    assert values["services"]["auto-start"] is True
    assert values["install"]["jq"] == {"deb": "jq"}
    spelled_out = parse_manifest('[install]\njq = { deb = "jq", priority = 5 }\n[hook]\n[options]\n', "m")
    assert to_builtins(spelled_out) == {"install": {"jq": {"deb": "jq"}}}


def test_builtins_changed_by_hand_are_judged_like_a_file() -> None:
    with pytest.raises(ManifestError, match="belongs to the kernel"):
        from_builtins({"install": {"x": {"path": ".", "destination": "/proc/x"}}})


def test_a_date_of_toml_will_do_for_the_snapshot() -> None:
    assert parse_manifest("options.snapshot = 2025-11-01", "m").options.snapshot == "2025-11-01"


SHA = "a" * 64
FAULTS = [
    # malformed TOML
    ("[install\n", "manifest-syntax", 1, "expected ']'", None),
    ("x = [\n1,\n", "manifest-syntax", 2, "valid TOML", None),
    ("a = 1\na = 2\n", "manifest-syntax", 2, "valid TOML", "every key stands once: move"),
    # unknown keys
    ('\n[install]\npandas.pyp = "pandas"', "manifest-unknown-key", 3, "`install.pandas.pyp`", "write `pypi`"),
    ('[install.x]\ndeb = "jq"\nbranch = "b"', "manifest-unknown-key", 3, "`install.x.branch`", "with `git`"),
    ('[hook]\non_activate = ""', "manifest-unknown-key", 2, "`hook.on_activate`", "`on-activate`"),
    ('suite = "bookworm"', "manifest-unknown-key", 1, "`suite`", "[options]"),
    ("services-auto-start = true", "manifest-unknown-key", 1, "services-auto-start", "[services]"),
    ('[instal]\nx.deb = "jq"', "manifest-unknown-key", 1, "`instal`", "`install`"),
    ('[options]\nsuite = [\n"a",\n{ name = "b", prio = 1 }]', "manifest-unknown-key", 4, "suite[1].prio", "`priority`"),
    ('[[include.environments]]\ndir = "a"\n[[include.environments]]\ndir = "b"\nnam = "c"', "manifest-unknown-key", 5,
     "`include.environments[1].nam`", "`name`"),
    # wrong types
    ("[vars]\nA = 'x'\nPORT = 5432", "manifest-invalid", 3, "`vars.PORT` is an integer (5432)", "quotes"),
    ('[options]\nsystems = "x86_64-linux"', "manifest-invalid", 2, "expected an array", "brackets"),
    ('[options]\nsystems = [\n"x86_64-linux",\n"x86-linux"]', "manifest-invalid", 4, "systems[1]", '"x86_64-linux"'),
    ('install = ["jq"]', "manifest-invalid", 1, "expected a table", None),
    ("[services.a]\ncommand = 'x'\nready.port = true", "manifest-invalid", 3, "is true, expected an integer", None),
    ("[plugins.p]\na.b = [1, nan]", "manifest-invalid", 2, "`plugins.p.a.b[1]` is nan", None),
    # exactly one origin
    ('[install]\nx = { pypi = "a", deb = "jq" }', "manifest-invalid", 2, "exclude each other", "keep one"),
    ("[install]\nx = {}", "manifest-invalid", 2, "has none of the keys", "exactly one"),
    ('[install]\nx = "pandas"', "manifest-invalid", 2, "does not say where", "pypi:pandas"),
    ('[install]\n"../x".deb = "jq"', "manifest-invalid", 2, 'install."../x"', "letters"),
    ('[install]\n"@base".deb = "jq"', "manifest-invalid", 2, "not a name", "letters"),
    ("[install.x]\npriority = -1\ndeb = 'jq'", "manifest-invalid", 2, "is -1", "lower number"),
    ("[install.x]\ndeb = 'jq'\nsystems = []", "manifest-invalid", 3, "is empty", None),
    # pypi
    ("[install]\nx.pypi = 'a b'", "manifest-invalid", 2, "PEP 508", None),
    ("[install.x]\npypi = 'a>=1'\nversion = '2'", "manifest-invalid", 3, "cannot stand beside", None),
    ("[install.x]\npypi = 'a'\nversion = 'new'", "manifest-invalid", 3, "PEP 440", None),
    ("[install]\nx.pypi = 'a @ https://me:pw@h/a.whl'", "manifest-credentials", 2, "credentials", "netrc"),
    # deb
    ("[install]\nx.deb = 'Git'", "manifest-invalid", 2, "Debian package", "lower case"),
    ("[install]\nx = { deb = 'git', version = '~> 2' }", "manifest-invalid", 2, "no Debian version", ">= 1:2.39"),
    ("[install]\nx = { deb = 'git', suite = '../etc' }", "manifest-invalid", 2, "suite", "bookworm"),
    # git, url, path
    ("[install.x]\ngit = 'https://h/x'\nrev = 'a'\ntag = 'b'", "manifest-invalid", 4, "beside `rev`", "keep one"),
    ("[install.x]\ngit = 'https://h/x'\nrev = '--upload-pack=sh'", "manifest-invalid", 3, "revision", None),
    ("[install.x]\ngit = 'ext::sh -c id'", "manifest-invalid", 2, "expected an address", None),
    ("[install.x]\ngit = 'https://token@h/x'", "manifest-credentials", 2, "credentials", "netrc"),
    ("[install.x]\ngit = 'https://h/x'\nsubdirectory = '../y'", "manifest-invalid", 3, "leaves the source", None),
    ("[install.x]\nurl = 'https://h/x.zip'", "manifest-invalid", 1, "has no `sha256`", "add"),
    ("[install.x]\nurl = 'https://h/x'\nsha256 = 'abc'", "manifest-invalid", 3, "64 hexadecimal", "sha256sum"),
    (f"[install.x]\nurl = 'https://h/x'\nsha256 = '{SHA.upper()}'", "manifest-invalid", 3, "capital", SHA),
    (f"[install.x]\nurl = 'https://h/x'\nsha256 = 'sha256:{SHA}'", "manifest-invalid", 3, "64", f'"{SHA}"'),
    (f"[install.x]\nurl = 'https://h/x'\nsha256 = '{SHA}'\nstrip = -1", "manifest-invalid", 4, "is -1", None),
    ("[install.x]\npath = '.'\ndestination = 'opt/x'", "manifest-invalid", 3, "not absolute", '"/opt/x"'),
    ("[install.x]\npath = '.'\ndestination = '/opt/../x/'", "manifest-invalid", 3, "not normalised", '"/x"'),
    ("[install.x]\npath = '.'\ndestination = '/sys'", "manifest-invalid", 3, "kernel", None),
    ('[install.x]\npath = "a\\u0000b"', "manifest-invalid", 2, "control character", None),
    ("[install.x]\nstore-path = '/nix/store/short-x'", "manifest-invalid", 2, "Nix store", None),
    # variables
    ("[vars]\n1A = 'x'", "manifest-invalid", 2, "a name that a shell can set", "letters"),
    ("[vars]\nA = '$B'\nB = '''\n${C}'''\nC = '$A'", "vars-cycle", None, "circle", "value of its own"),
    ("[vars]\nA = '$(id)'", "vars-command", 2, "command", "hook.on-activate"),
    ("[vars]\nOK = '1'\nA = '${B'", "vars-reference", 3, "cannot be read", "${NAME}"),
    # services
    ("[services.d]\ncommand = 'd'\nis-daemon = true", "manifest-invalid", 3, "ends the daemon", "shutdown.command"),
    ("[services.d]\ncommand = 'd'\nready = {}", "manifest-invalid", 3, "neither", "exactly one"),
    ("[services.d]\ncommand = 'd'\nready = { port = 1, command = 'x' }", "manifest-invalid", 3, "both", "exactly one"),
    ("[services.d]\ncommand = 'd'\nready.port = 70000", "manifest-invalid", 3, "is 70000", "65535"),
    ("[services.d]\ncommand = 'd'\nready = { port = 1, timeout-s = 0 }", "manifest-invalid", 3, "is 0", "seconds"),
    ("[services.d]\ncommand = ' '", "manifest-invalid", 2, "is empty", None),
    ("[services.redis]\ncommand = 'd'\n[services.w]\ncommand = 'w'\ndepends-on = [\n'reddis']", "manifest-invalid", 6,
     "no service", '"redis"'),
    ("[services]\na = { command = 'a', depends-on = ['b'] }\nb = { command = 'b', depends-on = ['a'] }",
     "services-cycle", None, "circle", "drop one"),
    ("[services]\nauto-start = { command = 'x' }", "manifest-invalid", 2, "switch", "true or false"),
    ("[services.'a/b']\ncommand = 'x'", "manifest-invalid", 1, "file name", None),
    # the rest
    ("version = 1\nschema-version = '1.10.0'", "manifest-invalid", 1, "beside `schema-version`", "keep"),
    ("version = 2", "manifest-invalid", 1, "is 2", "version = 1"),
    ("schema-version = '1.16.0'", "manifest-invalid", 1, "1.16.0", "1.15.0"),
    ("schema-version = '2.0.0'", "manifest-invalid", 1, "2.0.0", "1.15.0"),
    ("[options]\nsnapshot = '2025-02-30'", "manifest-invalid", 2, "RFC 3339", "2025-11-01"),
    ("[options]\nsnapshot = '2025-11-01T10:00:00'", "manifest-invalid", 2, "RFC 3339", "Z"),
    ("[options]\npython = '3.11.2'", "manifest-invalid", 2, "minor version", "3.11"),
    ("[options]\nsuite = ['a', 'b', 'a']", "manifest-invalid", 2, "second time", "once"),
    ("[options]\nsystems = []", "manifest-invalid", 2, "is empty", None),
    ("[options]\nlocales = ['german']", "manifest-invalid", 2, "no locale", "de_DE.UTF-8"),
    ("[options]\nbase = 'minimum'", "manifest-invalid", 2, "expected", '"minimal"'),
    ('[include]\nenvironments = ["base"]', "manifest-invalid", 2, "no environment", "owner/name:3"),
    ('[include]\nenvironments = [{ dir = "a", remote = "b/c" }]', "manifest-invalid", 2, "exclude", "keep one"),
    ('[include]\nenvironments = [{ remote = "bc" }]', "manifest-invalid", 2, "hub", "owner/name"),
    ('[include]\nenvironments = [{ remote = "b/c", generation = 0 }]', "manifest-invalid", 2, "is 0", "from 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "identifier", "line", "what", "hint"), FAULTS)
def test_a_fault_is_named_with_its_line_and_correction(
    text: str, identifier: str, line: int | None, what: str, hint: str | None
) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, "dir/breakbulk.toml")
    error = caught.value
    assert error.reference == identifier
    assert what.lower() in error.message.lower()
    assert error.where is not None
    assert error.where.startswith("dir/breakbulk.toml:")
    if line is not None:
        assert error.where == f"dir/breakbulk.toml:{line}"
    if hint is not None:
        assert error.hint is not None
        assert hint in error.hint


def test_a_service_may_depend_on_one_that_is_included() -> None:
    text = "[services.w]\ncommand = 'w'\ndepends-on = ['db']\n"
    with pytest.raises(ManifestError, match="no service"):
        parse_manifest(text, "m")
    parse_manifest(text + "[include]\nenvironments = [{ dir = '../db' }]\n", "m")


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(ManifestError, match="too deeply"):
        parse_manifest("a = " + "[" * 100_000, "m")


words = st.sampled_from(
    ["install", "vars", "options", "services", "x", "deb", "pypi", "command", "auto-start", "=", ".", "[", "]", "{",
     "}", ",", "\n", " ", '"', "'''", "1", "true", "nan", "2025-01-01", "suite", "include", "environments",
     "\x00", "é"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(words, max_size=25).map("".join)))
def test_no_text_gives_anything_but_a_manifest_or_a_manifest_error(text: str) -> None:
    try:
        manifest = parse_manifest(text, "m")
    except ManifestError:
        return
    assert from_builtins(to_builtins(manifest)) == manifest


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)


@given(st.dictionaries(words, json_values, max_size=4))
def test_no_values_of_a_lock_give_anything_but_a_manifest_or_a_manifest_error(values: dict[str, object]) -> None:
    with contextlib.suppress(ManifestError):
        from_builtins(values)


def test_a_manifest_is_searched_upwards(tmp_path: Path) -> None:
    (tmp_path / "breakbulk.toml").touch()
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_manifest(below) == tmp_path / "breakbulk.toml"
    flox = tmp_path / "a" / ".flox" / "env" / "manifest.toml"
    flox.parent.mkdir(parents=True)
    flox.touch()
    assert find_manifest(below) == flox
    assert find_manifest(tmp_path / "a" / ".flox") == flox
    (tmp_path / "a" / "breakbulk.toml").touch()
    assert find_manifest(below) == tmp_path / "a" / "breakbulk.toml"


def test_without_a_manifest_the_way_to_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        find_manifest(tmp_path)
    assert caught.value.hint == "breakbulk init"
    assert manifest_in(tmp_path) is None
    with pytest.raises(NotFoundError):
        read_manifest(tmp_path / "breakbulk.toml")


def test_relative_paths_start_where_flox_has_its_directory(tmp_path: Path) -> None:
    assert directory_of(tmp_path / "breakbulk.toml") == tmp_path
    assert directory_of(tmp_path / ".flox/env/manifest.toml") == tmp_path


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "breakbulk.toml"
    path.write_bytes(b"[vars]\nA = '\xff'\n")
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert (caught.value.reference, caught.value.where) == ("manifest-encoding", f"{path}:2")
    with pytest.raises(ManifestError) as caught:
        read_manifest(tmp_path)
    assert caught.value.reference == "manifest-unreadable"


def test_an_ordinary_user_is_told_who_may_read(tmp_path: Path) -> None:
    path = tmp_path / "breakbulk.toml"
    path.touch(mode=0o000)
    if os.geteuid() == 0:  # root reads everything, so ask as somebody else
        for directory in (tmp_path, *list(tmp_path.parents)[:2]):
            directory.chmod(0o755)
        code = (
            "import os, sys; from pathlib import Path; from breakbulk.manifest.reading import read_manifest\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "try: read_manifest(Path(sys.argv[1]))\n"
            "except Exception as error: print(type(error).__name__, error.reference, error.why)"
        )
        run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
        assert run.stdout.split()[:2] == ["ManifestError", "manifest-unreadable"]
    else:
        with pytest.raises(ManifestError, match="manifest-unreadable"):
            read_manifest(path)
