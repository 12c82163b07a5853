"""The published matrices and runs are what their authors say: other tests stand on them."""

import json

import pytest
from published import DRIFTING, MATRICES, drift_run, matrix, zeroeval_run

from evalkit.analysis import load_run

SIZES = {
    "ifeval": (6, 181),
    "mmlu_pro": (10, 402),
    "zeroeval": (6, 200),
    "dcrouter": (9, 500),
    "routellm": (2, 500),
}


@pytest.mark.parametrize("name", MATRICES)
def test_every_model_has_every_case(shared, name):
    verdicts = matrix(name, shared)
    models, cases = SIZES[name]
    assert len(verdicts) == models
    assert {len(row) for row in verdicts.values()} == {cases}
    assert len({tuple(row) for row in verdicts.values()}) == 1
    assert all(0 <= value <= 1 for row in verdicts.values() for value in row.values())


def test_passes_are_the_published_ones(shared):
    expected = json.loads((shared / "expected" / "ifeval_strict_pairs.json").read_text())
    assert sorted(sum(row.values()) for row in matrix("ifeval", shared).values()) == sorted(
        row["passes"] for row in expected["models"]
    )
    assert {model: sum(row.values()) for model, row in matrix("routellm", shared).items()} == {
        "mixtral": 323,
        "gpt4": 423,
    }


@pytest.mark.parametrize("task", ["prime", "happy"])
@pytest.mark.parametrize("month", ["march", "june"])
def test_a_month_of_a_drifting_model_has_its_authors_totals(shared, tmp_path, task, month):
    totals = {
        row["model"]: row
        for row in json.loads((shared / "expected" / "drift_summary.json").read_text())
        if row["task"] == task
    }
    table = load_run(drift_run(tmp_path, shared, task, month)).to_pandas()
    for name, rows in table.groupby("model"):
        total = totals[DRIFTING[month][name]]
        assert len(rows) == total["n"]
        assert rows["passed"].sum() == total["passes_last_tag"]
        assert rows["output_tokens"].sum() == total["output_tokens_total"]
        assert rows["cost_usd"].sum() == pytest.approx(total["cost_usd_total"], rel=1e-6)
        assert rows["latency_ms"].mean() / 1000 == pytest.approx(total["latency_mean_s"], rel=1e-6)
        assert rows["latency_ms"].quantile(0.95) / 1000 == pytest.approx(total["latency_p95_s_linear"], rel=1e-6)


def test_answers_of_a_matrix_can_be_stored_with_it(shared, tmp_path):
    table = load_run(zeroeval_run(tmp_path, shared)).to_pandas()
    assert len(table) == 1200
    assert table["output"].str.contains("answer").mean() > 0.9
