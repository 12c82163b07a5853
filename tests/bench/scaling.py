"""What more workers bring: calls per second of a run on 1, 2 and 4 small machines.

`python tests/bench/scaling.py`. A machine is a node of a cluster of this machine, held to a seventh of a processor, so
that two processors have room for seven of them, their drivers and servers. Calls per second are those of a run's
middle: of the calls by when they began, from a fifth to four fifths. The runs of a round go side by side, as this
machine may be faster at one time than at another. Needs ray, and Linux with control groups (version 1, as root) and two
processors.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from run import EVALKIT, HERE, server, show, write

sys.path.insert(0, str(HERE.parent / "support"))
from ray_nodes import ray_nodes

MACHINES = (1, 2, 4)
CALLS = 4_000
"""For each machine."""
ROUNDS = 3
PERIOD_US, SHARE = 20_000, 1 / 7
GROUPS = Path("/sys/fs/cgroup/cpu")


def children() -> dict[int, list[int]]:
    """The processes of this machine by their parents."""
    found: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    return found


def family(head: int, of: dict[int, list[int]]) -> Iterator[int]:
    """A process and all that it has started."""
    yield head
    for child in of.get(head, []):
        yield from family(child, of)


def hold(process: int) -> list[Path]:
    """Hold every node that has a processor, with all that it starts, to its share; returns the groups."""
    made = []
    of = children()
    for one in family(process, of):
        command = Path(f"/proc/{one}/cmdline").read_bytes()
        if b"raylet/raylet" not in command or b"CPU," not in command:
            continue
        group = GROUPS / f"node-{one}"
        group.mkdir()
        made.append(group)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * SHARE)))
        for member in family(one, of):
            (group / "cgroup.procs").write_text(str(member))
    return made


def calls_per_second(machines: int) -> float:
    """Of a run on so many machines."""
    calls = CALLS * machines
    with tempfile.TemporaryDirectory() as made, ray_nodes(machines) as nodes:
        folder = Path(made)
        groups = hold(nodes.process.pid)
        assert len(groups) == machines, groups
        options = ["--executor", "ray", "--ray-address", nodes.address, "--ray-workers", str(machines)]
        with server(0.0, folder / "latencies.json") as port:
            write(folder, {"a": port}, cases=calls, in_flight=64)
            command = [str(EVALKIT), "run", "suite.yaml", "--no-stream", *options]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with (folder / "results/bench/latest/records.jsonl").open() as lines:
            rows = (json.loads(line) for line in lines)
            began = sorted(datetime.fromisoformat(row["started_at"]) for row in rows if "started_at" in row)
    for group in groups:
        with contextlib.suppress(OSError):  # a process of it has not ended yet
            group.rmdir()
    assert len(began) == calls
    first, last = calls // 5, calls * 4 // 5
    return (last - first) / (began[last] - began[first]).total_seconds()


def main() -> None:
    """Print the calls per second, and how much of n times as many n machines bring."""
    if not os.access(GROUPS, os.W_OK):
        sys.exit(f"{GROUPS} cannot be written: this needs control groups of version 1, and root")
    rates: dict[int, list[float]] = {machines: [] for machines in MACHINES}
    for _ in range(ROUNDS):
        with ThreadPoolExecutor() as side_by_side:
            for machines, rate in zip(MACHINES, side_by_side.map(calls_per_second, MACHINES), strict=True):
                rates[machines].append(rate)
                print(f"{machines} machines: {rate:.0f} calls/s", flush=True)  # noqa: T201
    for machines, seen in rates.items():
        show(
            f"calls/s on {machines} machines / on one",
            "",
            [rate / one for rate, one in zip(seen, rates[1], strict=True)],
        )


if __name__ == "__main__":
    main()
