"""A prepared package becomes the tree that its archive becomes; whatever is not that tree is refused, and named."""

import hashlib
import io
import os
import pickle
import struct
import tarfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from children import give_to_nobody, in_child
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from breakbulk.ecosystems.deb.unpacking import unpack_deb
from breakbulk.ecosystems.extraction import OWN, extract
from breakbulk.ecosystems.interface import Content, DebFacts, Entry, Unpacked
from breakbulk.errors import ArchiveError, BreakbulkError, HubError, IntegrityError
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.prepared import Offer, Prepared
from breakbulk.store.prepared_format import (
    PREAMBLE_BYTES,
    Header,
    Preamble,
    contents,
    decode_header,
    decode_preamble,
    encode_header,
    encode_preamble,
)
from breakbulk.store.prepared_unpacking import PreparedUnpacking
from breakbulk.store.preparing import prepare
from breakbulk.store.records import encode_record, make_record, read_record, tree_digest
from breakbulk.store.removal import remove_tree

CAPABILITY = b"\x01\0\0\x02\0\x20\0\0" + bytes(12)
MOMENT = 1_600_000_000


def package_of(ecosystem: str = "archive", name: str = "demo") -> Package:
    return Package(ecosystem=ecosystem, name=name, version="1", file=f"{name}.tar", size=0, sha256="00", purl="")


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as opened:
        for info, data in members:
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(f"./{name}")
    info.mtime = MOMENT
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def link_to(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    return member(name, type=kind, linkname=target)


def debian_archive() -> bytes:
    """A Debian package with everything that a tree can have."""
    capability = {"SCHILY.xattr.security.capability": CAPABILITY.decode("utf-8", "surrogateescape")}
    data = tar_of(
        (member("", type=tarfile.DIRTYPE, mode=0o755), b""),
        (member("usr", type=tarfile.DIRTYPE, mode=0o755), b""),
        (member("usr/bin", type=tarfile.DIRTYPE, mode=0o755), b""),
        (member("usr/bin/su", mode=0o4755), b"#!su" * 1000),
        (member("usr/bin/expiry", mode=0o2755, gid=42), b"expiry"),
        (member("usr/bin/ping", mode=0o755, pax_headers=capability), b"ping"),
        (member("usr/bin/perl", mode=0o755), b"perl" * 99),
        (link_to("usr/bin/perl5", "./usr/bin/perl", tarfile.LNKTYPE), b""),
        (link_to("usr/bin/awk", "/etc/alternatives/awk"), b""),
        (member("var/mail", type=tarfile.DIRTYPE, mode=0o2775, gid=8), b""),
        (member("usr/lib/same", mode=0o644), b"perl" * 99),
        (member("usr/lib/empty", mode=0o400), b""),
        (member("usr/lib/größe", mode=0o644), os.urandom(3_000_000)),
    )
    control = tar_of((member("control"), b"Package: demo\nVersion: 1\nArchitecture: all\n"))
    parts = [b"!<arch>\n"]
    for name, content in (("debian-binary", b"2.0\n"), ("control.tar", control), ("data.tar", data)):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        parts += [header, content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


def put_into_store(layout: Layout, package: Package, unpack) -> None:
    """Make a tree present as a realisation does, from whatever `unpack` does."""
    layout.prepare()
    tree = layout.tree(package)
    tree.mkdir(mode=0o755)
    os.umask(0o022)
    unpacked: Unpacked = unpack(tree)
    layout.record(package).write_bytes(encode_record(make_record(package, unpacked.content, unpacked.deb)))


def debian_store(directory: Path) -> tuple[Layout, Package]:
    archive = directory / "demo_1_all.deb"
    archive.write_bytes(debian_archive())
    package = package_of("deb")
    layout = Layout(directory / "store")
    put_into_store(layout, package, lambda into: unpack_deb(archive, package, None, into))
    return layout, package


def simple_store(directory: Path, files: dict[str, bytes], name: str = "demo") -> tuple[Layout, Package]:
    archive = directory / f"{name}.tar"
    archive.write_bytes(tar_of(*((member(path), data) for path, data in files.items())))
    package = package_of(name=name)
    layout = Layout(directory / "store")
    put_into_store(layout, package, lambda into: Unpacked(content=extract(archive, into, archive=name, rules=OWN)))
    return layout, package


def offer_of(prepared: Prepared) -> Offer:
    fields = {field: getattr(prepared, field) for field in Prepared.__struct_fields__}
    return Offer(**fields, origin="an object of ada/demo:1")


def round_trip(layout: Layout, package: Package, directory: Path) -> tuple[Path, Unpacked]:
    into = directory / "again"
    into.mkdir(mode=0o755)
    prepared = prepare(layout, package, directory / "object")
    return into, PreparedUnpacking(offer=offer_of(prepared)).unpack(directory / "object", package, None, into)


def appearance(root: Path) -> dict[str, object]:
    """Everything a file system shows of a tree, hard links as the first name that a file has."""
    found: dict[str, object] = {}
    first: dict[int, str] = {}
    for path in sorted([root, *root.rglob("*")]):
        status, name = path.lstat(), str(path.relative_to(root))
        marks = {} if path.is_symlink() else {key: os.getxattr(path, key) for key in os.listxattr(path)}
        what = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        inode = name if path.is_dir() else first.setdefault(status.st_ino, name)
        found[name] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, inode, marks, what)
    return found


def check_debian_round_trip(directory: Path) -> str:
    layout, package = debian_store(directory)
    into, unpacked = round_trip(layout, package, directory)
    assert make_record(package, unpacked.content, unpacked.deb) == read_record(layout, package)
    assert appearance(into) == appearance(layout.tree(package))
    return hashlib.sha256((directory / "object").read_bytes()).hexdigest()


def test_a_debian_package_is_the_same_both_ways(tmp_path):
    check_debian_round_trip(tmp_path)


def test_an_ordinary_user_prepares_the_object_that_root_prepares(tmp_path, open_directory, monkeypatch):
    noise = b"the same for both" * 200_000
    monkeypatch.setattr(os, "urandom", lambda size: noise[:size])
    give_to_nobody(open_directory)
    theirs = in_child(check_debian_round_trip, open_directory, user=True)
    assert theirs == check_debian_round_trip(tmp_path)


def test_what_an_ordinary_user_prepared_has_roots_owners_in_roots_store(tmp_path, open_directory):
    give_to_nobody(open_directory)
    in_child(check_debian_round_trip, open_directory, user=True)
    layout, package = Layout(open_directory / "store"), package_of("deb")
    into, _ = round_trip(layout, package, tmp_path)
    status = (into / "usr/bin/expiry").stat()
    assert (status.st_mode & 0o7777, status.st_gid) == ((0o2755, 42) if os.geteuid() == 0 else (0o755, os.getgid()))


def test_equal_trees_give_equal_objects_whenever_they_were_compiled(tmp_path):
    made = []
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        layout, package = simple_store(directory, {"a/__pycache__/m.pyc": b"code", "a/m.py": b"text", "b": b"text"})
        moment = time.time() + len(made)
        os.utime(layout.tree(package) / "a/__pycache__/m.pyc", (moment, moment))
        os.utime(layout.tree(package) / "a", (moment, moment))
        made.append(prepare(layout, package, directory / "object"))
    assert made[0] == made[1]


def test_equal_files_are_in_the_object_once(tmp_path):
    data = os.urandom(200_000)
    layout, package = simple_store(tmp_path, {f"copy-{n}": data for n in range(10)})
    into, _ = round_trip(layout, package, tmp_path)
    assert (tmp_path / "object").stat().st_size < 250_000
    assert {(into / f"copy-{n}").read_bytes() for n in range(10)} == {data}
    assert len({(into / f"copy-{n}").stat().st_ino for n in range(10)}) == 10


@given(
    st.dictionaries(
        st.lists(st.sampled_from(["a", "b", "ü", "c.py"]), min_size=1, max_size=3).map("/".join),
        st.binary(max_size=200),
        max_size=8,
    )
)
@settings(max_examples=40, deadline=None)
def test_any_files_come_back(tmp_path_factory, files):
    leaves = {path: data for path, data in files.items() if not any(p.startswith(f"{path}/") for p in files)}
    directory = tmp_path_factory.mktemp("files")
    layout, package = simple_store(directory, leaves)
    into, unpacked = round_trip(layout, package, directory)
    assert {path: (into / path).read_bytes() for path in leaves} == leaves
    assert unpacked.content == read_record(layout, package).content
    remove_tree(directory)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda tree: (tree / "a/text").write_bytes(b"tEXT"), "SHA-256"),
        (lambda tree: (tree / "a/text").write_bytes(b"longer"), "6 bytes"),
        (lambda tree: (tree / "a/text").unlink(), "No such file"),
        (lambda tree: ((tree / "a/text").unlink(), (tree / "a/text").symlink_to("/etc/passwd")), "it is a link"),
        (lambda tree: ((tree / "a/text").unlink(), (tree / "a/text").mkdir()), "it is a directory"),
    ],
)
def test_a_damaged_tree_is_never_prepared(tmp_path, harm, why):
    layout, package = simple_store(tmp_path, {"a/text": b"text", "b": b"other"})
    harm(layout.tree(package))
    with pytest.raises(IntegrityError) as caught:
        prepare(layout, package, tmp_path / "object")
    assert caught.value.reference == "tree-damaged"
    assert caught.value.where is not None
    assert caught.value.where.endswith("/a/text")
    assert caught.value.why is not None
    assert why in caught.value.why


