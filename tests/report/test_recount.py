"""Every number of report.json comes out of the run's own files, by other code than ours."""

from __future__ import annotations

import asyncio
import copy
import functools
import itertools
import json
import math
import random
from dataclasses import replace

import pytest
import recount
from runs import carry_out, job_of, manifest_of, numbered
from scripted import ScriptedProvider
from stored import store_run

from evalkit.analysis import load_run
from evalkit.analysis.decide.decision import Standing
from evalkit.errors import CallError, ErrorKind
from evalkit.report import write_reports
from evalkit.runner.execute import with_conditions
from evalkit.runner.journal import JUDGEMENTS, SCORES, Judgements
from evalkit.runner.manifest import Client, Load, ManifestModel, Race, Selection, write_cases, write_manifest
from evalkit.types import Completion, Gpu, Price, Record, RecordError, Score, ScorerEntry, Usage

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


def decided(folder, rng):
    """Rules of all kinds; a server of one's own against models paid by token, whose places traffic changes."""
    passes = rng.sample(CASES, 108)
    verdicts = {
        "api": dict.fromkeys(CASES, False) | dict.fromkeys(passes, True),
        "own": dict.fromkeys(CASES, False) | dict.fromkeys(passes[2:] + rng.sample(CASES, 3), True),
        "dear": {case: rng.random() < 0.85 for case in CASES} | {"c007": "timeout", "c008": "server", "c009": None},
        "silent": {case: rng.random() < 0.6 for case in CASES},
    }
    models = {
        "api": {"price": Price(0.5, 2.0, cached_input=0.25), "data_policy": "no-train", "region": "eu-west-1"},
        "own": {"gpu": Gpu(0.2), "concurrency": 8, "base_url": "http://127.0.0.1:8000", "region": "EU"},
        "dear": {"price": Price(50.0, 200.0), "data_policy": "zero-retention", "region": "eu", "context_window": 9000},
        "silent": {"data_policy": "no-train", "region": "us"},
    }
    tags = {case: (rng.choice(["en", "es"]), *(["rare"] if i < 4 else [])) for i, case in enumerate(CASES)}
    require = {
        "pass_rate": ">= 0.8",
        "error_rate": "<= 0.01",
        "latency_p50_ms": "<= 180",
        "latency_p95_ms": "<= 480",
        "ttft_p95_ms": "<= 30",
        "cost_per_1k_usd": "<= 0.3",
        "tags": {"es": ">= 0.8", "rare": ">= 0.5"},
        "data_policy": ["local", "no-train"],
        "region": "eu",
    }
    decide = {"require": require, "margin": 0.03, "traffic": {"requests_per_day": 90_000}}
    store_run(folder, verdicts, tags=tags, models=models, fields=fields(rng, verdicts), decide=decide)


def decided_by_trials(folder, rng):
    require = {"pass_hat_k": ">= 0.25", "tags": {"en": ">= 0.5"}, "latency_p99_ms": "<= 900"}
    decide = {"require": require, "prefer": ["latency_p95_ms", "cost"], "margin": 0.06}
    several_times(folder, rng, cluster="doc", decide=decide)


def decided_for_nobody(folder, rng):
    verdicts = {name: {case: rng.random() < SKILL[name] for case in CASES} for name in "abc"}
    models = {"a": {"context_window": 4000}, "b": {"context_window": 8000}, "c": {"context_window": 16000}}
    decide = {"require": {"pass_rate": ">= 0.95", "context_window": ">= 32000", "license": "mit"}}
    store_run(folder, verdicts, models=models, fields=fields(rng, verdicts), decide=decide)


def answers(rng, rate, gone_after=math.inf):
    """A model that is right at this rate, or nearly right, until it cannot be asked any more."""
    taken = itertools.count()

    async def answer(request):
        await asyncio.sleep(rng.uniform(0.5, 2))
        if next(taken) >= gone_after:
            raise CallError(ErrorKind.AUTH, "no")
        number = request.messages[0].content
        told = number if rng.random() < rate else rng.choice(["?", f"{number}?"])
        usage = Usage(rng.randint(50, 90), cached_input=rng.randint(0, 40), output=rng.randint(3, 30))
        server_ms = {"generation": rng.uniform(20, 90)}
        return Completion(told, rng.uniform(5, 50), rng.uniform(1, 5), client_ms=0.1, usage=usage, server_ms=server_ms)

    return ScriptedProvider(answer, concurrency=4)


