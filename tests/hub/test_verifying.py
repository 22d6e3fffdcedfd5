"""The whole of an environment, looked at: each kind of damage is found, and named with the change it is of."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from changes import ENVIRONMENT, authorship, blob, following, locked
from places import Dictionary
from signers import Person, encoded, signed_push

from breakbulk.errors import BreakbulkError
from breakbulk.hub.hub import Hub
from breakbulk.hub.layout import change_key, object_key
from breakbulk.hub.names import parse_reference
from breakbulk.hub.records import Change, PreparedPackage, PreparedSet, Recorded, encode_change
from breakbulk.hub.statements import Envelope
from breakbulk.hub.switching import rollback, switch
from breakbulk.hub.verifying import Verification, accept, verify
from breakbulk.lock.files import encode_lock

BY = authorship(author="ada")


@pytest.fixture
def ada(tmp_path: Path) -> Person:
    return Person(tmp_path, "ada").with_key()


@pytest.fixture
def node(tmp_path: Path, ada: Person) -> Person:
    return Person(tmp_path, "node").trusts(ada.key)


@pytest.fixture
def pushed(hub: Hub, ada: Person) -> Hub:
    """Three generations, the second live, all signed; the third has an object of prepared packages."""
    signed_push(hub, "a", ada.sign)
    signed_push(hub, "b", ada.sign)
    package = b"a prepared package"
    listed = msgspec.json.encode(
        PreparedSet(packages={"deb-jq-1-abc": PreparedPackage(blob=blob(package), tree="t" * 64, size=1)})
    )
    lock = encode_lock(locked("c"))
    for data in (package, listed, lock):
        hub.objects.create(object_key(blob(data).sha256), data)

    def third(current: Recorded | None) -> Change:
        return following(current, lock=locked("c"), prepared={"x86_64-linux": blob(listed)})

    hub.commit(ENVIRONMENT, third, ada.sign)
    rollback(hub, ENVIRONMENT, BY, ada.sign)
    return hub


def verified(person: Person, hub: Hub, reference: str = ENVIRONMENT, **options: Any) -> Verification:
    class Quiet:
        def begin(self, *_: object, **__: object) -> "Quiet":
            return self

        def advance(self, amount: int = 1) -> None: ...
        def finish(self) -> None: ...

    return verify(hub, parse_reference(reference), person.settings, reporter=Quiet(), **options)  # type: ignore[arg-type]


def faults(found: Verification) -> dict[int, tuple[str, ...]]:
    return {checked.number: checked.faults for checked in found.changes if checked.faults}


def rewrite(place: Dictionary, number: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Write another statement over a change, with the signatures that it had."""
    key = change_key(ENVIRONMENT, number)
    envelope = msgspec.json.decode(place.get(key), type=Envelope)
    predicate = json.loads(base64.b64decode(envelope.payload))["predicate"]
    change(predicate)
    payload = base64.b64encode(encode_change(msgspec.convert(predicate, Change))).decode()
    place.replace(key, encoded(msgspec.structs.replace(envelope, payload=payload)))


def test_what_is_whole_is_good(pushed: Hub, node: Person) -> None:
    found = verified(node, pushed)
    assert found.good
    assert [checked.number for checked in found.changes] == [1, 2, 3, 4]
    assert {judged.name for checked in found.changes for judged in checked.signatures} == {"ada"}
    assert (found.required, found.required_by_hub, found.objects, found.bytes_read) == (True, False, 5, 0)
    deep = verified(node, pushed, deep=True)
    assert deep.good
    assert deep.bytes_read > 100


def test_an_altered_change_is_found_by_its_signature_and_by_its_successor(
    place: Dictionary, pushed: Hub, node: Person
) -> None:
    rewrite(place, 2, lambda predicate: predicate.update(author="eve"))
    assert faults(verified(node, pushed)) == {
        2: ("the signature of ada is wrong", "nobody has signed it whom this machine believes"),
        3: ("change 3 did not follow change 2 as that is now",),
    }


def test_a_change_that_is_gone(place: Dictionary, pushed: Hub, node: Person) -> None:
    place.delete([change_key(ENVIRONMENT, 2)])
    found = verified(node, pushed)
    assert "it is not on the hub" in faults(found)[2][0]
    assert "generation 2, which it makes live, was never pushed" in faults(found)[4]


def test_a_change_that_cannot_be_read(place: Dictionary, pushed: Hub, node: Person) -> None:
    place.replace(change_key(ENVIRONMENT, 1), b"{")
    assert list(faults(verified(node, pushed))) == [1]


