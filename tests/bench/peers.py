"""What other tools report of the server that `make bench` measures evalkit against; README.md compares them.

Run it with a Python that has the tool, and nothing of evalkit:

    python3 -m venv peers && peers/bin/pip install inspect-ai==0.3.285 openai
    peers/bin/python tests/bench/peers.py inspect

    python3 -m venv peers && peers/bin/pip install pydantic-evals==2.62.0 openai
    peers/bin/python tests/bench/peers.py pydantic-evals

It prints the CPU of 5,000 calls that are answered at once, with start-up, by call; the median and the 95th percentile
that the tool reports of calls that take 200 ms, 64 in flight; and the mean that it shows of 100 calls of which 50 are
right, 40 are wrong and 10 end in an error.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

IN_FLIGHT = 64
SERVER = Path(__file__).with_name("fast_server.py")


class Wrong(Exception):
    """A call that ends in an error, as ten of a hundred do."""


def answer_of(number: int) -> str:
    """What is asked of the hundred: 0 to 49 are right, 90 to 99 end in an error."""
    if number >= 90:
        raise Wrong
    return "n1" if number < 50 else "n2"


def pydantic_evals(port: int, calls: int) -> tuple[list[float], Callable[[], float]]:
    """Seconds of each call, and how to get the mean of the hundred."""
    from openai import AsyncOpenAI
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import EqualsExpected

    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")

    async def ask(text: str) -> str:
        said = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        return said.choices[0].message.content or ""

    async def pretend(number: int) -> str:
        return answer_of(number)

    def evaluated(task: Callable[[Any], Any], inputs: list[Any]) -> Any:
        cases = [Case(name=f"c{number}", inputs=one, expected_output="n1") for number, one in enumerate(inputs)]
        dataset: Any = Dataset(name="bench", cases=cases, evaluators=[EqualsExpected()])
        return asyncio.run(dataset.evaluate(task, max_concurrency=IN_FLIGHT, progress=False))

    report = evaluated(ask, [f"n{number}" for number in range(calls)])
    times = [case.task_duration for case in report.cases]
    return times, lambda: evaluated(pretend, list(range(100))).averages().assertions


def inspect(port: int, calls: int) -> tuple[list[float], Callable[[], float]]:
    """Seconds of each call, and how to get the mean of the hundred."""
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate, solver

    os.environ |= {"BENCH_API_KEY": "none", "BENCH_BASE_URL": f"http://127.0.0.1:{port}/v1"}

    def evaluated(count: int, steps: Any) -> Any:
        samples = [Sample(input=f"n{number}", target="n1", id=number + 1) for number in range(count)]
        task = inspect_ai.Task(dataset=samples, solver=steps, scorer=match(), fail_on_error=False)
        (log,) = inspect_ai.eval(
            task,
            model="openai-api/bench/m",
            max_connections=IN_FLIGHT,
            max_samples=IN_FLIGHT,
            display="none",
            log_dir=tempfile.mkdtemp(),
        )
        return log

    @solver
    def pretend() -> Any:
        async def solve(state: Any, _generate: Any) -> Any:
            state.output.completion = answer_of(state.sample_id - 1)
            return state

        return solve

    log = evaluated(calls, generate())
    times = [event.working_time for sample in log.samples for event in sample.events if event.event == "model"]
    return times, lambda: evaluated(100, pretend()).results.scores[0].metrics["accuracy"].value


PEERS: dict[str, Callable[[int, int], tuple[list[float], Callable[[], float]]]] = {
    "inspect": inspect,
    "pydantic-evals": pydantic_evals,
}


def measured(peer: str, port: int, calls: int, *, mean: bool) -> dict[str, Any]:
    """In this process, which has done nothing else before."""
    times, mean_of_hundred = PEERS[peer](port, calls)
    assert len(times) == calls, f"{len(times)} of {calls} calls were timed"
    used = resource.getrusage(resource.RUSAGE_SELF)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "cpu_ms": (used.ru_utime + used.ru_stime) / calls * 1000,
        "p50_ms": cuts[49] * 1000,
        "p95_ms": cuts[94] * 1000,
        "mean": mean_of_hundred() if mean else None,
    }


def in_a_process(peer: str, delay_s: float, calls: int, *, mean: bool = False) -> dict[str, Any]:
    """Measure against a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(SERVER), str(delay_s), str(Path(folder) / "own.json")]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        told = [peer, server.stdout.readline().strip(), str(calls), str(int(mean))]
        try:
            done = subprocess.run([sys.executable, __file__, *told], stdout=subprocess.PIPE, text=True, check=True)
        finally:
            server.communicate()
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the three figures of a peer; with more arguments, be the process that one of them is measured in."""
    peer, *rest = sys.argv[1:] or ["none"]
    if peer not in PEERS:
        sys.exit(f"name one of: {', '.join(PEERS)}")
    if rest:
        port, calls, mean = map(int, rest)
        print(json.dumps(measured(peer, port, calls, mean=bool(mean))))  # noqa: T201
        return
    busy, waiting = in_a_process(peer, 0, 5000), in_a_process(peer, 0.2, 640, mean=True)
    print(f"CPU per call: {busy['cpu_ms']:.1f} ms")  # noqa: T201
    print(f"reported of 200 ms: p50 {waiting['p50_ms']:.0f} ms, p95 {waiting['p95_ms']:.0f} ms")  # noqa: T201
    print(f"mean shown of 50 right among 100: {waiting['mean']:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