class Forged:
    """An object put together by hand, with an offer that vouches for it."""

    def __init__(
        self, content: Content, data: bytes, *, vouched: str | None = None, size: int | None = None, **fields
    ) -> None:
        header = encode_header(Header(content=content, **fields))
        packed = zstandard.compress(header)
        total = sum(entry.size for entry in content.values())
        preamble = Preamble(header_packed=len(packed), header=len(header), contents=len(data) if size is None else size)
        self.bytes = encode_preamble(preamble) + packed + zstandard.compress(data)
        self.offer = Offer(
            sha256=hashlib.sha256(self.bytes).hexdigest(),
            size=len(self.bytes),
            tree=vouched or tree_digest(content, fields.get("deb")),
            unpacked_size=total,
            origin="an object of ada/x:7",
        )

    def unpack(self, directory: Path, ecosystem: str = "archive") -> Path:
        into = directory / "tree"
        into.mkdir(mode=0o755)
        (directory / "object").write_bytes(self.bytes)
        PreparedUnpacking(offer=self.offer).unpack(directory / "object", package_of(ecosystem), None, into)
        return into


def file_entry(data: bytes, mode: int = 0o644, **fields) -> Entry:
    return Entry("file", mode, hashlib.sha256(data).hexdigest(), len(data), **fields)


