"""Agreement of people and judges on the pairs of PandaLM, against the published kappas and through `evalkit judge`."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from judged import judge_said, rejudge
from stored import store_run

from evalkit.cli import main
from evalkit.stats.agreement import cohen_kappa, fleiss_kappa

PEOPLE = ("annotator1", "annotator2", "annotator3")
JUDGES = ("gpt35_verdict", "pandalm_verdict")


@pytest.fixture
def pairs(shared: Path) -> list[dict[str, Any]]:
    lines = (shared / "judge" / "pandalm_pairwise.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def table(first: Sequence[str], second: Sequence[str]) -> list[list[int]]:
    words = sorted({*first, *second})
    counts = [[0] * len(words) for _ in words]
    for one, two in zip(first, second, strict=True):
        counts[words.index(one)][words.index(two)] += 1
    return counts


def test_kappas_are_those_of_the_oracle(shared: Path, pairs: list[dict[str, Any]]) -> None:
    expected = json.loads((shared / "expected" / "pandalm_kappa.json").read_text())
    assert len(expected["cohen"]) == 10
    for names, kappa in expected["cohen"].items():
        # As in the oracle, one judge's "Tie" is a word of its own beside the annotators' 0.
        first, second = ([str(pair[name]) for pair in pairs] for name in names.split("|"))
        found = cohen_kappa(table(first, second))
        assert found.value == pytest.approx(kappa, abs=1e-9)
        assert found.agreement == pytest.approx(expected["agreement"][names], abs=1e-9)
        assert found.interval is not None
        assert found.interval.low < kappa < found.interval.high
    said = [[pair[name] for name in PEOPLE] for pair in pairs]
    fleiss = fleiss_kappa([[each.count(word) for word in (0, 1, 2)] for each in said])
    assert fleiss.value == pytest.approx(expected["fleiss_annotators"], abs=1e-9)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("seed", range(3))
def test_judges_of_pandalm_through_the_command(
    judge: str, seed: int, pairs: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Is the first response the better one: a judge says so of all pairs, three people of a third."""
    verdicts = {str(pair["idx"]): str(pair[judge]) == "1" for pair in pairs}
    run = rejudge(store_run(tmp_path / "run", {"m": verdicts}), lambda verdict: [judge_said(verdict, judge)])
    chosen = random.Random(seed).sample(pairs, 100)
    labels = tmp_path / "labels.csv"
    rows = [f"{pair['idx']},{name},{int(pair[name] == 1)}" for pair in chosen for name in PEOPLE]
    labels.write_text("\n".join(["case_id,annotator,label", *rows]))
    with pytest.raises(SystemExit) as ended:
        main(["judge", str(run), "--labels", str(labels), "--json"])
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)

    said = {str(pair["idx"]): sum(pair[name] == 1 for name in PEOPLE) for pair in chosen}
    ours = np.array([verdicts[case] for case in said])
    theirs = np.array([passes >= 2 for passes in said.values()])
    observed = (ours == theirs).mean()
    chance = ours.mean() * theirs.mean() + (1 - ours.mean()) * (1 - theirs.mean())
    (scorer,) = found["scorers"]
    assert scorer["agreement"]["kappa"]["value"] == pytest.approx((observed - chance) / (1 - chance))
    assert scorer["agreement"]["bias"] == pytest.approx(ours.mean() - theirs.mean())
    people = fleiss_kappa([[passes, 3 - passes] for passes in said.values()])
    assert found["annotators"] == 3
    assert found["people_kappa"]["value"] == pytest.approx(people.value)

    truth = np.mean([sum(pair[name] == 1 for name in PEOPLE) >= 2 for pair in pairs])
    (one,) = scorer["candidates"]
    low, high = one["corrected_interval"]
    assert low < truth < high
    alone = scorer["agreement"]["people_interval"]
    assert high - low < alone[1] - alone[0]
    assert one["labels_like_random"]
