"""Limits: never more than allowed, in any minute; less when the server says so; all of it when it does not."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.runner.limits import Limiter


async def worker(limiter: Limiter, seconds: float, sent: list[float], calls: int, tokens: int = 0) -> None:
    for _ in range(calls):
        sent.append(await limiter.acquire(tokens))
        await asyncio.sleep(seconds)
        limiter.release(answered=True)


def busiest_minute(sent: list[float], window: float = 60.0) -> int:
    return max(sum(start <= other < start + window for other in sent) for start in sent)


def test_no_minute_holds_more_requests_than_allowed() -> None:
    async def main() -> list[float]:
        limiter = Limiter(start=8, ceiling=8, rpm=30)
        sent: list[float] = []
        await asyncio.gather(*(worker(limiter, 0.1, sent, 20) for _ in range(8)))
        return sent

    sent = virtual_time.run(main())
    assert len(sent) == 160
    assert busiest_minute(sent) == 30
    assert max(sent) - min(sent) == pytest.approx(159 * 2.0)


def test_tokens_per_minute_are_paced_by_estimate_and_corrected_by_use() -> None:
    async def main() -> list[float]:
        limiter = Limiter(start=1, ceiling=1, tpm=6000)
        sent: list[float] = []
        for _ in range(3):
            sent.append(await limiter.acquire(100))
            limiter.used(100, 200)
            limiter.release(answered=True)
        return sent

    first, second, third = virtual_time.run(main())
    assert second - first == pytest.approx(2.0)
    assert third - second == pytest.approx(2.0)


def test_the_limit_doubles_with_each_round_of_answers_up_to_its_ceiling() -> None:
    async def main() -> Limiter:
        limiter = Limiter(start=2, ceiling=13)
        sent: list[float] = []
        await asyncio.gather(*(worker(limiter, 1.0, sent, 10) for _ in range(20)))
        rounds = [len(list(group)) for _, group in itertools.groupby(sent)]
        assert rounds[:4] == [2, 4, 8, 13]
        assert max(rounds) == 13
        return limiter

    limiter = virtual_time.run(main())
    assert limiter.limit == 13
    assert [change.limit for change in limiter.history] == list(range(3, 14))


def test_the_limit_does_not_grow_while_it_is_not_what_holds_calls_back() -> None:
    async def main() -> int:
        limiter = Limiter(start=4, ceiling=100)
        await asyncio.gather(*(worker(limiter, 1.0, [], 50) for _ in range(2)))
        return limiter.limit

    assert virtual_time.run(main()) == 4


def test_a_throttled_round_halves_once_then_grows_by_about_one_a_round() -> None:
    async def main() -> tuple[int, int]:
        limiter = Limiter(start=16, ceiling=16)
        admitted = [await limiter.acquire() for _ in range(16)]
        await asyncio.sleep(1)
        for at in admitted:
            limiter.throttled(at, "429")
            limiter.release(answered=False)
        halved = limiter.limit
        await asyncio.gather(*(worker(limiter, 1.0, [], 4) for _ in range(9)))
        return halved, limiter.limit

    halved, later = virtual_time.run(main())
    assert halved == 8
    assert 10 <= later <= 12


def test_the_limit_never_falls_below_one() -> None:
    async def main() -> int:
        limiter = Limiter(start=2, ceiling=2)
        for _ in range(5):
            at = await limiter.acquire()
            await asyncio.sleep(1)
            limiter.throttled(at, "429")
            limiter.release(answered=False)
        return limiter.limit

    assert virtual_time.run(main()) == 1


def test_a_pause_holds_everybody_back() -> None:
    async def main() -> list[float]:
        limiter = Limiter(start=4, ceiling=4)
        at = await limiter.acquire()
        limiter.throttled(at, "429", 30.0)
        limiter.release(answered=False)
        sent: list[float] = []
        await asyncio.gather(*(worker(limiter, 1.0, sent, 1) for _ in range(4)))
        return [when - at for when in sent]

    assert min(virtual_time.run(main())) >= 30.0


def test_a_cancelled_wait_gives_its_place_back() -> None:
    async def main() -> int:
        limiter = Limiter(start=1, ceiling=1)
        await limiter.acquire()
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        limiter.release(answered=True)  # hands over to the second
        await asyncio.sleep(0)
        await waiting[1]
        waiting[2].cancel()
        limiter.release(answered=True)
        await asyncio.sleep(0)
        return limiter._in_flight

    assert virtual_time.run(main()) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0.01, 5), st.booleans()), min_size=1, max_size=40),
)
def test_places_are_never_lost_nor_given_twice(start: int, ceiling: int, script: list[tuple[float, bool]]) -> None:
    async def call(limiter: Limiter, seconds: float, fine: bool, flying: list[int]) -> None:
        at = await limiter.acquire()
        flying[0] += 1
        assert flying[0] <= ceiling
        await asyncio.sleep(seconds)
        flying[0] -= 1
        if not fine:
            limiter.throttled(at, "429", 0.5)
        limiter.release(answered=fine)

    async def main() -> int:
        limiter = Limiter(start=start, ceiling=ceiling)
        flying = [0]
        await asyncio.gather(*(call(limiter, seconds, fine, flying) for seconds, fine in script))
        return limiter._in_flight

    assert virtual_time.run(main()) == 0
