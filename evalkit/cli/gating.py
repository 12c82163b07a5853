"""Wire up a gate: its rules, its baseline, the run it is about, and the trials it may still ask for."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from evalkit import __version__
from evalkit.analysis import load_run
from evalkit.analysis.compare.side import Side, resolve_run, resolve_side
from evalkit.analysis.gate.baseline import Baseline, encode_baseline, flips, freeze, read_baseline
from evalkit.analysis.gate.limits import check_rules
from evalkit.analysis.gate.match import candidates_of, check_comparable, check_entries
from evalkit.analysis.gate.measured import MeasuredRun, candidate_name, measure, questions
from evalkit.analysis.gate.result import GateResult, Look, Outcome
from evalkit.analysis.gate.verdicts import gate
from evalkit.analysis.run_data import Candidate, RunData
from evalkit.cli.assemble import Assembly, Choice, assemble, unpriced
from evalkit.cli.conduct import conduct
from evalkit.cli.explaining import explain
from evalkit.cli.gate_screen import print_baseline, print_gate, print_look, print_part
from evalkit.cli.github import tell_github
from evalkit.cli.messages import print_error
from evalkit.errors import ConfigError, ExitCode, Location, NothingRanError, one_or_many
from evalkit.files import WriteError, write_atomically
from evalkit.report.alerts import path_from_here
from evalkit.report.format import counted
from evalkit.report.gate_files import gate_markdown, write_gate
from evalkit.runner.budget import Ceilings
from evalkit.runner.journal import read_judgements
from evalkit.runner.manifest import Manifest
from evalkit.runner.stored import every_record
from evalkit.structure import error_parts
from evalkit.suite.gate_rules import GateRules, Undecided, gate_rules, looks
from evalkit.suite.paths import beside
from evalkit.types import Json, Model
from evalkit.yaml12 import load_file

_BASELINES: Final = Path("results/baselines")


@dataclass(frozen=True, slots=True)
class GatePlan:
    """What a run will be held to: rules, and the baseline with its file, if there is one."""

    rules: GateRules
    baseline: Baseline | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What a command line says of a gate.

    Attributes:
        baseline: the file to compare with.
        suite: the suite file whose `gate:` block holds, instead of the one that the run was made with.
        rules: as they would stand in that block, in whose place they are.
    """

    baseline: Path | None = None
    suite: Path | None = None
    rules: Mapping[str, Json] = field(default_factory=dict)


def gate_run(run: str, results: Path, given: Given, *, as_json: bool, explained: bool = False) -> ExitCode:
    """Hold a stored run against its baseline and its limits."""
    folder = resolve_run(run, results)
    plan, result = look_at(load_run(folder), given)
    manifest = result.measured.run.manifest
    going_on = _going_on(manifest, folder, given) if manifest.trials < plan.rules.max_trials else None
    code = _conclude(result, folder, as_json=as_json, going_on=going_on)
    if explained:
        explain(gate_markdown(result), aside=as_json)
    return code


def look_at(run: RunData, given: Given) -> tuple[GatePlan, GateResult]:
    """Hold a stored run against its baseline and its limits; returns these, and what came of it.

    Raises:
        ConfigError: as `plan_gate`; or the baseline is not of this suite, cases or candidates.
    """
    plan = plan_gate(run.manifest, given)
    # Whoever asks again until it is settled has looked, or will look, more than once: this look takes its share.
    look = Look(len(_planned(plan.rules, trials=1)))
    return plan, gate(measure(run), plan.rules, plan.baseline, plan.path, look)


def _going_on(manifest: Manifest, folder: Path, given: Given) -> str:
    """Tell how to ask for more trials of a stored run, by the rules that hold there too."""
    baseline = ["--baseline", str(given.baseline)] if given.baseline else []
    words = ["evalkit", "run", manifest.suite.path, "--gate", *baseline, "--resume", path_from_here(folder)]
    rule = f"with `gate: {{undecided: {Undecided.MORE_TRIALS}}}` in the suite, " if "undecided" in given.rules else ""
    return rule + shlex.join(words)


def _conclude(result: GateResult, folder: Path, *, as_json: bool, going_on: str | None = None) -> ExitCode:
    """Tell everybody what came of a gate; a file that cannot be written hides no verdict."""
    failure: WriteError | None = None
    try:
        write_gate(result, folder)
    except WriteError as error:
        failure = error
    tell_github(result, folder)
    print_gate(result, folder, as_json=as_json, going_on=going_on)
    if failure is not None and result.outcome is not Outcome.FAILED:
        raise failure
    if failure is not None:
        print_error(failure)
    return result.outcome.exit_code


