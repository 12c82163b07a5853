"""Questions to models: each is asked once, whoever waits for the answer, and whatever becomes of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import carry_out, echo, job_of, numbered
from scripted import ScriptedProvider

from evalkit.errors import CallError, ConfigError, ErrorKind
from evalkit.runner.budget import NO_CEILINGS, Budget
from evalkit.runner.execute import plain_error, start
from evalkit.runner.job import Job
from evalkit.runner.journal import JUDGEMENTS, JournalError, Judgements, read_judgements, read_scores
from evalkit.runner.judges import VERDICT_TOKENS, About, Judges
from evalkit.runner.line import lines_to
from evalkit.runner.manifest import Load
from evalkit.runner.rescore import Bench, judge_all
from evalkit.runner.retry import RetryPolicy
from evalkit.types import Case, Completion, Message, Model, Question, Record, Request, Score, ScorerEntry

JUDGE = Model("judge", "openai", "openai", model="judge")
ABOUT = About(Record("0" * 16, "m", "p", "a", 1, output="x"), "ask", None)


class Asking:
    """Passes what a judge repeats."""

    models = ("judge",)

    def asks(self, answer: Record, case: Case) -> tuple[Question, ...]:
        return (Question("judge", (Message("user", f"judge {answer.output}"),)),)

    def weigh(self, answer: Record, case: Case, replies: tuple[Record, ...]) -> Score:
        passed = replies[0].error is None
        return Score(float(passed), passed)

    def check(self, case: Case) -> str | None:
        return None


def judged_job(count: int, judge: Model = JUDGE) -> Job:
    """A job of one model, whose answers are judged by another one."""
    job = job_of(["m"], numbered(count))
    suite = dataclasses.replace(job.suite, scorers=(ScorerEntry("ask", Asking(), models=("judge",)),))
    return dataclasses.replace(job, suite=suite, judges=(judge,))


def test_the_same_question_is_asked_once_and_one_who_stops_waiting_stops_nobody_else(tmp_path: Path) -> None:
    async def run() -> tuple[int, list[object]]:
        let = asyncio.Event()

        async def slow(_: Request) -> Completion:
            await let.wait()
            return Completion("good")

        provider = ScriptedProvider(slow, concurrency=8)
        providers, stop = {"judge": provider}, asyncio.Event()
        lines = lines_to([JUDGE], providers, stop=stop, on_give_up=lambda *_: None, policy=RetryPolicy())
        journal = Judgements(tmp_path / JUDGEMENTS)
        judges = Judges([JUDGE], lines, start(providers, ["judge"]), journal, Budget(NO_CEILINGS, stop))
        question = Question("judge", (Message("user", "good?"),))
        waiting = [asyncio.create_task(judges.replies([question], ABOUT)) for _ in range(3)]
        while not provider.asked:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.sleep(0)
        let.set()
        replies = await asyncio.gather(*waiting, return_exceptions=True)
        journal.close()
        return len(provider.asked), [reply[0].output if isinstance(reply, tuple) else type(reply) for reply in replies]

    assert asyncio.run(run()) == (1, ["good", asyncio.CancelledError, "good"])


def test_a_reply_is_rejected_once_however_many_answers_it_is_about(tmp_path: Path) -> None:
    journal = Judgements(tmp_path / JUDGEMENTS)
    journal.add(dataclasses.replace(ABOUT.answer, call_id="f" * 16))
    for _ in range(3):
        journal.reject("f" * 16, "no verdict")
    journal.close()
    assert [row.error is None for row in read_judgements(tmp_path)] == [True, False]


@pytest.mark.parametrize(
    ("judge", "limit"),
    [
        (Model("judge", "local", "local", weights="smollm2-135m"), VERDICT_TOKENS),
        (Model("judge", "local", "local", weights="smollm2-135m", params={"max_tokens": 9}), 9),
        (JUDGE, None),
    ],
)
def test_a_small_model_here_does_not_ramble_on_as_a_judge(tmp_path: Path, judge: Model, limit: int | None) -> None:
    providers = {"m": ScriptedProvider(echo), "judge": ScriptedProvider(echo)}
    carry_out(tmp_path, providers, job=judged_job(1, judge))
    assert [request.params.get("max_tokens") for request in providers["judge"].asked] == [limit]


@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:1/v1"])
def test_a_judge_is_asked_again_under_load_though_a_candidate_is_not(tmp_path: Path, base_url: str | None) -> None:
    failed: set[str] = set()

    async def busy_at_first(request: Request) -> Completion:
        text = str(request.messages[0].content)
        if text not in failed:
            failed.add(text)
            raise CallError(ErrorKind.SERVER, "busy", status=500, retryable=True)
        return await echo(request)

    providers = {"m": ScriptedProvider(echo, concurrency=4), "judge": ScriptedProvider(busy_at_first, concurrency=4)}
    job = judged_job(3, dataclasses.replace(JUDGE, base_url=base_url))
    carry_out(tmp_path, providers, job=job, load=Load(10.0, "constant"))
    assert [score.passed for score in read_scores(tmp_path)] == [True] * 3


def test_a_candidate_under_load_is_not_asked_to_judge_before_the_load_is_over(tmp_path: Path) -> None:
    job = judged_job(20)
    asked: list[str] = []

    async def note(request: Request) -> Completion:
        asked.append(str(request.messages[0].text))
        return await echo(request)

    suite = dataclasses.replace(job.suite, scorers=(ScorerEntry("ask", ToM(), models=("m",)),))
    job = dataclasses.replace(job, suite=suite, judges=job.models)
    carry_out(tmp_path, {"m": ScriptedProvider(note, concurrency=4)}, job=job, load=Load(10.0, "constant"))
    assert [text.startswith("judge") for text in asked] == [False] * 20 + [True] * 20
    assert len(list(read_scores(tmp_path))) == 20


class ToM(Asking):
    """Asks the candidate itself."""

    models = ("m",)

    def asks(self, answer: Record, case: Case) -> tuple[Question, ...]:
        return (Question("m", (Message("user", f"judge {answer.output}"),)),)


def test_what_is_wrong_with_the_answers_is_told_as_it_is(tmp_path: Path) -> None:
    def damaged() -> Iterator[tuple[Record, Case]]:
        yield ABOUT.answer, Case("a", {"n": "x"}, "x")
        raise ConfigError("a damaged row")

    bench = Bench(job_of(["m"]).suite, (), {}, tmp_path / JUDGEMENTS, asyncio.Event(), lambda *_: None)
    with pytest.raises(ConfigError, match="a damaged row"):
        asyncio.run(judge_all(bench, damaged(), lambda *_: None))


def test_of_several_errors_the_one_about_the_journal_is_told() -> None:
    full = JournalError("records.jsonl", OSError("full"))
    assert plain_error(ExceptionGroup("", [ConfigError("x"), ExceptionGroup("", [full])])) is full
    fault = ExceptionGroup("", [KeyError("x")])
    assert plain_error(fault) is fault
