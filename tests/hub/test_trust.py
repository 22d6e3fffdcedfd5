"""Who may decide what runs: keys that are believed, and histories that are not taken back."""

import base64
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from changes import ENVIRONMENT, authorship
from places import Dictionary, Wrapped
from signers import Person, encoded, signed_push, signed_with

from breakbulk.errors import BreakbulkError, IntegrityError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.policy import HubPolicy, write_policy
from breakbulk.hub.requiring import check_required
from breakbulk.hub.rotation import revoke, rotate
from breakbulk.hub.sealing import nobody
from breakbulk.hub.statements import Envelope, Signature
from breakbulk.hub.switching import rollback, switch
from breakbulk.hub.trust import check_vouched
from breakbulk.hub.trusted_keys import TRUST_FILE, read_trust

BY = authorship(author="ada")


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    """Whose environment it is; she has a key."""
    return Person(tmp_path, "ada").with_key()


@pytest.fixture
def node(tmp_path: Path, ada: Person) -> Person:
    """A machine that requires signatures and believes ada's key."""
    return Person(tmp_path, "node").trusts(ada.key)


@pytest.fixture
def mallory(tmp_path: Path) -> Person:
    """Somebody who can write to the hub and has a key that nobody believes."""
    return Person(tmp_path, "mallory").with_key()


def refused(person: Person, hub: Hub, reference: str = ENVIRONMENT) -> BreakbulkError:
    with pytest.raises(BreakbulkError) as error:
        person.resolve(hub, reference)
    return error.value


def alter(place: Dictionary, number: int, change: Callable[[Envelope], Envelope]) -> None:
    """Write another envelope over a change, as whoever may write to the place can."""
    key = change_key(ENVIRONMENT, number)
    place.replace(key, encoded(change(msgspec.json.decode(place.get(key), type=Envelope))))


def test_what_a_believed_key_has_signed_runs(hub: Hub, ada: Person, node: Person) -> None:
    signed_push(hub, "a", ada.sign)
    pushed = signed_push(hub, "b", ada.sign)
    assert node.resolve(hub) == pushed
    assert node.resolve(hub, f"{ENVIRONMENT}:1").change.generation == 1
    assert node.notes == []


def test_who_signs_believes_itself(hub: Hub, ada: Person) -> None:
    signed_push(hub, "a", ada.sign)
    assert ada.resolve(hub).change.generation == 1


def test_what_nobody_has_signed_does_not_run(hub: Hub, node: Person) -> None:
    signed_push(hub, "a")
    error = refused(node, hub)
    assert (error.reference, error.exit_code) == ("signature-missing", 69)
    assert error.where == f"change 1 of {ENVIRONMENT}"


def test_a_key_that_is_not_believed_opens_nothing(hub: Hub, node: Person, mallory: Person) -> None:
    signed_push(hub, "a", mallory.sign)
    error = refused(node, hub)
    assert error.reference == "key-untrusted"
    assert "breakbulk key trust FILE --owner ada" in str(error.hint)


def test_a_key_is_believed_for_its_owners_only(hub: Hub, tmp_path: Path, ada: Person) -> None:
    node = Person(tmp_path, "node").trusts(ada.key, "ada", "team-*")
    for environment in ("ada/tickets", "team-desk/tickets", "bob/tickets"):
        signed_push(hub, "a", ada.sign, environment)
    assert node.resolve(hub, "team-desk/tickets").change.generation == 1
    assert refused(node, hub, "bob/tickets").reference == "key-untrusted"


def test_one_believed_signature_of_two_suffices(hub: Hub, ada: Person, node: Person, mallory: Person) -> None:
    signed_push(hub, "a", signed_with([mallory.ring.pair(mallory.key), ada.ring.pair(ada.key)]))
    assert node.resolve(hub).change.generation == 1


def test_a_wrong_signature_beside_a_right_one_is_refused(
    place: Dictionary, hub: Hub, ada: Person, node: Person, mallory: Person
) -> None:
    node.trusts(mallory.key, "ada")
    signed_push(hub, "a", ada.sign)
    wrong = Signature(keyid=mallory.key.id, sig=base64.b64encode(bytes(64)).decode())
    alter(place, 1, lambda found: msgspec.structs.replace(found, signatures=(*found.signatures, wrong)))
    error = refused(node, hub)
    assert error.reference == "signature-invalid"
    assert "mallory" in error.message


