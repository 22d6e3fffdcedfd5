from collections.abc import Callable
from pathlib import Path
from typing import Any

from breakbulk.store.layout import Layout

Call = Callable[..., Any]
MANIFEST = '[install]\njq.deb = "jq"\nrich.pypi = "rich"\n'


def test_what_the_manifest_asks_for_is_listed_with_its_state(
    call: Call, locked: Call, package: Call, tmp_path: Path
) -> None:
    jq = package("jq", "1.6-2.1", size=64_900, why=("install.jq",), dependencies=("deb:libc6",))
    libc = package("libc6", "2.36", size=2_760_000, why=("deb:jq",), license=None)
    rich = package("rich", "14.0.0", ecosystem="pypi", size=243_000, why=("install.rich",))
    locked(MANIFEST, jq, libc, rich)
    Layout(tmp_path / "store").tree(rich).mkdir(parents=True)
    outcome = call("list")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [
        "NAME  VERSION  FROM     SIZE  STATE      LICENCE",
        "jq    1.6-2.1  deb   64.9 kB  locked     MIT",
        "rich  14.0.0   pypi   243 kB  installed  MIT",
        "2 packages and 1 package they need (--all shows them); 3.1 MB of archives in all",
    ]
    assert "libc6  2.36     deb    2.8 MB  locked     unknown" in call("list", "--all").out


def test_the_document_has_every_fact(call: Call, locked: Call, package: Call) -> None:
    locked(MANIFEST, package("jq", "1.6", why=("install.jq",)))
    document = call("list", "--json").document
    assert document["outdated"] is None
    assert document["not_locked"] == ["rich"]
    [listed] = document["packages"]
    assert listed["id"] == "deb:jq"
    assert listed["installs"] == ["jq"]
    assert listed["installed"] is False


def test_licences_are_read_from_the_files_of_installed_packages(
    call: Call, locked: Call, package: Call, tmp_path: Path
) -> None:
    jq = package("jq", why=("install.jq",), license="LicenseRef-debian-main")
    absent = package("absent", why=("install.absent",), license="LicenseRef-debian-main")
    locked('[install]\njq.deb = "jq"\nabsent.deb = "absent"\n', jq, absent)
    documentation = Layout(tmp_path / "store").tree(jq) / "usr/share/doc/jq"
    documentation.mkdir(parents=True)
    form = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    (documentation / "copyright").write_text(f"{form}\n\nFiles: *\nLicense: Expat\n\nFiles: doc\nLicense: CC-BY-3.0\n")
    lines = call("list", "--licences").out.splitlines()
    assert lines[1].endswith("LicenseRef-debian-main")
    assert lines[2].endswith("CC-BY-3.0, Expat")
    stated = {
        found["name"]: found["stated_licenses"] for found in call("list", "--licences", "--json").document["packages"]
    }
    assert stated == {"absent": [], "jq": ["CC-BY-3.0", "Expat"]}
    assert "stated_licenses" not in call("list", "--json").document["packages"][0]


def test_a_manifest_without_lock_says_what_to_do(call: Call, project: Path) -> None:
    (project / "breakbulk.toml").write_text(MANIFEST)
    outcome = call("list")
    assert outcome.code == 0
    assert "jq" in outcome.out
    assert "not locked" in outcome.out
    assert "next: breakbulk lock (because there is no lock)" in outcome.err
    assert call("list", "--quiet").err == ""


def test_an_empty_environment_is_listed_from_a_directory_below(
    call: Call, locked: Call, project: Path, monkeypatch: Any
) -> None:
    locked("")
    (project / "src").mkdir()
    monkeypatch.chdir(project / "src")
    assert call("list").out == "no packages yet\n"


def test_another_directory_is_listed(call: Call, locked: Call, package: Call, tmp_path: Path) -> None:
    locked('[install]\njq.deb = "jq"', package("jq", why=("install.jq",)), directory=tmp_path / "other")
    assert "jq" in call("list", "-e", tmp_path / "other").out
