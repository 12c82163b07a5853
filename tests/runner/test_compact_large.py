"""A run of 200,000 calls: the same figures packed and not, in bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import store_synthetic

EVALKIT = Path(sys.executable).with_name("evalkit")
_MOST_MB = 350


def peak_mb(*arguments):
    process = subprocess.Popen([EVALKIT, *map(str, arguments)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss / 1024


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
