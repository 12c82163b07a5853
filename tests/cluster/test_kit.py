"""What a worker is sent is enough to do what one machine does, and tells when it is not the same."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from crew import CONTEXT, Line, Setting, job_for
from runs import Watcher, manifest_of
from scripted import ScriptedProvider

from evalkit.cluster.desk import Desk
from evalkit.cluster.executor import RayCluster, absorb_parts, cluster_problems
from evalkit.cluster.kit import Block, Item, Versions, check_versions, item, kit_of, unpacked, versions
from evalkit.cluster.worker import Worker
from evalkit.errors import ConfigError, EvalkitError, Location
from evalkit.runner.execute import Execution
from evalkit.runner.journal import read_scores
from evalkit.runner.manifest import Race
from evalkit.scorers import compile_scorer
from evalkit.types import MISSING, Call, Case, CaseFile, Completion, Record, RecordError, Turn


def entry(spec: Any) -> Any:
    return compile_scorer(spec, context=CONTEXT)


def sent_and_received(*items: Item) -> tuple[Item, ...]:
    return unpacked(Block(1, "m", "s", items).packed()).items


def test_all_of_a_case_arrives() -> None:
    call = Call("1", "m", "p", "c", 2)
    files = MappingProxyType({"a.png": CaseFile("a.png", "ab12")})
    where = Location(Path("cases.csv"), 7)
    case = Case("c", {"n": [1, {"é": None}]}, {"x": 1}, ("t",), (), where, (Turn("on", "y"),), files, "eu")
    record = Record("1", "m", "p", "c", 2, output="no", error=RecordError("timeout", "late"))
    whole, plain = sent_and_received(Item(call, case, (), record, (Completion("hm"),)), Item(call, Case("d", {})))
    assert whole.call == call
    assert dataclasses.replace(whole.case, where=None) == dataclasses.replace(case, where=None)
    assert str(whole.case.where) == "cases.csv:7"
    assert (whole.record, whole.begun) == (record, (Completion("hm"),))
    assert plain.case.expected is MISSING


def test_a_case_brings_its_own_scorers_along() -> None:
    turn = Turn("and then?", "y", (entry("exact"),))
    case = Case("c", {}, "x", scorers=(entry({"contains": "x"}), entry({"starts_with": "x"})), turns=(turn,))
    (sent,) = sent_and_received(item(Call("1", "m", "p", "c", 1), case))
    whole = sent.whole()
    assert [one.spelling for one in whole.scorers] == [one.spelling for one in case.scorers]
    assert [one.spelling for one in whole.turns[0].scorers] == ['"exact"']
    assert item(Call("1", "m", "p", "c", 1), Case("c", {})).whole() == Case("c", {})


def test_cases_are_judged_by_their_own_scorers_too(tmp_path: Path) -> None:
    job = job_for(["m"], 20)
    own = [Case(f"c{n}", {"n": f"n{n}"}, f"n{n}", scorers=(entry({"contains": "5"}),)) for n in range(20)]
    job = dataclasses.replace(job, cases=own)
    asyncio.run(Setting(tmp_path, job).together(2))
    assert sum(score.passed for score in read_scores(tmp_path)) == 2
    assert all(len(score.verdicts) == 2 for score in read_scores(tmp_path))


def test_long_answers_are_judged_by_processes_there_as_here(tmp_path: Path) -> None:
    """A scorer with a time limit of its own always is."""
    setting = Setting(tmp_path, job_for(["m"], 12, [{"exact": {"timeout": 20}}]))
    asyncio.run(setting.together(2))
    assert sum(score.passed for score in read_scores(tmp_path)) == 8


def test_other_versions_are_refused() -> None:
    check_versions(versions(), "node")
    with pytest.raises(ConfigError, match=r"the node n1 runs evalkit 0\.0 on Python 3\.11, this machine evalkit"):
        check_versions(Versions("0.0", "3.11"), "n1")


def test_a_block_of_another_suite_is_refused(tmp_path: Path) -> None:
    job = job_for(["m"], 1)
    providers = {"m": ScriptedProvider(lambda _: None)}  # type: ignore[arg-type]
    run = Execution(job, manifest_of(job), providers, {}, tmp_path, Watcher(), asyncio.Event())
    kit = kit_of(run, str(tmp_path / "parts"))

    async def main() -> None:
        desk = Desk(kit.accounts, kit.ceilings, kit.models, {})
        worker = Worker("w", kit, Line(desk, "w"), providers=providers)
        working = asyncio.create_task(worker.run())
        with pytest.raises(EvalkitError, match="another suite"):
            await worker.carry_out(Block(1, "m", "other", ()))
        worker.end()
        await working

    asyncio.run(main())


def problems(rate_per_s: float | None = None, race: Race | None = None, **model: Any) -> list[str]:
    chosen = SimpleNamespace(functions={"f": print}, rate_per_s=rate_per_s)
    job = job_for([model.pop("name", "m")], 1, **model)
    return [problem.message for problem in cluster_problems(job, chosen, race)]


def test_what_cannot_be_asked_from_elsewhere_is_said_before() -> None:
    pytest.importorskip("ray")
    assert problems() == []
    assert "--rate and --race" in problems(rate_per_s=2.0)[0]
    assert "--rate and --race" in problems(race=Race())[0]
    assert "computes on this machine" in problems(protocol="local")[0]
    assert "cannot be sent" in problems(name="f", protocol="python")[0]


def test_what_lay_there_is_taken_over_only_where_something_lies(tmp_path: Path) -> None:
    absorb_parts(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert RayCluster().workers is None
