"""Files of labels that people gave to answers: CSV or JSON Lines, one label a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from evalkit.analysis.rows import CallRow
from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import show
from evalkit.suite.casefiles import csv_rows, jsonl_rows
from evalkit.suite.rows import Row
from evalkit.types import Call, Json

NAMES: Final = ("call_id", "case_id", "model", "prompt", "trial")
"""The columns that say which answer a label is of; as many as it takes to name one."""

_WORDS: Final = {
    **dict.fromkeys(("pass", "passed", "yes", "true"), True),
    **dict.fromkeys(("fail", "failed", "no", "false"), False),
}
_READERS: Final = {".csv": csv_rows, ".jsonl": jsonl_rows}
_SHOWN: Final = 12
"""How many names an error lists."""


class _Row(NamedTuple):
    """A label as it stands in the file."""

    where: Location
    names: Mapping[str, str]
    annotator: str
    passed: bool


class PeopleSay(NamedTuple):
    """What people said of one call, in the order of the file."""

    labels: tuple[bool, ...]

    @property
    def passed(self) -> bool | None:
        """What most of them said; None where as many said the one as the other."""
        passes = sum(self.labels)
        return None if 2 * passes == len(self.labels) else 2 * passes > len(self.labels)


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The rows of a file of labels; `blank` is how many rows hold no label yet."""

    path: Path
    rows: tuple[_Row, ...]
    blank: int

    @property
    def annotators(self) -> int:
        """How many people are named, or 1 where none is."""
        return len({row.annotator for row in self.rows})


