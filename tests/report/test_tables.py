import csv
import io
import json
from dataclasses import replace

import pandas as pd
import pytest

from evalkit.analysis import analyse, load_run
from evalkit.exports.csvtext import csv_lines
from evalkit.report.files import write_reports
from evalkit.report.tables import cases_csv, model_figures, models_csv, report_json

MODEL_COLUMNS = (
    "model,prompt,cases,trials,passed,failed,errors,pass_rate,pass_rate_low,pass_rate_high,latency_p50_ms,"
    "latency_p90_ms,latency_p95_ms,latency_p99_ms,ttft_p50_ms,ttft_p95_ms,output_tokens_per_s,input_tokens,"
    "output_tokens,cost_usd,cost_per_1k_cases_usd,cost_per_passed_usd,price_source"
)
CASE_COLUMNS = (
    "case_id,tags,model,prompt,trial,passed,score,scorer,reason,expected,output,error,latency_ms,ttft_ms,queue_ms,"
    "retry_ms,attempts,input_tokens,output_tokens,cost_usd,call_id,tool_calls"
)
HOSTILE = [
    '=HYPERLINK("http://x")',
    "+1",
    "-1",
    "@sum",
    'a "quote", comma',
    "two\nlines",
    "lone\rreturn",
    "\r\n",
    "",
    "né",
]


def read(lines):
    return list(csv.DictReader(io.StringIO("".join(lines), newline="")))


def test_columns_are_the_published_ones(run_folder):
    run = load_run(run_folder.write(n=3))
    assert next(models_csv(analyse(run))) == MODEL_COLUMNS + "\n"
    assert next(cases_csv(run.rows)) == CASE_COLUMNS + "\n"


def test_models_csv_shows_unknown_as_empty_cells(run_folder):
    rows = {row["model"]: row for row in read(models_csv(analyse(load_run(run_folder.write(n=20)))))}
    assert rows["big_one"]["price_source"] == "https://example.com/prices, 2030-01-05"
    assert rows["big_one"]["cost_usd"] == "0.00054"
    assert rows["big_one"]["input_tokens"] == "6000"
    for column in ("cost_usd", "cost_per_passed_usd", "ttft_p50_ms", "input_tokens", "price_source"):
        assert rows["rules"][column] == ""


def test_cases_csv_recounts_to_models_csv(run_folder, error_on):
    folder = run_folder.write(n=60, change=error_on("big_one", {"case-003", "case-004"}))
    paths = write_reports(load_run(folder))
    cases, models = pd.read_csv(paths.cases_csv), pd.read_csv(paths.models_csv)
    recount = cases.groupby("model", sort=False)
    assert list(recount["passed"].sum()) == list(models["passed"])
    assert list(recount["passed"].mean()) == pytest.approx(list(models["pass_rate"]), abs=1e-6)
    assert list(recount["error"].count()) == list(models["errors"]) == [0, 2, 0]
    for q, column in (
        (0.5, "latency_p50_ms"),
        (0.9, "latency_p90_ms"),
        (0.95, "latency_p95_ms"),
        (0.99, "latency_p99_ms"),
    ):
        assert list(recount["latency_ms"].quantile(q)) == pytest.approx(list(models[column]), abs=1e-3)
    assert recount["cost_usd"].sum()["big_one"] == pytest.approx(models["cost_usd"][1])


def test_cases_csv_tells_errors_from_missing_calls(run_folder, error_on):
    fail = error_on("small", {"case-000"}, message="late")

    def change(record, score):
        return (None, None) if record.case_id == "case-001" else fail(record, score)

    rows = {
        (row["model"], row["case_id"]): row
        for row in read(cases_csv(load_run(run_folder.write(n=2, change=change)).rows))
    }
    failed, missing = rows["small", "case-000"], rows["small", "case-001"]
    assert (failed["passed"], failed["score"], failed["error"], failed["attempts"]) == (
        "false",
        "",
        "timeout: late",
        "4",
    )
    assert [name for name, cell in missing.items() if cell] == [
        "case_id",
        "tags",
        "model",
        "prompt",
        "trial",
        "expected",
        "call_id",
    ]


