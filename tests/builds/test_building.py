"""What a build sees, what becomes of what it leaves, and what is left when it fails."""

import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
import zstandard

from breakbulk.builds.building import build
from breakbulk.builds.results import link_result
from breakbulk.errors import BuildError, NotFoundError
from breakbulk.store.layout import Layout

pytestmark = pytest.mark.integration

HELLO = """
[build.hello]
command = '''
mkdir -p "$out/bin"
printf '#!/bin/sh\\ncat %s/words\\n' "$out" > "$out/bin/hello"
chmod +x "$out/bin/hello"
cp words.txt "$out/words"
'''
version = "1.2"
"""


def left_over(ground) -> list[str]:
    return [path.name for path in (ground.settings.store / "builds").glob("*") if path.exists()]


def member(built, ground, name: str) -> str:
    archive = Layout(ground.settings.store).archives / built.package.sha256
    with zstandard.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for found in tar:
            if found.name == name:
                return tar.extractfile(found).read().decode()
    raise KeyError(name)


def shown(project, recipe, listener, command: str, more: str = "", **settings) -> list[str]:
    """Return what a build writes."""
    text = f"[build.show]\ncommand = '''\nmkdir $out; touch $out/done\n{command}\n'''\n{more}\n"
    ground = project(text, **settings)
    build(recipe(ground), ground, listener, anew=True)
    return [line.removeprefix("show> ") for line in listener.notes if line.startswith("show> ")]


def test_what_is_left_in_out_becomes_a_package_at_its_place(project, recipe, listener):
    ground = project(HELLO, {"words.txt": "how do you do\n"})
    built = build(recipe(ground), ground, listener)
    assert (built.package.name, built.package.version, built.package.destination) == ("hello", "1.2", "/opt/hello")
    assert member(built, ground, "words") == "how do you do\n"
    link = link_result(built, ground, listener)
    assert link == ground.directory / "result-hello"
    assert (link / "bin" / "hello").stat().st_mode & 0o777 == 0o755
    assert left_over(ground) == []


def test_the_same_things_are_built_once_and_others_again(project, recipe, listener):
    ground = project(HELLO, {"words.txt": "once\n"})
    first = build(recipe(ground), ground, listener)
    link_result(first, ground, listener)  # a link beside the manifest is no part of the project
    again = build(recipe(ground), ground, listener)
    assert (first.reused, again.reused) == (False, True)
    assert again.package == first.package
    (ground.directory / "words.txt").write_text("twice\n")
    other = build(recipe(ground), ground, listener)
    assert not other.reused
    assert other.package.sha256 != first.package.sha256


def test_what_git_ignores_is_not_there(project, recipe, listener):
    files = {".gitignore": "secret*\n", "secret.txt": "x", "open.txt": "x"}
    project("", files)
    assert shown(project, recipe, listener, "ls") == ["open.txt"]


def test_nothing_of_the_caller_or_the_machine_is_there(project, recipe, listener, monkeypatch):
    caller = {"MARK_OF_CALLER": "x", "HTTPS_PROXY": "http://user:word@proxy.invalid"}
    script = "env; ls -A ~; ls /home /root /srv; tail -n +3 /proc/net/dev | cut -d: -f1; date -r open +%s; umask"
    project("", {"open": ""})
    lines = shown(project, recipe, listener, script, environment=caller)
    assert not [line for line in lines if "MARK_OF_CALLER" in line or "proxy" in line.lower()]
    assert {"SOURCE_DATE_EPOCH=315532800", "LC_ALL=C.UTF-8", "GREETING=hello", "315532800"} <= set(lines)
    interfaces = {line.strip() for line in lines[lines.index("/srv:") + 1 :]} - {"", "315532800", "0022"}
    assert interfaces <= {
        "lo",
        "tunl0",
        "sit0",
        "ip6tnl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "ip6gre0",
    }


@pytest.mark.parametrize("more", ['sandbox = "off"', 'sandbox-allow = ["network"]', 'sandbox = "warn"'])
def test_the_network_is_there_where_it_is_allowed(project, recipe, listener, more):
    caller = {"HTTPS_PROXY": "http://proxy.invalid"}
    lines = shown(project, recipe, listener, "readlink /proc/self/ns/net; env", more, environment=caller)
    assert lines[0] == str(Path("/proc/self/ns/net").readlink())
    assert "HTTPS_PROXY=http://proxy.invalid" in lines


@pytest.mark.parametrize("more", ["", 'sandbox = "pure"', 'sandbox = "enforce"'])
def test_the_network_is_not_there_otherwise(project, recipe, listener, more):
    (line,) = shown(project, recipe, listener, "readlink /proc/self/ns/net", more)
    assert line != str(Path("/proc/self/ns/net").readlink())


def test_a_path_of_this_machine_can_be_read_when_it_is_allowed(project, recipe, listener):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as lent:
        Path(lent, "model").write_text("weights")
        script = f"cat {lent}/model; (echo x > {lent}/model) || echo refused"
        lines = shown(project, recipe, listener, script, f'sandbox-allow = ["{lent}/model"]')
        assert (lines[0].startswith("weights"), lines[-1]) == (True, "refused")
    with pytest.raises(NotFoundError) as missing:
        shown(project, recipe, listener, "true", f'sandbox-allow = ["{lent}/model"]')
    assert missing.value.reference == "sandbox-allow-missing"


def test_what_it_changes_elsewhere_is_dropped(project, recipe, listener):
    shown(project, recipe, listener, "rm -rf /usr/share/zoneinfo; echo x > /usr/bin/mark; chmod 700 /etc")
    assert shown(project, recipe, listener, "ls -d /usr/share/zoneinfo; ls /usr/bin/mark 2>&1 || true")[0] == (
        "/usr/share/zoneinfo"
    )


