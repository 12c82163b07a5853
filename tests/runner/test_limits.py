"""Limits: never more than allowed, in any minute; less when the server says so; all of it when it does not."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.runner.limits import Limiter, set_within


async def worker(limiter: Limiter, seconds: float, sent: list[float], calls: int, tokens: int = 0) -> None:
    for _ in range(calls):
        admitted = await limiter.acquire(tokens)
        assert admitted is not None
        sent.append(admitted.at)
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
            admitted = await limiter.acquire(100)
            assert admitted is not None
            sent.append(admitted.at)
            limiter.used(admitted, 200)
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
        assert at is not None
        limiter.throttled(at, "429", 30.0)
        limiter.release(answered=False)
        sent: list[float] = []
        await asyncio.gather(*(worker(limiter, 1.0, sent, 1) for _ in range(4)))
        return [when - at.at for when in sent]

    assert min(virtual_time.run(main())) >= 30.0


def test_no_minute_holds_more_requests_than_allowed_after_a_pause_either() -> None:
    """Those who waited through the pause do not all go when it ends."""

    async def main() -> list[float]:
        limiter = Limiter(start=32, ceiling=32, rpm=60)
        first = await limiter.acquire()
        assert first is not None
        sent = [first.at]
        working = [asyncio.create_task(worker(limiter, 0.1, sent, 5)) for _ in range(31)]
        await asyncio.sleep(1)
        limiter.throttled(first, "429", 25.0)
        limiter.release(answered=False)
        await asyncio.gather(*working)
        return sent

    assert busiest_minute(virtual_time.run(main())) <= 60


@pytest.mark.parametrize("used", [500, 10])
def test_tokens_per_minute_are_kept_whatever_was_guessed(used: int) -> None:
    """Where nobody says how long answers may be, the first shows it; a guess that is too high slows nobody down."""

    async def main() -> list[float]:
        limiter = Limiter(start=16, ceiling=16, tpm=6000)
        sent: list[float] = []

        async def call() -> None:
            admitted = await limiter.acquire(1 if used > 100 else 4000)
            assert admitted is not None
            sent.append(admitted.at)
            await asyncio.sleep(2)
            limiter.used(admitted, used)
            limiter.release(answered=True)

        await asyncio.gather(*(call() for _ in range(40)))
        return sent

    sent = virtual_time.run(main())
    assert busiest_minute(sent) * used <= 6000 + 2 * used
    if used == 10:
        assert max(sent) - min(sent) < 60


@pytest.mark.parametrize("answered", [True, False])
def test_a_first_call_that_shows_nothing_holds_nobody_up(answered: bool) -> None:
    """It failed, or its answer told no tokens."""

    async def main() -> int:
        limiter = Limiter(start=4, ceiling=4, tpm=60_000)
        done = 0

        async def call() -> None:
            nonlocal done
            assert await limiter.acquire(10) is not None
            await asyncio.sleep(1)
            limiter.release(answered=answered)
            done += 1

        await asyncio.gather(*(call() for _ in range(8)))
        return done

    assert virtual_time.run(main()) == 8


def test_waiters_that_are_cancelled_while_places_are_handed_out_do_no_harm() -> None:
    async def main() -> int:
        limiter = Limiter(start=1, ceiling=1)
        await limiter.acquire()
        waiting = [asyncio.create_task(limiter.acquire()) for _ in range(4)]
        await asyncio.sleep(0)
        for one in waiting:
            one.cancel()
        limiter.release(answered=True)
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        return limiter._in_flight

    assert virtual_time.run(main()) == 0


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


async def strain(limiter: Limiter, share: float, answers: int, seconds: float = 0.0) -> None:
    """Let so many answers, spread over a time, be blurred by a share of their latency."""
    for _ in range(answers):
        limiter.strained(share)
        await asyncio.sleep(seconds / answers)


def test_a_strain_that_lasts_lowers_the_limit_by_a_fifth_once_a_second() -> None:
    async def main() -> list[tuple[float, int]]:
        limiter = Limiter(start=100, ceiling=100, eases=True)
        began = await limiter.acquire()
        limiter.release(answered=True)
        assert began is not None
        await strain(limiter, 1.0, 400, 4.0)
        assert {change.reason for change in limiter.history} == {"client busy"}
        return [(change.at_s, change.limit) for change in limiter.history]

    changes = virtual_time.run(main())
    assert [limit for _, limit in changes] == [80, 64, 51, 40]
    assert all(later[0] - earlier[0] >= 1.0 for earlier, later in itertools.pairwise(changes))


def test_a_single_hiccup_lowers_nothing() -> None:
    async def main() -> int:
        limiter = Limiter(start=100, ceiling=100, eases=True)
        await strain(limiter, 0.05, 100)
        await strain(limiter, 1.0, 1)
        await strain(limiter, 0.05, 100)
        return limiter.limit

    assert virtual_time.run(main()) == 100


def test_a_strain_that_is_bearable_lowers_nothing() -> None:
    async def main() -> int:
        limiter = Limiter(start=100, ceiling=100, eases=True)
        await strain(limiter, 0.099, 1000, 100.0)
        return limiter.limit

    assert virtual_time.run(main()) == 100


def test_a_limit_that_someone_chose_is_not_eased() -> None:
    async def main() -> int:
        limiter = Limiter(start=100, ceiling=100)
        await strain(limiter, 5.0, 1000, 100.0)
        return limiter.limit

    assert virtual_time.run(main()) == 100


def test_easing_ends_at_one_call_in_flight() -> None:
    async def main() -> int:
        limiter = Limiter(start=8, ceiling=8, eases=True)
        await strain(limiter, 1.0, 1000, 100.0)
        return limiter.limit

    assert virtual_time.run(main()) == 1


def test_the_limit_grows_again_when_the_strain_is_gone_and_not_before() -> None:
    async def main() -> tuple[int, int, int]:
        limiter = Limiter(start=10, ceiling=10, eases=True)
        await strain(limiter, 1.0, 20)
        eased = limiter.limit
        await strain(limiter, 0.07, 500)  # bearable, yet no room to grow
        await asyncio.gather(*(worker(limiter, 1.0, [], 10) for _ in range(12)))
        held = limiter.limit
        await strain(limiter, 0.0, 100)
        await asyncio.gather(*(worker(limiter, 1.0, [], 10) for _ in range(12)))
        return eased, held, limiter.limit

    assert virtual_time.run(main()) == (8, 8, 10)


def test_a_pause_without_throttling_holds_everybody_back_and_keeps_the_limit() -> None:
    async def main() -> tuple[list[float], int]:
        limiter = Limiter(start=4, ceiling=4)
        limiter.pause(30.0)
        limiter.pause(5.0)  # a shorter one ends no longer one
        began = asyncio.get_running_loop().time()
        sent: list[float] = []
        await asyncio.gather(*(worker(limiter, 1.0, sent, 1) for _ in range(4)))
        return [at - began for at in sent], limiter.limit

    assert virtual_time.run(main()) == ([30.0] * 4, 4)


@pytest.mark.parametrize("stopped_first", [True, False])
def test_nobody_is_admitted_once_the_run_stops(stopped_first: bool) -> None:
    async def main() -> tuple[float | None, int]:
        stop = asyncio.Event()
        limiter = Limiter(start=1, ceiling=1, rpm=1, stop=stop)
        assert await limiter.acquire() is not None  # the next one's turn comes in a minute
        limiter.release(answered=True)
        if stopped_first:
            stop.set()
        else:
            asyncio.get_running_loop().call_later(5, stop.set)
        return await limiter.acquire(), limiter._in_flight

    assert virtual_time.run(main()) == (None, 0)


def test_a_call_that_is_cancelled_while_it_waits_for_its_turn_gives_its_place_back() -> None:
    async def main() -> int:
        limiter = Limiter(start=1, ceiling=1)
        limiter.pause(60.0)
        waiting = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return limiter._in_flight

    assert virtual_time.run(main()) == 0


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_cancellation_that_comes_with_the_event_is_not_lost(later: int) -> None:
    async def listen(event: asyncio.Event) -> None:
        while True:
            await set_within(event, 60)
            event.clear()

    async def main() -> None:
        event = asyncio.Event()
        listening = asyncio.create_task(listen(event))
        for _ in range(5):
            await asyncio.sleep(0)
        event.set()
        for _ in range(later):
            await asyncio.sleep(0)
        listening.cancel()
        done, _ = await asyncio.wait([listening], timeout=5)
        assert listening in done

    asyncio.run(main())
