"""Edits change one install and no other byte."""

from __future__ import annotations

import difflib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakbulk.errors import ManifestError, NotFoundError, UsageError
from breakbulk.manifest.editing import add_install, choose_id, find_install, parse_spec, remove_install
from breakbulk.manifest.reading import parse_manifest

COMMENTED = """\
# Our environment

version = 1

[install]
# data
pandas.pypi = "pandas>=2"  # keep at 2

# tools
git = { deb = "git", systems = ["x86_64-linux"] }   # for hooks
# curl.deb = "curl"

# Variables of the application
[vars]
A = '''
[install]
fake.deb = "fake"
'''
"""


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def test_a_new_install_follows_the_others() -> None:
    after = add_install(COMMENTED, parse_spec("deb:jq"))
    assert changed_lines(COMMENTED, after) == ['+ jq.deb = "jq"']
    assert after.splitlines().index('jq.deb = "jq"') == 10


def test_a_known_package_changes_in_place_and_keeps_what_a_word_cannot_say() -> None:
    after = add_install(COMMENTED, parse_spec("deb:git=1:2.39*"))
    assert changed_lines(COMMENTED, after) == [
        '- git = { deb = "git", systems = ["x86_64-linux"] }   # for hooks',
        '+ git = { deb = "git", version = "1:2.39*", systems = ["x86_64-linux"] }   # for hooks',
    ]
    after = add_install(COMMENTED, parse_spec("pypi:Pandas[excel]>=2.1"))
    assert changed_lines(COMMENTED, after) == [
        '- pandas.pypi = "pandas>=2"  # keep at 2',
        '+ pandas.pypi = "Pandas[excel]>=2.1"  # keep at 2',
    ]


def test_a_removed_install_takes_its_line_and_no_comment_of_others() -> None:
    after = remove_install(COMMENTED, "git")
    assert changed_lines(COMMENTED, after) == ['- git = { deb = "git", systems = ["x86_64-linux"] }   # for hooks']


@pytest.mark.parametrize(
    ("before", "word", "after"),
    [
        ("", "deb:jq", '[install]\njq.deb = "jq"\n'),
        ("# only this", "deb:jq", '# only this\n\n[install]\njq.deb = "jq"\n'),
        ("[vars]\nA = '1'", "deb:jq", "[vars]\nA = '1'\n\n[install]\njq.deb = \"jq\"\n"),
        ("[install]", "deb:jq", '[install]\njq.deb = "jq"\n'),
        ("[install]\n# hint\n\n[vars]\n", "deb:jq", '[install]\n# hint\njq.deb = "jq"\n\n[vars]\n'),
        ("[install]\n# of vars\n[vars]\n", "deb:jq", '[install]\njq.deb = "jq"\n# of vars\n[vars]\n'),
        ("[install]\r\na.pypi = 'a'\r\n", "deb:jq", "[install]\r\na.pypi = 'a'\r\njq.deb = \"jq\"\r\n"),
        ("[install]\n  a.pypi = 'a'\n", "deb:jq", "[install]\n  a.pypi = 'a'\n  jq.deb = \"jq\"\n"),
        ("install.a.pypi = 'a'\n[vars]\n", "deb:jq", "install.a.pypi = 'a'\ninstall.jq.deb = \"jq\"\n[vars]\n"),
        ("install = {}\n", "deb:jq", 'install = { jq.deb = "jq" }\n'),
        ("install = { a = 'pypi:a' } # x\n", "deb:jq", "install = { a = 'pypi:a', jq.deb = \"jq\" } # x\n"),
        ("[install.a]\npypi = 'a'\n", "deb:jq", "[install.a]\npypi = 'a'\n\n[install]\njq.deb = \"jq\"\n"),
        ("[install]\njq = 'deb:jq' # j\n", "deb:jq=1.6*", '[install]\njq = { deb = "jq", version = "1.6*" } # j\n'),
        ("[install]\njq.deb = 'jq'\n", "deb:jq=1.6*", '[install]\njq.deb = "jq"\njq.version = "1.6*"\n'),
        (
            "[install.jq]\ndeb = 'jq'\n# why\nversion = '1.5*' # old\npriority = 1\n\n[vars]\n",
            "deb:jq=1.6*",
            '[install.jq]\ndeb = "jq"\n# why\nversion = "1.6*" # old\npriority = 1\n\n[vars]\n',
        ),
        (
            "[install.jq]\ndeb = 'jq'\nversion = '1.5*'\n",
            "deb:jq",
            '[install.jq]\ndeb = "jq"\n',
        ),
    ],
)
def test_adding_to_every_form(before: str, word: str, after: str) -> None:
    assert add_install(before, parse_spec(word)) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[install]\njq.deb = 'jq'\njq.version = '1.6'\ngit.deb = 'git'\n", "[install]\ngit.deb = 'git'\n"),
        ("[install.jq]\ndeb = 'jq'\n\n# of vars\n[vars]\n", "# of vars\n[vars]\n"),
        ("version = 1\n\n[install.jq]\ndeb = 'jq'\n\n[vars]\n", "version = 1\n\n[vars]\n"),
        ("install = { jq = 'deb:jq' }\n", "install = { }\n"),
        ("install = { jq = 'deb:jq', a = 'pypi:a' }\n", "install = { a = 'pypi:a' }\n"),
        ("install = { a = 'pypi:a', jq = 'deb:jq' }\n", "install = { a = 'pypi:a' }\n"),
        ("install.jq.deb = 'jq'", ""),
        ("[install]\njq = {deb = 'jq', systems = [\n'x86_64-linux', # x\n]}\na.pypi = 'a'", "[install]\na.pypi = 'a'"),
    ],
)
def test_removing_from_every_form(before: str, after: str) -> None:
    assert remove_install(before, "jq") == after


