"""What people's labels tell of a judge: sentences and tables for people, and figures for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from evalkit.analysis.calibration.calibrate import (
    MIN_LABELS,
    Agreement,
    Calibration,
    CandidateCalibration,
    ScorerCalibration,
)
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import plain, table
from evalkit.stats.agreement import Kappa
from evalkit.stats.intervals import wilson
from evalkit.types import Json

ASSUMES = (
    "A corrected pass rate is what people would say of all answers of a candidate that the scorer judged, and of "
    "others to cases like these. It assumes that the labelled answers were drawn at random among these (or at random "
    "among those the scorer passed and, apart, among those it failed), for each candidate by itself; --template draws "
    "such a sample. The interval covers the choice of cases and of labels, not mistakes of the people. Calls without "
    "a verdict of the scorer are in no figure here."
)


def verdict_lines(one: ScorerCalibration, people: Kappa | None, labels: Labels) -> list[str]:
    """Say in a few sentences how far a scorer can be trusted, and what the candidates' pass rates are."""
    agreement = one.agreement
    if agreement is None:
        return [f"{one.scorer}: none of the labelled answers has a verdict of this scorer."]
    lines = [f"{one.scorer} {_leaning(agreement)}.", f"{_agreed(agreement, people)}."]
    for candidate in one.candidates:
        lines.append(f"{labels.of(candidate)}: {_rate(candidate)}.")
        if candidate.agreement and not candidate.like_random:
            labelled = fmt.share(candidate.agreement.scorer_passed, candidate.agreement.n)
            lines.append(
                f"The labelled answers of {labels.of(candidate)} do not look drawn at random: the scorer passes "
                f"{labelled} of them, but {fmt.percent(candidate.rate)} of all. What is said of the scorer's bias and "
                "agreement holds for these answers alone."
            )
    if one.unjudged:
        lines.append(f"Left out: {fmt.counted(one.unjudged, 'labelled answer')} without a verdict of this scorer.")
    return lines


def _leaning(agreement: Agreement) -> str:
    found = f"{fmt.points(agreement.bias)} points ({fmt.points_interval(agreement.bias_interval)})"
    if agreement.bias_interval.low > 0:
        return f"is lenient: it passes more answers than people do, by {found}"
    if agreement.bias_interval.high < 0:
        return f"is strict: it passes fewer answers than people do, by {found}"
    return f"cannot be told to be lenient or strict by {fmt.counted(agreement.n, 'label')}: {found}"


def _agreed(agreement: Agreement, people: Kappa | None) -> str:
    counts = agreement.counts
    words = (
        f"Same verdict as people: {fmt.share(agreement.agreed, agreement.n)}, kappa {kappa(agreement.kappa)}; it "
        f"passes {fmt.count(counts.pass_fail)} that people fail and fails {fmt.count(counts.fail_pass)} that people "
        "pass"
    )
    return (
        f"{words}. Among themselves people agree with a kappa of {kappa(people)} ({people.n} answers)"
        if people
        else words
    )


def _rate(one: CandidateCalibration) -> str:
    judged = f"the scorer passes {fmt.share(one.passed, one.judged)}"
    n = one.agreement.n if one.agreement else 0
    if not n:
        return f"{judged}; none of its answers is labelled"
    if one.corrected is None:
        return f"{judged}; {fmt.counted(n, 'label')} of its answers cannot correct that, it takes {MIN_LABELS} or more"
    corrected = f"{fmt.percent(one.corrected.value)} ({fmt.interval(one.corrected.interval)})"
    return f"{judged}; corrected pass rate by {fmt.counted(n, 'label')} {corrected}; {_halving(one)}"


def _halving(one: CandidateCalibration) -> str:
    if one.to_halve is None:
        return "more labels alone would not halve that interval, only more cases would"
    return f"about {fmt.counted(one.to_halve, 'label')} in all would halve that interval"


def notes(calibration: Calibration) -> list[str]:
    """Say what of the labels was used."""
    people = f" by {fmt.count(calibration.annotators)} people" if calibration.annotators > 1 else ""
    left = [
        f"{fmt.counted(calibration.ties, 'answer')} on which as many said pass as fail" if calibration.ties else "",
        f"{fmt.counted(calibration.blank, 'row')} without a label" if calibration.blank else "",
    ]
    out = "; ".join(filter(None, left))
    return [f"{fmt.counted(calibration.labelled, 'answer')} labelled{people}" + (f". Left out: {out}." if out else ".")]


def candidate_columns(one: ScorerCalibration, labels: Labels) -> dict[str, list[str]]:
    """The figures of every candidate, by the titles of their columns."""
    each = one.candidates
    found = [candidate.agreement for candidate in each]
    return {
        "candidate": [labels.of(candidate) for candidate in each],
        "scorer passes": [fmt.share(candidate.passed, candidate.judged) for candidate in each],
        "labels": [fmt.count(agreement.n if agreement else 0) for agreement in found],
        "people pass": [
            fmt.percent(agreement.people_passed / agreement.n) if agreement else fmt.UNKNOWN for agreement in found
        ],
        "by labels alone": [fmt.interval(agreement.people_interval if agreement else None) for agreement in found],
        "corrected": [fmt.percent(candidate.corrected.value if candidate.corrected else None) for candidate in each],
        "95 % interval": [
            fmt.interval(candidate.corrected.interval if candidate.corrected else None) for candidate in each
        ],
        "bias in points": [fmt.points(agreement.bias) if agreement else fmt.UNKNOWN for agreement in found],
        "95 % of bias": [
            fmt.points_interval(agreement.bias_interval) if agreement else fmt.UNKNOWN for agreement in found
        ],
        "kappa": [kappa(agreement.kappa) if agreement else fmt.UNKNOWN for agreement in found],
        "to halve": [
            fmt.UNKNOWN if candidate.to_halve is None else fmt.count(candidate.to_halve) for candidate in each
        ],
    }


