"""Intervals, paired tests and quantiles against figures of statsmodels, numpy and the data's authors."""

import csv
import json

import pytest
from published import matrix

from evalkit.stats import quantile, wilson
from evalkit.stats.intervals import clopper_pearson
from evalkit.stats.multiple import holm
from evalkit.stats.paired import Pairs, clustered_difference, mcnemar_exact

COLUMNS = {
    "end_to_end_latency_s": "e2e_s",
    "ttft_s": "ttft_s",
    "inter_token_latency_s": "inter_token_s",
    "request_output_throughput_token_per_s": "tok_per_s",
    "number_input_tokens": "input_tokens",
    "number_output_tokens": "output_tokens",
}
"""What the authors of the latency data call their columns in the published summaries."""


@pytest.fixture
def verdicts(shared):
    """Verdicts per model, in one order of cases, and the published figures; models by the same names."""
    expected = json.loads((shared / "expected" / "ifeval_strict_pairs.json").read_text())
    passed = {name.rpartition("__")[2]: list(cases.values()) for name, cases in matrix("ifeval", shared).items()}
    return passed, expected


def test_intervals_of_ifeval(verdicts):
    passed, expected = verdicts
    assert len(expected["models"]) == len(passed) == 6
    for row in expected["models"]:
        own = passed[row["model"].rpartition("__")[2]]
        assert (sum(own), len(own)) == (row["passes"], row["n"])
        assert wilson(sum(own), len(own)) == pytest.approx(row["wilson95"], abs=1e-6)
        assert clopper_pearson(sum(own), len(own)) == pytest.approx(row["clopper_pearson95"], abs=1e-6)


def test_pairs_of_ifeval(verdicts):
    passed, expected = verdicts
    p_values = []
    for row in expected["pairs"]:
        first, second = (passed[row[name].rpartition("__")[2]] for name in "ab")
        seen = list(zip(first, second, strict=True))
        pairs = Pairs(*map(seen.count, [(True, True), (True, False), (False, True), (False, False)]))
        found = clustered_difference([a - b for a, b in seen])
        assert pairs == (row["both"], row["only_a"], row["only_b"], row["neither"])
        assert found.difference == pytest.approx(row["diff"], abs=1e-6)
        assert found.error == pytest.approx(row["paired_se"], abs=1e-6)
        assert mcnemar_exact(pairs) == pytest.approx(row["mcnemar_exact_p"], rel=1e-6)
        p_values.append(mcnemar_exact(pairs))
    assert len(p_values) == 15
    assert holm(p_values) == pytest.approx([row["holm_p"] for row in expected["pairs"]], rel=1e-6)


@pytest.fixture
def answered(shared):
    """The requests of every provider that did not fail."""
    with (shared / "latency" / "llmperf_70b.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row["error_code"]]
    return {
        provider: [row for row in rows if row["provider"] == provider]
        for provider in sorted({row["provider"] for row in rows})
    }


def test_every_published_quantile_of_latency(shared, answered):
    lines = (shared / "latency" / "llmperf_70b_published.jsonl").read_text().splitlines()
    compared = 0
    for published in map(json.loads, lines):
        rows = answered[published["provider"]]
        for key, value in published["summary"].items():
            name, found, percent = key.removeprefix("results_").partition("_quantiles_p")
            if found:
                values = [float(row[COLUMNS[name]]) for row in rows]
                assert quantile(values, int(percent) / 100) == pytest.approx(value, abs=1e-6), (
                    published["provider"],
                    key,
                )
                compared += 1
    assert compared == 8 * 6 * 6


def test_quantiles_of_latency_by_numpy(shared, answered):
    expected = json.loads((shared / "expected" / "llmperf_70b_latency.json").read_text())
    assert [row["group"] for row in expected] == list(answered)
    for row in expected:
        values = [float(request["e2e_s"]) for request in answered[row["group"]]]
        assert len(values) == row["n"]
        for name, value in row["linear"].items():
            assert quantile(values, int(name[1:]) / 100) == pytest.approx(value, abs=1e-6)


def test_latency_before_and_after_a_model_changed(shared):
    expected = json.loads((shared / "expected" / "drift_summary.json").read_text())
    assert len(expected) == 8
    for one in expected:
        with (shared / "drift" / f"{one['task']}.csv").open(newline="") as file:
            values = [float(row["latency"]) for row in csv.DictReader(file) if row["model"] == one["model"]]
        assert len(values) == one["n"]
        assert quantile(values, 0.95) == pytest.approx(one["latency_p95_s_linear"], abs=1e-6)