def refused(forged: Forged, directory: Path, ecosystem: str = "archive") -> BreakbulkError:
    with pytest.raises(BreakbulkError) as caught:
        forged.unpack(directory, ecosystem)
    assert caught.value.where is not None
    assert "archive:demo" in caught.value.where or "deb:demo" in caught.value.where
    assert "ada/x:7" in caught.value.where
    return caught.value


def test_a_tree_that_nobody_vouched_for_is_refused_before_anything_is_written(tmp_path):
    error = refused(Forged({"a": file_entry(b"x")}, b"x", vouched="0" * 64), tmp_path)
    assert error.reference == "prepared-damaged"
    assert os.listdir(tmp_path / "tree") == []


@pytest.mark.parametrize(
    ("entry", "deb"),
    [
        ({}, DebFacts(control="Package: demo\n", scripts={"postinst": "useradd mallory"})),
        ({}, None),
        ({"uid": 1000}, DebFacts(control="Package: demo\n")),
        ({"capability": b"\x01" * 20}, DebFacts(control="Package: demo\n")),
    ],
)
def test_nor_is_what_goes_with_a_tree_when_nobody_vouched_for_it(tmp_path, entry, deb):
    """The files are those that are vouched for; owners, capabilities and maintainer scripts are not."""
    honest = tree_digest({"a": file_entry(b"x")}, DebFacts(control="Package: demo\n"))
    error = refused(Forged({"a": file_entry(b"x", **entry)}, b"x", deb=deb, vouched=honest), tmp_path, "deb")
    assert error.reference == "prepared-damaged"
    assert os.listdir(tmp_path / "tree") == []


