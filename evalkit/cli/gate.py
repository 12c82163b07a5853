"""`evalkit gate`: hold a run against a baseline and limits."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli import gate_options, options, quantities


def gate(
    run: options.RunToRead,
    baseline: gate_options.Baseline = None,
    suite: gate_options.Suite = None,
    margin: gate_options.Margin = None,
    metric: gate_options.Metric = None,
    undecided: gate_options.Undecided = None,
    min_pass_rate: gate_options.MinPassRate = None,
    max_p95: gate_options.MaxP95 = None,
    max_cost_per_case: gate_options.MaxCostPerCase = None,
    max_error_rate: gate_options.MaxErrorRate = None,
    must_pass: gate_options.MustPass = None,
    min_passes: gate_options.MinPasses = None,
    results: options.Results = Path("results"),
    as_json: gate_options.Json = False,
    explain: options.Explain = False,
) -> None:
    """Did it get worse? Hold a run against a baseline and limits; exit 1 if it fails, 3 if the run is incomplete.

    REGRESSED: shown to be worse, or a limit is broken. NOT WORSE: shown not to be worse by more than the margin.
    INCONCLUSIVE: neither; --undecided says what becomes of it. Options take the place of the suite's `gate:` rules of
    the same name. Writes gate.md and gate.json to the run's folder. Makes no calls; `evalkit run
    --gate` asks and holds in one.
    """
    from evalkit.cli.gating import Given, gate_run

    rules = {
        "margin": margin,
        "metric": metric and metric.value,
        "undecided": undecided and undecided.value,
        "min_pass_rate": min_pass_rate,
        "max_p95": max_p95,
        "max_cost_per_case": max_cost_per_case,
        "max_error_rate": max_error_rate,
        "must_pass": must_pass,
        "min_passes": dict(map(quantities.min_passes, min_passes)) if min_passes else None,
    }
    given = Given(baseline, suite, {key: value for key, value in rules.items() if value is not None})
    raise typer.Exit(gate_run(run, results, given, as_json=as_json, explained=explain))
