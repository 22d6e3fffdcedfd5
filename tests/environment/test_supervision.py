"""The life of services as scripts of events and commands: no process, no clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakbulk.environment import supervision
from breakbulk.environment.service_life import (
    ALIVE,
    Ended,
    Forked,
    Kill,
    Probe,
    ProbeEnded,
    Restart,
    Spawn,
    Start,
    Stop,
    Terminate,
    Tick,
)
from breakbulk.manifest.schema import Ready, Service, Shutdown


class Script:
    """Play events against a set of services."""

    def __init__(self, **services):
        self.supervision = supervision.begin(
            {name: Service(command="x", **fields) for name, fields in services.items()}
        )
        self.now = 100.0

    def after(self, event, *, at=None):
        """Return the commands that follow `event`."""
        self.now = self.now if at is None else at
        self.supervision, commands = supervision.step(self.supervision, event, self.now)
        return commands

    def phases(self):
        return {name: state.phase for name, state in self.supervision.states.items()}

    def state(self, name="a"):
        return self.supervision.states[name]


PORT = Ready(port=1, interval_s=0.5, timeout_s=10)


def test_service_without_readiness_runs_at_once():
    script = Script(a={})
    assert script.after(Start(("a",))) == [Spawn("a")]
    assert script.phases() == {"a": "ready"}
    assert supervision.settled(script.supervision, ["a"])


def test_readiness_is_looked_at_until_it_is_there():
    script = Script(a={"ready": PORT})
    assert script.after(Start(("a",))) == [Spawn("a")]
    assert script.after(Tick()) == [Probe("a")]
    assert script.after(Tick(), at=100.4) == []
    script.after(ProbeEnded("a", ready=False))
    assert supervision.next_moment(script.supervision) == 100.9
    assert script.after(Tick(), at=100.9) == [Probe("a")]
    script.after(ProbeEnded("a", ready=True))
    assert script.phases() == {"a": "ready"}
    assert supervision.next_moment(script.supervision) is None


def test_service_that_is_not_ready_in_time_is_ended_and_has_failed():
    script = Script(a={"ready": PORT, "restart": "always"})
    script.after(Start(("a",)))
    assert script.after(Tick(), at=110.0) == [Terminate("a")]
    script.after(Ended("a", 143))
    assert (script.state().phase, script.state().reason) == ("failed", "it was not ready after 10 s")


def test_dependents_start_when_what_they_need_is_ready_and_stop_before_it():
    script = Script(web={"depends_on": ("db", "cache")}, db={"ready": PORT}, cache={})
    assert set(script.after(Start(("web",)))) == {Spawn("db"), Spawn("cache")}
    assert script.phases()["web"] == "waiting"
    assert script.after(ProbeEnded("db", ready=True)) == [Spawn("web")]
    assert script.after(Stop(("db", "web", "cache"))) == [Terminate("web")]
    assert set(script.after(Ended("web", 143))) == {Terminate("db"), Terminate("cache")}
    script.after(Ended("db", 0))
    script.after(Ended("cache", 0))
    assert set(script.phases().values()) == {"stopped"}


def test_failed_dependency_fails_its_dependents_with_the_reason():
    script = Script(web={"depends_on": ("db",)}, db={"ready": PORT})
    script.after(Start(("web",)))
    script.after(Ended("db", 1))
    assert script.phases() == {"web": "failed", "db": "failed"}
    assert script.state("web").reason == "db, which it depends on, has failed"


def test_the_culprit_is_the_service_that_failed_by_itself():
    script = Script(shop={"depends_on": ("web",)}, web={"depends_on": ("db",)}, db={"ready": PORT})
    script.after(Start(("shop",)))
    script.after(Ended("db", 1))
    assert [supervision.culprit(script.supervision, name) for name in ("shop", "web", "db")] == ["db"] * 3
    script.after(Start(("db",)))
    assert supervision.culprit(script.supervision, "web") == "web"


def test_finished_dependency_is_enough():
    script = Script(web={"depends_on": ("migrate",)}, migrate={})
    assert script.after(Start(("web",))) == [Spawn("migrate"), Spawn("web")]
    script.after(Ended("migrate", 0))
    assert script.phases() == {"web": "ready", "migrate": "completed"}


@pytest.mark.parametrize(
    ("policy", "status", "phase"),
    [
        ("never", 0, "completed"),
        ("never", 1, "failed"),
        ("on-failure", 0, "completed"),
        ("on-failure", 1, "backoff"),
        ("always", 0, "backoff"),
        ("always", 1, "backoff"),
    ],
)
def test_restart_policy(policy, status, phase):
    script = Script(a={"restart": policy})
    script.after(Start(("a",)))
    script.after(Ended("a", status), at=101.0)
    assert script.phases() == {"a": phase}
    assert script.state().status == status


def test_pause_before_a_restart_doubles_to_30_s_and_begins_anew_after_a_stable_time():
    script = Script(a={"restart": "always"})
    script.after(Start(("a",)))
    pauses = []
    for _ in range(7):
        script.after(Ended("a", 1))
        moment = supervision.next_moment(script.supervision)
        pauses.append(moment - script.now)
        assert script.after(Tick(), at=moment) == [Spawn("a")]
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    script.after(Ended("a", 1), at=script.now + 31)
    assert supervision.next_moment(script.supervision) == script.now + 1
    assert script.state().restarts == 8


def test_service_that_does_not_end_is_killed_after_10_s():
    script = Script(a={})
    script.after(Start(("a",)))
    assert script.after(Stop(("a",))) == [Terminate("a")]
    assert script.after(Tick(), at=109.9) == []
    assert script.after(Tick(), at=110.0) == [Kill("a")]
    script.after(Ended("a", 137))
    assert script.phases() == {"a": "stopped"}


def test_daemon_is_ready_when_its_command_has_left_it_behind():
    script = Script(a={"is_daemon": True, "shutdown": Shutdown(command="end")})
    script.after(Start(("a",)))
    assert script.phases() == {"a": "starting"}
    script.after(Forked("a"))
    assert script.phases() == {"a": "ready"}
    script.after(Ended("a", 0))
    assert script.phases() == {"a": "completed"}


def test_daemon_is_looked_at_only_once_it_is_there():
    script = Script(a={"is_daemon": True, "ready": PORT})
    script.after(Start(("a",)))
    assert script.after(Tick(), at=101.0) == []
    script.after(Forked("a"))
    assert script.after(Tick()) == [Probe("a")]


def test_restart_takes_dependents_along_in_order():
    script = Script(web={"depends_on": ("db",)}, db={}, other={})
    script.after(Start(("web", "other")))
    assert script.after(Restart(("db",))) == [Terminate("web")]
    assert not supervision.settled(script.supervision, ["db"])
    assert script.after(Ended("web", 143)) == [Terminate("db")]
    assert script.after(Ended("db", 143)) == [Spawn("db"), Spawn("web")] or set(script.phases().values()) == {"ready"}
    assert script.phases() == {"web": "ready", "db": "ready", "other": "ready"}


def test_stop_during_a_pause_needs_no_process():
    script = Script(a={"restart": "always"})
    script.after(Start(("a",)))
    script.after(Ended("a", 1))
    assert script.after(Stop(("a",))) == []
    assert script.after(Tick(), at=200.0) == []
    assert script.phases() == {"a": "stopped"}


def test_start_while_stopping_starts_again_afterwards():
    script = Script(a={})
    script.after(Start(("a",)))
    script.after(Stop(("a",)))
    assert script.after(Start(("a",))) == []
    assert script.after(Ended("a", 143)) == [Spawn("a")]


NAMES = ("a", "b", "c")
EVENTS = st.one_of(
    st.sampled_from(NAMES).map(lambda name: Start((name,))),
    st.sampled_from(NAMES).map(lambda name: Stop((name,))),
    st.sampled_from(NAMES).map(lambda name: Restart((name,))),
    st.just(Tick()),
    st.tuples(st.just("end"), st.sampled_from(NAMES), st.sampled_from([0, 1, 143])),
    st.tuples(st.just("probe"), st.sampled_from(NAMES), st.booleans()),
)


@given(st.lists(st.tuples(EVENTS, st.floats(0, 20)), max_size=60), st.sampled_from(["never", "on-failure", "always"]))
def test_whatever_happens_a_service_has_at_most_one_run_and_stopping_ends_all(events, policy):
    script = Script(
        a={"ready": PORT, "restart": policy}, b={"depends_on": ("a",), "restart": policy}, c={"depends_on": ("b",)}
    )
    running = set()

    def play(event):
        for command in script.after(event):
            if isinstance(command, Spawn):
                assert command.name not in running
                running.add(command.name)
            elif isinstance(command, Terminate | Kill):
                assert command.name in running
        assert {name for name, phase in script.phases().items() if phase in ALIVE} == running

    for event, passed in events:
        script.now += passed
        if not isinstance(event, tuple):
            play(event)
        elif event[1] in running:
            if event[0] == "end":
                running.discard(event[1])
                play(Ended(event[1], event[2]))
            else:
                play(ProbeEnded(event[1], ready=event[2]))
    play(Stop(NAMES))
    for _ in NAMES:
        for name in sorted(running):
            if script.phases()[name] == "stopping":
                running.discard(name)
                play(Ended(name, 0))
    assert supervision.at_rest(script.supervision, NAMES)
