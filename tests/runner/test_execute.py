"""Execution: side by side what can be, one after the other what must be; every answer journaled and judged."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
import virtual_time
from scripted import ScriptedProvider

from evalkit.errors import CallError, ErrorKind
from evalkit.runner.execute import Conditions, Execution, JournalError, execute, start
from evalkit.runner.job import Job, describe, make_job, plan
from evalkit.runner.journal import read_records, read_scores
from evalkit.suite import load_suite
from evalkit.types import CallScore, Completion, Model, Record, Request

SUITE = """\
prompts: [{name: p, template: "{{ n }}"}]
scorers: [exact]
cases: [{id: a, vars: {n: x}, expected: x}, {id: b, vars: {n: y}, expected: z}]
"""


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bool]] = []
        self.lost: list[str] = []

    def finished(self, record: Record, score: CallScore) -> None:
        self.seen.append((record.model, record.case_id, score.passed))

    def gave_up(self, model: str, reason: str) -> None:
        self.lost.append(f"{model}: {reason}")


async def echo(request: Request) -> Completion:
    await asyncio.sleep(0)
    return Completion(request.messages[0].content)


def job_of(folder: Path, *names: str) -> Job:
    (folder / "s.yaml").write_text(SUITE)
    suite = load_suite(folder / "s.yaml")
    return make_job(suite, [Model(name, "openai", "openai", model=name) for name in names], suite.prompts)


def run(
    folder: Path,
    providers: Mapping[str, ScriptedProvider],
    failed: Mapping[str, CallError] | None = None,
) -> Watcher:
    job = job_of(folder, *providers)
    manifest = describe(job, run_id="r", created_at="", evalkit="0", concurrency=dict.fromkeys(providers, 1))
    watcher = Watcher()

    async def main() -> None:
        calls = plan(job, manifest)
        await execute(Execution(job, calls, providers, folder, watcher, asyncio.Event(), failed or {}))

    asyncio.run(main())
    return watcher


def test_every_call_is_journaled_and_judged(tmp_path: Path) -> None:
    watcher = run(tmp_path, {"m": ScriptedProvider(echo), "n": ScriptedProvider(echo)})
    assert sorted(watcher.seen) == [("m", "a", True), ("m", "b", False), ("n", "a", True), ("n", "b", False)]
    assert {record.output for record in read_records(tmp_path)} == {"x", "y"}
    assert sum(score.passed for score in read_scores(tmp_path)) == 2


def test_models_that_compute_here_are_asked_one_after_the_other(tmp_path: Path) -> None:
    order: list[str] = []

    def computing(name: str) -> ScriptedProvider:
        async def compute(request: Request) -> Completion:
            order.append(name)
            return await echo(request)

        return ScriptedProvider(compute, alone=True)

    run(tmp_path, {"m": computing("m"), "n": computing("n"), "api": ScriptedProvider(echo)})
    assert order == ["m", "m", "n", "n"]


def test_what_is_answered_is_not_asked_again_but_judged_again(tmp_path: Path) -> None:
    run(tmp_path, {"m": ScriptedProvider(echo)})
    again = ScriptedProvider(echo)
    (tmp_path / "scores.jsonl").write_text("")
    watcher = run(tmp_path, {"m": again})
    assert again.asked == []
    assert len(watcher.seen) == 2
    assert len(list(read_scores(tmp_path))) == 2


def test_a_model_that_could_not_be_started_is_told_of_once(tmp_path: Path) -> None:
    down = CallError(ErrorKind.CONNECTION, "down")
    watcher = run(tmp_path, {"m": ScriptedProvider(echo), "n": ScriptedProvider(echo)}, {"n": down})
    assert watcher.lost == ["n: down"]
    assert sum(record.error is not None for record in read_records(tmp_path)) == 2


def test_models_of_one_account_share_its_requests_per_minute(tmp_path: Path) -> None:
    sent: list[float] = []

    async def answer(request: Request) -> Completion:
        sent.append(asyncio.get_running_loop().time())
        return Completion(request.messages[0].content)

    providers = {name: ScriptedProvider(answer, concurrency=4) for name in "mno"}
    job = job_of(tmp_path, *providers)
    limited = [dataclasses.replace(model, rpm=30, limits_key="account") for model in job.models]
    job = dataclasses.replace(job, models=(*limited[:2], dataclasses.replace(limited[2], limits_key="other")))
    manifest = describe(job, run_id="r", created_at="", evalkit="0", concurrency=dict.fromkeys(providers, 4))
    calls = plan(job, manifest)

    async def main() -> None:
        await execute(Execution(job, calls, providers, tmp_path, Watcher(), asyncio.Event()))

    virtual_time.run(main())
    # Two models share one request every 2 s, the third has its own: 4 and 2 calls each.
    assert sorted(round(at - min(sent)) for at in sent) == [0, 0, 2, 2, 4, 6]


def test_throttling_is_told_with_the_limits_it_led_to(tmp_path: Path) -> None:
    refused: list[Request] = []

    async def busy_once(request: Request) -> Completion:
        if not refused:
            refused.append(request)
            raise CallError(ErrorKind.RATE_LIMIT, "slow down", status=429, retry_after_s=1.0)
        return await echo(request)

    providers = {"m": ScriptedProvider(busy_once, concurrency=4)}
    job = job_of(tmp_path, "m")
    manifest = describe(job, run_id="r", created_at="", evalkit="0", concurrency={"m": 4})

    async def main() -> Conditions:
        return await execute(Execution(job, plan(job, manifest), providers, tmp_path, Watcher(), asyncio.Event()))

    (cut,) = virtual_time.run(main()).limits["m"]
    assert (cut.limit, cut.reason) == (2, "HTTP 429")


def test_a_full_disk_ends_the_run_and_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evalkit.runner.journal.os.write", full)
    with pytest.raises(JournalError, match="No space left") as caught:
        run(tmp_path, {"m": ScriptedProvider(echo)})
    assert caught.value.exit_code == 3
    assert "--resume" in (caught.value.remedy or "")


def test_starting_tells_which_models_failed() -> None:
    class Broken(ScriptedProvider):
        async def start(self) -> None:
            raise CallError(ErrorKind.CONNECTION, "refused")

    failed = asyncio.run(start({"m": ScriptedProvider(echo), "n": Broken(echo), "o": Broken(echo)}, ["m", "n"]))
    assert {name: error.message for name, error in failed.items()} == {"n": "refused"}