def test_an_altered_statement_with_the_old_signature_is_refused(
    place: Dictionary, hub: Hub, ada: Person, node: Person, tmp_path: Path
) -> None:
    signed_push(hub, "a", ada.sign)

    def altered(found: Envelope) -> Envelope:
        payload = base64.b64decode(found.payload).replace(b'"engine"', b'"evil-1"')
        return msgspec.structs.replace(found, payload=base64.b64encode(payload).decode())

    alter(place, 1, altered)
    assert refused(node, hub).reference == "signature-invalid"
    assert refused(Person(tmp_path, "lax", required=False).trusts(ada.key), hub).reference == "signature-invalid"


def test_the_signature_of_another_environment_does_not_fit(
    place: Dictionary, hub: Hub, ada: Person, node: Person
) -> None:
    other = signed_push(hub, "a", ada.sign, "ada/other")
    signed_push(hub, "b")
    alter(place, 1, lambda found: msgspec.structs.replace(found, signatures=other.envelope.signatures))
    assert refused(node, hub).reference == "signature-invalid"
    place.replace(change_key(ENVIRONMENT, 1), place.get(change_key("ada/other", 1)))
    assert refused(node, hub).reference == "change-damaged"


def test_a_signature_under_the_id_of_another_key_is_refused(
    hub: Hub, ada: Person, node: Person, mallory: Person
) -> None:
    def pretending(payload: bytes) -> tuple[Signature, ...]:
        return tuple(msgspec.structs.replace(each, keyid=ada.key.id) for each in mallory.sign(payload))

    signed_push(hub, "a", pretending)
    assert refused(node, hub).reference == "signature-invalid"


def test_one_key_cannot_sign_twice(place: Dictionary, hub: Hub, ada: Person, node: Person) -> None:
    signed_push(hub, "a", ada.sign)
    alter(place, 1, lambda found: msgspec.structs.replace(found, signatures=found.signatures * 2))
    assert refused(node, hub).reference == "signature-invalid"


def test_a_statement_of_another_kind_is_refused(place: Dictionary, hub: Hub, ada: Person, node: Person) -> None:
    signed_push(hub, "a", ada.sign)
    alter(place, 1, lambda found: msgspec.structs.replace(found, payloadType="application/json"))
    assert refused(node, hub).reference == "signature-invalid"


def test_a_rollback_by_somebody_without_a_key_is_noticed(hub: Hub, ada: Person, node: Person, mallory: Person) -> None:
    signed_push(hub, "a", ada.sign)
    signed_push(hub, "b", ada.sign)
    node.resolve(hub)
    rollback(hub, ENVIRONMENT, BY)
    assert refused(node, hub).reference == "signature-missing"
    assert node.resolve(hub, f"{ENVIRONMENT}:2").change.generation == 2
    switch(hub, parse_reference(f"{ENVIRONMENT}:2"), BY, mallory.sign)
    assert refused(node, hub).reference == "key-untrusted"
    rollback(hub, ENVIRONMENT, BY, ada.sign)
    assert node.resolve(hub).change.kind == "rollback"


def test_changes_that_are_taken_away_are_noticed(place: Dictionary, hub: Hub, ada: Person, node: Person) -> None:
    for version in "abc":
        signed_push(hub, version, ada.sign)
    node.resolve(hub)
    place.delete([change_key(ENVIRONMENT, 3)])
    error = refused(node, hub)
    assert (error.reference, error.exit_code) == ("history-rewound", 69)
    assert "change 3 was seen here, and the newest on the hub is 2" in str(error.why)
    assert "breakbulk verify ada/tickets --accept" in str(error.hint)
    assert node.resolve(hub, f"{ENVIRONMENT}:2").change.generation == 2


@pytest.mark.parametrize("grown", [0, 1, 3])
def test_another_history_is_noticed(place: Dictionary, hub: Hub, ada: Person, node: Person, grown: int) -> None:
    """It was seen up to change 2; change 2 is made anew, however many follow it."""
    signed_push(hub, "a", ada.sign)
    signed_push(hub, "b", ada.sign)
    node.resolve(hub)
    place.delete([change_key(ENVIRONMENT, 2)])
    for version in "cdef"[: grown + 1]:
        signed_push(hub, version, ada.sign)
    assert refused(node, hub).reference == "history-rewound"


def test_a_history_that_grows_is_followed(hub: Hub, ada: Person, node: Person) -> None:
    for versions in ("a", "b", "cde"):
        for version in versions:
            signed_push(hub, version, ada.sign)
        node.resolve(hub)