def test_an_id_is_free_or_that_of_the_same_package() -> None:
    manifest = parse_manifest("[install]\ngit.pypi = 'git'\nmine.deb = 'jq'\n'git-deb'.path = '.'\n", "m")
    assert choose_id(manifest, parse_spec("deb:git")) == "git-2"
    assert choose_id(manifest, parse_spec("deb:jq=1.6*")) == "mine"
    assert choose_id(manifest, parse_spec("deb:curl")) == "curl"
    with pytest.raises(UsageError, match="install-id-taken"):
        add_install("[install]\ngit.pypi = 'git'\n", parse_spec("deb:git"), install_id="git")
    assert '"python3.11".deb' in add_install("", parse_spec("deb:python3.11"))


def test_an_install_is_found_by_id_package_or_word() -> None:
    manifest = parse_manifest("[install]\nx.pypi = 'Zope.Interface>=1'\ny.deb = 'jq'\nz = { deb = 'jq' }\n", "m")
    assert find_install(manifest, "x") == "x"
    assert find_install(manifest, "zope-interface") == "x"
    assert find_install(manifest, "pypi:zope-interface") == "x"
    with pytest.raises(UsageError, match="y, z"):
        find_install(manifest, "jq")
    manifest = parse_manifest("[install]\npandas.pypi = 'pandas'\n", "m")
    with pytest.raises(NotFoundError) as caught:
        find_install(manifest, "panda")
    assert caught.value.hint == "did you mean pandas?"
    with pytest.raises(NotFoundError, match="breakbulk list"):
        remove_install("", "jq")


def test_a_text_that_is_no_manifest_is_not_edited() -> None:
    with pytest.raises(ManifestError) as caught:
        add_install("[install]\nx = 1\n", parse_spec("deb:jq"), file="dir/breakbulk.toml")
    assert caught.value.where == "dir/breakbulk.toml:2"


ENTRIES = ["{id}.pypi = '{id}'", "{id} = {{ deb = '{id}{id}' }} # c", "{id} = 'pypi:{id}'", '"{id}".pypi = "{id}"',
           "{id}.pypi = '{id}' # one\n\n  {id}.version = '1' # two"]  # fmt: skip
gaps = st.sampled_from(["", "\n", "# comment\n", "\n# [install]\n\n"])
tails = st.sampled_from(["", "\n# of vars\n[vars]\nA = '[install]'\n", "[hook]\non-activate = '''\nx\n'''", "# end"])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A manifest with some installs in some style, and their ids."""
    ids = draw(st.lists(st.sampled_from("abcde"), unique=True, max_size=4))
    entries = [draw(gaps) + draw(st.sampled_from(ENTRIES)).format(id=i) + "\n" for i in ids]
    text = draw(gaps) + "[install]\n" + "".join(entries) + draw(tails)
    return text, ids


@settings(max_examples=50)
@given(documents(), st.sampled_from(["deb:jq", "pypi:x[y]>=1", "./dir", "deb:git=1:2*"]))
def test_adding_and_removing_again_gives_the_same_text(document: tuple[str, list[str]], word: str) -> None:
    text, _ = document
    spec = parse_spec(word)
    added = add_install(text, spec)
    assert parse_manifest(added, "m").install[spec.id] == spec.install
    assert remove_install(added, spec.id).rstrip("\n") == text.rstrip("\n")


@settings(max_examples=50)
@given(documents())
def test_removing_cuts_lines_and_leaves_the_others(document: tuple[str, list[str]]) -> None:
    text, ids = document
    for name in ids:
        after = remove_install(text, name)
        kept = [line for line in after.splitlines() if line]
        # What is left is what was there, in its order, with lines left out.
        assert all(any(line == other for other in rest) for rest in [iter(text.splitlines())] for line in kept)
        assert after.count("#") >= text.count("#") - 2
        assert parse_manifest(after, "m").install.keys() == set(ids) - {name}


@settings(max_examples=50)
@given(documents())
def test_every_order_of_removal_ends_without_installs(document: tuple[str, list[str]]) -> None:
    text, ids = document
    for order in itertools.islice(itertools.permutations(ids), 4):
        edited = text
        for name in order:
            edited = remove_install(edited, name)
        assert parse_manifest(edited, "m").install == {}
