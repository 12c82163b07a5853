"""A baseline: the verdicts of a run, frozen case by case in a small sorted file whose diffs people read."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from evalkit.analysis.measured import Measured, MeasuredRun, pass_rate
from evalkit.analysis.results import CaseResults
from evalkit.analysis.run_data import Candidate
from evalkit.analysis.side import align, take
from evalkit.errors import ConfigError, Location
from evalkit.runner.plan import fingerprint
from evalkit.types import Json

FORMAT: Final = 1
"""Version of the file: raised when a reader of the old one would be misled."""

_RESULT: Final = re.compile(r"(\d+)/(\d+)(?:, score (\d(?:\.\d+)?))?(?:, (\d+) errors?)?")
_QUANTILES: Final = ("p50", "p90", "p95", "p99")


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a baseline keeps of a candidate.

    Attributes:
        results: its results, in the order of the baseline's cases.
        model_fingerprint, prompt_fingerprint: change when its answers could.
        served_models: what the provider said it was.
        latency_ms: p50, p90, p95 and p99; None where nothing was timed.
        cost_per_case_usd: None where unknown.
    """

    results: CaseResults
    model_fingerprint: str
    prompt_fingerprint: str
    served_models: tuple[str, ...]
    latency_ms: Mapping[str, float | None]
    cost_per_case_usd: float | None

    @property
    def candidate(self) -> Candidate:
        """Its names."""
        return self.results.candidate


@dataclass(frozen=True, slots=True)
class Baseline:
    """The frozen results of a run.

    Attributes:
        suite: the suite's name.
        suite_fingerprint: of the suite as it was.
        run_id: of the run.
        date: of the run, UTC.
        evalkit: the release that wrote it.
        trials: how often each case was asked.
        questions: what each case asked and expected, as short fingerprints, by id in order.
        candidates: sorted by their names.
    """

    suite: str
    suite_fingerprint: str
    run_id: str
    date: str
    evalkit: str
    trials: int
    questions: Mapping[str, str]
    candidates: tuple[Frozen, ...]


class Flips(NamedTuple):
    """Cases of a candidate that pass less often than before, and more often."""

    worse: tuple[str, ...]
    better: tuple[str, ...]


def freeze(measured: MeasuredRun, candidates: Sequence[Candidate], evalkit: str) -> Baseline:
    """Freeze some candidates of a run.

    Args:
        measured: the run.
        candidates: those to keep.
        evalkit: this release.
    """
    manifest = measured.run.manifest
    places = sorted(range(len(measured.results.case_ids)), key=measured.results.case_ids.__getitem__)
    models = {model.name: model.fingerprint for model in manifest.models}
    prompts = {prompt.name: prompt.fingerprint for prompt in manifest.prompts}
    by_name = {(one.model, one.prompt): one for one in measured.candidates}
    return Baseline(
        suite=manifest.suite.name,
        suite_fingerprint=manifest.suite.fingerprint[:16],
        run_id=manifest.run_id,
        date=manifest.created_at[:10],
        evalkit=evalkit,
        trials=manifest.trials,
        questions=dict(sorted(measured.questions.items())),
        candidates=tuple(
            _frozen(take(measured.results.of(one), places), by_name[one], models[one[0]], prompts[one[1]])
            for one in sorted(candidates)
        ),
    )


