"""The limits of all workers together: never more than allowed, nobody left out, whatever one of them meets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import virtual_time
from crew import Line as DeskLine

from evalkit.cluster.desk import Desk, GivenUp, Report
from evalkit.cluster.limiter import Share
from evalkit.runner.budget import NO_CEILINGS, Ceilings
from evalkit.runner.line import Account
from evalkit.types import Model, Price, Record

MODEL = Model("m", "openai", "openai", price=Price(input=1.0, output=1.0))


def account(ceiling: int, *, start: int | None = None, rpm: float | None = None, tpm: float | None = None) -> Account:
    return Account(("m",), ceiling if start is None else start, ceiling, rpm, tpm, start is not None)


class Member:
    """A worker's limiter with its way to the desk, and nothing else of it."""

    def __init__(self, desk: Desk, name: str, of: Account) -> None:
        self.stop = asyncio.Event()
        self.line = DeskLine(desk, name)
        self.share = Share(0, of, self.line, self.stop, lambda: None)
        self.version = 0

    async def hear(self) -> None:
        while not self.stop.is_set():
            news = await self.line.news(self.version)
            self.version = news.version
            for standing in news.accounts:
                self.share.stand(standing)
            if news.stop:
                self.stop.set()
                self.share.stop_all()

    async def tell(self) -> None:
        while True:
            if (said := self.share.report()) is not None:
                await self.line.report(self.version, {0: said})
            await asyncio.sleep(0.05)


class Together:
    """So many workers at one desk, each with as many calls at hand as it may make."""

    def __init__(self, of: Account, seconds: float = 0.5) -> None:
        self.account, self.seconds = of, seconds
        self.desk = Desk([of], NO_CEILINGS, [MODEL], {})
        self.sent: list[float] = []
        self.flying = self.most = 0
        self.members: list[Member] = []
        self.tasks: list[list[asyncio.Task[None]]] = []

    def join(self, callers: int = 8, after: Callable[[Member, object], None] = lambda *_: None) -> Member:
        member = Member(self.desk, f"w{len(self.members)}", self.account)
        self.members.append(member)
        work = [self._call(member, after) for _ in range(callers)]
        self.tasks.append([asyncio.create_task(one) for one in (member.hear(), member.tell(), *work)])
        return member

    async def _call(self, member: Member, after: Callable[[Member, object], None]) -> None:
        while (admitted := await member.share.acquire(100)) is not None:
            self.sent.append(admitted.at)
            self.flying += 1
            self.most = max(self.most, self.flying)
            try:
                await asyncio.sleep(self.seconds)
            finally:
                self.flying -= 1
            after(member, admitted)
            member.share.release(answered=True)

    async def die(self, place: int) -> None:
        for task in self.tasks[place]:
            task.cancel()
        await asyncio.gather(*self.tasks[place], return_exceptions=True)
        await self.desk.lost(f"w{place}")

    async def end(self) -> None:
        for place in range(len(self.tasks)):
            await self.die(place)


def busiest_minute(sent: list[float]) -> int:
    sent = sorted(sent)
    return max(sum(start <= other < start + 60.0 for other in sent[place:]) for place, start in enumerate(sent))


@pytest.mark.slow
def test_four_workers_keep_to_one_rate_and_use_all_of_it() -> None:
    async def main() -> list[float]:
        crew = Together(account(32, rpm=600))
        for _ in range(4):
            crew.join()
        await asyncio.sleep(150)
        await crew.end()
        return crew.sent

    sent = virtual_time.run(main())
    assert busiest_minute(sent) <= 606
    assert len(sent) >= 0.97 * 1500


@pytest.mark.slow
def test_a_rate_of_a_few_requests_a_minute_is_kept_too() -> None:
    async def main() -> list[float]:
        crew = Together(account(32, rpm=6))
        for _ in range(4):
            crew.join()
        await asyncio.sleep(600)
        await crew.end()
        return crew.sent

    sent = virtual_time.run(main())
    assert busiest_minute(sent) <= 6
    assert len(sent) >= 55


def test_tokens_are_paced_by_what_answers_used() -> None:
    """Every call is thought to use 100 tokens and uses 200: so half as many are made as was thought."""

    async def main() -> list[float]:
        crew = Together(account(32, tpm=60_000))
        for _ in range(2):
            crew.join(after=lambda member, admitted: member.share.used(admitted, 200))  # type: ignore[arg-type]
        await asyncio.sleep(120)
        await crew.end()
        return crew.sent

    sent = virtual_time.run(main())
    assert busiest_minute(sent) == pytest.approx(300, rel=0.06)


def test_calls_in_flight_never_exceed_the_ceiling_as_workers_come_and_go() -> None:
    async def main() -> Together:
        crew = Together(account(7))
        crew.join()
        await asyncio.sleep(5)
        assert crew.flying == 7
        for _ in range(3):
            crew.join()
            await asyncio.sleep(5)
            assert crew.flying >= 6
        await crew.die(1)
        await asyncio.sleep(5)
        assert crew.flying >= 6
        await crew.end()
        return crew

    assert virtual_time.run(main()).most == 7


