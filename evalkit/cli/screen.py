"""What commands print to standard output."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

from evalkit.cli import expand
from evalkit.cli.keyless import warn_of_keyless
from evalkit.cli.printed import Printed
from evalkit.cli.voice import ALOUD, Voice
from evalkit.errors import ExitCode
from evalkit.report import Reports
from evalkit.report.alerts import path_from_here, terminal_lines
from evalkit.report.comparison import terminal_comparison
from evalkit.report.decision import decision_line
from evalkit.report.format import count, duration, usd
from evalkit.report.labels import Labels
from evalkit.report.markup import one_line
from evalkit.report.race import race_line
from evalkit.report.tables import report_json
from evalkit.report.terminal import load_table, summary_table
from evalkit.report.under_load import sent
from evalkit.runner.job import estimate
from evalkit.runner.questions import questions_at_most


class Console(RichConsole):
    """A console whose reader may leave: the run and its exit code do not depend on it."""

    def on_broken_pipe(self) -> None:
        """Say no more."""
        self.quiet = True
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for as long as the process lives


if TYPE_CHECKING:
    from evalkit.analysis import RunSummary
    from evalkit.cli.assemble import Assembly
    from evalkit.providers.build import Providers
    from evalkit.providers.preflight import Probe
    from evalkit.types import Model


_BUDGETS = ("--max-cost", "--max-time", "--max-errors")


def print_plan(assembly: Assembly) -> ExitCode:
    """Print what a run would ask and roughly cost, and which keys it would lack; that always ends well."""
    table = _table("model", "calls", "input tokens", "output tokens", "cost USD")
    for row in estimate(assembly.job):
        output = "n/a" if row.output_tokens is None else f"<= {count(row.output_tokens)}"
        cost = "n/a" if row.cost_usd is None else f"<= {usd(row.cost_usd)}"
        table.add_row(Text(row.model), count(row.calls), f"~ {count(row.input_tokens)}", output, cost)
    for name, questions in questions_at_most(assembly.job).items():
        table.add_row(Text(f"{name} (judges)"), f"<= {count(questions)}", *["n/a"] * 3)
    console = Console()
    console.print(_what(assembly), soft_wrap=True)
    console.print(table)
    console.print("Nothing was asked. Tokens are estimated at four characters each.", soft_wrap=True)
    warn_of_keyless([*assembly.job.judges, *assembly.job.models])
    return ExitCode.OK


def print_counts(assembly: Assembly) -> None:
    """Print what a valid suite consists of."""
    suite = assembly.job.suite
    scorers = ", ".join(entry.name for entry in suite.scorers) or "none for all cases"
    own = sum(bool(case.scorers) for case in suite.cases)
    console = Console()
    console.print(_what(assembly), soft_wrap=True)
    console.print(
        Text(f"scorers: {scorers}" + (f"; {own} cases have scorers of their own" if own else "")), soft_wrap=True
    )
    if asked := [f"{name} (at most {count(most)} questions)" for name, most in questions_at_most(assembly.job).items()]:
        console.print(Text(f"judges: {', '.join(asked)}"), soft_wrap=True)
    console.print(Text(f"{suite.path} is valid"), soft_wrap=True)


def _what(assembly: Assembly) -> Text:
    job = assembly.job
    parts = [(len(job.cases), "case"), (len(job.models), "model"), (len(job.prompts), "prompt"), (job.trials, "trial")]
    product = " x ".join(f"{number} {word}{'s' * (number != 1)}" for number, word in parts)
    at_most = "at most " if assembly.manifest.race else ""
    return Text(f"{job.suite.name}: {product} = {at_most}{count(assembly.calls)} calls")


def print_models(path: Path, configured: Mapping[str, Model], providers: Providers) -> None:
    """Print the configured models with what is missing to use each."""
    table = _table("model", "provider", "asks for", "ready")
    for name, model in configured.items():
        problems = providers.by_model[name].check()
        ready = Text("yes", style="green")
        if problems:
            ready = Text("\n".join(problem.remedy or problem.message for problem in problems), style="yellow")
        table.add_row(Text(name), model.provider, Text(model.model or model.weights or model.function or ""), ready)
    console = Console()
    console.print(Text(f"{path}: {len(configured)} models"), soft_wrap=True)
    console.print(table)


def print_probes(probes: Sequence[Probe]) -> None:
    """Print what each model answered to a first small call."""
    table = _table("model", "answers", "served as", "tokens", "streams", "first token", "time")
    for one in probes:
        table.add_row(
            Text(one.model),
            Text(*_ANSWERS["no" if one.error else "not asked" if one.output is None else "yes"]),
            Text(one_line(one.served_model or "")),
            "" if one.output is None else _YES_NO[one.usage],
            "" if one.streamed is None else _YES_NO[one.streamed],
            "" if one.ttft_ms is None else duration(one.ttft_ms),
            "" if one.latency_ms is None else duration(one.latency_ms),
        )
    console = Console()
    console.print(table)
    for one in probes:
        if one.error is not None:
            console.print(Text(one_line(f"{one.model}: {one.error.kind}: {one.error.message}"), "red"), soft_wrap=True)
        elif one.dropped_params:
            refused = f"{one.model}: asked without {', '.join(one.dropped_params)}, which it refuses"
            console.print(Text(refused, "yellow"), soft_wrap=True)


_ANSWERS = {"yes": ("yes", "green"), "no": ("no", "red"), "not asked": ("not asked", "dim")}
_YES_NO = {True: "yes", False: "no"}


def print_results(reports: Reports, voice: Voice = ALOUD, remedies: Iterable[str] = ()) -> None:
    """Print a run's table, what went wrong, what to do about it, and where its report is; to a program, its figures."""
    console = Console(stderr=voice.aside)
    run = reports.summary
    if not voice.quiet:
        _print_figures(console, run)
    for line in (*terminal_lines(run), *remedies):
        _print_sentence(Console(stderr=True) if voice.quiet else console, line, "yellow")
    if not voice.quiet:
        console.print(Text(f"case by case, in a browser: {reports.html}"), soft_wrap=True)
    console.print(Text(f"report: {reports.markdown}"), soft_wrap=True)
    if voice.figures:
        printed = Printed()
        printed.write(report_json(run))
        printed.close()