def plan_gate(manifest: Manifest, given: Given) -> GatePlan:
    """Read the rules that a run is held to, and the baseline.

    Raises:
        ConfigError: a rule cannot be used, there is no baseline where one is named, or nothing to hold the run to.
    """
    suite = given.suite or Path(manifest.suite.path)
    block = _block(given.suite, manifest) if given.suite else manifest.gate
    rules = gate_rules(_overridden(block, given.rules), str(suite))
    path = given.baseline or baseline_path(manifest, rules, suite)
    if given.baseline is None and rules.baseline is None and not path.is_file():
        if rules.has_limits:
            return GatePlan(rules)
        raise ConfigError(
            f"there is nothing to hold {manifest.suite.name} to: no baseline {path}, and no limit",
            remedy=f"make a baseline of a run that you trust: evalkit baseline RUN -o {path}; "
            "or give a limit: `min_pass_rate:` in its gate, or --min-pass-rate of evalkit gate",
        )
    return GatePlan(rules, read_baseline(path), path)


def baseline_path(manifest: Manifest, rules: GateRules, suite: Path | None = None) -> Path:
    """Find where a suite's baseline is: where its gate says, as seen from its folder, or results/baselines.

    Raises:
        ConfigError: the gate's path cannot be followed, as the run was made elsewhere and its suite is not to be seen.
    """
    if rules.baseline is None:
        return _BASELINES / f"{manifest.suite.name}.json"
    suite = suite or Path(manifest.suite.path)
    if not suite.is_file() and not Path(rules.baseline).is_absolute():
        raise ConfigError(
            f"the baseline {rules.baseline} starts from the folder of {suite}, which cannot be seen from here",
            remedy="go to the folder where the run was made, or name the baseline: --baseline FILE for a gate, -o FILE "
            "to write one",
        )
    return beside(suite.parent, rules.baseline)


def _block(suite: Path, manifest: Manifest) -> Mapping[str, Json]:
    data = load_file(suite).data
    data = data if isinstance(data, dict) else {}
    name = data.get("suite", suite.stem)
    if name != manifest.suite.name:
        raise ConfigError(
            f"the run belongs to the suite {manifest.suite.name!r}, not to {name!r}",
            where=Location(suite),
            remedy="name the run's suite, or leave out --suite",
        )
    block = data.get("gate", {})
    if not isinstance(block, dict):
        raise ConfigError("`gate` must be a mapping (`key: value`)", where=Location(suite))
    return block


def _overridden(block: Mapping[str, Json], rules: Mapping[str, Json]) -> dict[str, Json]:
    """Put the command line's rules in the place of the suite's, and of what only makes sense beside those."""
    gone = {"max_drop"} if "margin" in rules else set()
    if "undecided" in rules:
        gone |= {"max_trials", "max_cost"}
    return {key: value for key, value in block.items() if key not in gone} | dict(rules)


def ready(assembly: Assembly, given: Given) -> GatePlan:
    """Read what a run will be held to, and find what would keep it from a verdict before a call is made.

    Raises:
        ConfigError: as `plan_gate`; or the baseline is not of this suite, of none of its cases, or of none of the
            candidates; or a rule is about cases or trials that there are not, or about a cost that nobody will know.
    """
    plan, job = plan_gate(assembly.manifest, given), assembly.job
    problems: list[ConfigError] = [*_unpriced(plan.rules, job.models)]
    try:
        cases = [(case.id, case.tags) for case in job.cases]
        check_rules(plan.rules, [case for case, _ in cases], [tags for _, tags in cases], job.trials)
        if plan.baseline is not None and plan.path is not None:
            check_comparable(plan.baseline, plan.path, job.suite.name, questions(job.cases))
            check_entries(candidates_of(job.models, job.prompts), plan.baseline, plan.path)
    except ConfigError as error:
        problems += error_parts(error)
    problems += unpriced(_ceilings(assembly.ceilings, plan.rules), (*job.judges, *job.models))
    if problems:
        raise one_or_many(problems)
    return plan


def _unpriced(rules: GateRules, models: Sequence[Model]) -> Iterator[ConfigError]:
    """Find the models of which a cost will never be known. A command may tell its own."""
    if rules.max_cost_per_case_usd is None:
        return
    for model in models:
        if model.price is None and model.gpu is None and model.protocol != "command":
            yield ConfigError(
                f"the gate limits the cost per case, and the price of model {model.name!r} is unknown",
                where=model.where,
                remedy="add `price: {input: ..., output: ...}`, USD per one million tokens, or `gpu:` for a server of "
                "your own",
            )


def run_with_gate(choice: Choice, assembly: Assembly, plan: GatePlan) -> ExitCode:
    """Ask, report, and hold the run against its baseline and limits; ask again where the rules say so."""
    ceilings = _ceilings(choice.ceilings, plan.rules)
    trials = assembly.job.trials
    # A run that is resumed may have been looked at before, from the first trial on.
    planned = _planned(plan.rules, trials=1 if assembly.folder else trials)
    further = [later for later in planned if later > trials]
    choice, assembly = replace(choice, ceilings=ceilings), replace(assembly, ceilings=ceilings)
    return _looked(choice, assembly, plan, further, Look(len(planned)))