class Nearly:
    """Half a point for the expected number with something else around it."""

    def score(self, answer, case):
        right = answer.output == case.expected
        return Score(1.0 if right else 0.5 if case.expected in answer.output else 0.0, right)

    def check(self, case):
        return None


def run_race(folder, rng, race, rates, *, cases, trials=1, **broken):
    """Ask models of these rates in a race, as the command does, with what it leaves behind."""
    job = job_of(list(rates), numbered(cases), price=Price(1.0, 2.0, cached_input=0.5))
    decide = {"require": {"pass_rate": ">= 0.3"}, "traffic": {"requests_per_day": 500}}
    suite = replace(job.suite, scorers=(ScorerEntry("nearly", Nearly()),), decide=decide)
    job = replace(job, suite=suite, trials=trials, selection=replace(job.selection, seed=4))
    providers = {name: answers(rng, rate, **broken.get(name, {})) for name, rate in rates.items()}
    met = carry_out(folder, providers, job=job, race=race).conditions
    write_manifest(folder, with_conditions(manifest_of(job), met))
    write_cases(folder, job.cases)


def raced(folder, rng):
    run_race(folder, rng, Race(), {"a": 0.93, "b": 0.86, "c": 0.75, "d": 0.3}, cases=180)


def raced_for_two(folder, rng):
    """By scores, with two trials of each case, and one model that breaks down on the way."""
    rates = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.3, "e": 0.2}
    run_race(folder, rng, Race(2, 0.05, "score"), rates, cases=60, trials=2, c={"gone_after": 30})


RACES = [raced, raced_for_two]
RUNS = [once, several_times, clustered, one_under_load, decided, decided_by_trials, decided_for_nobody, *RACES]


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """What report.json says of a run, and what a recount says; neither is to be changed."""

    @functools.cache
    def reported(store):
        folder = tmp_path_factory.mktemp(store.__name__)
        store(folder, random.Random(11))
        told = json.loads(write_reports(load_run(folder)).json.read_text(encoding="utf-8"))
        return told, recount.report(folder)

    return reported


@pytest.mark.parametrize("store", RUNS, ids=lambda store: store.__name__)
def test_every_number_is_recounted(reported, store):
    assert list(recount.disagreements(*reported(store))) == []


def test_rules_and_races_came_to_something(reported):
    """The runs above hold what there is to be recounted of decisions and races."""
    decisions = [told["decision"] for told, _ in map(reported, RUNS) if told["decision"]]
    assert {change["key"] for one in decisions for change in one["changes"]} >= {
        "margin",
        "requests_per_day",
        "pass_hat_k",
    }
    found = [found for one in decisions for option in one["candidates"] for found in option["requirements"]]
    assert {one["standing"] for one in found} == set(Standing)
    assert any(one["cases_needed"] for one in found)
    assert any(one["cases_needed"] for one in decisions)
    assert any(one["nearest"] for one in decisions)
    assert not all(one["rules"]["stated"] for one in decisions)
    races = [told["race"] for told, _ in map(reported, RACES)]
    assert {stop["why"] for one in races for stop in one["stops"]} == {"worse", "near", "unavailable"}
    assert all(one["saved_usd"] > 0 for one in races)


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
def test_a_number_that_is_off_is_found(reported, store):
    (told, expected), rng = reported(store), random.Random(5)
    every = list(numbers(told))
    assert len(every) > 80
    of_rules = [path for path in every if path[0] in {"decision", "race"}]
    for path in [*rng.sample(every, 60), *rng.sample(of_rules, min(60, len(of_rules)))]:
        wrong = copy.deepcopy(told)
        parent = wrong
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] += 0.001 * (1 + abs(parent[path[-1]]))
        assert len(list(recount.disagreements(wrong, expected))) == 1
    assert list(recount.disagreements(told | {"new": {"figure": 1}}, expected)) == [".new.figure: 1 is not recounted"]