def test_cases_csv_holds_tool_calls_as_compact_json(run_folder):
    calls = ({"id": "1", "name": "né", "arguments": {"a": [1, 2]}}, {"id": "2", "name": "g", "arguments": {}})

    def change(record, score):
        return (replace(record, tool_calls=calls) if record.model == "small" else record), score

    small, big, _ = read(cases_csv(load_run(run_folder.write(n=1, change=change)).rows))
    assert small["tool_calls"].startswith('[{"id":"1","name":"né","arguments":{"a":[1,2]}},{')
    assert json.loads(small["tool_calls"]) == list(calls)
    assert big["tool_calls"] == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_text_survives_csv_unchanged(text):
    written = list(csv_lines(["a", "b"], [[text, "end"]]))
    assert read(written) == [{"a": text, "b": "end"}]
    assert pd.read_csv(io.StringIO("".join(written), newline=""), keep_default_na=False)["b"].tolist() == ["end"]


def test_csv_lines_end_in_a_line_feed():
    assert list(csv_lines(["a_ms", "b_usd", "c"], [[1.23456, 0.0000001, True], [None, 2.0, 3]])) == [
        "a_ms,b_usd,c\n",
        "1.235,0.0000001,true\n",
        ",2,3\n",
    ]


def test_report_json_agrees_with_models_csv(run_folder, error_on):
    run = analyse(load_run(run_folder.write(n=30, change=error_on("small", {"case-003"}))))
    report = json.loads(report_json(run))
    assert (report["format"], report["incomplete"], report["run"]["id"]) == (1, True, run.manifest.run_id)
    assert report["calls"]["planned"] == 90
    assert report["calls"]["error"] == 1
    rows = read(models_csv(run))
    for row, figures, summary in zip(rows, report["models"], run.models, strict=True):
        assert {name: figures[name] for name in row} == model_figures(summary)
        for name, cell in row.items():
            figure = figures[name]
            assert cell == "" if figure is None else cell == figure or float(cell) == pytest.approx(figure, abs=6e-4)
    assert report["models"][0]["errors_by_kind"] == {"timeout": 1}
    assert sum(tag["cases"] for tag in report["tags"] if tag["model"] == "small") == 30


def test_report_json_tells_the_clients_part_and_the_servers_own_times(run_folder):
    def change(record, score):
        told = replace(record, client_ms=2.5, server_ms={"generation": 180.0, "prompt": 12.0})
        return (told if record.model == "small" else record), score

    report = json.loads(report_json(analyse(load_run(run_folder.write(n=4, change=change)))))
    assert report["run"]["client"] == {"loop_lag_ms": 1.3, "cpu_share_mean": 0.34, "cpu_share_max": 0.712}
    small, big, _ = report["models"]
    assert (small["client_p50_ms"], small["client_p95_ms"]) == (2.5, 2.5)
    assert small["server_p50_ms"] == {"prompt": 12.0, "generation": 180.0}
    assert (big["client_p50_ms"], big["client_p95_ms"], big["server_p50_ms"]) == (None, None, {})


def test_reports_are_the_same_when_written_again(run_folder):
    folder = run_folder.write(n=10)
    names = ("report.md", "models.csv", "cases.csv", "scorers.csv", "report.json")
    write_reports(load_run(folder))
    first = [(folder / name).read_bytes() for name in names]
    write_reports(load_run(folder))
    assert [(folder / name).read_bytes() for name in names] == first
    assert not list(folder.glob("*.part"))


def test_half_a_surrogate_pair_does_not_lose_the_report(run_folder, error_on):
    folder = run_folder.write(n=2, change=error_on("small", message="bad \ud83d text"))
    paths = write_reports(load_run(folder))
    assert "bad \\ud83d text" in paths.cases_csv.read_text(encoding="utf-8")
    json.loads(paths.json.read_text(encoding="utf-8"))