@pytest.mark.parametrize("data", [b"y", b"", b"xx"])
def test_bytes_that_are_not_those_of_the_listing_are_refused(tmp_path, data):
    error = refused(Forged({"a": file_entry(b"x")}, data, size=1), tmp_path)
    assert error.reference == "prepared-damaged"
    assert error.why is not None
    assert "/a" in error.why or "after its last file" in error.why or "inside a member" in error.why


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "/etc/a", "..", "", ".", "a//b", "./a", "a/.", "a\nb", "x/" * 200 + "y"]
)
def test_no_path_leaves_the_tree(tmp_path, path):
    refused(Forged({path: file_entry(b"x")}, b"x"), tmp_path, "deb")
    assert sorted(os.listdir(tmp_path)) == ["object", "tree"]
    assert os.listdir(tmp_path / "tree") == []


def test_nothing_is_written_through_a_symbolic_link(tmp_path):
    (tmp_path / "outside").mkdir()
    link = Entry("link", 0o777, str(tmp_path / "outside"))
    refused(Forged({"d": link, "d/a": file_entry(b"x")}, b"x"), tmp_path)
    assert os.listdir(tmp_path / "outside") == []


@pytest.mark.parametrize("links", [{"../b": "a"}, {"b": "a"}, {"a": "../../etc/passwd"}, {"a": "a"}])
def test_hard_links_stay_inside_the_listing(tmp_path, links):
    refused(Forged({"a": file_entry(b"x")}, b"x", links=links), tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["object", "tree"]


@pytest.mark.parametrize(
    "entry",
    [
        file_entry(b"x", 0o4755),
        file_entry(b"x", 0o2755),
        file_entry(b"x", uid=7),
        file_entry(b"x", capability=CAPABILITY),
        file_entry(b"x", 0o666),
    ],
)
def test_privileges_are_for_debian_packages(tmp_path, entry):
    refused(Forged({"a": entry}, b"x"), tmp_path)


def test_a_bomb_is_stopped_by_what_was_announced(tmp_path):
    entry = file_entry(b"x")
    forged = Forged({"a": entry}, bytes(1 << 28), size=1)
    refused(forged, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "tree").rglob("*") if path.is_file()) <= 1


def test_a_header_that_is_a_bomb_is_refused(tmp_path):
    packed = zstandard.compress(bytes(1 << 26))
    forged = Forged({}, b"")
    forged.bytes = encode_preamble(Preamble(header_packed=len(packed), header=1000, contents=0)) + packed
    assert refused(forged, tmp_path).reference == "prepared-damaged"
    forged.bytes = struct.pack("<16sIIIQ", b"breakbulk tree\r\n", 1, 5, 0xFFFFFFFF, 0)
    with pytest.raises(IntegrityError, match="at most"):
        decode_preamble(forged.bytes, where="x")


def test_a_later_format_is_named(tmp_path):
    with pytest.raises(HubError) as caught:
        decode_preamble(struct.pack("<16sIIIQ", b"breakbulk tree\r\n", 2, 0, 0, 0), where="x")
    assert caught.value.reference == "prepared-newer"


