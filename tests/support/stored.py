"""Run folders made from verdicts: what a run would have left behind, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from evalkit.runner.journal import Journal
from evalkit.runner.manifest import (
    Manifest,
    ManifestModel,
    ManifestPrompt,
    ManifestSuite,
    Selection,
    write_cases,
    write_manifest,
)
from evalkit.runner.plan import planned_calls
from evalkit.types import CallScore, Case, Record, RecordError, Score, ScorerVerdict, Usage

Outcome: TypeAlias = bool | float | str | None
"""A pass, a failure, a graded score (passed from 0.5), the kind of an error, or None for a call that never finished."""

Verdicts: TypeAlias = Mapping[str, Outcome | Sequence[Outcome]]
"""What came of each case, by its id: once, or once per trial."""


def store_run(
    folder: Path,
    verdicts: Mapping[str | tuple[str, str], Verdicts],
    *,
    suite: str = "tiny",
    trials: int = 1,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    prompts: Mapping[str, Mapping[str, Any]] | None = None,
    tags: Mapping[str, tuple[str, ...]] | None = None,
    case_vars: Mapping[str, Mapping[str, Any]] | None = None,
    expected: Mapping[str, Any] | None = None,
    fields: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    **manifest: Any,
) -> Path:
    """Write a run of these candidates, and return its folder.

    Args:
        folder: where; made if need be.
        verdicts: per candidate (a model's name, or model and prompt) and case. All candidates have the same cases, and
            those of several prompts must be given for every model.
        suite: the suite's name, which its fingerprint hangs on too.
        models, prompts: what is to stand in their rows of the manifest, by name.
        tags, case_vars, expected: of the cases, by id.
        fields: what is to stand in the record of a (model, case id): output, latency_ms, cost_usd, usage, ...
        manifest: what else is to stand in the manifest.
    """
    by_candidate = {(key, "p") if isinstance(key, str) else key: given for key, given in verdicts.items()}
    cases = [
        Case(
            case_id,
            dict((case_vars or {}).get(case_id, {"n": case_id})),
            (expected or {}).get(case_id, "yes"),
            tuple((tags or {}).get(case_id, ())),
        )
        for case_id in next(iter(by_candidate.values()))
    ]
    described = _manifest(by_candidate, suite, trials, len(cases), models or {}, prompts or {})
    described = replace(described, **manifest)
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, described)
    write_cases(folder, cases)
    with Journal(folder, {}) as journal:
        for call in planned_calls(described, cases):
            outcome = by_candidate[call.model, call.prompt][call.case_id]
            if isinstance(outcome, Sequence) and not isinstance(outcome, str):
                outcome = outcome[call.trial - 1]
            if outcome is None:
                continue
            names = (call.call_id, call.model, call.prompt, call.case_id, call.trial)
            more = dict((fields or {}).get((call.model, call.case_id), {}))
            if isinstance(outcome, str):
                journal.add_record(Record(*names, error=RecordError(outcome, f"{outcome}!")))
                continue
            passed, value = float(outcome) >= 0.5, float(outcome)
            answer = {"output": "yes" if passed else "no", "latency_ms": 100.0, "usage": Usage(10, output=5)} | more
            journal.add_record(Record(*names, **answer))
            score = Score(value, passed, "" if passed else "expected yes, got no")
            journal.add_score(CallScore(call.call_id, passed, value, (ScorerVerdict("exact", score),)))
    return folder


def _manifest(
    candidates: Mapping[tuple[str, str], Any],
    suite: str,
    trials: int,
    cases: int,
    models: Mapping[str, Mapping[str, Any]],
    prompts: Mapping[str, Mapping[str, Any]],
) -> Manifest:
    model_rows = {name: {"provider": "openai", "fingerprint": name, "model": name} for name, _ in candidates}
    prompt_rows = {name: {"fingerprint": name * 8} for _, name in candidates}
    return Manifest(
        run_id="20300101-000000-aaaa",
        created_at="2030-01-01T00:00:00+00:00",
        finished_at="2030-01-01T00:01:00+00:00",
        evalkit="0.1.0",
        suite=ManifestSuite(suite, f"evals/{suite}.yaml", "", suite * 8),
        models=tuple(ManifestModel(name, **row | dict(models.get(name, {}))) for name, row in model_rows.items()),
        prompts=tuple(ManifestPrompt(name, **row | dict(prompts.get(name, {}))) for name, row in prompt_rows.items()),
        selection=Selection(cases),
        trials=trials,
    )
