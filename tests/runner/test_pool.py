"""Pools: as many calls in flight as allowed, every call accounted for, a dead model given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest
from scripted import ScriptedProvider

from evalkit.errors import CallError, ErrorKind
from evalkit.runner.limits import Limiter
from evalkit.runner.pool import GIVE_UP_AFTER, Pool
from evalkit.runner.retry import RetryPolicy
from evalkit.types import Call, Completion, Message, Model, Price, Record, Request, Usage

MODEL = Model("m", "openai", "openai", price=Price(input=1.0, output=2.0))


def calls(count: int) -> list[Call]:
    return [Call(f"id{number}", "m", "p", f"c{number}", 1) for number in range(count)]


class Harness:
    """A pool with everything around it."""

    def __init__(
        self,
        script: Callable[[Request], Awaitable[Completion]],
        count: int,
        *,
        concurrency: int = 1,
        gave_up: CallError | None = None,
    ) -> None:
        self.records: list[Record] = []
        self.given_up: list[str] = []
        self.stop = asyncio.Event()
        self.provider = ScriptedProvider(script, concurrency=concurrency)
        self.pool = Pool(
            model=MODEL,
            provider=self.provider,
            limiter=Limiter(start=concurrency, ceiling=concurrency, stop=self.stop),
            calls=calls(count),
            request=lambda call: Request((Message("user", call.case_id),)),
            record=self.records.append,
            on_give_up=lambda _, reason: self.given_up.append(reason),
            stop=self.stop,
            policy=RetryPolicy(tries=1),
            gave_up=gave_up,
        )

    def by_case(self) -> Mapping[str, Record]:
        return {record.case_id: record for record in self.records}


async def echo(request: Request) -> Completion:
    await asyncio.sleep(0)
    return Completion(request.messages[0].content, latency_ms=5.0, usage=Usage(input=1_000_000, output=500_000))


def test_every_call_gets_its_own_answer() -> None:
    harness = Harness(echo, 100, concurrency=7)
    asyncio.run(harness.pool.run())
    assert {case: record.output for case, record in harness.by_case().items()} == {f"c{n}": f"c{n}" for n in range(100)}
    assert harness.provider.most_in_flight == 7
    record = harness.records[0]
    assert (record.cost_usd, record.latency_ms, record.retry_ms, record.attempts) == (2.0, 5.0, 0.0, 1)
    assert record.queue_ms is not None
    assert record.started_at.endswith("+00:00")


def test_what_the_provider_billed_counts_before_the_price_table() -> None:
    async def billed(_: Request) -> Completion:
        return Completion("x", usage=Usage(1, 1), cost_usd=0.5)

    harness = Harness(billed, 1)
    asyncio.run(harness.pool.run())
    assert harness.records[0].cost_usd == 0.5


@pytest.mark.parametrize("kind", [kind for kind in ErrorKind if kind.fatal])
def test_a_model_that_can_never_answer_is_given_up_at_the_first_call(kind: ErrorKind) -> None:
    async def refuse(_: Request) -> Completion:
        raise CallError(kind, "no such model", status=404)

    harness = Harness(refuse, 50)
    asyncio.run(harness.pool.run())
    assert len(harness.provider.asked) == 1
    assert harness.given_up == ["no such model"]
    errors = [record.error for record in harness.records]
    assert len(errors) == 50
    assert [error.kind for error in errors if error] == [kind] + [ErrorKind.UNAVAILABLE] * 49
    assert all(record.attempts == 0 and record.latency_ms is None for record in harness.records[1:])


def test_a_server_that_dies_is_given_up_after_some_calls_in_a_row() -> None:
    answered = 0

    async def die(request: Request) -> Completion:
        nonlocal answered
        answered += 1
        if answered > 5:
            raise CallError(ErrorKind.CONNECTION, "gone")
        return await echo(request)

    harness = Harness(die, 50)
    asyncio.run(harness.pool.run())
    assert len(harness.provider.asked) == 5 + GIVE_UP_AFTER
    assert len(harness.records) == 50
    assert sum(record.error is None for record in harness.records) == 5


def test_failures_of_single_cases_do_not_give_a_model_up() -> None:
    async def picky(request: Request) -> Completion:
        if request.messages[0].content != "c49":
            raise CallError(ErrorKind.INVALID_REQUEST, "too long", status=400)
        return await echo(request)

    harness = Harness(picky, 50)
    asyncio.run(harness.pool.run())
    assert len(harness.provider.asked) == 50
    assert harness.by_case()["c49"].output == "c49"


def test_a_refused_case_does_not_end_a_model_that_has_answered() -> None:
    async def moderated(request: Request) -> Completion:
        if int(request.messages[0].content[1:]) % 3 == 2:
            raise CallError(ErrorKind.AUTH, "flagged", status=403)
        return await echo(request)

    harness = Harness(moderated, 60)
    asyncio.run(harness.pool.run())
    assert harness.given_up == []
    assert sum(record.error is None for record in harness.records) == 40


def test_a_model_that_could_not_be_started_is_not_asked_but_accounted_for() -> None:
    harness = Harness(echo, 20, gave_up=CallError(ErrorKind.CONNECTION, "down"))
    asyncio.run(harness.pool.run())
    assert harness.provider.asked == []
    assert [record.error.kind for record in harness.records if record.error] == [ErrorKind.UNAVAILABLE] * 20


def test_a_stop_finishes_what_is_in_flight_and_takes_nothing_new() -> None:
    async def main() -> Harness:
        release = asyncio.Event()

        async def hold(request: Request) -> Completion:
            if harness.provider.in_flight == 3:
                harness.stop.set()
                release.set()
            await release.wait()
            return await echo(request)

        harness = Harness(hold, 50, concurrency=3)
        await harness.pool.run()
        return harness

    harness = asyncio.run(main())
    assert sorted(harness.by_case()) == ["c0", "c1", "c2"]
    assert all(record.error is None for record in harness.records)