def test_what_others_see_at_the_same_time_is_no_rewinding(
    place: Dictionary, hub: Hub, ada: Person, node: Person
) -> None:
    """Another process resolves a later change after this one has read the hub, and before it looks what was seen."""
    signed_push(hub, "a", ada.sign)
    node.resolve(hub)
    rival = iter([True])

    def meanwhile(verb: str, key: str) -> None:
        if verb == "get" and key == change_key(ENVIRONMENT, 1) and next(rival, False):
            signed_push(hub, "b", ada.sign)
            node.resolve(hub)

    assert node.resolve(Hub(Wrapped(place, after=meanwhile))).change.number == 1
    assert node.resolve(hub).change.number == 2


def test_where_nothing_is_required_unsigned_environments_run_with_a_note_at_most(
    hub: Hub, tmp_path: Path, ada: Person, mallory: Person
) -> None:
    signed_push(hub, "a")
    signed_push(hub, "a", mallory.sign, "bob/tool")
    stranger = Person(tmp_path, "stranger", required=False)
    stranger.resolve(hub)
    stranger.resolve(hub, "bob/tool")
    assert stranger.notes == []
    friend = Person(tmp_path, "friend", required=False).trusts(ada.key, "ada", "bob")
    friend.resolve(hub)
    friend.resolve(hub, "bob/tool")
    assert [note.partition(": ")[2][:18] for note in friend.notes] == ["nobody has signed ", "it is signed by th"]


def test_what_a_hub_requires_its_service_checks(hub: Hub, ada: Person, node: Person, mallory: Person) -> None:
    check = check_required(hub, node.settings)
    check(signed_push(hub, "a"))
    write_policy(hub.objects, HubPolicy(require_signatures=True))
    hub = Hub(hub.objects)
    check(signed_push(hub, "b", ada.sign))
    with pytest.raises(BreakbulkError) as error:
        check(signed_push(hub, "c", mallory.sign))
    assert error.value.reference == "key-untrusted"
    with pytest.raises(BreakbulkError) as error:
        check(hub.recorded(ENVIRONMENT, 1))
    assert (error.value.reference, error.value.exit_code) == ("hub-requires-signatures", 78)
    with pytest.raises(BreakbulkError) as error:
        signed_push(hub, "d")
    assert error.value.reference == "hub-requires-signatures"
    assert hub.last_number(ENVIRONMENT) == 3


def test_who_signs_a_switch_vouches_for_what_it_repeats(hub: Hub, ada: Person, mallory: Person) -> None:
    signed_push(hub, "a", mallory.sign)
    signed_push(hub, "b", ada.sign)
    signed_push(hub, "c", ada.sign)
    check = check_vouched(hub, ada.settings, ada.sign)
    with pytest.raises(BreakbulkError) as error:
        switch(hub, parse_reference(f"{ENVIRONMENT}:1"), BY, ada.sign, check)
    assert error.value.reference == "key-untrusted"
    assert "your signature would vouch for what it says" in str(error.value.why)
    assert rollback(hub, ENVIRONMENT, BY, ada.sign, check).change.generation == 2
    with pytest.raises(BreakbulkError):
        rollback(hub, ENVIRONMENT, BY, ada.sign, check)
    assert rollback(hub, ENVIRONMENT, BY, nobody, check_vouched(hub, ada.settings, nobody)).change.generation == 1


def test_resolving_stays_a_few_requests(place: Dictionary, hub: Hub, ada: Person, node: Person) -> None:
    for version in "abcd":
        signed_push(hub, version, ada.sign)
    counted = Wrapped(place)
    node.resolve(Hub(counted))
    assert counted.requests == Counter(list=2, get=1)  # the second list: what became of the key
    lax = Person(node.settings.store.parent, "lax", required=False)
    counted = Wrapped(place)
    lax.resolve(Hub(counted))
    assert counted.requests == Counter(list=1, get=1)


@pytest.mark.parametrize("content", ["{", '{"keys": 1}', '{"version": 2}', '{"surprise": []}', ""])
def test_a_damaged_list_of_trusted_keys_is_never_an_empty_one(
    hub: Hub, ada: Person, tmp_path: Path, content: str
) -> None:
    signed_push(hub, "a", ada.sign)
    lax = Person(tmp_path, "lax", required=False).trusts(ada.key)
    (lax.settings.configuration / TRUST_FILE).write_text(content)
    error = refused(lax, hub)
    assert (error.reference, error.exit_code) == ("trust-damaged", 69)


def test_a_list_of_trusted_keys_that_others_may_write_is_not_believed(hub: Hub, ada: Person, node: Person) -> None:
    signed_push(hub, "a", ada.sign)
    (node.settings.configuration / TRUST_FILE).chmod(0o666)
    assert refused(node, hub).reference == "trust-damaged"