def confusion_columns(agreement: Agreement) -> dict[str, list[str]]:
    """The scorer's verdicts against people's labels."""
    counts = agreement.counts
    return {
        "scorer says": ["pass", "fail"],
        "people say pass": [fmt.count(counts.pass_pass), fmt.count(counts.fail_pass)],
        "people say fail": [fmt.count(counts.pass_fail), fmt.count(counts.fail_fail)],
    }


def position_columns(calibration: Calibration) -> dict[str, list[str]]:
    """How often the order of two texts decided, by judge."""
    biases = calibration.positions
    return {
        "judge": list(biases),
        "compared": [fmt.count(bias.compared) for bias in biases.values()],
        "orders disagree": [fmt.share(bias.inconsistent, bias.compared) for bias in biases.values()],
        "95 % interval": [fmt.interval(wilson(bias.inconsistent, bias.compared)) for bias in biases.values()],
        "first won both": [fmt.count(bias.favours_first) for bias in biases.values()],
        "second won both": [fmt.count(bias.favours_second) for bias in biases.values()],
    }


def calibration_markdown(calibration: Calibration, title: str) -> str:
    """The whole as a document."""
    return "\n".join(_lines(calibration, title)).rstrip() + "\n"


def _lines(calibration: Calibration, title: str) -> Iterator[str]:
    yield from (f"# {plain(title)}: scorers against people", "", *map(plain, notes(calibration)), "")
    for one in calibration.scorers:
        labels = Labels(one.candidates)
        yield from (f"## {plain(one.scorer)}", "")
        for line in verdict_lines(one, calibration.people, labels):
            yield f"- {plain(line)}"
        yield from ("", *_table(candidate_columns(one, labels)), "")
        if one.agreement:
            yield from (*_table(confusion_columns(one.agreement)), "")
    if calibration.positions:
        yield from ("## Order of two texts", "", *_table(position_columns(calibration)), "")
    yield from ("## What this assumes", "", plain(ASSUMES))


def _table(columns: dict[str, list[str]]) -> list[str]:
    rows = [[plain(cell) for cell in row] for row in zip(*columns.values(), strict=True)]
    return table(list(columns), rows)


def calibration_json(calibration: Calibration) -> dict[str, Json]:
    """Every figure, unrounded; unknown is null."""
    return {
        "labelled": calibration.labelled,
        "ties": calibration.ties,
        "blank": calibration.blank,
        "annotators": calibration.annotators,
        "people_kappa": _kappa_json(calibration.people),
        "scorers": [_scorer_json(one) for one in calibration.scorers],
        "positions": {name: asdict(bias) for name, bias in calibration.positions.items()},
    }


def _scorer_json(one: ScorerCalibration) -> dict[str, Json]:
    return {
        "scorer": one.scorer,
        "labelled_without_verdict": one.unjudged,
        "agreement": _agreement_json(one.agreement),
        "candidates": [_candidate_json(candidate) for candidate in one.candidates],
    }


def _candidate_json(one: CandidateCalibration) -> dict[str, Json]:
    corrected = one.corrected
    return {
        "model": one.model,
        "prompt": one.prompt,
        "judged": one.judged,
        "passed": one.passed,
        "rate": one.rate,
        "interval": list(one.interval) if one.interval else None,
        "agreement": _agreement_json(one.agreement),
        "corrected_rate": corrected.value if corrected else None,
        "corrected_interval": list(corrected.interval) if corrected else None,
        "corrected_error": corrected.error if corrected else None,
        "labels_to_halve": one.to_halve,
        "labels_like_random": one.like_random,
    }


def _agreement_json(agreement: Agreement | None) -> dict[str, Json] | None:
    if agreement is None:
        return None
    return {
        "labels": agreement.n,
        "confusion": agreement.counts._asdict(),
        "agreement": agreement.agreed / agreement.n,
        "kappa": _kappa_json(agreement.kappa),
        "bias": agreement.bias,
        "bias_interval": list(agreement.bias_interval),
        "people_rate": agreement.people_passed / agreement.n,
        "people_interval": list(agreement.people_interval),
    }


def _kappa_json(found: Kappa | None) -> dict[str, Json] | None:
    if found is None:
        return None
    return {
        "value": found.value,
        "interval": list(found.interval) if found.interval else None,
        "agreement": found.agreement,
        "n": found.n,
    }


def kappa(found: Kappa) -> str:
    """Agreement with its interval: 0.62 (0.45 to 0.79)."""
    if found.value is None or found.interval is None:
        return fmt.UNKNOWN
    return f"{found.value:.2f} ({found.interval.low:.2f} to {found.interval.high:.2f})"
