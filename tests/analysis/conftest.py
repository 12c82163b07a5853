from dataclasses import replace

import pytest

from evalkit.analysis import load_run
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


def manifest_of(*, models=("m",), prompts=("p",), trials=1, prices=None, **changes):
    return Manifest(
        run_id="r1",
        created_at="2030-01-01T00:00:00Z",
        evalkit="0.1.0",
        suite=ManifestSuite("tiny", "evals/tiny.yaml", "", "f" * 64),
        models=tuple(ManifestModel(name, "openai", name, price=(prices or {}).get(name)) for name in models),
        prompts=tuple(ManifestPrompt(name, name * 8) for name in prompts),
        selection=Selection(10),
        trials=trials,
        **changes,
    )


def record_of(call, **fields):
    return Record(call.call_id, call.model, call.prompt, call.case_id, call.trial, **fields)


def answer(call, *, passed=True, **fields):
    """An answered and judged call, as a row of the two journals."""
    record = record_of(call, output="out", **fields)
    score = Score(float(passed), passed, "" if passed else "wrong")
    return record, CallScore(call.call_id, passed, float(passed), (ScorerVerdict("exact", score),))


def failing(call, kind="timeout", **fields):
    return record_of(call, error=RecordError(kind, f"{kind}!"), **fields), None


def unjudged(call, **fields):
    return record_of(call, output="out", **fields), None


def scorer_failed(call, **fields):
    score = Score(0.0, False, "", {"error": "ZeroDivisionError: division by zero"})
    return record_of(call, output="out", **fields), CallScore(
        call.call_id, False, 0.0, (ScorerVerdict("python", score),)
    )


def missing(call, **_):
    return None, None


STATES = {
    "P": answer,
    "F": lambda call, **f: answer(call, passed=False, **f),
    "E": failing,
    "?": missing,
    "U": unjudged,
}
STATES["S"] = scorer_failed


class Runs:
    """Writes runs from a letter per planned call: Passed, Failed, Error, ? missing, Unjudged, Scorer failed.

    `verdicts` may give the scorers' verdicts on each call that passed or failed; those of the other calls are ignored.
    `xs` may give the value of each case's var x, which by default numbers them.
    """

    usage = Usage

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, letters, *, fields=None, tags=None, trials=1, verdicts=None, xs=None, **named):
        manifest = manifest_of(trials=trials, **named)
        size = len(letters) // (len(manifest.models) * len(manifest.prompts) * trials)
        cases = tuple(Case(f"c{i}", {"x": xs[i] if xs else i}, tags=(tags or {}).get(f"c{i}", ())) for i in range(size))
        write_manifest(self.folder, manifest)
        write_cases(self.folder, cases)
        with Journal(self.folder, {}) as journal:
            for index, call in enumerate(planned_calls(manifest, cases)):
                record, score = STATES[letters[index]](call, **(fields[index] if fields else {}))
                if verdicts and letters[index] in "PF":
                    score = replace(score, verdicts=verdicts[index])
                if record:
                    journal.add_record(record)
                if score:
                    journal.add_score(score)
        return load_run(self.folder)


@pytest.fixture
def run_of(tmp_path):
    return Runs(tmp_path)
