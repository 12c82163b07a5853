"""The reports that machines read: models.csv, cases.csv and report.json. Unknown is an empty cell, or null."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from evalkit.analysis import ModelSummary, RunData, TagSummary
from evalkit.analysis.rows import Outcome
from evalkit.analysis.summary import PassRate
from evalkit.analysis.tidy import COLUMN_TYPES, Cell, tidy_row
from evalkit.types import Json

FORMAT = 1
"""Version of report.json: raised when a reader of the old one would be misled."""


def models_csv(summaries: Sequence[ModelSummary]) -> str:
    """One row per candidate."""
    figures = [model_figures(summary) for summary in summaries]
    return to_csv(list(figures[0]) if figures else [], (row.values() for row in figures))


def cases_csv(run: RunData) -> str:
    """One row per planned call, in the plan's order."""
    return to_csv(list(COLUMN_TYPES), map(tidy_row, run.rows))


def report_json(run: RunData, summaries: Sequence[ModelSummary], tags: Sequence[TagSummary]) -> str:
    """Every figure of report.md, unrounded."""
    manifest = run.manifest
    outcomes = Counter(row.outcome for row in run.rows)
    report = {
        "format": FORMAT,
        "run": {
            "id": manifest.run_id,
            "created_at": manifest.created_at,
            "finished_at": manifest.finished_at,
            "evalkit": manifest.evalkit,
            "trials": manifest.trials,
            "selection": asdict(manifest.selection),
        },
        "suite": asdict(manifest.suite),
        "incomplete": run.incomplete,
        "calls": {"planned": len(run.rows), **{outcome.value: outcomes[outcome] for outcome in Outcome}},
        "models": [model_figures(summary) | _details(summary) for summary in summaries],
        "tags": [_tag_figures(tag) for tag in tags],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def model_figures(summary: ModelSummary) -> dict[str, Cell]:
    """The columns of models.csv, in order, unrounded."""
    calls, latency, used = summary.calls, summary.latency, summary.used
    return {
        "model": summary.model,
        "prompt": summary.prompt,
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
        "timed_answers": summary.latency.n,
        "cached_input_share": summary.used.cached_input_share,
        "errors_by_kind": dict(summary.errors_by_kind),
        "served_models": list(summary.served_models),
        "dropped_params": list(summary.dropped_params),
    }


def _tag_figures(tag: TagSummary) -> dict[str, Json]:
    calls = tag.calls
    return {
        "tag": tag.tag,
        "model": tag.model,
        "prompt": tag.prompt,
        "cases": tag.cases,
        "passed": calls.passed,
        "failed": calls.failed,
        "errors": calls.errors,
        "missing": calls.missing,
        **_rate(calls),
    }


def _rate(calls: PassRate) -> dict[str, Cell]:
    low, high = calls.interval or (None, None)
    return {"pass_rate": calls.rate, "pass_rate_low": low, "pass_rate_high": high}


class _UnixLines:
    """Where csv.writer writes to.

    Told to end lines with a bare line feed, the writer leaves a lone carriage return in a cell unquoted and readers
    break the row there. So it is left to end lines its own way, and that is undone here, row by row.
    """

    def __init__(self) -> None:
        self.text = io.StringIO(newline="")

    def write(self, row: str) -> int:
        return self.text.write(row.removesuffix("\r\n") + "\n")


def to_csv(header: Sequence[str], rows: Iterable[Iterable[Cell]]) -> str:
    """A table as RFC 4180 text with line-feed line ends.

    Cells are written as they are, also those that a spreadsheet would take for a formula: to change them would falsify
    what a model said.
    """
    target = _UnixLines()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(header)
    decimals = [_decimals(name) for name in header]
    writer.writerows([_cell(value, places) for value, places in zip(row, decimals, strict=True)] for row in rows)
    return target.text.getvalue()


def _decimals(column: str) -> int:
    """Microseconds, and costs down to a single token's."""
    if column.endswith("_usd"):
        return 10
    return 3 if column.endswith("_ms") else 6


def _cell(value: Cell, decimals: int) -> str | int | None:
    """What csv.writer would write differently, as text; the rest as it is."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
