"""Archives and prepared packages of a hub, as a store asks for them."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from changes import blob, locked, push
from places import Dictionary

from breakbulk.errors import IntegrityError, NotFoundError
from breakbulk.hub.fetching import HubArchives, HubPackages, bring_sources
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import object_key
from breakbulk.hub.records import Blob, PreparedPackage, PreparedSet
from breakbulk.lock.model import Package
from breakbulk.store.layout import Layout, directory_name
from breakbulk.store.prepared import Streamed

DATA = b"the archive of a source"


def source(**fields) -> Package:
    """Return the package of a source whose archive is DATA."""
    values = {
        "ecosystem": "source",
        "name": "tool",
        "version": "1",
        "file": "tool.tar",
        "size": len(DATA),
        "sha256": hashlib.sha256(DATA).hexdigest(),
        "purl": "pkg:generic/tool@1",
    }
    return Package(**(values | fields))


def put(hub: Hub, data: bytes, sha256: str | None = None) -> None:
    hub.objects.create(object_key(sha256 or blob(data).sha256), data)


def test_an_archive_is_brought_once_and_verified(hub: Hub, place: Dictionary, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "store")
    put(hub, DATA)
    bring_sources(hub, [source()], layout, "ada/tool:1")
    assert (layout.archives / source().sha256).read_bytes() == DATA
    place.objects.clear()
    bring_sources(hub, [source()], layout, "ada/tool:1")


@pytest.mark.parametrize(
    ("data", "identifier"),
    [
        (DATA[:-1], "download-truncated"),
        (b"", "download-truncated"),
        (b"?" + DATA[1:], "digest-mismatch"),
        (DATA + b"more", "digest-mismatch"),
    ],
)
def test_another_archive_is_refused_with_its_name(hub: Hub, tmp_path: Path, data: bytes, identifier: str) -> None:
    layout = Layout(tmp_path / "store")
    put(hub, data, source().sha256)
    with pytest.raises(IntegrityError) as refused:
        bring_sources(hub, [source()], layout, "ada/tool:1")
    assert refused.value.reference == identifier
    assert "source:tool of ada/tool:1" in str(refused.value)
    assert source().sha256 in str(refused.value)
    assert not list(layout.archives.iterdir())


def test_an_archive_that_was_never_pushed_is_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as refused:
        bring_sources(hub, [source()], Layout(tmp_path / "store"), "ada/tool:1")
    assert refused.value.reference == "source-not-pushed"
    assert "push ada/tool again" in str(refused.value.hint)


def test_the_list_of_prepared_packages_is_asked_for_when_one_is_wanted(hub: Hub, place: Dictionary) -> None:
    [package] = locked().systems["x86_64-linux"].packages
    offered = PreparedPackage(blob=Blob(sha256="a" * 64, size=5), tree="b" * 64, size=9)
    listed = msgspec.json.encode(PreparedSet(packages={directory_name(package): offered}))
    put(hub, listed)
    change = push(hub, prepared={"x86_64-linux": blob(listed)}).change
    packages, elsewhere = HubPackages(hub, change, "x86_64-linux"), HubPackages(hub, change, "aarch64-linux")
    key = object_key(blob(listed).sha256)
    data = place.objects.pop(key)
    with pytest.raises(NotFoundError):
        packages.offer(package)
    place.objects[key] = data
    offer = packages.offer(package)
    assert (offer.sha256, offer.size, offer.tree, offer.unpacked_size) == ("a" * 64, 5, "b" * 64, 9)
    assert f"{object_key('a' * 64)} of ada/tickets:1" in offer.origin
    assert packages.offer(source()) is None
    assert elsewhere.offer(package) is None


def test_places_stream_from_any_offset(hub: Hub) -> None:
    put(hub, DATA)
    [archive] = HubArchives(hub, "ada/tool:1").archives(source())
    assert isinstance(archive, Streamed)
    assert b"".join(archive.open(4)) == DATA[4:]
    assert "source:tool of ada/tool:1" in archive.name
