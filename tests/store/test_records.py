"""Records come back as they were, and a tree's digest depends on what the tree shows and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.ecosystems.interface import DebFacts, Entry
from breakbulk.errors import StoreError
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout
from breakbulk.store.records import encode_record, make_record, read_record, tree_digest

PACKAGE = Package(
    ecosystem="deb", name="jq", version="1.6-2", file="pool/jq.deb", size=3, sha256="0" * 64, purl="pkg:deb/debian/jq"
)
CONTENT = {
    "usr": Entry("directory", 0o755, ""),
    "usr/jq": Entry("file", 0o4755, "ab", 7),
    "usr/link": Entry("link", 0o777, "jq"),
}
DEB = DebFacts(control="Package: jq\n", scripts={"postinst": "true"}, md5sums="0" * 32 + "  usr/jq\n")
numbers = st.integers(0, 2**40)
entries = st.builds(
    Entry,
    st.sampled_from(["file", "link", "directory"]),
    st.integers(0, 0o7777),
    st.text(),
    numbers,
    st.just(0) | numbers,
    st.just(0) | numbers,
    st.none() | st.binary(),
)


def test_a_record_comes_back(tmp_path):
    layout = Layout(tmp_path)
    layout.prepare()
    record = make_record(PACKAGE, CONTENT, DEB)
    layout.record(PACKAGE).write_bytes(encode_record(record))
    assert read_record(layout, PACKAGE) == record
    assert (record.files, record.size) == (2, 7)


@pytest.mark.parametrize("data", [None, b"", b"\x81", b"\xc0", b"text", b"\x81\xa1\xc0\x01"])
def test_a_damaged_record_is_named_with_the_remedy(tmp_path, data):
    layout = Layout(tmp_path)
    layout.prepare()
    if data is not None:
        layout.record(PACKAGE).write_bytes(data)
    with pytest.raises(StoreError) as raised:
        read_record(layout, PACKAGE)
    assert raised.value.reference == "record-damaged"
    assert str(layout.record(PACKAGE)) in raised.value.hint


def test_the_digest_never_changes():
    assert tree_digest(CONTENT, None) == "d1ff90baf782ae20f9225a40a559bd36ceb7356823e1800dc19ee54abf760306"
    assert tree_digest({}, None) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    owned = {**CONTENT, "usr/jq": Entry("file", 0o4755, "ab", 7, 0, 8, b"\x01\x02")}
    assert tree_digest(owned, DEB) == "c76fa40bebc5a2b65cfdf2b75e27c0435cdde38671ce7649c45606a9f179825c"


@pytest.mark.parametrize(
    "deb",
    [
        None,
        DebFacts(control="Package: jq\n"),
        DebFacts(control="Package: jq\n", scripts={"postinst": "evil"}, md5sums=DEB.md5sums),
        DebFacts(control="Package: jq\n", scripts={"preinst": "true"}, md5sums=DEB.md5sums),
        DebFacts(control="Package: jq\n", scripts={"postinst": "true", "": ""}, md5sums=DEB.md5sums),
        DebFacts(control=DEB.md5sums, scripts=DEB.scripts, md5sums=DEB.control),
    ],
)
def test_what_makes_the_base_package_is_part_of_the_digest(deb):
    assert tree_digest(CONTENT, deb) != tree_digest(CONTENT, DEB)


@given(st.dictionaries(st.text(), entries, max_size=5), st.dictionaries(st.text(), entries, max_size=5))
def test_different_trees_have_different_digests(first, second):
    # zero bytes separate the fields, and no path or target has one
    if any("\0" in text for tree in (first, second) for path, entry in tree.items() for text in (path, entry.content)):
        return
    assert (tree_digest(first, None) == tree_digest(second, None)) == (first == second)


@given(st.dictionaries(st.text(), entries, max_size=8))
def test_the_order_of_a_listing_does_not_matter(tree):
    assert tree_digest(dict(reversed(list(tree.items()))), None) == tree_digest(tree, None)
