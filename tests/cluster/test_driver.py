"""A run by a crew leaves behind what a run on one machine does, whoever dies on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from crew import InProcess, Setting, job_for, until
from runs import Watcher

from evalkit.errors import CallError, ErrorKind
from evalkit.runner.budget import Ceilings
from evalkit.runner.journal import read_judgements, read_records, read_scores
from evalkit.types import Completion, Request


def verdicts(folder: Path) -> dict[str, bool]:
    return {score.call_id: score.passed for score in read_scores(folder)}


def answers(folder: Path) -> dict[str, str | None]:
    return {record.call_id: record.output for record in read_records(folder)}


def test_the_same_rows_as_on_one_machine(tmp_path: Path) -> None:
    job = job_for(["m", "n"], 300)
    one, many = Setting(tmp_path / "one", job), Setting(tmp_path / "many", job)
    watcher = Watcher()
    for setting in (one, many):
        setting.folder.mkdir()
    asyncio.run(one.alone())
    asyncio.run(many.together(3, watcher))
    assert answers(one.folder) == answers(many.folder)
    assert verdicts(one.folder) == verdicts(many.folder)
    assert len(watcher.seen) == many.asked == 600
    assert not (many.folder / "parts").exists()


def test_there_and_back_again(tmp_path: Path) -> None:
    """Begun on one machine, continued on many, ended on one: every question is asked once."""
    setting = Setting(tmp_path, job_for(["m"], 300))

    def stopping_at(count: int, stop: asyncio.Event) -> Watcher:
        class Stops(Watcher):
            def finished(self, record: object, score: object) -> None:
                self.lost.append("")
                if len(self.lost) == count:
                    stop.set()

        return Stops()

    async def main() -> None:
        for run, count in ((setting.alone, 50), (setting.together, 120)):
            stop = asyncio.Event()
            await run(watcher=stopping_at(count, stop), stop=stop)
            assert count <= len(answers(tmp_path)) < 300
        await setting.alone()

    asyncio.run(main())
    assert setting.asked == 300
    assert len(verdicts(tmp_path)) == len(answers(tmp_path)) == 300


def test_a_dead_worker_costs_its_calls_in_flight_at_most(tmp_path: Path) -> None:
    setting = Setting(tmp_path, job_for(["m"], 400))

    async def kill(crew: InProcess) -> None:
        for name in ("w1-1", "w1-2", "w1-3"):
            await until(lambda: name in crew.workers and setting.asked >= 80 * int(name[-1]))  # noqa: B023
            crew.kill(name)

    asyncio.run(setting.together(2, beside=kill))
    rows = Counter(record.call_id for record in read_records(tmp_path))
    assert len(rows) == len(verdicts(tmp_path)) == 400
    assert set(rows.values()) == {1}
    assert 400 <= setting.asked <= 400 + 3 * 4


@pytest.mark.slow
def test_a_crew_that_keeps_dying_ends_the_run_and_keeps_what_there_is(tmp_path: Path) -> None:
    setting = Setting(tmp_path, job_for(["m"], 100))

    class Dying(InProcess):
        async def carry_out(self, worker: str, block: object) -> int:
            self.kill(worker)
            await asyncio.sleep(0)
            return await super().carry_out(worker, block)  # type: ignore[arg-type]

    import crew as module

    before, module.InProcess = module.InProcess, Dying  # type: ignore[misc]
    try:
        with pytest.raises(Exception, match="workers were lost"):
            asyncio.run(setting.together(1))
    finally:
        module.InProcess = before  # type: ignore[misc]
    asyncio.run(setting.alone())
    assert len(verdicts(tmp_path)) == 100


def test_a_model_that_one_worker_gives_up_is_given_up_by_all(tmp_path: Path) -> None:
    async def refuse(request: Request) -> Completion:
        await asyncio.sleep(0.01)
        raise CallError(ErrorKind.AUTH, "wrong key", status=401)

    setting = Setting(tmp_path, job_for(["m"], 300), script=refuse)
    watcher = Watcher()
    asyncio.run(setting.together(2, watcher))
    kinds = Counter(record.error.kind for record in read_records(tmp_path) if record.error)
    assert watcher.lost == ["m: wrong key"]
    assert kinds["auth"] <= 2 * 4
    assert kinds["auth"] + kinds["unavailable"] == 300


def test_the_crew_together_has_no_more_calls_in_flight_than_the_model_takes(tmp_path: Path) -> None:
    flying, most = 0, 0

    async def count(request: Request) -> Completion:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return Completion("x")

    setting = Setting(tmp_path, job_for(["m"], 200, concurrency=5), script=count, concurrency=5)
    asyncio.run(setting.together(3))
    assert most == 5
    assert {name: limit() for name, limit in setting.limits.items()} == {"m": 5}


def test_one_place_is_enough_for_many_workers(tmp_path: Path) -> None:
    setting = Setting(tmp_path, job_for(["m", "n"], 30, concurrency=1, limits_key="k"), concurrency=1)
    asyncio.run(setting.together(3))
    assert len(verdicts(tmp_path)) == 60


def test_errors_of_all_workers_count_together(tmp_path: Path) -> None:
    async def fail(request: Request) -> Completion:
        await asyncio.sleep(0.01)
        raise CallError(ErrorKind.INVALID_REQUEST, "no")

    setting = Setting(tmp_path, job_for(["m"], 300), script=fail, ceilings=Ceilings(max_errors=20))
    met = asyncio.run(setting.together(2))
    assert met.stopped is not None
    assert "--max-errors 20" in met.stopped
    assert 21 <= len(answers(tmp_path)) <= 21 + 16


def test_warm_up_calls_come_first_and_are_not_judged(tmp_path: Path) -> None:
    setting = Setting(tmp_path, job_for(["m"], 20, warmup=2))
    asyncio.run(setting.together(2))
    rows = list(read_records(tmp_path))
    assert sum(row.trial == 0 for row in rows) == 2
    assert len(rows) == 22
    assert len(verdicts(tmp_path)) == 20


JUDGE = {"judge": {"rubric": "Odd?", "model": "j"}}


async def judging(request: Request) -> Completion:
    """Echo; a judge passes what ends in an odd number, of the ten answers there are."""
    await asyncio.sleep(0.01)
    text = request.messages[-1].text
    if len(request.messages) == 1 and text.startswith("n"):
        return Completion(f"n{int(text[1:]) % 10}", cost_usd=0.0)
    return Completion('{"reason": "so", "verdict": "pass"}', cost_usd=1.0)


def judged_questions(setting: Setting) -> Counter[str]:
    asked = [request for provider in setting.providers for request in provider.asked]
    return Counter(str(request.messages) for request in asked if not request.messages[-1].text.startswith("n"))


def test_judges_are_asked_by_the_workers_and_each_question_once(tmp_path: Path) -> None:
    """Two models give every case the same answer, so half of the questions are heard twice."""
    setting = Setting(tmp_path, job_for(["m", "n"], 60, [JUDGE], ["j"]), script=judging)
    asyncio.run(setting.together(3))
    questions = judged_questions(setting)
    assert len(verdicts(tmp_path)) == 120
    assert all(verdicts(tmp_path).values())
    assert set(questions.values()) == {1}
    assert len(list(read_judgements(tmp_path))) == len(questions)


def test_what_a_judge_said_is_paid_for_once_across_deaths_and_executors(tmp_path: Path) -> None:
    setting = Setting(tmp_path, job_for(["m"], 120, [JUDGE], ["j"]), script=judging)

    async def kill(crew: InProcess) -> None:
        await until(lambda: len(crew.workers) == 2 and setting.asked > 60)
        crew.kill("w1-1")

    class Stops(Watcher):
        def finished(self, record: object, score: object) -> None:
            self.lost.append("")
            if len(self.lost) == 70:
                stop.set()

    async def main() -> None:
        await setting.together(2, watcher=Stops(), stop=stop, beside=kill)
        await setting.together(2)
        await setting.alone()

    stop = asyncio.Event()
    asyncio.run(main())
    assert len(verdicts(tmp_path)) == 120
    assert all(verdicts(tmp_path).values())
    questions = judged_questions(setting)
    assert sum(questions.values()) <= len(questions) + 2 * 4  # those that died with the worker
    assert len(questions) == len({row.call_id for row in read_judgements(tmp_path)})
