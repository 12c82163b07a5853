"""What `evalkit gate`, `evalkit baseline` and `evalkit run --gate` print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.text import Text

from evalkit.analysis.gate.baseline import Baseline, Flips
from evalkit.analysis.gate.measured import MeasuredRun, candidate_name, pass_rate
from evalkit.analysis.gate.result import CandidateGate, GateResult, Outcome
from evalkit.analysis.run_data import Candidate
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.cli.voice import ALOUD, Voice
from evalkit.report import gate as words
from evalkit.report.format import counted, percent
from evalkit.report.gate_files import GATE_MD, gate_json
from evalkit.report.labels import Labels
from evalkit.report.markup import one_line
from evalkit.stats.margin import Verdict
from evalkit.suite.gate_rules import Undecided

_LISTED: Final = 10
_STYLES: Final = {Outcome.PASSED: "bold green", Outcome.FAILED: "bold red", Outcome.INCOMPLETE: "bold yellow"}


def print_gate(result: GateResult, folder: Path, *, as_json: bool = False, going_on: str | None = None) -> None:
    """Print what came of a gate, the verdicts first; `going_on` is the command that asks for more trials."""
    if as_json:
        printed = Printed()
        printed.write(gate_json(result))
        printed.close()
        return
    console, labels = Console(), Labels(result.candidates)
    for one in words.worst_first(result):
        _print(console, words.headline(one, labels.of(one)), _style(one))
    for note in words.notes(result):
        _print(console, note, "yellow")
    for one in result.candidates:
        _print_candidate(console, one, labels.of(one) if len(result.candidates) > 1 else "", result)
    if going_on and result.undecided and result.rules.undecided is Undecided.MORE_TRIALS:
        _print(console, f"nobody was asked again; to ask until it is settled: {going_on}")
    _print(console, f"{words.ending(result)}: {folder / GATE_MD}", _STYLES[result.outcome])


def _style(one: CandidateGate) -> str:
    """Green is for what was shown; what a gate merely lets pass is not."""
    if not one.passed:
        return "bold red"
    return "bold yellow" if one.verdict is Verdict.INCONCLUSIVE else "bold green"


def _print_candidate(console: Console, one: CandidateGate, name: str, result: GateResult) -> None:
    lead = f"{name}: " if name else ""
    for note in words.candidate_notes(one, result):
        _print(console, lead + note)
    shifts = one.comparison
    lists = [
        ("newly failing", [words.shift_words(shift) for shift in shifts.worse] if shifts else []),
        ("newly passing", [words.shift_words(shift) for shift in shifts.better] if shifts else []),
        ("flaky", one.flaky),
        ("missing", one.missing),
    ]
    for title, cases in lists:
        if cases:
            _print(console, f"{lead}{title} ({len(cases)}): {words.names(cases, _LISTED)}")


def _print(console: Console, line: str, style: str = "") -> None:
    console.print(Text(one_line(line), style), soft_wrap=True)


def print_look(result: GateResult, trials: int, voice: Voice = ALOUD) -> None:
    """Say that a gate is undecided, and that all cases are asked again."""
    console = Console(stderr=voice.aside)
    for line in words.headlines(result):
        if line.startswith(Verdict.INCONCLUSIVE):
            _print(console, line, "yellow")
    _print(console, f"not settled yet: every case is asked up to {counted(trials, 'time')}")


def print_baseline(
    baseline: Baseline, path: Path, flipped: Sequence[tuple[Candidate, Flips]] | None, old: Baseline | None
) -> None:
    """Print what was frozen, and what that changes in the file it takes the place of."""
    console = Console()
    for one in baseline.candidates:
        rate, known = percent(pass_rate(one.results)), len(baseline.questions) - one.unfinished
        _print(console, f"{candidate_name(one.candidate)}: {rate} of {counted(known, 'case')} passed")
        kept = ((one.unfinished, "no result, and will not be compared"), (one.faulty, "errors, kept as failures"))
        for cases, what in kept:
            if cases:
                _print(console, f"  {counted(cases, 'case')} with {what}", "yellow")
    if old is not None:
        _print(console, f"in place of the run {old.run_id} ({old.date}):")
        for candidate, (worse, better) in flipped or ():
            _print(console, f"  {candidate_name(candidate)}: {_flips(worse, better)}")
        _print_differences(console, old, baseline)
    _print(console, f"baseline: {path}")


def print_part(measured: MeasuredRun) -> None:
    """Warn of a baseline that is of some of the suite's cases only."""
    cases, suite = measured.run.rows.cases, measured.run.manifest.selection.cases_in_suite
    if cases < suite:
        words = f"the run asked {cases} of the suite's {counted(suite, 'case')}: the others will not be guarded"
        _print(Console(), words, "yellow")


def _flips(worse: Sequence[str], better: Sequence[str]) -> str:
    if not worse and not better:
        return "every case passes as often as before"
    parts = [("less often", worse), ("more often", better)]
    return "; ".join(
        f"{counted(len(cases), 'case')} {'passes' if len(cases) == 1 else 'pass'} {how}: {words.names(cases, _LISTED)}"
        for how, cases in parts
        if cases
    )


def _print_differences(console: Console, old: Baseline, new: Baseline) -> None:
    added = [case for case in new.questions if case not in old.questions]
    removed = [case for case in old.questions if case not in new.questions]
    changed = [case for case, asked in new.questions.items() if old.questions.get(case, asked) != asked]
    names = {one.candidate for one in new.candidates}
    lost = [candidate_name(one.candidate) for one in old.candidates if one.candidate not in names]
    for what, some in (("new", added), ("no longer there", removed), ("changed", changed)):
        if some:
            _print(console, f"  {counted(len(some), 'case')} {what}: {words.names(some, _LISTED)}")
    if lost:
        _print(console, f"  no longer guarded: {', '.join(lost)}", "yellow")
