"""The floor: the same calls by a bare httpx client over the transport that evalkit uses, and nothing else."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator

import httpx
from httpx_aiohttp import HttpxAiohttpClient


async def _main(port: int, calls: int, in_flight: int) -> None:
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    async with HttpxAiohttpClient(limits=limits, timeout=None, verify=False) as client:
        numbers = iter(range(calls))
        latencies: list[float] = []
        await asyncio.gather(*(_work(client, port, numbers, latencies) for _ in range(in_flight)))
    print(json.dumps(latencies))  # noqa: T201


async def _work(client: httpx.AsyncClient, port: int, numbers: Iterator[int], latencies: list[float]) -> None:
    for number in numbers:
        body = {"model": "a", "messages": [{"role": "user", "content": f"n{number}"}]}
        start = time.perf_counter()
        answer = await client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body)
        latencies.append((time.perf_counter() - start) * 1000)
        assert answer.json()["choices"][0]["message"]["content"] == "n1"


if __name__ == "__main__":
    asyncio.run(_main(*map(int, sys.argv[1:4])))