def test_damaged_memory_is_an_error_for_names_alone(hub: Hub, ada: Person, node: Person) -> None:
    signed_push(hub, "a", ada.sign)
    node.resolve(hub)
    (remembered,) = (node.settings.store / "seen" / "hubs").glob(f"*/{ENVIRONMENT}")
    remembered.write_text("{")
    assert refused(node, hub).reference == "seen-damaged"
    assert node.resolve(hub, f"{ENVIRONMENT}:1").change.generation == 1


class TestRevocation:
    def test_a_key_revoked_here_counts_for_nothing(self, hub: Hub, ada: Person, node: Person) -> None:
        signed_push(hub, "a", ada.sign)
        node.resolve(hub)
        revoke(None, node.ring, ada.key, BY, node.settings, also=())
        assert refused(node, hub).reference == "key-revoked"
        assert refused(node, hub, f"{ENVIRONMENT}:1").reference == "key-revoked"

    def test_a_key_that_revoked_itself_on_the_hub_counts_for_nothing_anywhere(
        self, hub: Hub, ada: Person, node: Person
    ) -> None:
        signed_push(hub, "a", ada.sign)
        assert revoke(hub, ada.ring, ada.key, BY, ada.settings, also=())
        assert refused(node, hub).reference == "key-revoked"
        assert refused(ada, hub).reference == "key-revoked"
        assert ada.ring.own() == ()

    def test_another_believed_key_can_revoke_it(
        self, hub: Hub, ada: Person, node: Person, tmp_path: Path, mallory: Person
    ) -> None:
        backup = Person(tmp_path, "backup").with_key().trusts(ada.key)
        signed_push(hub, "a", ada.sign)
        revoke(hub, mallory.ring, ada.key, BY, mallory.settings, also=[mallory.key])
        revoke(hub, backup.ring, ada.key, BY, backup.settings, also=[backup.key])
        assert node.resolve(hub).change.generation == 1  # it believes neither
        assert refused(node.trusts(backup.key), hub).reference == "key-revoked"

    def test_another_signature_keeps_it_good(self, hub: Hub, ada: Person, node: Person, tmp_path: Path) -> None:
        bob = Person(tmp_path, "bob").with_key()
        node.trusts(bob.key, "ada")
        signed_push(hub, "a", signed_with([ada.ring.pair(ada.key), bob.ring.pair(bob.key)]))
        revoke(hub, ada.ring, ada.key, BY, ada.settings, also=())
        assert node.resolve(hub).change.generation == 1

    def test_a_revocation_that_was_seen_cannot_be_taken_back(
        self, place: Dictionary, hub: Hub, ada: Person, node: Person
    ) -> None:
        signed_push(hub, "a", ada.sign)
        revoke(hub, ada.ring, ada.key, BY, ada.settings, also=())
        refused(node, hub)
        place.delete([key for key in place.objects if key.startswith("keys/")])
        assert refused(node, hub).reference == "key-revoked"

    def test_it_holds_here_even_when_the_hub_cannot_be_told(self, place: Dictionary, hub: Hub, ada: Person) -> None:
        signed_push(hub, "a", ada.sign)

        def broken(verb: str, key: str) -> None:
            raise IntegrityError("broken")

        with pytest.raises(IntegrityError, match="broken"):
            revoke(Hub(Wrapped(place, before=broken)), ada.ring, ada.key, BY, ada.settings, also=())
        assert ada.key.id in read_trust(ada.settings).revoked
        assert refused(ada, hub).reference == "key-revoked"


