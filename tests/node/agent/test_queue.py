"""Which work goes on and which waits, as scripts of events and effects."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.node.agent.queue import Disappointed, Queue, Refused, Served, Start, State, Stop, Waiter

FAILED = NetworkError("the hub does not answer")


def waiter(name: str, priority: int = 0) -> Waiter:
    return Waiter(name=name, priority=priority)


def test_fifty_pods_of_one_environment_are_one_piece_of_work() -> None:
    queue = Queue(at_once=2)
    effects = [effect for number in range(50) for effect in queue.ask("a", waiter(f"p{number}"), 0.0)]
    assert effects == [Start("a")]
    (served,) = queue.done("a", 1.0)
    assert isinstance(served, Served)
    assert len(served.waiters) == 50
    assert queue.state("a") is None


def test_the_smallest_goes_first_and_never_more_than_fit() -> None:
    queue = Queue(at_once=1)
    assert queue.ask("first", waiter("p"), 0.0, left_bytes=900) == [Start("first")]
    for key, size in (("large", 800), ("small", 10), ("medium", 300)):
        assert queue.ask(key, waiter("p"), 0.0, left_bytes=size) == []
    order = ["first"]
    while queue.running:
        effects = queue.done(order[-1], 1.0)
        order += [effect.key for effect in effects if isinstance(effect, Start)]
        if len(effects) == 1:
            break
    assert order == ["first", "small", "medium", "large"]


def test_a_pod_of_a_higher_priority_goes_before_small_ones() -> None:
    queue = Queue(at_once=1)
    queue.ask("running", waiter("p"), 0.0)
    queue.ask("small", waiter("p"), 0.0, left_bytes=1)
    queue.ask("urgent", waiter("q", priority=1000), 0.0, left_bytes=10**9)
    assert queue.done("running", 1.0)[1:] == [Start("urgent")]


def test_whoever_has_waited_long_goes_before_all_who_came_later() -> None:
    queue = Queue(at_once=1, patience_s=60)
    queue.ask("running", waiter("p"), 0.0)
    queue.ask("large", waiter("p"), 1.0, left_bytes=10**12)
    queue.ask("small", waiter("p", priority=10**9), 50.0, left_bytes=1)
    assert queue.done("running", 62.0)[1:] == [Start("large")]


def test_what_nobody_waits_for_is_stopped_and_whoever_comes_meanwhile_is_served_by_the_next() -> None:
    queue = Queue(at_once=1)
    queue.ask("a", waiter("p"), 0.0)
    queue.ask("a", waiter("q"), 0.0)
    assert queue.forget("p", 1.0) == []
    assert queue.forget("q", 2.0) == [Stop("a")]
    assert queue.ask("a", waiter("r"), 3.0) == []
    assert queue.stopped("a", 4.0) == [Start("a")]
    assert queue.done("a", 5.0) == [Served("a", ("r",))]


def test_work_that_ended_before_it_was_stopped_serves_nobody() -> None:
    queue = Queue(at_once=1)
    queue.ask("a", waiter("p"), 0.0)
    queue.forget("p", 1.0)
    assert queue.done("a", 1.0) == [Served("a", ())]
    assert queue.running == 0


def test_too_much_is_refused_and_there_is_room_again_when_somebody_leaves() -> None:
    queue = Queue(at_once=1, waiting_max=2)
    for key in "abc":
        queue.ask(key, waiter("p"), 0.0)
    assert queue.ask("d", waiter("q"), 0.0) == [Refused("d", "q")]
    assert queue.ask("b", waiter("q"), 0.0) == []
    queue.forget("p", 1.0, key="c")
    assert queue.ask("d", waiter("q"), 1.0) == []


def test_what_rests_after_a_failure_keeps_nobody_out() -> None:
    queue = Queue(at_once=1, waiting_max=1)
    for key in "abc":
        queue.ask(key, waiter("p"), 0.0)
        queue.failed(key, FAILED, 0.0)
    assert queue.waiting == 0
    assert queue.ask("d", waiter("q"), 0.0) == [Start("d")]


def test_what_failed_is_tried_again_ever_less_often_while_somebody_waits() -> None:
    queue = Queue(at_once=1)
    queue.ask("a", waiter("p"), 0.0)
    now, pauses = 0.0, []
    for _ in range(9):
        (told,) = queue.failed("a", FAILED, now)
        assert isinstance(told, Disappointed)
        assert told.waiters == ("p",)
        pauses.append(told.again_in_s)
        assert queue.tick(now + told.again_in_s - 0.1) == []
        now = queue.wake_s or 0.0
        assert queue.tick(now) == [Start("a")]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0, 120.0]
    assert queue.done("a", now)[0] == Served("a", ("p",))


def test_whoever_is_new_shortens_the_rest_and_who_asks_again_does_not() -> None:
    queue = Queue(at_once=1)
    queue.ask("a", waiter("p"), 0.0)
    for moment in (0.0, 2.0, 6.0, 14.0):
        queue.failed("a", FAILED, moment)
        queue.tick(queue.wake_s or 0.0)
    queue.failed("a", FAILED, 30.0)
    assert queue.wake_s == 62.0
    assert queue.ask("a", waiter("p"), 31.0) == []
    assert queue.wake_s == 62.0
    assert queue.ask("a", waiter("q"), 31.0) == []
    assert queue.wake_s == 32.0
    assert queue.ask("a", waiter("r"), 40.0) == [Start("a")]


def test_what_failed_rests_even_when_nobody_waits_and_is_forgotten_then() -> None:
    queue = Queue(at_once=1)
    queue.ask("a", waiter("p"), 0.0)
    queue.failed("a", FAILED, 0.0)
    queue.forget("p", 0.5)
    assert queue.ask("a", waiter("q"), 1.0) == []
    queue.forget("q", 1.0)
    assert queue.tick(2.0) == []
    assert queue.state("a") is None


def test_nobody_is_given_an_answer_to_a_question_from_before_they_came() -> None:
    queue = Queue(at_once=1, fresh=True)
    queue.ask("a", waiter("p"), 0.0)
    queue.ask("a", waiter("q"), 0.1)
    queue.ask("a", waiter("r"), 0.1)
    assert queue.done("a", 1.0) == [Served("a", ("p",)), Start("a")]
    assert queue.done("a", 2.0) == [Served("a", ("q", "r"))]


def test_nothing_begins_while_it_is_held() -> None:
    queue = Queue(at_once=2)
    queue.hold()
    assert queue.ask("a", waiter("p"), 0.0) == []
    assert queue.release(1.0) == [Start("a")]


KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
NAMES = st.sampled_from(["p", "q", "r"])


class Scripted(RuleBasedStateMachine):
    """Any order of events, against what must hold whatever happens."""

    at_once, waiting_max = 2, 3

    def __init__(self) -> None:
        super().__init__()
        self.queue = Queue(at_once=self.at_once, waiting_max=self.waiting_max, patience_s=30.0)
        self.now = 0.0
        self.begun: set[str] = set()
        self.wanted: dict[str, set[str]] = {}

    def take(self, effects) -> None:
        for effect in effects:
            match effect:
                case Start(key):
                    assert key not in self.begun
                    assert self.wanted[key]
                    self.begun.add(key)
                case Stop(key):
                    assert key in self.begun
                    assert not self.wanted.get(key)
                case Served(key, waiters):
                    assert set(waiters) == self.wanted.pop(key, set())
                case Disappointed(key, waiters):
                    assert set(waiters) == self.wanted.get(key, set())
                case Refused(key, name):
                    self.wanted[key].discard(name)

    @rule(key=KEYS, name=NAMES, size=st.integers(0, 100), priority=st.integers(0, 2))
    def ask(self, key, name, size, priority) -> None:
        self.wanted.setdefault(key, set()).add(name)
        self.take(self.queue.ask(key, waiter(name, priority), self.now, left_bytes=size))

    @rule(name=NAMES, key=st.none() | KEYS)
    def forget(self, name, key) -> None:
        for each in self.wanted if key is None else [key]:
            self.wanted.get(each, set()).discard(name)
        self.take(self.queue.forget(name, self.now, key=key))

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), how=st.sampled_from(["done", "failed", "stopped"]))
    def end(self, data, how) -> None:
        key = data.draw(st.sampled_from(sorted(self.begun)))
        self.begun.discard(key)
        if how == "failed":
            self.take(self.queue.failed(key, BreakbulkError("no"), self.now))
        else:
            self.take(getattr(self.queue, how)(key, self.now))

    @rule(seconds=st.floats(0, 200))
    def later(self, seconds) -> None:
        self.now += seconds
        self.take(self.queue.tick(self.now))

    @invariant()
    def no_more_run_than_may_and_no_place_is_free_while_somebody_waits(self) -> None:
        states = {key: self.queue.state(key) for key in "abcde"}
        assert {key for key, state in states.items() if state in {State.RUNNING, State.STOPPING}} == self.begun
        assert len(self.begun) <= self.at_once
        if State.WAITING in states.values():
            assert len(self.begun) == self.at_once

    @invariant()
    def whoever_asked_is_known_and_nobody_else(self) -> None:
        for key in "abcde":
            assert set(self.queue.waiters(key)) == self.wanted.get(key, set())

    def teardown(self) -> None:
        """Whoever still waits is served in the end, if work succeeds from now on."""
        for _ in range(40):
            while self.begun:
                key = self.begun.pop()
                self.take(self.queue.done(key, self.now))
            self.now = max(self.now, self.queue.wake_s or self.now)
            self.take(self.queue.tick(self.now))
        assert not any(self.wanted.values())


TestScripted = Scripted.TestCase
