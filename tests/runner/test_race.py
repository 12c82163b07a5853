"""Races as they are run: who is asked what, who waits for whom, and that only verdicts decide."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from runs import carry_out, job_of, manifest_of, numbered
from scripted import ScriptedProvider

from evalkit.errors import CallError, ErrorKind
from evalkit.runner.budget import Ceilings
from evalkit.runner.execute import open_models
from evalkit.runner.journal import RECORDS, read_records
from evalkit.runner.manifest import Race, RaceStop
from evalkit.runner.race import Course
from evalkit.runner.race_plan import blocks_of, needed_calls, race_order
from evalkit.types import CallScore, Completion, Prompt, PromptTurn, Record, RecordError, Request

RACE = Race()
CASES = numbered(100)


def model(rate: float, seconds: float = 1.0, **more) -> ScriptedProvider:
    """A model that is right at this rate, on the same cases every time."""

    async def answer(request: Request) -> Completion:
        await asyncio.sleep(seconds)
        number = request.messages[0].content
        return Completion(number if random.Random(f"{number} {rate}").random() < rate else "?")

    return ScriptedProvider(answer, **{"concurrency": 4} | more)


def dead(kind: ErrorKind = ErrorKind.AUTH) -> ScriptedProvider:
    async def refuse(request: Request) -> Completion:
        raise CallError(kind, "no")

    return ScriptedProvider(refuse, concurrency=4)


def stops(race: Race | None) -> list[tuple[str, int]]:
    assert race is not None
    return [(stop.model, stop.cases) for stop in race.stops]


def test_the_order_is_drawn_by_the_seed() -> None:
    assert sorted(race_order(50, 1)) == list(range(50))
    assert race_order(50, 1) == race_order(50, 1)
    assert race_order(50, 1) != race_order(50, 2)


def test_blocks_are_small_first_and_cover_all_cases_once() -> None:
    blocks = list(blocks_of(200))
    assert [position for block in blocks for position in block] == list(range(200))
    assert [len(block) for block in blocks[:6]] == [10, 10, 10, 10, 10, 12]
    assert [len(block) for block in blocks_of(7)] == [7]
    assert len(list(blocks_of(10_000))) < 40


def test_candidates_are_stopped_and_not_asked_any_more(tmp_path: Path) -> None:
    providers = {"good": model(0.95), "fair": model(0.6), "bad": model(0.1)}
    carried = carry_out(tmp_path, providers, job=job_of(list(providers), CASES), race=RACE)
    race = carried.conditions.race
    assert race.over
    assert [stop.model for stop in carried.watcher.out] == ["bad", "fair"]
    assert list(race.stops) == carried.watcher.out
    assert all(stop.why in {"worse", "near"} and stop.ahead == ("good", "p") for stop in race.stops)
    asked = {name: len(provider.asked) for name, provider in providers.items()}
    blocks = list(blocks_of(100))
    for name, cases in [*stops(race), ("good", race.cases)]:
        beyond = next(block.stop for block in blocks if block.stop > cases)
        assert cases <= asked[name] < beyond  # a few of the next block were in flight
    assert len(list(read_records(tmp_path))) == sum(asked.values())


@pytest.mark.parametrize("slow", ["good", "fair", "bad"])
def test_only_verdicts_decide_not_who_is_faster(tmp_path: Path, slow: str) -> None:
    rates = {"good": 0.95, "fair": 0.6, "bad": 0.1}
    results = []
    for number, pace in enumerate((1.0, 60.0)):
        folder = tmp_path / str(number)
        folder.mkdir()
        providers = {name: model(rate, pace if name == slow else 1.0) for name, rate in rates.items()}
        carried = carry_out(folder, providers, job=job_of(list(providers), CASES), race=RACE)
        results.append(carried.conditions.race)
    assert results[0] == results[1]


def test_who_is_faster_goes_a_block_ahead_and_no_further(tmp_path: Path) -> None:
    providers = {"fast": model(0.9, 0.1), "slow": model(0.9, 30.0, concurrency=1)}
    lead = 0

    async def watching(request: Request) -> Completion:
        nonlocal lead
        lead = max(lead, len(providers["fast"].asked) - len(providers["slow"].asked))
        return await script(request)

    script = providers["slow"].script
    providers["slow"].script = watching
    carry_out(tmp_path, providers, job=job_of(list(providers), numbered(40)), race=Race(margin=0.0))
    assert 10 < lead < 20  # two blocks of ten, of which the slow one has begun the first


def test_errors_count_as_not_passed_and_a_dead_model_leaves_at_once(tmp_path: Path) -> None:
    providers = {"good": model(0.9), "fair": model(0.85), "dead": dead()}
    carried = carry_out(tmp_path, providers, job=job_of(list(providers), CASES), race=Race(margin=0.0))
    race = carried.conditions.race
    assert race.stops[0] == RaceStop("dead", "p", 10, "unavailable")
    assert len(providers["good"].asked) > 20  # the others go on
    unasked = [record for record in read_records(tmp_path) if record.model == "dead"]
    assert all(record.error for record in unasked)
    assert len(unasked) <= 20

    one = tmp_path / "one"
    one.mkdir()
    invalid = {"good": model(0.9), "odd": dead(ErrorKind.INVALID_REQUEST)}
    lost = carry_out(one, invalid, job=job_of(list(invalid), CASES), race=RACE).conditions.race
    assert [(stop.model, stop.why) for stop in lost.stops] == [("odd", "worse")]


def test_who_cannot_be_started_leaves_errors_behind(tmp_path: Path) -> None:
    async def broken() -> None:
        raise CallError(ErrorKind.UNAVAILABLE, "no such file")

    providers = {"a": model(0.9), "b": model(0.9, starting=broken)}
    carried = carry_out(tmp_path, providers, job=job_of(list(providers), CASES), race=RACE)
    assert stops(carried.conditions.race) == [("b", 10)]
    assert not providers["b"].asked
    assert [record.error.kind for record in read_records(tmp_path) if record.model == "b"][:1] == ["unavailable"]


def test_models_that_need_the_machine_alone_take_turns(tmp_path: Path) -> None:
    providers = {name: model(rate, alone=True) for name, rate in {"a": 0.9, "b": 0.1, "c": 0.85}.items()}
    together = 0

    def counting(script: Callable[[Request], Awaitable[Completion]]) -> Callable[[Request], Awaitable[Completion]]:
        async def count(request: Request) -> Completion:
            nonlocal together
            together = max(together, sum(provider.in_flight > 0 for provider in providers.values()))
            return await script(request)

        return count

    for provider in providers.values():
        provider.script = counting(provider.script)
    carried = carry_out(tmp_path, providers, job=job_of(list(providers), CASES), race=RACE)
    assert together == 1
    assert stops(carried.conditions.race)[0][0] == "b"


def test_trials_of_a_case_are_asked_together_and_prompts_race_too(tmp_path: Path) -> None:
    terse = Prompt("terse", (PromptTurn("user", "{{ n }}"),), "f1")
    vague = Prompt("vague", (PromptTurn("user", "{{ n }}?"),), "f2")
    job = dataclasses.replace(job_of(["m", "n"], CASES), prompts=(terse, vague), trials=3)
    providers = {"m": model(0.95), "n": model(0.9)}
    carried = carry_out(tmp_path, providers, job=job, race=Race(keep=2))
    race = carried.conditions.race
    assert [(stop.model, stop.prompt) for stop in race.stops] == [("n", "vague"), ("m", "vague")]
    assert race.cases == 10
    by_case: dict[tuple[str, str], int] = {}
    for record in read_records(tmp_path):
        by_case[record.model, record.case_id] = by_case.get((record.model, record.case_id), 0) + 1
    first = {CASES[place].id for place in race_order(100, 0)[:10]}
    assert all(by_case["m", case_id] == 6 for case_id in first)


def test_a_race_without_a_winner_asks_everything(tmp_path: Path) -> None:
    providers = {"a": model(0.9), "b": model(0.9)}
    carried = carry_out(tmp_path, providers, job=job_of(list(providers), numbered(40)), race=Race(margin=0.0))
    race = carried.conditions.race
    assert (race.over, race.cases, race.stops) == (True, 40, ())
    assert sum(len(provider.asked) for provider in providers.values()) == 80


def test_a_race_that_a_budget_stops_is_not_over_and_goes_on_where_it_was(tmp_path: Path) -> None:
    rates: Mapping[str, float] = {"good": 0.95, "fair": 0.7, "bad": 0.1}
    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()

    def carry(folder: Path, ceilings: Ceilings | None = None):
        providers = {name: model(rate) for name, rate in rates.items()}
        more = {"ceilings": ceilings} if ceilings else {}
        carried = carry_out(folder, providers, job=job_of(list(providers), CASES), race=RACE, **more)
        return carried, sum(len(provider.asked) for provider in providers.values())

    uninterrupted, _ = carry(whole)
    first, asked = carry(part, Ceilings(max_time_s=8.5))
    assert not first.conditions.race.over
    assert [stop.model for stop in first.conditions.race.stops] == ["bad"]
    second, more = carry(part)
    assert second.conditions.race == uninterrupted.conditions.race
    assert second.watcher.out == uninterrupted.watcher.out
    assert asked + more == len(list(read_records(part)))  # none was asked twice


def test_an_error_is_asked_again_and_may_change_the_decision(tmp_path: Path) -> None:
    flaky = True

    async def sometimes(request: Request) -> Completion:
        if flaky:
            raise CallError(ErrorKind.INVALID_REQUEST, "no")
        return Completion(request.messages[0].content)

    providers = {"a": model(0.6), "b": ScriptedProvider(sometimes, concurrency=4)}
    job = job_of(list(providers), CASES)
    assert stops(carry_out(tmp_path, providers, job=job, race=RACE).conditions.race)[0][0] == "b"
    flaky = False
    race = carry_out(tmp_path, providers, job=job, race=RACE).conditions.race
    assert race.over
    assert [stop.model for stop in race.stops] == ["a"]


def test_a_run_needs_what_its_race_did_not_end_without(tmp_path: Path) -> None:
    providers = {"good": model(0.95), "bad": model(0.1)}
    job = job_of(list(providers), CASES)
    carried = carry_out(tmp_path, providers, job=job, race=RACE)
    manifest = _manifest(job, carried.conditions.race)
    needed = needed_calls(manifest, 100)
    decided = set(race_order(100, 0)[: carried.conditions.race.cases])
    for name in providers:
        assert {place for place in range(100) if needed(name, "p", place)} == decided
    assert needed_calls(_manifest(job, None), 100)("good", "p", 99)
    undecided = needed_calls(_manifest(job, RACE), 100)
    assert all(undecided("bad", "p", place) for place in range(100))


def test_a_race_that_is_over_starts_nobody_when_it_is_resumed(tmp_path: Path) -> None:
    providers = {"good": model(0.95), "bad": model(0.1)}
    job = job_of(list(providers), CASES)
    race = carry_out(tmp_path, providers, job=job, race=RACE).conditions.race
    assert open_models(job, _manifest(job, race), None) == ["good", "bad"]
    assert open_models(job, _manifest(job, race), tmp_path) == []
    again = carry_out(tmp_path, providers, job=job, race=RACE, asked=[])
    assert again.conditions.race == race
    assert open_models(job, _manifest(job, None), tmp_path) == ["good", "bad"]
    journal = tmp_path / RECORDS
    lines = journal.read_text().splitlines(keepends=True)
    lines.remove(next(line for line in lines if '"model":"bad"' in line))
    journal.write_text("".join(lines))
    assert open_models(job, _manifest(job, race), tmp_path) == ["good", "bad"]


def _manifest(job, race: Race | None):
    return dataclasses.replace(manifest_of(job), race=race)


def test_graded_scores_race_by_their_means() -> None:
    job = job_of(["a", "b"], numbered(40))

    def course(metric: str) -> Course:
        said: list[RaceStop] = []
        made = Course(_manifest(job, Race(metric=metric)), job.cases, said.append)
        for case in job.cases:
            for name, value in (("a", 0.9), ("b", 0.3)):
                made.finished(Record("0", name, "p", case.id, 1), CallScore("0", True, value))
        return made

    assert [stop.model for stop in course("score").result().stops] == ["b"]
    assert course("pass_rate").result().stops == ()


def test_a_scorer_error_counts_as_not_passed() -> None:
    job = job_of(["a", "b"], numbered(40))
    course = Course(_manifest(job, RACE), job.cases, lambda stop: None)
    for case in job.cases:
        course.finished(Record("0", "a", "p", case.id, 1), CallScore("0", True, 1.0))
        failed = Record("0", "b", "p", case.id, 1, error=RecordError("timeout", "late"))
        course.finished(failed, CallScore("0", False, 0.0))
    assert [stop.model for stop in course.result().stops] == ["b"]