class TestRotation:
    def test_the_new_key_is_believed_and_the_old_one_for_what_was_there(
        self, hub: Hub, ada: Person, node: Person
    ) -> None:
        for version in "ab":
            signed_push(hub, version, ada.sign)
        old = ada.sign
        rotated = rotate(hub, ada.ring, "ada", BY, ada.settings)
        assert (rotated.old.id != ada.key.id, rotated.new.id == ada.key.id, rotated.environments) == (True, True, 1)
        assert node.resolve(hub).change.generation == 2
        assert node.resolve(hub, f"{ENVIRONMENT}:1").change.generation == 1
        signed_push(hub, "c", ada.sign)
        assert node.resolve(hub).change.generation == 3
        assert ada.resolve(hub, f"{ENVIRONMENT}:1").change.generation == 1
        signed_push(hub, "d", old)
        assert refused(node, hub).reference == "key-retired"
        signed_push(hub, "e", old, "ada/new")
        assert refused(node, hub, "ada/new").reference == "key-retired"

    def test_the_old_key_cannot_make_the_past_anew(
        self, place: Dictionary, hub: Hub, ada: Person, node: Person
    ) -> None:
        for version in "abc":
            signed_push(hub, version, ada.sign)
        old = ada.sign
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        kept = {number: place.get(change_key(ENVIRONMENT, number)) for number in (2, 3)}
        place.delete([change_key(ENVIRONMENT, number) for number in kept])
        signed_push(hub, "evil", old)
        place.create(change_key(ENVIRONMENT, 3), kept[3])
        assert refused(node, hub, f"{ENVIRONMENT}:2").reference == "key-retired"
        assert node.resolve(hub, f"{ENVIRONMENT}:3").change.generation == 3

    def test_twice_in_a_row(self, hub: Hub, ada: Person, node: Person) -> None:
        signed_push(hub, "a", ada.sign)
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        signed_push(hub, "b", ada.sign)
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        signed_push(hub, "c", ada.sign)
        for number in (1, 2, 3):
            assert node.resolve(hub, f"{ENVIRONMENT}:{number}").change.generation == number

    def test_a_stolen_key_introduces_nobody_once_it_is_revoked(self, hub: Hub, ada: Person, node: Person) -> None:
        signed_push(hub, "a", ada.sign)
        stolen = ada.key
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        signed_push(hub, "b", ada.sign)
        assert node.resolve(hub).change.generation == 2
        revoke(hub, ada.ring, ada.ring.former()[0], BY, ada.settings, also=[ada.key])
        assert refused(node, hub, f"{ENVIRONMENT}:1").reference == "key-revoked"
        assert refused(node, hub).reference == "key-untrusted"
        node.trusts(ada.key)
        assert node.resolve(hub).change.generation == 2
        assert stolen.id != ada.key.id

    def test_a_backup_key_that_signed_the_rotation_keeps_it_good(self, hub: Hub, ada: Person, node: Person) -> None:
        ada.ring.make("backup")
        backup = next(key for key in ada.ring.own() if key.name == "backup")
        node.trusts(backup)
        signed_push(hub, "a", signed_with([ada.ring.pair(ada.key)]))
        rotate(hub, ada.ring, "ada", BY, ada.settings, also=[backup])
        revoke(hub, ada.ring, ada.ring.former()[0], BY, ada.settings, also=[backup])
        signed_push(hub, "b", signed_with([ada.ring.pair(ada.key)]))
        assert node.resolve(hub).change.generation == 2

    def test_who_stole_the_key_cannot_rotate_it_again(
        self, hub: Hub, ada: Person, node: Person, mallory: Person
    ) -> None:
        signed_push(hub, "a", ada.sign)
        thief = Person(mallory.settings.store.parent, "thief").with_key()
        stolen = (ada.ring.directory / "ada.pem").read_bytes()
        rotate(hub, ada.ring, "ada", BY, ada.settings)
        (thief.ring.directory / "ada.pem").write_bytes(stolen)
        (thief.ring.directory / "ada.pem").chmod(0o600)
        (thief.ring.directory / "ada.pub").write_bytes(
            (ada.ring.retired / f"{ada.ring.former()[0].name}.pub").read_bytes()
        )
        with pytest.raises(BreakbulkError) as error:
            rotate(hub, thief.ring, "ada", BY, thief.settings)
        assert error.value.reference == "key-rotated-already"

    def test_a_rotation_that_only_the_old_key_signed_introduces_nobody(
        self, hub: Hub, ada: Person, node: Person, mallory: Person
    ) -> None:
        from breakbulk.hub.key_statements import KeyStatement, publish_statement

        statement = KeyStatement(kind="rotation", key=ada.key, successor=mallory.key, author="ada", time=BY.time)
        publish_statement(hub.objects, statement, ada.sign, about=(ada.key, mallory.key))
        signed_push(hub, "a", mallory.sign)
        assert refused(node, hub).reference == "key-untrusted"
        signed_push(hub, "b", ada.sign)
        assert node.resolve(hub).change.generation == 2

    def test_rubbish_among_the_statements_is_passed_over(
        self, place: Dictionary, hub: Hub, ada: Person, node: Person
    ) -> None:
        signed_push(hub, "a", ada.sign)
        for number, data in enumerate([b"", b"{", b"[]", b'{"payload": "e30=", "signatures": []}'], 1):
            place.create(f"keys/{ada.key.id}/{number:08d}", data)
        assert node.resolve(hub).change.generation == 1
        revoke(hub, ada.ring, ada.key, BY, ada.settings, also=())
        assert refused(node, hub).reference == "key-revoked"
