"""Publications and their signatures: what may be installed where signatures are required, and where they are not."""

import base64
import json
from pathlib import Path

import pytest
from changes import authorship
from places import Dictionary
from signers import Person

from breakbulk.ecosystems.hub.catalogue import Artifact, Release
from breakbulk.errors import BreakbulkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import publication_key
from breakbulk.hub.packages import Publication, PublishedPackages, Source
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.trusted_packages import trusted_publications

PACKAGE = "ada/tool"


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    return Person(tmp_path, "ada").with_key()


@pytest.fixture
def eve(tmp_path: Path) -> Person:
    return Person(tmp_path, "eve").with_key()


@pytest.fixture
def node(tmp_path: Path, ada: Person) -> Person:
    return Person(tmp_path, "node").trusts(ada.key)


def publish(hub: Hub, version: str, sign: Signer = nobody) -> None:

    artifact = Artifact(
        system="x86_64-linux", file="f", sha256="0" * 64, size=1, tree="1" * 64, destination="/opt/tool"
    )
    by = authorship(author="ada")
    blank = Publication(
        package=PACKAGE,
        number=1,
        release=Release(package=PACKAGE, version=version, artifacts=(artifact,)),
        source=Source(tree="2" * 64),
        author="",
        host="",
        command="",
        time=by.time,
    )
    PublishedPackages(hub.objects).commit(PACKAGE, lambda before: blank.following(before, by), sign)


def versions(hub: Hub, person: Person) -> list[str]:
    return [each.publication.release.version for each in trusted_publications(hub, PACKAGE, person.settings)]


def refused(hub: Hub, person: Person) -> str:
    with pytest.raises(BreakbulkError) as error:
        versions(hub, person)
    return error.value.reference


def test_what_nobody_believed_has_signed_is_passed_over(hub, ada, eve, node):
    publish(hub, "1.0", ada.sign)
    publish(hub, "1.1")
    publish(hub, "1.2", eve.sign)
    assert versions(hub, node) == ["1.0"]


def test_where_nothing_is_left_it_says_why(hub, eve, node):
    publish(hub, "1.0")
    assert refused(hub, node) == "signature-missing"
    publish(hub, "1.1", eve.sign)
    assert refused(hub, node) == "key-untrusted"


def test_without_the_requirement_everything_counts(hub, eve, tmp_path):
    publish(hub, "1.0")
    publish(hub, "1.1", eve.sign)
    assert versions(hub, Person(tmp_path, "free", required=False)) == ["1.0", "1.1"]


@pytest.mark.parametrize("required", [True, False])
def test_a_wrong_signature_is_an_error_everywhere(hub: Hub, place: Dictionary, ada, tmp_path, required):
    publish(hub, "1.0", ada.sign)
    key = publication_key(PACKAGE, 1)
    envelope = json.loads(place.get(key))
    payload = base64.b64decode(envelope["payload"]).replace(b'"1.0"', b'"6.6"')
    envelope["payload"] = base64.b64encode(payload).decode()
    place.replace(key, json.dumps(envelope).encode())
    person = Person(tmp_path, "someone", required=required).trusts(ada.key)
    assert refused(hub, person) == "signature-invalid"
