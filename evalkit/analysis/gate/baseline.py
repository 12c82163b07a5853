"""A baseline: the verdicts of a run, frozen case by case in a small sorted file whose diffs people read."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from evalkit.analysis.compare.side import align, take
from evalkit.analysis.gate.measured import Measured, MeasuredRun, pass_rate
from evalkit.analysis.results import CaseResults
from evalkit.analysis.run_data import Candidate
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

    @property
    def unfinished(self) -> int:
        """How many cases have no result."""
        return sum(not finished for finished in self.results.finished)

    @property
    def faulty(self) -> int:
        """How many cases met an error, which counts as not passed."""
        return sum(errors > 0 for errors in self.results.errors)


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
        {name: _rounded(ms) for name, ms in zip(_QUANTILES, times, strict=True)},
        _rounded(measured.cost_per_case_usd),
    )


def _rounded(value: float | None) -> float | None:
    """To four significant digits: more only makes diffs noisy, and a small figure must not become 0."""
    return None if value is None else float(f"{value:.4g}")


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
        "pass_rate": _rounded(pass_rate(results)),
        "latency_ms": dict(frozen.latency_ms),
        "cost_per_case_usd": frozen.cost_per_case_usd,
        "results": {case: _result(results, place, graded=graded) for place, case in enumerate(case_ids)},
    }


def _result(results: CaseResults, place: int, *, graded: bool) -> str:
    """One case's result: passed/finished trials, their mean score where cases are graded, and the errors among them."""
    finished, errors = results.finished[place], results.errors[place]
    text = f"{results.passed[place]}/{finished}"
    if graded and finished:
        text += f", score {_score(results, place)}"
    return f"{text}, {errors} error{'s' * (errors != 1)}" if errors else text


def _score(results: CaseResults, place: int) -> str:
    """A case's mean score, to the millionth."""
    return f"{results.score[place] / results.finished[place]:.6f}".rstrip("0").rstrip(".")


def as_kept(results: CaseResults) -> CaseResults:
    """Results with scores as a baseline keeps them: an unchanged candidate is not a hair better or worse than it."""
    kept = (float(_score(results, at)) * times if times else 0.0 for at, times in enumerate(results.finished))
    return replace(results, score=array("d", kept))


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        ConfigError: there is no such file, or it is none that this release understands.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no baseline {path}", remedy=f"make one of a run that you trust: evalkit baseline RUN -o {path}"
        ) from None
    except json.JSONDecodeError as error:
        raise _unreadable(Location(path, error.lineno, error.colno), f"is not JSON: {error.msg}") from None
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror or error}", where=Location(path), remedy="name a file that can be read"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(Location(path), f"is damaged: {error}") from None
    _check_format(data, path)
    try:
        return _decode(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        words = f"is damaged: {type(error).__name__}: {error}"
        raise _unreadable(Location(path), words) from None


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _check_format(data: object, path: Path) -> None:
    """Refuse what is no baseline, and what another release wrote otherwise."""
    if not isinstance(data, dict) or not {"format", "suite", "candidates", "cases"} <= data.keys():
        raise ConfigError(
            "is no baseline", where=Location(path), remedy="name a file that `evalkit baseline` wrote, or will write"
        )
    if data["format"] != FORMAT:
        words = f"is a baseline of format {data['format']!r}, of evalkit {data.get('evalkit', 'unknown')}"
        raise _unreadable(Location(path), f"{words}; this release reads format {FORMAT}")


def _unreadable(where: Location, words: str) -> ConfigError:
    """The file is not overwritten unread, so that nothing is lost that could be mended by hand."""
    return ConfigError(
        words, where=where, remedy=f"mend it, or remove it and write it anew: evalkit baseline RUN -o {where.path}"
    )


def _decode(data: Mapping[str, Any]) -> Baseline:
    cases = {str(case): str(print_) for case, print_ in data["cases"].items()}
    candidates = tuple(_decode_candidate(row, list(cases)) for row in data["candidates"])
    if not cases or not candidates or len({one.candidate for one in candidates}) < len(candidates):
        raise ValueError("it has no cases, no candidates, or one of them twice")
    return Baseline(
        suite=str(data["suite"]),
        suite_fingerprint=str(data["suite_fingerprint"]),
        run_id=str(data["run"]),
        date=str(data["date"]),
        evalkit=str(data["evalkit"]),
        trials=int(data["trials"]),
        questions=cases,
        candidates=candidates,
    )


def _decode_candidate(row: Mapping[str, Any], case_ids: Sequence[str]) -> Frozen:
    return Frozen(
        results=_decode_results(str(row["model"]), str(row["prompt"]), [row["results"][case] for case in case_ids]),
        model_fingerprint=str(row["model_fingerprint"]),
        prompt_fingerprint=str(row["prompt_fingerprint"]),
        served_models=tuple(map(str, row["served_models"])),
        latency_ms={name: _quantity(row["latency_ms"][name]) for name in _QUANTILES},
        cost_per_case_usd=_quantity(row["cost_per_case_usd"]),
    )


def _quantity(value: object) -> float | None:
    """A time or a cost; None where it is unknown."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value!r} is neither a time nor a cost")
    return float(value)


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
    score = float(match[3]) if match[3] else None
    if score is not None and score > 1:
        raise ValueError(f"{text!r} has a score above 1")
    return passed, finished, errors, float(passed) if score is None else score * finished


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
