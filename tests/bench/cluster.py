"""What a cluster of this machine adds to a run without one: time, and processor time by who spent it, per call.

`python tests/bench/cluster.py [WORKERS] [DELAY_S]`. A run takes turns with the same run by one process, on the same
server. A call's share is a slope between two sizes, so that starting up does not count; of processor time the server's
own is left out of both. Needs ray; Linux.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from run import EVALKIT, HERE, server, show, write

sys.path.insert(0, str(HERE.parent / "support"))
from ray_nodes import ray_nodes

SIZES = (5_000, 55_000)
ROUNDS = 3
ROLES = {"ray::WorkerActor": "workers", "ray::DeskActor": "desk", "bin/evalkit": "driver"}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def role(command: str) -> str | None:
    """Whose process this is, by its command line."""
    for part, name in ROLES.items():
        if part in command:
            return name
    return "ray" if "/ray/" in command or command.startswith("ray::") else None


def spent() -> dict[int, tuple[str, float]]:
    """Seconds of processor time so far, and the role, of every process that counts."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if who := role(command):
            found[int(folder.name)] = who, (int(fields[11]) + int(fields[12])) * TICK_S
    return found


def account(command: list[str], folder: Path) -> Mapping[str, float]:
    """Run a command; seconds of processor time by role, and `wall`. What ended counts as last seen."""
    before, seen = spent(), spent()
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            seen.update(spent())

    watch = threading.Thread(target=look)
    watch.start()
    assert process.wait() == 0, command
    sums: defaultdict[str, float] = defaultdict(float, wall=time.perf_counter() - begin)
    over.set()
    watch.join()
    for pid, (who, total) in seen.items():
        sums[who] += total - before.get(pid, (who, 0.0))[1]
    return sums


def slope(command: list[str], folder: Path, port: int) -> dict[str, float]:
    """Milliseconds per call, by role, and `wall`."""
    few, many = (
        (write(folder, {"a": port}, cases=calls, in_flight=64), account(command, folder))[1] for calls in SIZES
    )
    return {who: (many[who] - few.get(who, 0.0)) / (SIZES[1] - SIZES[0]) * 1000 for who in many}


def main() -> None:
    """Print what a call takes by either, and the ratios."""
    workers, delay_s = (*sys.argv[1:], *("2", "0")[len(sys.argv) - 1 :])
    walls, processors = [], []
    alone = [str(EVALKIT), "run", "suite.yaml", "--no-stream"]
    with tempfile.TemporaryDirectory() as made, ray_nodes(int(workers)) as nodes:
        folder = Path(made)
        together = [*alone, "--executor", "ray", "--ray-address", nodes.address, "--ray-workers", workers]
        with server(float(delay_s), folder / "latencies.json") as port:
            for _ in range(ROUNDS):
                one, many = (slope(command, folder, port) for command in (alone, together))
                for name, parts in (("one process", one), ("cluster", many)):
                    print(f"{name:12}", *(f"{who} {ms:.3f} ms" for who, ms in sorted(parts.items())), flush=True)  # noqa: T201
                walls.append(many.pop("wall") / one.pop("wall"))
                idle = one.pop("ray")  # what the cluster takes without a run
                processors.append((sum(many.values()) - idle) / sum(one.values()))
    what = f"on {workers} workers / by one process, server takes {float(delay_s) * 1000:.0f} ms"
    show(f"time per call {what}", "", walls)
    show(f"CPU per call {what}", "", processors)


if __name__ == "__main__":
    main()