def _looked(choice: Choice, assembly: Assembly, plan: GatePlan, further: Sequence[int], look: Look) -> ExitCode:
    """Run, look at the gate, and where it is undecided go on until a further look, each after so many trials."""
    code, folder = conduct(assembly)
    if folder is None or code is ExitCode.INTERRUPTED:
        return code
    if code is ExitCode.NOTHING_RAN:
        raise NothingRanError(
            "the gate neither passed nor failed: no call was answered",
            remedy=f"see {path_from_here(folder / 'report.md')}",
        )
    result = gate(measure(load_run(folder)), plan.rules, plan.baseline, plan.path, look)
    if not (further and result.undecided and _affordable(result.measured, choice.ceilings, further[0])):
        return _conclude(result, folder, as_json=choice.voice.aside)
    print_look(result, further[0], choice.voice)
    look = replace(look, margins=look.margins or result.margins)
    try:
        return _looked(choice, _once_more(choice, folder, further[0]), plan, further[1:], look)
    except (ConfigError, NothingRanError) as error:  # a model is gone by now, or the suite is another one
        return _conclude(replace(result, cut_short=str(error)), folder, as_json=choice.voice.aside)


def _planned(rules: GateRules, trials: int) -> tuple[int, ...]:
    return looks(trials, rules.max_trials) if rules.undecided is Undecided.MORE_TRIALS else (trials,)


def _ceilings(given: Ceilings, rules: GateRules) -> Ceilings:
    """Let the gate's budget be the run's, where that has no smaller one."""
    budgets = [most for most in (rules.max_cost_usd, given.max_cost_usd) if most is not None]
    return replace(given, max_cost_usd=min(budgets, default=None))


def _affordable(measured: MeasuredRun, ceilings: Ceilings, trials: int) -> bool:
    """Whether more trials fit into the budget, going by what the trials so far and their judges have cost."""
    if ceilings.max_cost_usd is None:
        return True
    folder = measured.run.folder
    spent = sum(record.cost_usd or 0.0 for record in chain(every_record(folder), read_judgements(folder)))
    return spent * trials / measured.run.manifest.trials <= ceilings.max_cost_usd


def _once_more(choice: Choice, folder: Path, trials: int) -> Assembly:
    """Prepare to go on with a run, asking every case up to so many times."""
    return assemble(replace(choice, resume=str(folder), trials=trials, accept_changes=False))


class Frozen(NamedTuple):
    """A baseline that was written, its file, what that held before, and what it was made of."""

    new: Baseline
    path: Path
    old: Baseline | None
    measured: MeasuredRun


def write_baseline(run: str, results: Path, names: Sequence[str], out: Path | None, *, allow_incomplete: bool) -> None:
    """Freeze a run's verdicts in a file, and print what became of it.

    Raises:
        ConfigError: there is no such run or candidate, or the run is incomplete.
    """
    side = resolve_side(run, results)
    new, path, old, measured = freeze_run(side, names, out, allow_incomplete=allow_incomplete)
    print_baseline(new, path, None if old is None else list(flips(old, new)), old)
    print_part(measured)


def freeze_run(whole: Side, names: Sequence[str], out: Path | None, *, allow_incomplete: bool) -> Frozen:
    """Freeze the verdicts of some candidates of a run in a file; of all where none is named.

    Raises:
        ConfigError: there is no such candidate, or the run is incomplete.
        WriteError: the file cannot be written.
    """
    side = _chosen(whole, names)
    measured = measure(load_run(side.folder))
    manifest = measured.run.manifest
    if not allow_incomplete:
        _refuse_incomplete(measured)
    path = out or baseline_path(manifest, gate_rules(manifest.gate, manifest.suite.path))
    new = freeze(measured, side.candidates, __version__)
    old = read_baseline(path) if path.exists() else None
    if old is not None and old.suite != new.suite:
        raise ConfigError(
            f"{path} is the baseline of the suite {old.suite!r}, not of {new.suite!r}", remedy="name another file"
        )
    target = path.resolve()  # a link stays one
    with contextlib.suppress(OSError):  # whatever is in the way, the writer says it
        target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, encode_baseline(new))
    return Frozen(new, path, old, measured)


def _chosen(side: Side, names: Sequence[str]) -> Side:
    """The candidates of a side that are named, by model or MODEL@PROMPT."""
    if not names:
        return side
    chosen: list[Candidate] = []
    for name in names:
        found = [one for one in side.candidates if name in {one[0], candidate_name(one)}]
        if not found:
            there = ", ".join(map(candidate_name, side.candidates))
            raise ConfigError(f"the run {side.folder} has no candidate {name!r}", remedy=f"it has: {there}")
        chosen += found
    return Side(side.folder, tuple(dict.fromkeys(chosen)))


def _refuse_incomplete(measured: MeasuredRun) -> None:
    manifest, folder = measured.run.manifest, measured.run.folder
    if not measured.errors and not measured.missing and len(measured.run.rows):
        return
    errors, missing = counted(measured.errors, "call"), counted(measured.missing, "call")
    raise ConfigError(
        f"the run {folder} is incomplete: {errors} ended in an error, {missing} never finished",
        remedy=f"finish it: evalkit run {manifest.suite.path} --resume {path_from_here(folder)}; "
        "or freeze it as it is: --allow-incomplete",
    )
