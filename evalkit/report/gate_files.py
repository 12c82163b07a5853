"""gate.json and gate.md, which a gate leaves in the run folder for machines and for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from evalkit.analysis.gate.limits import Limit
from evalkit.analysis.gate.measured import candidate_name, pass_rate
from evalkit.analysis.gate.result import CandidateGate, Comparison, GateResult, Shift
from evalkit.analysis.paired import Metric
from evalkit.files import write_atomically
from evalkit.report import format as fmt
from evalkit.report import gate as words
from evalkit.report.github import as_comment
from evalkit.report.labels import Labels
from evalkit.report.markup import plain, table
from evalkit.types import Json

FORMAT: Final = 1
"""Version of gate.json: raised when a reader of the old one would be misled."""

GATE_JSON: Final = "gate.json"
GATE_MD: Final = "gate.md"
_LISTED: Final = 50
_OPEN: Final = 10
"""Cases that a reader of a list sees without asking for more."""


def write_gate(result: GateResult, folder: Path) -> None:
    """Write both files.

    Raises:
        WriteError: one cannot be written.
    """
    write_atomically(folder / GATE_JSON, gate_json(result))
    write_atomically(folder / GATE_MD, as_comment(gate_markdown(result), result.measured.run.manifest.suite.name))


def gate_json(result: GateResult) -> str:
    """Everything that a gate found, unrounded. Unknown is null."""
    manifest, baseline, cases = result.measured.run.manifest, result.baseline, result.cases
    content = {
        "format": FORMAT,
        "outcome": result.outcome,
        "exit_code": int(result.outcome.exit_code),
        "headlines": words.headlines(result),
        "notes": words.notes(result),
        "suite": manifest.suite.name,
        "run": manifest.run_id,
        "baseline": baseline and {"path": str(result.baseline_path), "run": baseline.run_id, "date": baseline.date},
        "rules": asdict(result.rules),
        "looks": result.looks,
        "errors": result.measured.errors,
        "missing": result.measured.missing,
        "cases": cases and cases._asdict(),
        "candidates": [_candidate(one, result) for one in result.candidates],
        "not_gated": [{"model": model, "prompt": prompt} for model, prompt in result.ungated],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _candidate(one: CandidateGate, result: GateResult) -> dict[str, Json]:
    results = result.measured.results.of((one.model, one.prompt))
    return {
        "model": one.model,
        "prompt": one.prompt,
        "verdict": one.verdict,
        "passed": one.passed,
        "pass_rate": pass_rate(results),
        "latency_p95_ms": one.measured.p95,
        "cost_per_case_usd": one.measured.cost_per_case_usd,
        "served_models": list(one.measured.served_models),
        "comparison": one.comparison and _comparison(one.comparison),
        "limits": [_limit(limit) for limit in one.limits],
        "flaky": list(one.flaky),
        "missing": list(one.missing),
        "notes": words.candidate_notes(one, result),
    }


def _comparison(comparison: Comparison) -> dict[str, Json]:
    difference, frozen = comparison.difference, comparison.frozen
    low, high = difference.interval if difference else (None, None)
    return {
        "against": dict(zip(("model", "prompt"), comparison.against, strict=True)),
        "verdict": comparison.verdict,
        "cases": difference.cases if difference else 0,
        "now": difference and difference.first,
        "before": difference and difference.second,
        "difference": difference and difference.difference,
        "low": low,
        "high": high,
        "confidence": comparison.confidence,
        "method": difference and difference.method,
        "p": difference and difference.p,
        "margin": comparison.margin,
        "better": difference.better if difference else 0,
        "worse": difference.worse if difference else 0,
        "newly_failing": [_shift(one) for one in comparison.worse],
        "newly_passing": [_shift(one) for one in comparison.better],
        "settled_by": comparison.settling and comparison.settling._asdict(),
        "baseline_latency_p95_ms": frozen.latency_ms["p95"],
        "baseline_cost_per_case_usd": frozen.cost_per_case_usd,
        "baseline_served_models": list(frozen.served_models),
    }


def _shift(shift: Shift) -> dict[str, Json]:
    return {"case": shift.case, "before": "{}/{}".format(*shift.before), "now": "{}/{}".format(*shift.now)}


def _limit(limit: Limit) -> dict[str, Json]:
    low, high = limit.ends
    return {
        "rule": limit.rule,
        "pattern": limit.pattern or None,
        "limit": limit.limit,
        "value": limit.value,
        "low": low,
        "high": high,
        "state": limit.state,
        "cases": list(limit.cases),
    }


def gate_markdown(result: GateResult) -> str:
    """The whole of a gate as a page."""
    labels, manifest = Labels(result.candidates), result.measured.run.manifest
    sections = [
        [f"# Gate: {plain(manifest.suite.name)}", ""],
        *([f"**{plain(line)}**", ""] for line in words.headlines(result)),
        [_against(result), ""],
        [line for note in words.notes(result) for line in ("> [!WARNING]", f"> {plain(note)}", "")],
        *(_section(one, labels.of(one), result) for one in result.candidates),
        _case_section(result),
    ]
    return "\n".join(line for lines in sections for line in lines).rstrip() + "\n"


def _against(result: GateResult) -> str:
    run = f"Run {plain(result.measured.run.manifest.run_id)}"
    baseline = result.baseline
    text = words.ending(result)
    if baseline is None:
        return f"{run}: {text}."
    return f"{run} against the baseline of {plain(baseline.run_id)} ({plain(baseline.date)}): {text}."


def _section(one: CandidateGate, name: str, result: GateResult) -> list[str]:
    return [
        f"## {plain(name)}",
        "",
        *(f"- {plain(note)}" for note in words.candidate_notes(one, result)),
        "",
        *_figures(one),
        *_limits(one.limits),
        *(
            _listed("Newly failing", [words.shift_words(shift) for shift in one.comparison.worse])
            if one.comparison
            else []
        ),
        *(
            _listed("Newly passing", [words.shift_words(shift) for shift in one.comparison.better])
            if one.comparison
            else []
        ),
        *_listed("Flaky", one.flaky),
        *_listed("Missing", one.missing),
    ]


def _figures(one: CandidateGate) -> list[str]:
    comparison, took = one.comparison, one.measured
    if comparison is None:
        return []
    difference, frozen = comparison.difference, comparison.frozen
    rates = (difference.second, difference.first) if difference else (None, None)
    rows = [
        ["mean score" if comparison.metric is Metric.SCORE else "pass rate", *map(fmt.percent, rates)],
        ["p50", fmt.duration(frozen.latency_ms["p50"]), fmt.duration(took.p50)],
        ["p95", fmt.duration(frozen.latency_ms["p95"]), fmt.duration(took.p95)],
        ["$ per case", fmt.usd(frozen.cost_per_case_usd), fmt.usd(took.cost_per_case_usd)],
    ]
    return [*table(["", f"baseline ({plain(candidate_name(comparison.against))})", "now"], rows), ""]


def _limits(limits: Sequence[Limit]) -> list[str]:
    if not limits:
        return []
    rows = [[limit.rule, limit.state.value, plain(words.limit_words(limit))] for limit in limits]
    return [*table(["limit", "state", "measured"], rows, left=3), ""]


def _listed(title: str, cases: Sequence[str]) -> list[str]:
    if not cases:
        return []
    lines = [f"- {plain(case)}" for case in cases[:_LISTED]]
    if len(cases) > _LISTED:
        lines.append(f"- {fmt.counted(len(cases) - _LISTED, 'more case')} in {GATE_JSON}")
    folded = lines[_OPEN:]
    if folded:
        summary = f"<details><summary>{fmt.count(len(cases) - _OPEN)} more</summary>"
        lines[_OPEN:] = ["", summary, "", *folded, "", "</details>"]
    return [f"### {title}: {fmt.count(len(cases))}", "", *lines, ""]


def _case_section(result: GateResult) -> list[str]:
    cases = result.cases
    if cases is None or not cases.any:
        return []
    parts = [
        ("New cases", cases.new),
        (f"Cases {words.removed(result)}", cases.removed),
        ("Changed cases", cases.changed),
    ]
    return ["## Cases", "", *(line for title, some in parts for line in _listed(title, some))]