def test_truncated_anywhere_it_is_refused(tmp_path):
    layout, package = simple_store(tmp_path, {"a": os.urandom(1000), "b/c": b"text" * 100})
    prepared = prepare(layout, package, tmp_path / "object")
    whole = (tmp_path / "object").read_bytes()
    for length in {*range(0, len(whole), 37), len(whole) - 1}:
        (tmp_path / "cut").write_bytes(whole[:length])
        into = tmp_path / f"tree-{length}"
        into.mkdir()
        with pytest.raises(IntegrityError, match="prepared-damaged"):
            PreparedUnpacking(offer=offer_of(prepared)).unpack(tmp_path / "cut", package, None, into)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_altered_bytes_never_become_another_tree(tmp_path_factory, data):
    """The SHA-256 of the object is compared before; here it vouches for what is altered, and the tree's remains."""
    directory = tmp_path_factory.mktemp("altered")
    layout, package = simple_store(directory, {"a": b"one" * 50, "b/c": b"two" * 60})
    prepared = prepare(layout, package, directory / "object")
    whole = bytearray((directory / "object").read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    (directory / "object").write_bytes(whole)
    into = directory / "again"
    into.mkdir()
    try:
        offer = structs.replace(offer_of(prepared), sha256=hashlib.sha256(whole).hexdigest())
        unpacked = PreparedUnpacking(offer=offer).unpack(directory / "object", package, None, into)
    except (IntegrityError, HubError, ArchiveError):
        pass
    else:
        assert tree_digest(unpacked.content, unpacked.deb) == prepared.tree
        assert (into / "b/c").read_bytes() == b"two" * 60
    remove_tree(directory)


def test_an_object_that_is_replaced_after_it_was_compared_is_refused(tmp_path):
    """Times are no part of the tree's digest."""
    forged = Forged({"a": file_entry(b"x")}, b"x", times={"a": 7})
    forged.bytes = Forged({"a": file_entry(b"x")}, b"x", times={"a": 8}).bytes
    error = refused(forged, tmp_path, "deb")
    assert error.why == "it changed while it was read"


def test_the_directory_that_a_package_has_is_no_part_of_the_object(tmp_path):
    """Two packages with one tree share one object."""
    made = set()
    for name in ("one", "two"):
        directory = tmp_path / name
        directory.mkdir()
        layout, package = simple_store(directory, {"a": b"x"}, name=name)
        assert directory_name(package).endswith(f"-{name}-1")
        made.add(prepare(layout, package, directory / "object").sha256)
    assert len(made) == 1


ENTRIES = st.builds(
    Entry,
    kind=st.sampled_from(["file", "link", "directory"]),
    mode=st.integers(0, 0o7777),
    content=st.text("0123456789abcdef", max_size=64),
    size=st.integers(0, 1 << 40),
    uid=st.integers(0, 99),
    gid=st.integers(0, 99),
    capability=st.none() | st.binary(max_size=20),
)


@given(st.dictionaries(st.text(min_size=1, max_size=20), ENTRIES), st.dictionaries(st.text(), st.integers(0, 1 << 62)))
def test_headers_come_back_and_are_written_one_way(content, times):
    header = Header(content=content, times=times)
    data = encode_header(header)
    assert decode_header(data, where="x") == header
    backwards = Header(content=dict(reversed(content.items())), times=dict(reversed(times.items())))
    assert encode_header(backwards) == data
    assert [path for _, paths in contents(header) for path in paths] == [
        path for _, paths in contents(backwards) for path in paths
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header_or_an_error(data):
    with suppress(IntegrityError):
        assert isinstance(decode_header(data, where="x"), Header)


@given(st.binary(max_size=PREAMBLE_BYTES + 5))
def test_any_bytes_are_a_preamble_or_an_error(data):
    with pytest.raises((IntegrityError, HubError)):
        decode_preamble(data, where="x")


def test_a_worker_hands_errors_on(tmp_path):
    error = refused(Forged({"a": file_entry(b"x")}, b"y", size=1), tmp_path)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (again.reference, again.where) == (error.reference, error.where)