def _print_figures(console: Console, run: RunSummary) -> None:
    console.print(summary_table(run.models, console.width))
    console.print()
    if run.manifest.load:
        console.print(Text(f"under load, {sent(run.manifest.load)}; times from when a call was due"), soft_wrap=True)
        console.print(load_table(run.models, console.width))
        console.print()
    if run.decision:
        _print_sentence(console, decision_line(run.decision, Labels(run.models)))
        console.print()
    compared = list(terminal_comparison(run))
    for line in compared:
        _print_sentence(console, line)
    if compared:
        console.print()
    if raced := race_line(run):
        _print_sentence(console, raced)


def _print_sentence(console: Console, sentence: str, style: str = "") -> None:
    """Print a sentence, broken between its words on a terminal; a log, which may be searched, has it in one line."""
    console.print(Text(one_line(sentence), style), soft_wrap=not console.is_terminal)


def print_how_to_go_on(folder: Path, stopped: str | None = None, *, voice: Voice = ALOUD) -> None:
    """Say why the run in this folder ended early and how to go on; `stopped` is the budget's word, None for a signal.

    The run is named: by the time the line is used, another one may be the latest.
    """
    why = f"stopped: {stopped}" if stopped else "interrupted"
    command = resuming(sys.argv[1:], path_from_here(folder), stopped or "")
    console = Console(stderr=voice.aside or voice.quiet)
    console.print(Text(f"{why}; go on with: {shlex.join(command)}"), soft_wrap=True)


def print_how_to_report(folder: Path) -> None:
    """Say that the reports of a run were not all written, and how to write them."""
    command = shlex.join(["evalkit", "report", path_from_here(folder)])
    line = f"interrupted while the report was written; nothing is lost, write it with: {command}"
    Console().print(Text(line), soft_wrap=True)


def resuming(arguments: Sequence[str], run: str, stopped: str) -> list[str]:
    """Turn the command line of a run into the one that goes on with it, without the budget that stopped it.

    Args:
        arguments: as typed, without the name of the program.
        run: names the run.
        stopped: begins with the option of the budget that was used up; empty when none was.
    """
    used_up = {option for option in _BUDGETS if stopped.startswith(option)}
    kept: list[str] = []
    rest = iter(expand(arguments))
    for argument in rest:
        option, assigned, _ = argument.partition("=")
        if option not in {"--resume", *used_up}:
            kept.append(argument)
        elif not assigned:
            next(rest, None)
    return ["evalkit", *kept, "--resume", run]


_LEFT = frozenset({"model", "provider", "asks for", "ready", "answers", "served as"})


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in _LEFT else "right")
    return table