def _frozen(results: CaseResults, measured: Measured, model: str, prompt: str) -> Frozen:
    times = (measured.p50, measured.p90, measured.p95, measured.p99)
    return Frozen(
        results,
        model,
        prompt,
        measured.served_models,
        {name: _rounded(ms, 1) for name, ms in zip(_QUANTILES, times, strict=True)},
        _rounded(measured.cost_per_case_usd, 9),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def encode_baseline(baseline: Baseline) -> str:
    """Write a baseline as JSON: one line per case, in an order that never changes."""
    content = {
        "format": FORMAT,
        "suite": baseline.suite,
        "suite_fingerprint": baseline.suite_fingerprint,
        "run": baseline.run_id,
        "date": baseline.date,
        "evalkit": baseline.evalkit,
        "trials": baseline.trials,
        "dataset": fingerprint(list(baseline.questions.items())),
        "candidates": [_encode(one, list(baseline.questions)) for one in baseline.candidates],
        "cases": dict(baseline.questions),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _encode(frozen: Frozen, case_ids: Sequence[str]) -> dict[str, Json]:
    results = frozen.results
    graded = any(abs(score - passed) > 1e-9 for score, passed in zip(results.score, results.passed, strict=True))
    return {
        "model": results.model,
        "prompt": results.prompt,
        "model_fingerprint": frozen.model_fingerprint,
        "prompt_fingerprint": frozen.prompt_fingerprint,
        "served_models": list(frozen.served_models),
        "pass_rate": _rounded(pass_rate(results), 6),
        "latency_ms": dict(frozen.latency_ms),
        "cost_per_case_usd": frozen.cost_per_case_usd,
        "results": {case: _result(results, place, graded=graded) for place, case in enumerate(case_ids)},
    }


def _result(results: CaseResults, place: int, *, graded: bool) -> str:
    """One case's result: passed/finished trials, their mean score where cases are graded, and the errors among them."""
    finished, errors = results.finished[place], results.errors[place]
    text = f"{results.passed[place]}/{finished}"
    if graded and finished:
        text += f", score {results.score[place] / finished:.6g}"
    return f"{text}, {errors} error{'s' * (errors != 1)}" if errors else text


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ConfigError: there is no such file, or it is none that this release understands.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no baseline {path}", remedy=f"make one of a run that you trust: evalkit baseline RUN -o {path}"
        ) from None
    except json.JSONDecodeError as error:
        raise _unreadable(Location(path, error.lineno, error.colno), f"is not JSON: {error.msg}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(Location(path), f"cannot be read: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _unreadable(Location(path), f"is not a baseline of format {FORMAT}")
    try:
        return _decode(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        words = f"is damaged: {type(error).__name__}: {error}"
        raise _unreadable(Location(path), words) from None


def _unreadable(where: Location, words: str) -> ConfigError:
    return ConfigError(words, where=where, remedy=f"write it anew: evalkit baseline RUN -o {where.path}")


def _decode(data: Mapping[str, Any]) -> Baseline:
    cases = {str(case): str(print_) for case, print_ in data["cases"].items()}
    return Baseline(
        suite=str(data["suite"]),
        suite_fingerprint=str(data["suite_fingerprint"]),
        run_id=str(data["run"]),
        date=str(data["date"]),
        evalkit=str(data["evalkit"]),
        trials=int(data["trials"]),
        questions=cases,
        candidates=tuple(_decode_candidate(row, list(cases)) for row in data["candidates"]),
    )


def _decode_candidate(row: Mapping[str, Any], case_ids: Sequence[str]) -> Frozen:
    cost = row["cost_per_case_usd"]
    return Frozen(
        results=_decode_results(str(row["model"]), str(row["prompt"]), [row["results"][case] for case in case_ids]),
        model_fingerprint=str(row["model_fingerprint"]),
        prompt_fingerprint=str(row["prompt_fingerprint"]),
        served_models=tuple(map(str, row["served_models"])),
        latency_ms={name: row["latency_ms"][name] for name in _QUANTILES},
        cost_per_case_usd=None if cost is None else float(cost),
    )


def _decode_results(model: str, prompt: str, texts: Iterable[str]) -> CaseResults:
    columns = array("I"), array("I"), array("I")
    scores = array("d")
    for text in texts:
        passed, finished, errors, score = _decode_result(text)
        for column, value in zip(columns, (passed, finished, errors), strict=True):
            column.append(value)
        scores.append(score)
    return CaseResults(model, prompt, *columns, scores)


def _decode_result(text: str) -> tuple[int, int, int, float]:
    match = _RESULT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no result; 2/3 is one")
    passed, finished, errors = int(match[1]), int(match[2]), int(match[4] or 0)
    if passed + errors > finished:
        raise ValueError(f"{text!r} has more passes and errors than trials")
    return passed, finished, errors, float(match[3]) * finished if match[3] else float(passed)


def flips(before: Baseline, after: Baseline) -> Iterator[tuple[Candidate, Flips]]:
    """What changes when one baseline takes the place of another, for the candidates and cases that both have."""
    earlier = {one.candidate: one for one in before.candidates}
    for one in after.candidates:
        if one.candidate in earlier:
            ids = tuple(after.questions)
            both = align(ids, one.results, tuple(before.questions), earlier[one.candidate].results)
            yield one.candidate, changed(both.case_ids, both.first, both.second)


def changed(case_ids: Sequence[str], now: CaseResults, before: CaseResults) -> Flips:
    """Find the cases that pass less often than before, and more often; those that changed most come first."""
    shifts = [
        (shift, case)
        for place, case in enumerate(case_ids)
        if now.finished[place] and before.finished[place] and (shift := _rate(now, place) - _rate(before, place))
    ]
    ordered = sorted(shifts, key=lambda one: -abs(one[0]))
    return Flips(
        tuple(case for shift, case in ordered if shift < 0), tuple(case for shift, case in ordered if shift > 0)
    )


def _rate(results: CaseResults, place: int) -> float:
    return results.passed[place] / results.finished[place]
