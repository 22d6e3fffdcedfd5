"""Work as a queue says, in a real loop."""

import asyncio

from breakbulk.errors import BreakbulkError, NetworkError
from breakbulk.node.agent.flights import Flights
from breakbulk.node.agent.queue import Queue, Waiter


class Told:
    """Who is told what comes of work; work goes on when it is let."""

    def __init__(self, **limits) -> None:
        self.lines: list[tuple] = []
        self.gates: dict[str, asyncio.Future] = {}
        self.began = asyncio.Event()
        self.ended: list[str] = []
        self.flights = Flights(
            Queue(at_once=1, **limits),
            self.work,
            served=lambda key, waiters, result: self.lines.append(("served", key, tuple(waiters), result)),
            disappointed=lambda key, waiters, error, _: self.lines.append(
                ("disappointed", key, tuple(waiters), error.reference)
            ),
            refused=lambda key, waiter: self.lines.append(("refused", key, waiter)),
        )

    async def work(self, key: str) -> str:
        self.gates[key] = asyncio.get_running_loop().create_future()
        self.began.set()
        try:
            return await self.gates[key]
        finally:
            self.ended.append(key)

    def ask(self, key: str, name: str = "p") -> None:
        self.flights.ask(key, Waiter(name=name))


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_results_and_failures_reach_whoever_waits() -> None:
    async def script() -> None:
        told = Told()
        told.ask("a", "p")
        told.ask("a", "q")
        told.ask("b")
        await turns()
        told.gates["a"].set_result("done")
        await turns()
        told.gates["b"].set_exception(NetworkError("away"))
        await turns()
        assert told.lines == [("served", "a", ("p", "q"), "done"), ("disappointed", "b", ("p",), "network")]
        await told.flights.close()

    asyncio.run(script())


def test_what_nobody_foresaw_is_a_failure_of_that_work_alone() -> None:
    async def script() -> None:
        told = Told()
        told.ask("a")
        told.ask("b")
        await turns()
        told.gates["a"].set_exception(ZeroDivisionError())
        await turns()
        assert told.lines == [("disappointed", "a", ("p",), BreakbulkError.identifier)]
        told.gates["b"].set_result("done")
        await turns()
        assert told.lines[-1][0] == "served"
        await told.flights.close()

    asyncio.run(script())


def test_work_that_is_stopped_before_its_first_step_gives_its_place_back() -> None:
    async def script() -> None:
        told = Told()
        told.ask("a")
        told.flights.forget("p")
        told.ask("b")
        await turns()
        told.gates["b"].set_result("done")
        await turns()
        assert told.lines == [("served", "b", ("p",), "done")]
        await told.flights.close()

    asyncio.run(script())


def test_closing_ends_everything() -> None:
    async def script() -> None:
        told = Told(waiting_max=1)
        for key in "abc":
            told.ask(key)
        await turns()
        await told.flights.close()
        assert told.ended == ["a"]
        assert told.lines == [("refused", "c", "p")]

    asyncio.run(script())


def test_what_failed_is_tried_again_by_itself() -> None:
    async def script() -> None:
        told = Told()
        told.ask("a")
        await turns()
        told.began.clear()
        told.gates["a"].set_exception(NetworkError("away"))
        async with asyncio.timeout(30):
            await told.began.wait()
        told.gates["a"].set_result("done")
        await turns()
        assert told.lines[-1] == ("served", "a", ("p",), "done")
        await told.flights.close()

    asyncio.run(script())
