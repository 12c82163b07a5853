"""Connections: opened one after the other, shared by pace, reused when free, never lost."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import virtual_time
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.providers.connections import Connections, Pace


async def request(connections: Connections, seconds: float, began: list[float]) -> None:
    await connections.take()
    began.append(asyncio.get_running_loop().time())
    await asyncio.sleep(seconds)
    connections.give_back()


def test_connections_to_one_server_are_opened_a_moment_apart_by_all_its_models() -> None:
    async def main() -> list[float]:
        pace = Pace()
        began: list[float] = []
        models = [Connections(pace, most=10, idle_s=3) for _ in range(3)]
        await asyncio.gather(*(request(model, 100, began) for model in models for _ in range(10)))
        return sorted(began)

    began = virtual_time.run(main())
    assert [later - earlier for earlier, later in itertools.pairwise(began)] == pytest.approx([0.002] * 29)


def test_a_free_connection_is_used_before_a_new_one_is_opened() -> None:
    async def main() -> tuple[list[float], int]:
        connections = Connections(Pace(), most=100, idle_s=3)
        began: list[float] = []
        await asyncio.gather(*(request(connections, 0.0001, began) for _ in range(100)))
        return began, connections._open

    began, opened = virtual_time.run(main())
    assert len(began) == 100
    assert opened < 10


def test_there_are_never_more_than_allowed() -> None:
    async def main() -> float:
        connections = Connections(Pace(), most=2, idle_s=3)
        began: list[float] = []
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(request(connections, 1, began) for _ in range(6)))
        return asyncio.get_running_loop().time() - start

    assert virtual_time.run(main()) == pytest.approx(3.002, abs=0.01)


def test_idle_connections_are_taken_for_closed() -> None:
    async def main() -> list[float]:
        connections = Connections(Pace(), most=4, idle_s=3)
        await asyncio.gather(*(request(connections, 1, []) for _ in range(4)))
        await asyncio.sleep(10)
        began: list[float] = []
        await asyncio.gather(*(request(connections, 1, began) for _ in range(4)))
        return began

    began = virtual_time.run(main())
    assert began[3] - began[0] == pytest.approx(0.006)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.lists(st.tuples(st.floats(0, 0.01), st.floats(0, 0.02)), min_size=1, max_size=30))
def test_no_connection_is_lost_whoever_is_cancelled(most: int, script: list[tuple[float, float]]) -> None:
    async def impatient(connections: Connections, seconds: float, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await connections.take()
        except TimeoutError:
            return
        await asyncio.sleep(seconds)
        connections.give_back()

    async def main() -> int:
        connections = Connections(Pace(), most=most, idle_s=3)
        await asyncio.gather(*(impatient(connections, *part) for part in script))
        await asyncio.gather(*(request(connections, 0.01, []) for _ in range(10)))
        return connections._busy

    assert virtual_time.run(main()) == 0