def test_where_there_are_fewer_places_than_workers_they_take_turns() -> None:
    async def main() -> Together:
        crew = Together(account(1), seconds=0.1)
        for _ in range(3):
            crew.join(after=lambda member, _: calls.__setitem__(member, calls.get(member, 0) + 1))
        await asyncio.sleep(60)
        await crew.end()
        return crew

    calls: dict[Member, int] = {}
    assert virtual_time.run(main()).most == 1
    assert len(calls) == 3
    assert min(calls.values()) > 50


def test_one_429_halves_the_limit_of_all_once_and_pauses_all() -> None:
    async def main() -> tuple[Together, list[float]]:
        crew = Together(account(16), seconds=1.0)
        refused: list[float] = []
        began = asyncio.get_running_loop().time()

        def after(member: Member, admitted: object) -> None:
            if began + 10 <= admitted.at <= began + 11:  # type: ignore[attr-defined]
                refused.append(asyncio.get_running_loop().time())
                member.share.throttled(admitted, "HTTP 429", 20.0)  # type: ignore[arg-type]

        for _ in range(2):
            crew.join(after=after)
        await asyncio.sleep(33)
        crew.most = crew.flying
        await asyncio.sleep(1)
        quiet = [at for at in crew.sent if refused[0] + 0.5 < at < refused[0] + 20]
        assert crew.most <= 10
        await crew.end()
        return crew, quiet

    crew, quiet = virtual_time.run(main())
    assert quiet == []
    (history,) = virtual_time.run(_histories(crew)).values()
    assert [change.reason for change in history].count("HTTP 429") == 1
    assert next(change.limit for change in history if change.reason == "HTTP 429") == 8


async def _histories(crew: Together) -> dict[str, tuple[object, ...]]:
    return dict(await crew.desk.histories())


def test_a_limit_that_nobody_has_set_grows_with_answers() -> None:
    async def main() -> Together:
        crew = Together(account(64, start=8))
        for _ in range(2):
            crew.join(callers=40)
        await asyncio.sleep(30)
        await crew.end()
        return crew

    assert virtual_time.run(main()).most == 64


def test_a_report_that_crossed_a_grant_does_not_take_it_back() -> None:
    """The worker may use what it has been granted as soon as it hears of it, whatever it said meanwhile."""

    async def main() -> int:
        desk = Desk([account(4)], NO_CEILINGS, [MODEL], {})
        await desk.report("a", 0, {0: Report(hungry=True, held=0)})
        first = await desk.news("a", 0)
        assert first.accounts[0].share == 4
        await desk.report("a", 0, {0: Report(hungry=True, held=0)})  # on its way before the news was read
        await desk.report("b", 0, {0: Report(hungry=True, held=0)})
        return (await desk.news("b", 0)).accounts[0].share

    assert virtual_time.run(main()) == 0


def test_money_is_counted_for_all_and_given_back_by_the_dead() -> None:
    async def main() -> None:
        desk = Desk([account(4)], Ceilings(max_cost_usd=1.0), [MODEL], {"m": (2, 0.4)})
        assert await desk.admit("a", "m", 10)  # calls cost 0.2 on average
        assert await desk.admit("a", "m", 10)
        assert await desk.admit("b", "m", 10)
        waiting = asyncio.create_task(desk.admit("b", "m", 10))
        await asyncio.sleep(1)
        assert not waiting.done()
        await desk.lost("a")
        assert await waiting
        await desk.settle("b", "m", 0.2, False)
        await desk.settle("b", "m", 0.3, False)
        assert not await desk.admit("b", "m", 10)
        news = await desk.news("b", 0)
        assert news.stop
        assert news.reached is not None
        assert "--max-cost 1 is used up" in news.reached

    virtual_time.run(main())


def test_what_one_gives_up_and_an_end_reach_everybody_at_once() -> None:
    async def main() -> None:
        desk = Desk([account(4)], Ceilings(max_time_s=30), [MODEL], {})
        news = asyncio.create_task(desk.news("b", 1))
        await asyncio.sleep(0)
        await desk.give_up(GivenUp("m", "auth", "wrong key", 401))
        await desk.give_up(GivenUp("m", "auth", "another", 401))
        assert [one.message for one in (await news).given_up] == ["wrong key"]
        asyncio.get_running_loop().create_task(desk.watch_time())
        last = await news
        while not last.stop:
            last = await desk.news("b", last.version)
        assert asyncio.get_running_loop().time() == pytest.approx(1030, abs=0.1)
        assert last.reached == "--max-time 30s is over"

    virtual_time.run(main())


def test_a_question_that_a_dead_worker_was_to_ask_is_asked_by_another() -> None:
    async def main() -> None:
        desk = Desk([account(4)], NO_CEILINGS, [MODEL], {})
        assert (await desk.claim("a", "q")).ask
        dead, alive = (asyncio.create_task(desk.claim(name, "q")) for name in ("b", "c"))
        await asyncio.sleep(1)
        await desk.lost("b")  # while it waits for what the other hears
        await desk.lost("a")
        assert (await alive).ask
        assert not (await dead).ask
        await desk.heard("c", "q", reply := Record("q", "m", "s", "c", 1, output="yes"))
        assert await desk.claim("d", "q") == (reply, False)

    virtual_time.run(main())