def test_a_failure_says_where_and_keeps_the_log(project, recipe, listener):
    ground = project("[build.bad]\ncommand = '''\nfor i in $(seq 30); do echo line $i; done\nno-such-program\n'''\n")
    with pytest.raises(BuildError) as failed:
        build(recipe(ground), ground, listener)
    error = failed.value
    assert error.reference == "build-failed"
    assert "status 127" in error.message
    assert "recipe: line 2: no-such-program: command not found" in error.why
    assert "line 1\n" not in error.why
    log = ground.directory / ".breakbulk" / "log" / "build-bad.log"
    assert str(log) in error.where
    assert log.read_text().startswith("line 1\nline 2\n")
    assert left_over(ground) == []


def test_a_command_fails_where_its_first_line_fails(project, recipe, listener):
    ground = project("[build.bad]\ncommand = '''\nmkdir -p $out; touch $out/x\nfalse\ntrue\n'''\n")
    with pytest.raises(BuildError):
        build(recipe(ground), ground, listener)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", "build-output-missing: there is none"),
        ("mkdir $out", "build-output-missing: no file"),
        ("echo x > $out", "build-output-missing: no directory"),
        ("mkdir $out; mkfifo $out/pipe", "build-output-invalid: $out/pipe"),
        ("mkdir $out; ln -s ../../../up $out/x", "build-output-invalid: $out/x"),
        ("mkdir $out; touch $out/$(printf 'a\\001b')", "build-output-invalid: $out/a"),
    ],
)
def test_output_that_no_package_can_be_is_named(project, recipe, listener, command, expected):
    reference, _, told = expected.partition(": ")
    ground = project(f"[build.bad]\ncommand = '''{command}'''\n")
    with pytest.raises(BuildError) as failed:
        build(recipe(ground), ground, listener)
    assert failed.value.reference == reference
    assert told in f"{failed.value.where} {failed.value.why}"
    assert left_over(ground) == []


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ('"3.1"', "3.1"),
        ('{ file = "VERSION" }', "7.0.1"),
        ('{ command = "tr 7 8 < VERSION" }', "8.0.1"),
    ],
)
def test_a_version_is_given_read_or_asked_for(project, recipe, listener, version, told):
    command = "mkdir $out; echo $BREAKBULK_VERSION > $out/v"
    ground = project(f"[build.v]\ncommand = '{command}'\nversion = {version}\n", {"VERSION": "7.0.1\n"})
    built = build(recipe(ground), ground, listener)
    assert built.package.version == told
    assert member(built, ground, "v") == f"{told}\n"


@pytest.mark.parametrize("version", ['{ file = "NONE" }', '{ command = "false" }', '{ command = "echo a b" }', '"a/b"'])
def test_a_version_that_is_none_is_refused(project, recipe, listener, version):
    ground = project(f"[build.v]\ncommand = 'mkdir $out; touch $out/x'\nversion = {version}\n")
    with pytest.raises(BuildError) as failed:
        build(recipe(ground), ground, listener)
    assert failed.value.reference == "build-version-invalid"


def test_values_of_a_matrix_are_variables(project, recipe, listener):
    text = """
[build.tool]
command = 'mkdir $out; echo "$version $variant" > $out/which'
matrix = { version = ["1.0", "2.0"], variant = ["", "full"] }
"""
    ground = project(text)
    built = build(recipe(ground, "tool-full-2-0"), ground, listener)
    assert (built.package.version, member(built, ground, "which")) == ("2.0", "2.0 full\n")


def test_something_that_is_no_link_is_not_replaced(project, recipe, listener):
    ground = project(HELLO, {"words.txt": "x\n", "result-hello": "mine"})
    built = build(recipe(ground), ground, listener)
    with pytest.raises(Exception, match="cannot be made") as refused:
        link_result(built, ground, listener)
    assert refused.value.reference == "result-not-writable"
    assert (ground.directory / "result-hello").read_text() == "mine"


def test_a_virtual_environment_is_a_package(project, recipe, listener, tmp_path):
    """Seed of it all: what pip installs from wheels, without network, works wherever the package is unpacked."""
    wheel = tmp_path / "project" / "greet"
    files = {
        "greet/pyproject.toml": "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
        "[project]\nname = 'greet'\nversion = '1.0'\nscripts = { greet = 'greet:main' }\n",
        "greet/greet.py": "import sys\ndef main():\n    print('greetings from', sys.prefix)\n",
    }
    text = """
[build.venv]
command = '''
pip wheel --quiet --no-index --no-build-isolation --no-deps --wheel-dir /tmp/wheels ./greet
python3 -m venv --without-pip "$out"
pip --python "$out/bin/python" install --quiet --no-index --find-links /tmp/wheels greet
"$out/bin/greet"
'''
"""
    ground = project(text, files)
    assert wheel.is_dir()
    built = build(recipe(ground), ground, listener)
    assert "venv> greetings from /opt/venv" in listener.notes
    assert built.package.python == ground.locked.python.tag
    link_result(built, ground, listener)
    tree = Layout(ground.settings.store).tree(built.package)
    compiled = list(tree.glob("opt/venv/lib/python3.*/site-packages/__pycache__/greet.*.pyc"))
    assert len(compiled) == 1
    assert compiled[0].read_bytes()[4:8] == b"\x01\x00\x00\x00"  # unchecked hash: no time is in it
    assert subprocess.run(["readlink", tree / "opt/venv/bin/python3"], capture_output=True, check=True).stdout == (
        b"/usr/bin/python3\n"
    )
