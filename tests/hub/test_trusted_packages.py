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
from breakbulk.hub.policy import HubPolicy, write_policy
from breakbulk.hub.requiring import check_required
from breakbulk.hub.rotation import revoke, rotate
from breakbulk.hub.sealing import Signer, nobody
from breakbulk.hub.trusted_packages import trusted_publications

PACKAGE = "ada/tool"
BY = authorship(author="ada")


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


class TestRotation:
    def test_what_the_old_key_had_signed_counts_on(self, hub: Hub, ada: Person, node: Person) -> None:
        publish(hub, "1.0", ada.sign)
        publish(hub, "1.1", ada.sign)
        old = ada.sign
        assert rotate(hub, ada.ring, "ada", BY, ada.settings).environments == 0
        publish(hub, "1.2", ada.sign)
        publish(hub, "1.3", old)
        assert versions(hub, node) == ["1.0", "1.1", "1.2"]

    def test_it_says_nothing_of_packages_that_came_later(self, hub: Hub, ada: Person, node: Person) -> None:
        old = ada.sign
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        publish(hub, "1.0", old)
        assert refused(hub, node) == "key-retired"

    def test_the_old_key_cannot_make_the_past_anew(
        self, hub: Hub, place: Dictionary, ada: Person, node: Person
    ) -> None:
        publish(hub, "1.0", ada.sign)
        publish(hub, "1.1", ada.sign)
        old = ada.sign
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        place.delete([publication_key(PACKAGE, 1), publication_key(PACKAGE, 2)])
        publish(hub, "6.6", old)
        publish(hub, "6.7", old)
        assert refused(hub, node) == "key-retired"

    def test_a_revoked_key_counts_for_nothing(self, hub: Hub, ada: Person, node: Person) -> None:
        publish(hub, "1.0", ada.sign)
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        assert versions(hub, node) == ["1.0"]
        revoke(hub, ada.ring, ada.ring.former()[0], BY, ada.settings, also=[ada.key])
        assert refused(hub, node) == "key-revoked"


class TestRewinding:
    @pytest.mark.parametrize("required", [True, False])
    def test_publications_that_are_taken_away_are_noticed(
        self, hub: Hub, place: Dictionary, ada: Person, tmp_path: Path, required: bool
    ) -> None:
        person = Person(tmp_path, "someone", required=required).trusts(ada.key)
        for version in ("1.0", "1.1"):
            publish(hub, version, ada.sign)
        versions(hub, person)
        place.delete([publication_key(PACKAGE, 2)])
        with pytest.raises(BreakbulkError) as error:
            versions(hub, person)
        assert (error.value.reference, error.value.exit_code) == ("history-rewound", 69)
        assert "change 2 was seen here, and the newest on the hub is 1" in str(error.value.why)
        (remembered,) = (person.settings.store / "seen").rglob(PACKAGE)
        assert str(remembered) in str(error.value.hint)
        remembered.unlink()
        assert versions(hub, person) == ["1.0"]

    @pytest.mark.parametrize("grown", [0, 2])
    def test_another_history_is_noticed(
        self, hub: Hub, place: Dictionary, ada: Person, node: Person, grown: int
    ) -> None:
        publish(hub, "1.0", ada.sign)
        versions(hub, node)
        place.delete([publication_key(PACKAGE, 1)])
        for number in range(1 + grown):
            publish(hub, f"2.{number}", ada.sign)
        assert refused(hub, node) == "history-rewound"

    def test_a_history_that_grows_is_followed(self, hub: Hub, ada: Person, node: Person) -> None:
        for version in ("1.0", "1.1", "1.2"):
            publish(hub, version, ada.sign)
            assert versions(hub, node)[-1] == version


def test_what_a_hub_requires_its_service_checks(hub: Hub, ada: Person, eve: Person, node: Person) -> None:
    check = check_required(hub, node.settings)
    publish(hub, "1.0")
    packages = PublishedPackages(hub.objects)
    check(packages.recorded(PACKAGE, 1))
    write_policy(hub.objects, HubPolicy(require_signatures=True))
    publish(hub, "1.1", ada.sign)
    publish(hub, "1.2", eve.sign)
    check(packages.recorded(PACKAGE, 2))
    for number, identifier in ((1, "hub-requires-signatures"), (3, "key-untrusted")):
        with pytest.raises(BreakbulkError) as error:
            check(packages.recorded(PACKAGE, number))
        assert error.value.reference == identifier
