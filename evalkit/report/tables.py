"""The reports that machines read: report.json, models.csv, cases.csv, scorers.csv, load.csv, labels.csv.

Unknown is an empty cell, or null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

from evalkit.analysis import CallRow, ModelSummary, RunSummary, TagSummary
from evalkit.analysis.summary import Latency, PassRate
from evalkit.analysis.tidy import COLUMN_TYPES, Cell, tidy_row
from evalkit.exports.csvtext import csv_lines
from evalkit.report.by_scorer import SCORER_COLUMNS, scorer_json, scorer_rows
from evalkit.report.comparison import comparison_json
from evalkit.report.confusion import LABEL_COLUMNS, label_json, label_rows
from evalkit.report.consistency import consistency_json
from evalkit.report.decision import decision_json
from evalkit.report.judges import judge_json
from evalkit.report.labels import Candidate
from evalkit.report.race import race_json
from evalkit.report.under_load import load_figures
from evalkit.types import Json

FORMAT = 1
"""Version of report.json: raised when a reader of the old one would be misled."""


def models_csv(run: RunSummary) -> Iterator[str]:
    """One row per candidate."""
    return _figures_csv([model_figures(one) for one in run.models])


def load_csv(run: RunSummary) -> Iterator[str]:
    """One row per candidate of a load run."""
    return _figures_csv([_name(one) | load_figures(one.load) for one in run.models if one.load])


def scorers_csv(run: RunSummary) -> Iterator[str]:
    """One row per candidate and scorer."""
    return csv_lines(SCORER_COLUMNS, scorer_rows(run))


def labels_csv(run: RunSummary) -> Iterator[str]:
    """One row per candidate, scorer and label."""
    return csv_lines(LABEL_COLUMNS, label_rows(run))


def cases_csv(rows: Iterable[CallRow]) -> Iterator[str]:
    """One row per planned call, in the plan's order."""
    return csv_lines(list(COLUMN_TYPES), map(tidy_row, rows))


def report_json(run: RunSummary) -> str:
    """Every figure of report.md, unrounded."""
    manifest = run.manifest
    report = {
        "format": FORMAT,
        "run": {
            "id": manifest.run_id,
            "created_at": manifest.created_at,
            "finished_at": manifest.finished_at,
            "evalkit": manifest.evalkit,
            "trials": manifest.trials,
            "selection": asdict(manifest.selection),
            "load": asdict(manifest.load) if manifest.load else None,
            "stopped": manifest.stopped,
            "client": asdict(manifest.client) if manifest.client else None,
        },
        "suite": asdict(manifest.suite),
        "incomplete": run.incomplete,
        "calls": {
            "planned": run.planned,
            "passed": sum(one.calls.passed for one in run.models),
            "failed": sum(one.calls.failed for one in run.models),
            "error": run.errors,
            "missing": run.missing,
            "not_asked": run.not_asked,
        },
        "race": race_json(run),
        "models": [model_figures(one) | _details(one) for one in run.models],
        "tags": [_tag_figures(tag) for tag in run.tags],
        **comparison_json(run),
        "decision": decision_json(run.decision),
        "scorers": [scorer_json(one) for one in run.scorers],
        "uncounted_verdicts": run.uncounted_verdicts,
        "labels": [label_json(one) for one in run.labels],
        "judges": [judge_json(one) for one in run.judges],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def model_figures(summary: ModelSummary) -> dict[str, Cell]:
    """The columns of models.csv, in order, unrounded."""
    calls, latency, used = summary.calls, summary.latency, summary.used
    return {
        **_name(summary),
        "cases": summary.cases,
        "trials": summary.trials,
        "passed": calls.passed,
        "failed": calls.failed,
        "errors": calls.errors,
        **_rate(calls),
        "latency_p50_ms": latency.p50,
        "latency_p90_ms": latency.p90,
        "latency_p95_ms": latency.p95,
        "latency_p99_ms": latency.p99,
        "ttft_p50_ms": latency.ttft_p50,
        "ttft_p95_ms": latency.ttft_p95,
        "output_tokens_per_s": used.output_tokens_per_s,
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost_usd": used.cost_usd,
        "cost_per_1k_cases_usd": summary.cost_per_1k_cases_usd,
        "cost_per_passed_usd": summary.cost_per_passed_usd,
        "price_source": summary.price_source,
    }


def _details(summary: ModelSummary) -> dict[str, Json]:
    """What models.csv has no column for."""
    return {
        "missing": summary.calls.missing,
        "not_asked": summary.calls.not_asked,
        **_score(summary),
        "timed_answers": summary.latency.n,
        **_latency_intervals(summary.latency),
        "client_p50_ms": summary.latency.client_p50,
        "client_p95_ms": summary.latency.client_p95,
        "server_p50_ms": dict(summary.latency.server),
        "load": load_figures(summary.load) if summary.load else None,
        "consistency": consistency_json(summary.consistency),
        "cached_input_share": summary.used.cached_input_share,
        "errors_by_kind": dict(summary.errors_by_kind),
        "served_models": list(summary.served_models),
        "dropped_params": list(summary.dropped_params),
    }


def _score(summary: ModelSummary) -> dict[str, Json]:
    low, high = summary.score.interval if summary.score else (None, None)
    return {
        "mean_score": summary.score.value if summary.score else None,
        "mean_score_low": low,
        "mean_score_high": high,
        "graded": summary.graded,
    }


def _latency_intervals(latency: Latency) -> dict[str, Json]:
    """The ends of percentiles; null where there were too few answers to give them."""
    figures: dict[str, Json] = {}
    for name in ("p50", "p90", "p95", "p99"):
        figures[f"latency_{name}_low_ms"], figures[f"latency_{name}_high_ms"] = latency.interval(name)
    low, high = latency.tail_interval
    return {
        **figures,
        "latency_p95_to_p50": latency.tail,
        "latency_p95_to_p50_low": low,
        "latency_p95_to_p50_high": high,
    }


def _tag_figures(tag: TagSummary) -> dict[str, Json]:
    calls = tag.calls
    return {
        "tag": tag.tag,
        **_name(tag),
        "cases": tag.cases,
        "passed": calls.passed,
        "failed": calls.failed,
        "errors": calls.errors,
        "missing": calls.missing,
        **_rate(calls),
    }


def _name(candidate: Candidate) -> dict[str, Cell]:
    return {"model": candidate.model, "prompt": candidate.prompt}


def _rate(calls: PassRate) -> dict[str, Cell]:
    low, high = calls.interval or (None, None)
    return {"pass_rate": calls.rate, "pass_rate_low": low, "pass_rate_high": high}


def _figures_csv(rows: Sequence[Mapping[str, Cell]]) -> Iterator[str]:
    return csv_lines(list(rows[0]) if rows else [], (row.values() for row in rows))