@pytest.mark.parametrize("field", ["digest", "lock", "manifest", "prepared", "archives"])
def test_a_switch_that_is_not_what_it_points_to(pushed: Hub, ada: Person, node: Person, field: str) -> None:
    def lying(current: Recorded | None) -> Change:
        assert current is not None
        pushed_third = pushed.recorded(ENVIRONMENT, 3).change
        honest = following(
            current, lock=locked("c"), kind="switch", generation=3, generations=3, prepared=pushed_third.prepared
        )
        other = blob(encode_lock(locked("a")))
        lie: Any = {
            "digest": pushed.recorded(ENVIRONMENT, 1).change.digest,
            "lock": other,
            "manifest": other,
            "prepared": {},
            "archives": (other,),
        }
        return msgspec.structs.replace(honest, **{field: lie[field]})

    pushed.commit(ENVIRONMENT, lying, ada.sign)
    assert f"its {field} is not that of generation 3" in faults(verified(node, pushed))[5]


def test_objects_that_are_gone_cut_short_or_altered(place: Dictionary, pushed: Hub, node: Person) -> None:
    first, second, third = (pushed.recorded(ENVIRONMENT, number).change for number in (1, 2, 3))
    package = next(iter(pushed.prepared(third, "x86_64-linux").packages.values())).blob
    place.delete([object_key(first.lock.sha256)])
    place.replace(object_key(second.lock.sha256), b"short")
    place.replace(object_key(package.sha256), b"A prepared package")
    found = faults(verified(node, pushed))
    assert found[1] == (f"the lock: the object {first.lock.sha256} is not on the hub",)
    assert found[2] == (f"the lock: the object {second.lock.sha256} has 5 bytes, not {second.lock.size}",)
    assert 3 not in found
    (fault,) = faults(verified(node, pushed, deep=True))[3]
    assert fault.startswith(f"the prepared package deb-jq-1-abc for x86_64-linux: the object {package.sha256} has the ")


def test_the_lock_of_another_environment(pushed: Hub, ada: Person, node: Person) -> None:
    other = blob(encode_lock(locked("a")))

    def mixed(current: Recorded | None) -> Change:
        return msgspec.structs.replace(following(current, lock=locked("d")), lock=other)

    pushed.commit(ENVIRONMENT, mixed, ada.sign)
    assert "the lock is not that of the environment" in faults(verified(node, pushed))[5][0]


def test_what_nobody_signed_is_a_fault_where_signatures_are_required(pushed: Hub, node: Person, tmp_path: Path) -> None:
    switch(pushed, parse_reference(f"{ENVIRONMENT}:1"), BY)
    assert faults(verified(node, pushed)) == {5: ("nobody has signed it whom this machine believes",)}
    assert verified(Person(tmp_path, "lax", required=False), pushed).good


def test_one_generation(place: Dictionary, pushed: Hub, node: Person) -> None:
    place.replace(change_key(ENVIRONMENT, 1), b"{")
    found = verified(node, pushed, f"{ENVIRONMENT}:3")
    assert found.good
    assert [checked.number for checked in found.changes] == [3]


def test_an_environment_that_is_not_there(hub: Hub, node: Person) -> None:
    with pytest.raises(BreakbulkError) as error:
        verified(node, hub)
    assert error.value.reference == "environment-unknown"


def test_a_history_that_was_taken_back_is_a_fault_until_it_is_accepted(
    place: Dictionary, pushed: Hub, node: Person
) -> None:
    node.resolve(pushed)
    place.delete([change_key(ENVIRONMENT, number) for number in (3, 4)])
    (fault,) = verified(node, pushed).faults
    assert "change 4 was seen here, and the newest on the hub is 2" in fault
    before, now = accept(pushed, ENVIRONMENT, node.settings)
    assert before is not None
    assert (before.number, before.generation, now.change.number) == (4, 2, 2)
    assert verified(node, pushed).good
    assert node.resolve(pushed).change.number == 2


def test_what_is_not_signed_cannot_be_accepted_where_it_has_to_be(place: Dictionary, pushed: Hub, node: Person) -> None:
    node.resolve(pushed)
    place.delete([change_key(ENVIRONMENT, number) for number in (3, 4)])
    signed_push(pushed, "evil")
    with pytest.raises(BreakbulkError) as error:
        accept(pushed, ENVIRONMENT, node.settings)
    assert error.value.reference == "signature-missing"
