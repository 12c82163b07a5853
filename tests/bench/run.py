"""`make bench`: what evalkit adds to a bare client, in ratios measured side by side.

Absolute times depend on the machine and its neighbours; the ratios, taken in turns, much less so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
EVALKIT = Path(sys.executable).with_name("evalkit")
ROUNDS = 3


@dataclass
class Spent:
    """What a child process took, seconds, and what it printed."""

    cpu_s: float
    wall_s: float
    out: str


def spend(command: Sequence[str], folder: Path) -> Spent:
    """Run a command and account for it."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Spent(usage.ru_utime + usage.ru_stime, time.perf_counter() - start, out)


@contextmanager
def server(delay_s: float, latencies: Path) -> Iterator[int]:
    """Serve in a process of its own."""
    command = [sys.executable, str(HERE / "fast_server.py"), str(delay_s), str(latencies)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.communicate()


def write(folder: Path, port: int, *, cases: int, models: str, in_flight: int) -> None:
    """Write a suite and its models."""
    rows = "".join(json.dumps({"id": f"c{n}", "n": f"n{n}", "expected": "n1"}) + "\n" for n in range(cases))
    (folder / "cases.jsonl").write_text(rows)
    suite = {
        "suite": "bench",
        "prompts": [{"name": "p", "template": "{{ n }}"}],
        "models": list(models),
        "scorers": ["exact"],
        "cases": [{"file": "cases.jsonl"}],
    }
    row = {"provider": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "limits": {"concurrency": in_flight}}
    (folder / "suite.yaml").write_text(json.dumps(suite))
    (folder / "models.yaml").write_text(json.dumps({"models": {name: {**row, "model": name} for name in models}}))


def cpu_per_call(folder: Path, *options: str) -> None:
    """CPU per call as a slope between 1,000 and 5,000 calls, so that starting up does not count."""
    ours, floors = [], []
    with server(0, folder / "latencies.json") as port:
        for _ in range(ROUNDS):
            slopes = []
            for command in (
                [str(EVALKIT), "run", "suite.yaml", *options],
                [sys.executable, str(HERE / "floor.py"), str(port), "{calls}", "64"],
            ):
                spent = []
                for calls in (1000, 5000):
                    write(folder, port, cases=calls, models="a", in_flight=64)
                    spent.append(spend([part.format(calls=calls) for part in command], folder).cpu_s)
                slopes.append((spent[1] - spent[0]) / 4000 * 1000)
            ours.append(slopes[0])
            floors.append(slopes[1])
    ratios = [own / floor for own, floor in zip(ours, floors, strict=True)]
    name = "CPU per call" + (" (" + " ".join(options) + ")" if options else " (streamed; the floor is not)")
    show(name, f"{statistics.median(ours):.2f} ms, floor {statistics.median(floors):.2f} ms", ratios)


def whole_command(folder: Path, delay_s: float, ideal_s: float | None) -> None:
    """200 cases x 5 models, about 64 in flight, all files written."""
    command = [str(EVALKIT), "run", "suite.yaml", "--no-stream"]
    with server(delay_s, folder / "latencies.json") as port:
        write(folder, port, cases=200, models="abcde", in_flight=13)
        walls = [spend(command, folder).wall_s for _ in range(ROUNDS)]
    name = f"200 cases x 5 models, server takes {delay_s * 1000:.0f} ms"
    show(name, f"{statistics.median(walls):.2f} s", [wall / ideal_s for wall in walls] if ideal_s else [])


def reported_latency(folder: Path, in_flight: int) -> None:
    """Reported percentiles against the server's own."""
    ratios = []
    for _ in range(ROUNDS):
        with server(0.2, folder / "latencies.json") as port:
            write(folder, port, cases=in_flight * 10, models="a", in_flight=in_flight)
            spend([str(EVALKIT), "run", "suite.yaml", "--no-stream"], folder)
        own = json.loads((folder / "latencies.json").read_text())
        report = json.loads((folder / "results/bench/latest/report.json").read_text())["models"][0]
        quantiles = statistics.quantiles(own, n=100, method="inclusive")
        ratios.append((report["latency_p50_ms"] / quantiles[49], report["latency_p95_ms"] / quantiles[94]))
    for index, name in enumerate(("p50", "p95")):
        show(f"reported {name} / the server's own, 200 ms, {in_flight} in flight", "", [pair[index] for pair in ratios])


def show(name: str, figure: str, ratios: Sequence[float]) -> None:
    """Print a line: what, how much, and the ratio's median and spread."""
    ratio = f"x {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})" if ratios else ""
    print(f"{name:62} {figure:32} {ratio}", flush=True)  # noqa: T201


def main() -> None:
    """Run all benchmarks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu_per_call(folder, "--no-stream")
        cpu_per_call(folder)
        whole_command(folder, 0, None)
        whole_command(folder, 0.2, -(-1000 // 65) * 0.2)
        reported_latency(folder, 64)
        reported_latency(folder, 256)


if __name__ == "__main__":
    main()
