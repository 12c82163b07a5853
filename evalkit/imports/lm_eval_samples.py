"""The samples of one task of lm-eval: what was asked, what came of it, and what the metrics said.

A file has a row for each document and filter (how the answer is cut out of what the model wrote); the rows of one
document are one sample, with the metrics of all filters.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftAnswer
from evalkit.imports.gathering import Notes
from evalkit.imports.grades import PASS_AT, spelled_number
from evalkit.imports.jsonfiles import read_lines
from evalkit.imports.values import items, mapping, number, one_line, share, text, verdict
from evalkit.suite.spool import DiskRows
from evalkit.types import MISSING, Case, Json, ScorerVerdict

_OURS: Final = frozenset(
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"}
    | {"doc_hash", "prompt_hash", "target_hash"}
)
_NO_FILTER: Final = frozenset({"", "none"})


class Grade(NamedTuple):
    """What a metric said: `value` is None where that is no grade from 0 to 1. `cut` is what the filter made of it."""

    name: str
    value: float | None
    cut: Json


@dataclass(frozen=True, slots=True)
class Sample:
    """A document, as the first of its rows has it, and its grades by all rows."""

    where: Location
    row: Mapping[str, Json]
    grades: tuple[Grade, ...]


def samples_in(path: Path, notes: Notes) -> Iterator[Sample]:
    """Go through a file's documents, in the order in which they were first met.

    Raises:
        ConfigError: the file cannot be read.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    rows = DiskRows(_numbered(path, notes, groups))
    for numbers in groups.values():
        found = [pickle.loads(rows.read(number)) for number in numbers]  # noqa: S301 - written below
        where, first = found[0]
        yield Sample(where, first, tuple(grade for _, row in found for grade in _grades(row)))


def _numbered(path: Path, notes: Notes, groups: dict[tuple[str, int], list[int]]) -> Iterator[bytes]:
    """Every row as bytes, its number noted with the others of its document."""
    met: dict[tuple[str, str], int] = {}
    place = 0
    for where, row in read_lines(path):
        fault = _fault(row, where)
        if fault is not None or isinstance(row, ConfigError):
            notes.error("sample", fault or row, where)
            continue
        document, cut = text(row["doc_id"]), text(row.get("filter"))
        turn = met.get((document, cut), 0)
        met[document, cut] = turn + 1
        groups.setdefault((document, turn), []).append(place)
        place += 1
        yield pickle.dumps((where, row), pickle.HIGHEST_PROTOCOL)


def _fault(row: Json | ConfigError, where: Location) -> ConfigError | None:
    if isinstance(row, ConfigError):
        return row
    if not isinstance(row, dict):
        return ConfigError("is not a sample: it must be a mapping", where=where)
    name = row.get("doc_id")
    if isinstance(name, bool) or not isinstance(name, (int, str)):
        return ConfigError("has no `doc_id`", where=where)
    return None if "resps" in row or "filtered_resps" in row else ConfigError("has no `resps`", where=where)


def _grades(row: Mapping[str, Json]) -> Iterator[Grade]:
    listed = [name for name in items(row.get("metrics")) if isinstance(name, str)]
    cut_by, cuts = text(row.get("filter")), items(row.get("filtered_resps"))
    cut = cuts[0] if len(cuts) == 1 else None
    for name in listed or [name for name in row if name not in _OURS]:
        told = row.get(name)
        if listed or isinstance(told, (bool, int, float)):
            yield Grade(name if cut_by in _NO_FILTER else f"{name},{cut_by}", share(spelled_number(told)), cut)


def deciding(grades: Sequence[Grade], wanted: str | None) -> Grade | None:
    """The grade that tells whether an answer passed: of the metric that is wanted, else the first that is a grade."""
    named = [grade for grade in grades if wanted is None or wanted in {grade.name, grade.name.partition(",")[0]}]
    return next((grade for grade in named if grade.value is not None), None)