def read_labels(path: Path, threshold: float | None = None) -> LabelFile:
    """Read labels: pass or fail, yes or no, true or false, 1 or 0, or with a threshold scores of 0 to 1.

    Args:
        path: a .csv or .jsonl file.
        threshold: the score from which on an answer passes.

    Raises:
        ConfigError: the file cannot be read or holds no label, or rows are wrong; names their lines.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigError("labels come as .csv or .jsonl", where=Location(path), remedy="rename or convert the file")
    if not path.is_file():
        raise ConfigError("there is no such file of labels", where=Location(path), remedy="name one with --labels")
    rows: list[_Row] = []
    problems: list[ConfigError] = []
    blank = 0
    for found in reader(path):
        try:
            row = _row(found.data, found.where, threshold) if not isinstance(found, ConfigError) else _raised(found)
        except ConfigError as problem:
            problems.append(problem)
            if reader is csv_rows and "label" not in _columns(found):
                break  # so it is in all rows: one header serves them
            continue
        blank += row is None
        rows += [row] if row else []
    if problems:
        raise one_or_many(problems)
    if not rows:
        what = f"none of its {blank} rows has a label yet" if blank else "it holds no row"
        raise ConfigError(f"there is no label: {what}", where=Location(path), remedy="fill in the column `label`")
    return LabelFile(path, tuple(rows), blank)


def _columns(found: Row | ConfigError) -> Collection[object]:
    """The names in a row; `label` is taken to be in one that could not be read."""
    return found.data if isinstance(found, Row) and isinstance(found.data, Mapping) else ("label",)


def _raised(problem: ConfigError) -> _Row:
    raise problem


def _row(data: Json, where: Location, threshold: float | None) -> _Row | None:
    """Read a row; None for one without a label."""
    if not isinstance(data, Mapping):
        raise ConfigError("a row is an object with case_id and label", where=where)
    if "label" not in data:
        columns = ", ".join(map(str, data)) or "none"
        raise ConfigError("there is no column `label`", where=where, remedy=f"the columns are: {columns}")
    cells = {name: _text(data.get(name), name, where) for name in (*NAMES, "label", "annotator")}
    if not cells["label"]:
        return None
    names = {name: cells[name] for name in NAMES if cells[name]}
    if not names.keys() & {"call_id", "case_id"}:
        raise ConfigError("the label names no answer", where=where, remedy="fill in the column `case_id`")
    return _Row(where, names, cells["annotator"], _passed(cells["label"], where, threshold))


def _text(cell: Json, name: str, where: Location) -> str:
    """A cell as text without blanks around it; nothing for one that is empty."""
    if isinstance(cell, (list, Mapping)):
        raise ConfigError(f"`{name}` is {show(cell, 40)}, neither text nor a number", where=where)
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(cell).strip()


def _passed(label: str, where: Location, threshold: float | None) -> bool:
    if (word := _WORDS.get(label.casefold())) is not None:
        return word
    try:
        score = float(label)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise ConfigError(
            f"{show(label, 40)} is no label", where=where, remedy="write pass or fail, 1 or 0, or a score from 0 to 1"
        )
    if threshold is not None:
        return score >= threshold
    if score not in {0, 1}:
        raise ConfigError(
            f"{label} is a score, not a label", where=where, remedy="say with --threshold from which score on it passes"
        )
    return score == 1


class LabelMatcher:
    """Finds the calls that labels are of, while a run's rows go by."""

    def __init__(self, file: LabelFile) -> None:
        self._file = file
        self._by_name: dict[str, list[int]] = {}
        for index, row in enumerate(file.rows):
            key = row.names.get("call_id") or row.names["case_id"]
            self._by_name.setdefault(key, []).append(index)
        self._calls: list[list[str]] = [[] for _ in file.rows]
        self._elsewhere = [False] * len(file.rows)
        self._known = {name: _Known() for name in NAMES[1:]}

    def add(self, row: CallRow, *, wanted: bool = True) -> bool:
        """Look at the next row; one that is not `wanted` only excuses labels that mean it.

        Returns:
            Whether it is labelled.
        """
        spelled = _spelled(row.call)
        for name, known in self._known.items():
            known.add(spelled[name])
        found = False
        for key in {spelled["call_id"], spelled["case_id"]} & self._by_name.keys():
            for index in self._by_name[key]:
                if self._file.rows[index].names.items() <= spelled.items():
                    self._elsewhere[index] |= not wanted
                    found |= wanted
                    self._calls[index] += [row.call.call_id] if wanted else []
        return found

    def result(self) -> dict[str, PeopleSay]:
        """What people said, by call id.

        Raises:
            ConfigError: a label is of no call or of several, or one annotator gave two that differ; names the lines.
        """
        if problems := [*self._lost(), *self._ambiguous()]:
            raise one_or_many(problems)
        said: dict[str, dict[str, _Row]] = {}
        for row, calls in zip(self._file.rows, self._calls, strict=True):
            for call_id in calls:
                first = said.setdefault(call_id, {}).setdefault(row.annotator, row)
                if first.passed != row.passed:
                    problems.append(_contradiction(first, row))
        if problems:
            raise one_or_many(problems)
        return {call: PeopleSay(tuple(row.passed for row in rows.values())) for call, rows in said.items()}

    def _lost(self) -> Iterator[ConfigError]:
        for row, calls, elsewhere in zip(self._file.rows, self._calls, self._elsewhere, strict=True):
            if calls or elsewhere:
                continue
            yield next(
                (
                    self._known[name].unknown(name, given, row.where)
                    for name, given in row.names.items()
                    if name in self._known and given not in self._known[name].names
                ),
                ConfigError(
                    f"the run has no call with {_listed(row.names)}",
                    where=row.where,
                    remedy="take call_id, case_id, model, prompt and trial from the run's cases.csv",
                ),
            )

    def _ambiguous(self) -> Iterator[ConfigError]:
        varying = [name for name, known in self._known.items() if name != "case_id" and len(known.names) > 1]
        for row, calls in zip(self._file.rows, self._calls, strict=True):
            if len(calls) > 1:
                missing = ", ".join(name for name in varying if name not in row.names)
                yield ConfigError(
                    f"{len(calls)} answers have {_listed(row.names)}",
                    where=row.where,
                    remedy=f"say which one: add the columns {missing}, or choose with --model and --prompt",
                )


@dataclass(slots=True)
class _Known:
    """The names of one kind that the run has."""

    names: dict[str, None] = field(default_factory=dict)

    def add(self, name: str) -> None:
        self.names[name] = None

    def unknown(self, kind: str, name: str, where: Location) -> ConfigError:
        if len(self.names) <= _SHOWN:
            known = unknown_name(kind, name, self.names)
            return ConfigError(known.message, where=where, remedy=known.remedy)
        near = unknown_name(kind, name, self.names).message
        return ConfigError(near, where=where, remedy="take the names from the run's cases.csv")


def _spelled(call: Call) -> dict[str, str]:
    return {name: str(getattr(call, name)) for name in NAMES}


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {show(value, 40)}" for name, value in names.items())


def _contradiction(first: _Row, second: _Row) -> ConfigError:
    who = f"{show(first.annotator, 40)} says" if first.annotator else "two rows say"
    return ConfigError(
        f"{who} both pass and fail of {_listed(second.names)}; the other is in line {first.where.line}",
        where=second.where,
        remedy="delete one of them" if first.annotator else "delete one, or name people in a column `annotator`",
    )


def votes(said: Iterable[PeopleSay]) -> Sequence[tuple[int, int]]:
    """How many people passed and failed each call that several labelled: what Fleiss' kappa is made of."""
    tallies = (Counter(one.labels) for one in said if len(one.labels) > 1)
    return [(tally[True], tally[False]) for tally in tallies]
