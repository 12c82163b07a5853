"""A run of 200,000 calls: the same figures packed and not, in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import store_synthetic

EVALKIT = Path(sys.executable).with_name("evalkit")
_MOST_MB = 350


# In between is a small process: what a child has at its peak begins with what its parent had when it was made.
_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def peak_mb(*arguments):
    command = [sys.executable, "-c", _PEAK, str(EVALKIT), *map(str, arguments)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
def test_a_large_run_is_packed_and_reported_in_bounded_memory(tmp_path):
    run = store_synthetic(tmp_path / "run", 100_000, ["a", "b"])
    names = ("report.json", "report.md", "models.csv", "cases.csv", "scorers.csv", "junit.xml")
    size = sum((run / f"{name}.jsonl").stat().st_size for name in ("records", "scores"))
    assert peak_mb("report", run) < _MOST_MB
    before = {name: (run / name).read_bytes() for name in names}
    assert peak_mb("compact", run) < _MOST_MB
    assert sum((run / f"{name}.parquet").stat().st_size for name in ("records", "scores")) < size / 5
    assert peak_mb("report", run) < _MOST_MB
    assert {name: (run / name).read_bytes() for name in names} == before
