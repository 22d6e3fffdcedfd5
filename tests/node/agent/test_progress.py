"""What pods that wait are told: of what, how far it is, and how long the rest takes."""

from breakbulk.node.agent.progress import Estimate, Estimates, waiting
from breakbulk.node.agent.queue import Queue, Waiter
from breakbulk.node.agent.wishes import Wish
from breakbulk.node.realising.orders import Progress


def downloaded(done_bytes: int) -> Progress:
    return Progress(done_bytes=done_bytes, total_bytes=800_000_000, phase="")


def test_whoever_waits_is_told_for_what() -> None:
    assert waiting(2) == "waiting, as 2 others are realised first"
    assert waiting(1) == "waiting, as another is realised first"
    assert "other" not in waiting(0)


def test_an_estimate_is_made_of_the_pace_so_far() -> None:
    estimate = Estimate(10.0)
    assert estimate.words(11.0) == "being realised"
    estimate.progressed(downloaded(0))
    assert estimate.words(15.0) == "0 bytes of 800 MB are here"
    estimate.progressed(downloaded(200_000_000))
    assert estimate.words(20.0) == "200 MB of 800 MB are here, about 30 s left"
    estimate.progressed(downloaded(800_000_000))
    assert estimate.words(50.0) == "800 MB of 800 MB are here, unpacking"


def test_every_wish_that_is_not_here_has_its_words() -> None:
    queue = Queue(at_once=1, waiting_max=10)
    estimates = Estimates(queue)
    unknown, running, waits, here = (
        Wish(name) for name in ("ada/unknown", *(f"ada/{n}@sha256:{n * 64}" for n in "abc"))
    )
    waits.left_bytes, here.here = 5_000_000, True
    for wish in (running, waits):
        queue.ask(str(wish.target), Waiter(name=str(wish.target)), 0.0, left_bytes=wish.left_bytes)
    with estimates.of(str(running.target), 0.0) as progressed:
        progressed(downloaded(400_000_000))
        said = estimates.words([unknown, running, waits, here], 10.0).split("; ")
    assert said == [
        "ada/unknown: looking up what it is",
        "ada/a: 400 MB of 800 MB are here, about 10 s left",
        "ada/b: 5.0 MB are missing",
        "waiting, as another is realised first",
    ]
    assert estimates.words([running], 10.0) == "ada/a: 0 bytes are missing"
