"""What a very large run takes: `python tests/bench/compact.py [CALLS]` packs one, writes its reports, and compares.

Half of the calls are each of two models'. Five million take some 6 GB of disk, and a quarter of an hour.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from run import EVALKIT, show, spend


def measure(calls: int, folder: Path) -> None:
    """Print what packing, reporting and comparing take."""
    sys.path.append(str(Path(__file__).parents[1] / "support"))
    from synthetic import store_synthetic

    run = store_synthetic(folder / "run", calls // 2, ["a", "b"])
    steps = {
        "compact": ["compact", str(run)],
        "report, packed": ["report", str(run)],
        "compare, packed": ["compare", f"{run}:a", f"{run}:b"],
        "compact --undo": ["compact", "--undo", str(run)],
    }
    print(f"{calls:,} calls: {_size(run)}")  # noqa: T201
    for name, arguments in steps.items():
        spent = spend([str(EVALKIT), *arguments], folder)
        figure = f"{spent.wall_s:.0f} s, {spent.cpu_s:.0f} s of CPU, {spent.peak_mb:,.0f} MB at most"
        show(name, f"{figure}; then {_size(run)}", [])


def _size(run: Path) -> str:
    stored = sum(path.stat().st_size for path in run.iterdir() if path.stem.split(".")[0] in {"records", "scores"})
    return f"{stored / 1e6:,.0f} MB of records and scores"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        measure(int(sys.argv[1]) if sys.argv[1:] else 5_000_000, Path(place))