def case_of(sample: Sample, task: str, tags: Sequence[str]) -> Case:
    """The question of a sample; `task` stands before its id, and is a tag of it, unless empty."""
    row, document = sample.row, sample.row.get("doc")
    variables = document if isinstance(document, dict) else {"doc": document}
    named = [one_line(text(variables[key])) for key in tags if variables.get(key) is not None]
    name = text(row["doc_id"])
    return Case(
        id=one_line(f"{task}/{name}" if task else name, 200),
        vars=variables or {"prompt": next((asked for asked, _ in _arguments(row)), "")},
        expected=_expected(row),
        tags=tuple(dict.fromkeys(tag for tag in (task, *named) if tag)),
    )


def _expected(row: Mapping[str, Json]) -> Json:
    """What is right; of a choice that is given by its number its text."""
    target = row.get("target")
    choices = _choices(row)
    told = text(target)
    if len(choices) > 1 and told.isdecimal() and len(told) < 6 and int(told) < len(choices) and told not in choices:
        return choices[int(told)]
    return MISSING if target is None else target


def _arguments(row: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """What the model was asked, and what for: a text that might follow, or how to generate one."""
    told = row.get("arguments")
    if isinstance(told, dict):
        listed = [(one.get("arg_0"), one.get("arg_1")) for one in map(mapping, told.values())]
    else:
        pairs = [one for one in items(told) if isinstance(one, list) and one]
        listed = [(one[0], one[1] if len(one) > 1 else None) for one in pairs]
    return [(text(asked), wanted) for asked, wanted in listed]


def _choices(row: Mapping[str, Json]) -> list[str]:
    """The texts of which the likeliest was looked for; what was asked without a question only weighs these."""
    asked = _arguments(row)
    return [wanted.strip() for question, wanted in asked if isinstance(wanted, str) and question == asked[0][0]]


def _output(row: Mapping[str, Json]) -> str:
    """What the model wrote, or which of the choices it found the likeliest."""
    choices, responses = _choices(row), items(row.get("resps")) or items(row.get("filtered_resps"))
    if not choices:
        return text(_first(responses))
    likely = [_likelihood(response) for response in responses[: len(choices)]]
    if len(choices) == 1:  # how likely one text is: the model would say it if it is what it finds the likeliest
        return choices[0] if _is_greedy(responses) else ""
    best = max(range(len(likely)), key=lambda place: likely[place], default=None)
    return "" if best is None else choices[best]


def _first(told: Json) -> Json:
    while isinstance(told, list):
        told = told[0] if told else None
    return told


def _likelihood(response: Json) -> float:
    found = number(spelled_number(_first(response)))
    return float("-inf") if found is None else found


def _is_greedy(responses: list[Json]) -> bool:
    told = responses[0] if responses else None
    while isinstance(told, list) and told and isinstance(told[0], list):
        told = told[0]
    return isinstance(told, list) and len(told) > 1 and text(told[1]).lower() == "true"


def answer_of(sample: Sample, decides: Grade | None, names: tuple[str, str]) -> DraftAnswer:
    """The answer in a sample, with its verdicts: only that of the metric that decides has weight."""
    output = _output(sample.row)
    return DraftAnswer(
        *names,
        case_id="",
        output=output,
        passed=None if decides is None or decides.value is None else decides.value >= PASS_AT,
        value=decides.value if decides else None,
        verdicts=tuple(_verdict(grade, decides, output) for grade in sample.grades if grade.value is not None),
    )


def _verdict(grade: Grade, decides: Grade | None, output: str) -> ScorerVerdict:
    cut = text(grade.cut) if isinstance(grade.cut, str) else ""
    reason = f"taken from it: {cut}" if cut and cut != output else ""
    passed = grade.value is not None and grade.value >= PASS_AT
    return verdict(grade.name, grade.value, passed=passed, reason=reason, weight=1.0 if grade is decides else 0.0)
