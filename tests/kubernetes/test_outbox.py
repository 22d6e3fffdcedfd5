from hypothesis import given
from hypothesis import strategies as st

from breakbulk.kubernetes.kinds import ObjectReference
from breakbulk.kubernetes.outbox import Outbox, Subject


def _subject(name: str, reason: str = "Failed") -> Subject:
    return ObjectReference(api_version="v1", kind="Pod", name=name, namespace="team", uid=name), "Warning", reason


def test_what_waits_for_one_subject_becomes_one_with_the_newest_message() -> None:
    outbox = Outbox()
    outbox.put(_subject("a"), "first")
    outbox.put(_subject("b"), "other")
    outbox.put(_subject("a"), "second")
    taken = outbox.take(0.0)
    assert taken
    assert (taken.message, taken.count) == ("second", 2)
    assert len(outbox) == 1


def test_after_a_few_at_once_one_goes_each_interval() -> None:
    outbox = Outbox(burst=2, refill_s=10.0)
    gone = []
    for second in range(40):
        outbox.put(_subject("a"), f"{second}")
        if outbox.take(float(second)):
            gone.append(second)
    assert gone == [0, 1, 10, 20, 30]
    assert outbox.ready_in_s(39.0) == 1.0


def test_one_subject_that_is_limited_does_not_hold_up_another() -> None:
    outbox = Outbox(burst=1, refill_s=10.0)
    outbox.put(_subject("a"), "one")
    assert outbox.take(0.0)
    outbox.put(_subject("a"), "two")
    outbox.put(_subject("b"), "other")
    taken = outbox.take(1.0)
    assert taken
    assert taken.message == "other"
    assert outbox.take(1.0) is None


def test_what_could_not_be_written_waits_again_behind_newer_words() -> None:
    outbox = Outbox()
    outbox.put(_subject("a"), "old")
    taken = outbox.take(0.0)
    assert taken
    outbox.put(_subject("a"), "new")
    outbox.put_back(taken)
    again = outbox.take(0.0)
    assert again
    assert (again.message, again.count) == ("new", 2)


@given(
    puts=st.lists(st.tuples(st.sampled_from("abcdef"), st.text(max_size=3)), max_size=60),
    most=st.integers(1, 4),
    burst=st.integers(1, 3),
)
def test_memory_is_bounded_and_nothing_is_lost_unsaid(puts: list[tuple[str, str]], most: int, burst: int) -> None:
    outbox = Outbox(most=most, burst=burst, refill_s=5.0)
    written = 0
    for second, (name, message) in enumerate(puts):
        outbox.put(_subject(name), message)
        assert len(outbox) <= most
        if taken := outbox.take(float(second)):
            written += taken.count
    rest = outbox.drain()
    assert written + sum(notice.count for notice in rest) + outbox.dropped == len(puts)
    newest = dict(puts)
    assert all(notice.message == newest[notice.subject[0].name] for notice in rest)
    assert outbox.ready_in_s(1e9) is None
