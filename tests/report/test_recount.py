"""Every number of report.json comes out of the run's own files, by other code than ours."""

from __future__ import annotations

import copy
import json
import random

import pytest
import recount
from stored import store_run

from evalkit.analysis import load_run
from evalkit.report import write_reports
from evalkit.runner.journal import JUDGEMENTS, SCORES, Judgements
from evalkit.runner.manifest import Client, Load, ManifestModel, Selection
from evalkit.types import Gpu, Price, Record, RecordError, Usage

CASES = [f"c{i:03}" for i in range(120)]
SKILL = {"a": 0.9, "b": 0.85, "c": 0.6, "d": 0.55}


def fields(rng, names):
    """What the records of all models and cases hold."""
    return {
        (name, case): {
            "latency_ms": round(rng.lognormvariate(5, 0.6), 3),
            "ttft_ms": round(rng.uniform(5, 20), 3),
            "client_ms": round(rng.uniform(0, 2), 3),
            "server_ms": {"prompt": round(rng.uniform(1, 9), 3), "generation": round(rng.uniform(20, 90), 3)},
            "queue_ms": round(rng.uniform(0, 30), 3),
            "retry_ms": 0.0,
            "started_at": f"2030-01-01T00:{i % 60:02}:{rng.uniform(0, 59):09.6f}+00:00",
            "usage": Usage(rng.randint(50, 90), cached_input=rng.randint(0, 40), output=rng.randint(3, 30)),
            "cost_usd": rng.random() / 1000,
        }
        for name in names
        for i, case in enumerate(CASES)
    }


def once(folder, rng):
    """Four candidates, asked once: errors, missing calls, tags, prices, GPUs, labels."""
    verdicts = {
        (model, prompt): {case: rng.random() < SKILL[model] + (prompt == "q") * 0.05 for case in CASES}
        for model in "ac"
        for prompt in "pq"
    }
    verdicts["a", "q"] |= {"c003": "timeout", "c004": "timeout", "c005": "server", "c006": None}
    verdicts["c", "p"] |= {"c003": None, "c010": "timeout"}
    tags = {case: (rng.choice(["en", "es"]), *(["rare"] if i < 4 else [])) for i, case in enumerate(CASES)}
    models = {"a": {"price": Price(1.0, 2.0, cached_input=0.5)}, "c": {"gpu": Gpu(3.5, 2)}}
    store_run(folder, verdicts, tags=tags, models=models, fields=fields(rng, "ac"), client=Client(1.5, 0.2, 0.7))
    tell_labels(folder)


def tell_labels(folder):
    rows = []
    for line in (folder / SCORES).read_text().splitlines():
        row = json.loads(line)
        for verdict in row.get("verdicts", ()):
            verdict["details"] = {"expected": "yes", "label": "yes" if row["passed"] else "no"}
        rows.append(json.dumps(row) + "\n")
    (folder / SCORES).write_text("".join(rows))


def several_times(folder, rng, **more):
    """Three candidates, asked three times, with scores in between; another latency each time by way of the model."""
    verdicts = {
        name: {case: [graded(rng, SKILL[name]) for _ in range(3)] for case in CASES} for name in ("b", "a", "c")
    }
    verdicts["a"]["c003"] = [True, "timeout", None]
    verdicts["a"]["c004"] = ["timeout", None, None]
    tags = {case: (rng.choice(["en", "es"]), "all") for case in CASES}
    sources = {case: {"doc": f"d{i // 4}"} for i, case in enumerate(CASES)}
    store_run(folder, verdicts, trials=3, tags=tags, case_vars=sources, fields=fields(rng, "abc"), **more)
    vary_latencies(folder, rng)


def graded(rng, skill):
    return rng.choice([True, round(rng.random(), 2)]) if rng.random() < skill else False


def vary_latencies(folder, rng):
    rows = []
    for line in (folder / "records.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row.get("latency_ms"):
            row["latency_ms"] = round(row["latency_ms"] * rng.uniform(0.8, 1.6), 3)
            row["output"] = rng.choice([row["output"], f" {row['output']}\n", "maybe"])
        rows.append(json.dumps(row) + "\n")
    (folder / "records.jsonl").write_text("".join(rows))


def clustered(folder, rng):
    several_times(folder, rng, cluster="doc", selection=Selection(500, limit=120, seed=3))


def one_under_load(folder, rng):
    """A single candidate under load, judged by a model."""
    verdicts = {"a": {case: rng.random() < 0.8 for case in CASES} | {"c007": "timeout"}}
    judge = ManifestModel("judge", "openai", "j", model="big", price=Price(2.0, 4.0))
    more = fields(rng, "a")
    store_run(folder, verdicts, fields=more, load=Load(20.0, "poisson"), judges=(judge,))
    rows = []
    for line in (folder / "records.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "call_id" in row and not row["started_at"]:
            row["started_at"], row["queue_ms"] = "2030-01-01T00:00:30.000000+00:00", 0.0
        rows.append(json.dumps(row) + "\n")
    (folder / "records.jsonl").write_text("".join(rows))
    journal = Judgements(folder / JUDGEMENTS)
    for number in range(1, 8):
        answer = {"output": "{}", "latency_ms": 100.0 * number, "usage": Usage(10 * number, output=number)}
        journal.add(Record(f"{number % 5:016x}", "judge", "rubric", "c0", 1, **answer))
    journal.add(Record(f"{9:016x}", "judge", "rubric", "c0", 1, error=RecordError("timeout", "late")))
    journal.close()
    pairs = [{"model": "judge", "consistent": i % 3 > 0, "favours": "AB"[i % 2]} for i in range(10)]
    scores = (folder / SCORES).read_text().splitlines()
    row = json.loads(scores[-1])
    row["verdicts"][0]["details"] = {"pairs": pairs}
    (folder / SCORES).write_text("\n".join([*scores[:-1], json.dumps(row), ""]))


RUNS = [once, several_times, clustered, one_under_load]


@pytest.fixture
def reported(tmp_path):
    def reported(store):
        store(tmp_path, random.Random(11))
        return json.loads(write_reports(load_run(tmp_path)).json.read_text(encoding="utf-8"))

    return reported


@pytest.mark.parametrize("store", RUNS, ids=lambda store: store.__name__)
def test_every_number_is_recounted(reported, tmp_path, store):
    assert list(recount.disagreements(reported(store), recount.report(tmp_path))) == []


def numbers(value, path=()):
    if isinstance(value, dict):
        for key, one in value.items():
            yield from numbers(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from numbers(one, (*path, index))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path


@pytest.mark.parametrize("store", RUNS, ids=lambda store: store.__name__)
def test_a_number_that_is_off_is_found(reported, tmp_path, store):
    told = reported(store)
    expected, rng = recount.report(tmp_path), random.Random(5)
    every = list(numbers(told))
    assert len(every) > 80
    for path in rng.sample(every, 60):
        wrong = copy.deepcopy(told)
        parent = wrong
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] += 0.001 * (1 + abs(parent[path[-1]]))
        assert len(list(recount.disagreements(wrong, expected))) == 1
    assert list(recount.disagreements(told | {"new": {"figure": 1}}, expected)) == [".new.figure: 1 is not recounted"]
