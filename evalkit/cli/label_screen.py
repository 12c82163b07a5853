"""What `evalkit label` prints once the terminal is its own again: agreement, and where labels were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.text import Text

from evalkit.cli.messages import print_warning
from evalkit.cli.printed import Printed
from evalkit.cli.screen import Console
from evalkit.errors import ConfigError, Location
from evalkit.labelling.agreement import Agreement, Settled, Tally, agreements, changes, settle
from evalkit.labelling.journal import ADJUDICATED, annotators, journal_path, read_journal
from evalkit.labelling.marks import History, Mark
from evalkit.labelling.shown import said_of, single_line
from evalkit.labelling.source import Source, open_source
from evalkit.labelling.writing import Written, write_labels
from evalkit.report import format as fmt
from evalkit.report.alerts import path_from_here
from evalkit.report.terminal import plain_table
from evalkit.scorers.values import as_text
from evalkit.types import Json

_SHOWN: Final = 20
_ID_CHARS: Final = 40
_SAID_CHARS: Final = 60


def people(source: Source) -> Mapping[str, Mapping[str, Mark]]:
    """What every annotator said, by name and case id.

    Raises:
        ConfigError: a journal is damaged.
    """
    return {name: _marks(source, name) for name in annotators(source.path)}


def _marks(source: Source, name: str) -> Mapping[str, Mark]:
    history = History(source.items, read_journal(journal_path(source.path, name)))
    warn_of_stale(history, name)
    return history.marks


def warn_of_stale(history: History, name: str) -> None:
    """Say of how many cases the labels no longer count."""
    if history.stale:
        labels = counted_labels(len(history.stale), name)
        print_warning(f"{labels} left out: the cases are gone, or ask something else now")


def counted_labels(count: int, name: str) -> str:
    """How many labels of whom."""
    return f"{fmt.counted(count, 'label')} by {name}"


def write_out(path: Path, annotator: str | None) -> None:
    """Write labels into the files that hold the cases, and say where they are.

    Raises:
        ConfigError: there are none, or they can be written nowhere.
        WriteError: a file cannot be written.
    """
    source = open_source(path)
    if annotator:
        said = {annotator: _marks(source, annotator)}
        settled = settle(source.items, said, {})
    else:
        settled = settle(source.items, people(source), _marks(source, ADJUDICATED))
    if not settled.labels and not settled.disputes:
        whose = f" by {annotator}" if annotator else ""
        raise ConfigError(f"there are no labels{whose} yet", where=Location(path), remedy=f"evalkit label {path}")
    written = write_labels(source, settled.labels)
    console = Console(soft_wrap=True)
    for line in _written_lines(source, written, settled):
        console.print(Text(line))


def _written_lines(source: Source, written: Written, settled: Settled) -> list[str]:
    lines = [
        f"{path_from_here(file)}: {fmt.counted(count, 'label')} written" for file, count in written.in_place.items()
    ]
    if written.unchanged:
        lines.append(f"{fmt.counted(written.unchanged, 'label')} there already")
    if written.beside:
        lines.append(f"{path_from_here(written.beside)}: {', '.join(written.instead_of)} with their labels")
        lines.append(
            f"to use it, put `- file: {written.beside.name}` under `cases:` instead of {', '.join(written.instead_of)}"
        )
    if settled.disputes:
        lines.append(
            f"{fmt.counted(len(settled.disputes), 'case')} not written, as annotators differ: "
            f"evalkit label {path_from_here(source.path)} --adjudicate"
        )
    return lines


def print_agreement(path: Path, *, as_json: bool) -> None:
    """Print how far annotators agree.

    Raises:
        ConfigError: fewer than two have labelled.
    """
    source = open_source(path)
    said = people(source)
    if len(said) < 2:
        raise ConfigError(
            f"agreement takes two annotators; {', '.join(said) or 'nobody'} has labelled",
            where=Location(path),
            remedy=f"let each label alone: evalkit label {path} --annotator NAME",
        )
    found = list(agreements(source.items, said))
    if as_json:
        printed = Printed()
        document = {
            "agreement": [_figures(one) for one in found],
            "annotators": {n: _looks(m) for n, m in said.items()},
        }
        printed.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        printed.close()
        return
    console = Console()
    for one in found:
        _print(console, one)
    for name, marks in said.items():
        _print_looks(console, name, marks)
    _print_open(console, source, settle(source.items, said, _marks(source, ADJUDICATED)))


def _print(console: Console, one: Agreement) -> None:
    console.print(Text(f"{one.first} and {one.second}", style="bold"))
    n = one.kappa.n
    if not n:
        console.print(Text("  no case has labels of both\n"))
        return
    alike = one.blind.alike + one.looked.alike
    console.print(Text(f"  alike         {fmt.share(alike, n)} of the cases that both labelled"))
    kappa = one.kappa
    if kappa.value is None or kappa.interval is None:
        console.print(Text("  Cohen's kappa n/a: with these labels chance leaves nothing to measure"))
    else:
        ends = f"{kappa.interval.low:.2f} to {kappa.interval.high:.2f}"
        console.print(Text(f"  Cohen's kappa {kappa.value:.2f} (95 %: {ends}); 1: always alike, 0: as by chance"))
    if one.looked.n:
        words = f"{fmt.share(*one.looked)}; without {fmt.share(*one.blind) if one.blind.n else 'n/a'}"
        console.print(Text(f"  after a look  {words}"))
    if one.only_first or one.only_second:
        console.print(Text(f"  by one alone  {one.first} {one.only_first}, {one.second} {one.only_second}"))
    _print_confusion(console, one)
    _print_disputes(console, one)


def _print_confusion(console: Console, one: Agreement) -> None:
    if not one.confusion:
        console.print()
        return
    shown = one.confusion[:_SHOWN]
    columns = {
        f"{one.first} says": [Text(single_line(a, _ID_CHARS)) for a, _, _ in shown],
        f"{one.second} says": [Text(single_line(b, _ID_CHARS)) for _, b, _ in shown],
        "cases": [Text(fmt.count(times)) for _, _, times in shown],
    }
    console.print()
    console.print(plain_table(columns))
    _print_more(console, len(one.confusion) - len(shown), "pair")


def _print_disputes(console: Console, one: Agreement) -> None:
    console.print(Text(f"They differ on {fmt.counted(len(one.disputes), 'case')}:" if one.disputes else ""))
    for dispute in one.disputes[:_SHOWN]:
        said = "; ".join(f"{name}: {single_line(said_of(mark), _SAID_CHARS)}" for name, mark in dispute.said.items())
        console.print(Text(f"  {single_line(dispute.item.case.id, _ID_CHARS)}  {said}"))
    _print_more(console, len(one.disputes) - _SHOWN, "case")
    console.print()


def _print_more(console: Console, more: int, noun: str) -> None:
    if more > 0:
        console.print(Text(f"  ... and {fmt.counted(more, 'more ' + noun)}: see --json"))


def _print_looks(console: Console, name: str, marks: Mapping[str, Mark]) -> None:
    found = changes(marks.values())
    if not found.after_look:
        return
    words = f"{name} set {found.after_look} of {fmt.counted(found.labelled, 'label')} after a look at answers"
    if found.n:
        words += f"; of {found.n} that stood before, {found.changed} changed"
    console.print(Text(words))


def _print_open(console: Console, source: Source, settled: Settled) -> None:
    total = len(source.items)
    console.print(Text(f"{fmt.share(len(settled.labels), total)} of the cases have a label that stands"))
    if settled.disputes:
        here = path_from_here(source.path)
        console.print(Text(f"settle the other {len(settled.disputes)}: evalkit label {here} --adjudicate"))


def _figures(one: Agreement) -> dict[str, Json]:
    kappa = one.kappa
    return {
        "annotators": [one.first, one.second],
        "cases": kappa.n,
        "alike": one.blind.alike + one.looked.alike,
        "only": {one.first: one.only_first, one.second: one.only_second},
        "kappa": kappa.value,
        "kappa_low": kappa.interval.low if kappa.interval else None,
        "kappa_high": kappa.interval.high if kappa.interval else None,
        "blind": _tally(one.blind),
        "after_look": _tally(one.looked),
        "confusion": [{"labels": [a, b], "cases": times} for a, b, times in one.confusion],
        "disputes": [
            {"case": dispute.item.case.id, "said": {name: as_text(mark.label) for name, mark in dispute.said.items()}}
            for dispute in one.disputes
        ],
    }


def _tally(tally: Tally) -> dict[str, Json]:
    return {"alike": tally.alike, "cases": tally.n}


def _looks(marks: Mapping[str, Mark]) -> dict[str, Json]:
    found = changes(marks.values())
    return {
        "labelled": found.labelled,
        "after_look": found.after_look,
        "stood_before_look": found.n,
        "changed_after_look": found.changed,
    }
