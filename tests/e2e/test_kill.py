"""However often, and wherever, a run is killed: resumed until it is through, it reports what an uninterrupted one does.

Real processes die here, of SIGKILL, at a random moment or as a random request reaches the server: while they load the
suite, ask, record, judge or write the report, in a new run and in one that was resumed.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kill_server import JUDGE, KillServer, answer_to
from warm_forks import Ended, WarmForks
from workspace import Workspace

from evalkit.runner.journal import read_judgements, read_records, read_scores

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.xdist_group("kill"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks"),
]

KILLS = 36
"""For each setup without a judge: more than 200 in all."""
HANGS_S = 30.0


@dataclass(frozen=True)
class Setup:
    """A run to be killed. With `torn`, the last row that a dying process wrote is sometimes cut in the middle.

    That is what a full page or a power failure does; a kill alone tears rows too seldom to rely on. With `judged`, a
    model judges the answers, as does a scorer in processes of its own.
    """

    models: int = 1
    concurrency: int = 8
    cases: int = 60
    trials: int = 1
    warmup: int = 0
    stream: bool = True
    flaky: bool = False
    torn: bool = False
    judged: bool = False
    kills: int = KILLS

    @property
    def calls(self) -> int:
        return self.models * self.cases * self.trials

    @property
    def in_flight(self) -> int:
        return self.models * self.concurrency

    def write(self, workspace: Workspace, url: str) -> None:
        names = [f"m{number}" for number in range(self.models)]
        suite = {
            "suite": "suite",
            "prompts": [{"name": "p", "template": "{{ n }}"}],
            "models": names,
            "scorers": ["exact", *([SLOW, {"judge": {"rubric": "Odd?", "model": JUDGE}}] if self.judged else [])],
            "trials": self.trials,
            "cases": [
                {"id": f"c{n}", "vars": {"n": f"n{n}"}, "expected": answer_to(f"n{n}") if n % 3 else "else"}
                for n in range(self.cases)
            ],
        }
        row = {
            "provider": "openai",
            "base_url": url,
            "price": {"input": 1.0, "output": 2.0},
            "limits": {"concurrency": self.concurrency},
            "warmup": self.warmup,
            "stream": self.stream,
        }
        workspace.write("suite.yaml", suite)
        workspace.write("models.yaml", {"models": {name: {**row, "model": name} for name in (*names, JUDGE)}})


_BY_REQUEST = 0.7
"""So many kills are ordered by the number of a request: those by the clock miss the calls on a machine that is busy."""
_SPARED = 0.5
"""So many processes that have only a report to write are let through: most kills are to hit the calls."""

SLOW = {"regex": {"pattern": r"^(n\d+)+$", "timeout": 60}}

SETUPS = {
    "one at a time": Setup(concurrency=1, cases=25),
    "many at a time": Setup(stream=False),
    "three models": Setup(models=3, cases=25),
    "two trials after a warm-up": Setup(models=2, cases=20, trials=2, warmup=2),
    "failing calls": Setup(models=2, cases=30, flaky=True),
    "torn rows": Setup(models=3, concurrency=1, cases=12, torn=True),
    "judges and workers": Setup(models=2, cases=30, concurrency=4, judged=True, kills=16),
}

FURTHER = ("one at a time", "many at a time", "three models", "two trials after a warm-up", "failing calls")
"""These are left to the slow set."""


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    server = KillServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def forks(server: KillServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmForks]:
    folder = tmp_path_factory.mktemp("warm")
    SETUPS["three models"].write(Workspace(folder), server.url)
    forks = WarmForks(folder, ["run", "suite.yaml"])
    yield forks
    forks.close()


class Killed:
    """A run that is killed and resumed until it is through, and looked at after every death.

    `deaths` are the kills so far, `amid` those that fell between the first and the last answer.
    """

    def __init__(self, setup: Setup, workspace: Workspace, server: KillServer, forks: WarmForks, seed: int) -> None:
        self.deaths = self.amid = 0
        self._setup, self._workspace, self._server, self._forks = setup, workspace, server, forks
        self._random = random.Random(seed)
        self._usual_s = math.inf
        self._written = b""
        self._recorded = self._lost = self._unheard = 0

    def run(self, usual_s: float) -> None:
        """Start, kill and resume, until a process gets through. `usual_s` is how long a whole run took."""
        self._usual_s = min(self._usual_s, usual_s)
        self._written, self._recorded, self._lost, self._unheard = b"", 0, 0, 0
        self._server.forget(counts=True)
        ended = self._once()
        if not ended.killed:
            self._usual_s = min(self._usual_s, ended.seconds)  # the machine was busier before
        while ended.killed:
            self.deaths += 1
            self.amid += 0 < self._recorded < self._setup.calls
            ended = self._once()
        assert ended.code == 0, (self._workspace.path / "printed.txt").read_text()
        assert self._recorded == self._setup.calls

    def _once(self) -> Ended:
        resume = ["--resume"] if (self._workspace.folder() / "manifest.json").exists() else []
        remaining = self._setup.calls - self._recorded
        kill_after_s = self._random.uniform(0, self._usual_s)
        if remaining and self._random.random() < _BY_REQUEST:
            self._server.at_request(self._random.randint(1, remaining), self._forks.kill)
            kill_after_s = HANGS_S
        elif not remaining and self._random.random() < _SPARED:
            kill_after_s = HANGS_S
        self._server.forget()
        ended = self._forks.run(self._workspace.path, "run", "suite.yaml", *resume, kill_after_s=kill_after_s)
        assert ended.seconds < HANGS_S
        self._server.settle()
        self._server.at_request(0, lambda: None)
        self._look(torn=ended.killed and self._setup.torn and self._random.random() < 0.5)
        return ended

    def _look(self, *, torn: bool) -> None:
        folder = self._workspace.folder()
        if not (folder / "records.jsonl").exists():
            assert self._server.asked == 0, "nobody is asked before an answer can be kept"
            return
        torn = torn and self._tear(folder / "records.jsonl", kept=len(self._written))
        before, self._written = self._written, whole_rows(folder / "records.jsonl")
        assert self._written.startswith(before), "what was written is never changed"
        answers = [row for row in map(json.loads, self._written.splitlines()) if "session" not in row]
        assert all(row["error"] is None for row in answers)
        planned = Counter(row["call_id"] for row in answers if row["trial"])
        assert set(planned.values()) <= {1}, "a call has one answer"
        self._recorded = len(planned)
        assert self._server.answered >= len(answers)
        unrecorded = self._server.asked - len(answers)
        assert unrecorded - self._lost <= self._setup.in_flight + torn, "what was in flight may be asked again"
        self._lost = unrecorded
        unheard = self._server.judged - len(list(read_judgements(folder)))
        assert unheard - self._unheard <= self._setup.concurrency, "what a judge has said is not asked again"
        self._unheard = unheard
        assert len(list(read_records(folder))) == len(answers)
        list(read_scores(folder))
        for name in ("manifest.json", "report.json"):
            assert not (folder / name).exists() or json.loads((folder / name).read_text())

    def _tear(self, path: Path, kept: int) -> bool:
        """Cut the last row in the middle, if it is one that the last process wrote; say whether."""
        data = whole_rows(path)
        start = data.rfind(b"\n", 0, -1) + 1
        if start < max(kept, 1):
            return False
        os.truncate(path, self._random.randrange(start, len(data)))
        return True


def whole_rows(path: Path) -> bytes:
    data = path.read_bytes()
    return data[: data.rfind(b"\n") + 1]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in FURTHER else name for name in SETUPS]
)
def test_a_run_that_is_killed_again_and_again_reports_what_an_uninterrupted_one_does(
    tmp_path: Path, server: KillServer, forks: WarmForks, name: str
) -> None:
    setup, workspace = SETUPS[name], Workspace(tmp_path)
    setup.write(workspace, server.url)
    server.flaky = setup.flaky
    server.forget(counts=True)
    uninterrupted = forks.run(tmp_path, "run", "suite.yaml")
    assert uninterrupted.code == 0, (tmp_path / "printed.txt").read_text()
    server.settle()
    assert server.asked == server.answered == setup.calls + setup.models * setup.warmup
    assert server.judged == (setup.cases if setup.judged else 0), "models that answer alike are judged once"
    wanted = reports(workspace.folder())
    killed = Killed(setup, workspace, server, forks, seed=len(name))
    while killed.deaths < setup.kills:
        (tmp_path / "results" / "suite" / "latest").unlink()
        killed.run(uninterrupted.seconds)
        assert reports(workspace.folder()) == wanted
    assert killed.amid > setup.kills / 3


# What two runs of the same calls can never have in common: their names, when they were, and how long calls took.


def reports(folder: Path) -> dict[str, Any]:
    """Read the reports of a run, without times."""
    report = json.loads((folder / "report.json").read_text())
    for key in ("id", "created_at", "finished_at", "client"):
        del report["run"][key]
    del report["decision"]  # which of equals it names hangs on how fast they were
    return {
        "report.md": without_times((folder / "report.md").read_text()),
        # Summed in the order in which the replies came.
        "report.json": untimed(report)
        | {"judges": [untimed(row) | {"cost_usd": round(row["cost_usd"], 12)} for row in report["judges"]]},
        **{name: table(folder / name) for name in ("models.csv", "cases.csv")},
    }


OF_TIMES = ("_ms", "_per_s", "p95_to_p50", "p50_low", "p50_high", "spread", "spread_low", "spread_high")


def untimed(value: Any) -> Any:
    if isinstance(value, list):
        return [untimed(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: "" if key.endswith(OF_TIMES) else untimed(item) for key, item in value.items()}


def table(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [untimed(row) for row in csv.DictReader(file)]


TIMES = (
    (r"(?s)\*\*Recommended: .*?\n\n", ""),
    (r"(?s)## Decision\n.*?(?=\n## )", ""),
    (r"(?m)^Slow answers, .*\n|^- How many times as long .*\n", ""),
    (r"(?s)> \[!WARNING\]\n> \*\*evalkit itself, on this machine, may have lengthened latencies.*?\n\n", ""),
    (r"\n- (Client|Throttled): .*", ""),
    (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "RUN"),
    (r", resumed \d+ times?", ""),
    (r"\b\d{4}-\d\d-\d\dT[\d:.+]+", "WHEN"),
    (r"\b\d[\d.,]* m?s\b( \[[^]\n]*\])?", "TIME"),
    (r"(?m)\| +\d+\.\d+ \[[\d.]+-[\d./na]+\] \|$", "| RATIO |"),  # slowest / fastest
    (r"(?m)^\|.*\|$", lambda line: re.sub(r" +|-+", " ", line[0])),  # columns are as wide as their times
)


def without_times(markdown: str) -> str:
    for pattern, instead in TIMES:
        markdown = re.sub(pattern, instead, markdown)
    return markdown
