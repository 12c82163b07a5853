"""Tables of cases: CSV, TSV, JSONL, JSON, Parquet and datasets of the Hugging Face hub, a case a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from evalkit.errors import ConfigError, Location
from evalkit.imports.casetable import CaseTable, policy_of
from evalkit.imports.columns import POLICY, Column, Facts, Plan, Survey, accepted, fit_for_id, is_empty, plan
from evalkit.imports.draft import DraftCase, DraftPrompt, DraftSuite, Share, Stamp
from evalkit.imports.gathering import Notes
from evalkit.imports.options import ImportOptions
from evalkit.imports.spooled import SpooledCases, SpooledRows
from evalkit.imports.tablerows import table_rows
from evalkit.imports.write import suite_name
from evalkit.scorers.labels import Label
from evalkit.scorers.values import as_text
from evalkit.suite.starter import candidate_rows
from evalkit.types import MISSING, Json, ScorerContext

_SHORT: Final = 40
_ROOM: Final = 32
"""Tokens for an answer that is a label; more where a label has more characters."""
_FEW_NUMBERS: Final = 20
_JUDGE: Final = "look at answers, then choose what fits: evalkit scorers"


def read(source: Path | str, options: ImportOptions) -> DraftSuite:
    """Read a table as a suite: a case a row, with a prompt that shows the columns.

    Args:
        source: a file, or `hf://org/name?split=test`.
        options: which columns are what; what they do not say is guessed by the columns' names, with a note.

    Raises:
        ConfigError: no row can be read, or an option names a column that is not there.
    """
    where = Location(source)
    notes = Notes()
    survey = Survey()
    rows = SpooledRows(_surveyed(source, options.limit, survey, notes))
    if not survey.rows:
        raise notes.nothing_read("row", where, "" if survey.unreadable else "write a header and at least one row")
    if survey.cases == survey.rows:
        return _own(rows, survey, source, options, notes)
    columns = plan(survey, options)
    cases = SpooledCases(_cases(rows, columns, notes))
    if not cases:
        raise ConfigError("no row has both an input and what is right", where=where, remedy="see --map and --expected")
    _tell(columns, survey, where, notes)
    facts = survey.facts[columns.expected] if columns.expected else None
    scorers, todo = scorers_for(facts)
    return DraftSuite(
        name=options.name or suite_name(_stem(source)),
        cases=cases,
        prompts=(_prompt(columns.inputs, facts, options.prompt),),
        models=candidate_rows(options.models),
        scorers=scorers,
        description=f"From {Path(source).name if isinstance(source, Path) else source}.",
        settings=_settings(facts),
        todo=todo,
        notes=notes.all(where),
        shares=(Share("rows", len(rows) + survey.unreadable, len(cases)),),
    )


def _own(rows: SpooledRows, survey: Survey, source: Path | str, options: ImportOptions, notes: Notes) -> DraftSuite:
    """Take over rows that are cases already."""
    where = Location(source)
    table = CaseTable(rows, options.time)
    cases = SpooledCases(table.cases(notes))
    facts = table.expected if table.expected.filled else None
    scorers, todo = scorers_for(facts) if table.unjudged else ((), ())
    if not table.inputs:
        raise ConfigError("no case has a var that a prompt could show", where=where, remedy="write `vars: {...}`")
    return DraftSuite(
        name=options.name or suite_name(_stem(source)),
        cases=cases,
        prompts=(_prompt(table.inputs, facts if table.unjudged else None, options.prompt),),
        models=candidate_rows(options.models),
        scorers=scorers,
        todo=todo,
        notes=notes.all(where),
        shares=(Share("rows", len(rows) + survey.unreadable, len(cases)),),
    )


def _stem(source: Path | str) -> str:
    return (
        source.stem if isinstance(source, Path) else re.sub(r"^hf://|\?.*$", "", source).rstrip("/").rpartition("/")[2]
    )


def _surveyed(
    source: Path | str, limit: int | None, survey: Survey, notes: Notes
) -> Iterator[tuple[Location, Mapping[str, Json]]]:
    """Look at every row that can be read; takes down those that cannot, and where reading had to end."""
    try:
        for where, row in islice(table_rows(source), limit):
            if isinstance(row, ConfigError):
                survey.unreadable += 1
                notes.error("row", row, where)
            else:
                survey.add(row, where)
                yield where, row
    except ConfigError as error:
        survey.unreadable += 1
        notes.error("row", error, Location(source))


def _cases(rows: SpooledRows, columns: Plan, notes: Notes) -> Iterator[DraftCase]:
    ids: set[str] = set()
    for where, row in rows:
        expected = MISSING if columns.expected is None else accepted(row.get(columns.expected))
        variables = {column.name: _filled(row.get(column.source)) for column in columns.inputs}
        if all(map(is_empty, variables.values())):
            notes.add(where, "row", "there is no input in this row", remedy="fill it in, or leave it out")
        elif expected is not MISSING and is_empty(expected):
            remedy = "fill it in, or label the cases afterwards"
            notes.add(where, "row", f"`{columns.expected}` says nothing of what is right", remedy=remedy)
        else:
            name = _id(row, columns, ids, where, notes)
            tags = _tags(row, columns, where, notes)
            policy = policy_of(row, where, notes)
            at = None if columns.time is None else Stamp(where, row.get(columns.time))
            yield DraftCase(variables, name, expected, tags, data_policy=policy, at=at)


def _filled(value: Json) -> Json:
    return "" if value is None else value


def _id(row: Mapping[str, Json], columns: Plan, taken: set[str], where: Location, notes: Notes) -> str | None:
    """The case's id, where its column has one that no case before has."""
    if columns.id is None:
        return None
    name = as_text(_filled(row.get(columns.id))).strip()
    if not fit_for_id(name):
        notes.add(where, "id", "this row has no usable id; one is made from its content", lost=False)
        return None
    if name in taken:
        notes.add(where, "id", f"an earlier row has the id {name}; this one's is made from its content", lost=False)
        return None
    taken.add(name)
    return name


def _tags(row: Mapping[str, Json], columns: Plan, where: Location, notes: Notes) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for column in columns.tags:
        cell = _filled(row.get(column))
        entries = cell if isinstance(cell, list) else re.split("[;,]", cell) if isinstance(cell, str) else [cell]
        for entry in entries:
            tag = as_text(entry).strip()
            if fit_for_id(tag):
                tags[tag] = None
            elif tag:
                notes.once(where, "tag", f"some values of `{column}` are too long for tags, or several lines")
    return tuple(tags)


def _tell(columns: Plan, survey: Survey, where: Location, notes: Notes) -> None:
    """Take down what was guessed, renamed and left out."""
    for role, words, option in (
        ("id", "was taken for the cases' ids", "--id"),
        ("expected", "was taken for what is right", "--expected"),
        ("tags", "was taken for tags", "--tags"),
    ):
        if role in columns.guessed:
            found = columns.tags[0] if role == "tags" else getattr(columns, role)
            notes.add(where, "column", f"`{found}` {words}", lost=False, remedy=f"else name another: {option} COLUMN")
    if columns.expected is None:
        words = "no column was taken for what is right, so any answer passes"
        notes.add(where, "column", words, lost=False, remedy="name the one that is: --expected COLUMN")
    for name in columns.withheld:
        words = f"`{name}` may hold what is right, so no prompt shows it"
        notes.add(where, "column", words, lost=False, remedy="name it with --expected, --tags or --map")
    for column in columns.inputs:
        if column.name != column.source:
            notes.add(where, "column", f"`{column.source}` is called `{column.name}` in prompts", lost=False)
    inputs = (column.source for column in columns.inputs)
    used = {POLICY, columns.id, columns.expected, columns.time, *columns.tags, *columns.withheld, *inputs}
    if left := [name for name, facts in survey.facts.items() if facts.filled and name not in used]:
        shown = ", ".join(left[:10]) + (", ..." if len(left) > 10 else "")
        notes.add(where, "column", f"left out: {shown}", lost=False, remedy="name what is wanted with --map")


def scorers_for(facts: Facts | None) -> tuple[tuple[Json, ...], tuple[str, ...]]:
    """Choose a scorer by what the expected values look like, with what to think of."""
    if facts is None:
        todo = "nothing says what is right, so this only sees that there is an answer: add `expected` to the cases"
        return ({"length": {"min_chars": 1}},), (todo,)
    if labels := labels_of(facts):
        exact = {} if _ignores_case(labels) else {"ignore_case": False}
        return ({"label": {"labels": list(labels), **exact}},), ()
    scorer, words = _by_shape(facts)
    return (scorer,), (f"the cases are judged by `{next(iter(scorer))}`, as {words}; {_JUDGE}",)


def _by_shape(facts: Facts) -> tuple[dict[str, Json], str]:
    if facts.structured and facts.lists == facts.filled:
        scorer = "contains_any" if facts.longest <= _SHORT else "f1"
        return {scorer: {"ignore_case": True} if scorer == "contains_any" else {}}, "any text of a list is right"
    if facts.structured:
        return {"json_equal": {}}, "what is expected is lists or objects"
    if facts.numbers == facts.filled:
        return {"numeric": {}}, "what is expected is numbers"
    if facts.wordless:
        return {"exact": {}}, "not all that is expected has words in it"
    if facts.longest <= _SHORT and not facts.lines:
        return {"exact": {"ignore_case": True, "ignore_punctuation": True}}, "what is expected is short"
    return {"f1": {}}, "what is expected is long: it counts the words in common"


def labels_of(facts: Facts) -> tuple[str, ...]:
    """The labels of a classification; a few numbers are labels as well, many are not."""
    labels = facts.labels
    if not labels or (facts.numbers == facts.filled and len(labels) > _FEW_NUMBERS):
        return ()
    try:
        Label(labels, _ignores_case(labels)).compile(ScorerContext(Path()))
    except ConfigError:  # they cannot be told apart, such as those that differ in their punctuation alone
        return ()
    return labels


def _settings(facts: Facts | None) -> dict[str, Json]:
    """Whoever is to say one of some labels need not go on: small models ramble until something stops them."""
    labels = labels_of(facts) if facts else ()
    return {"params": {"max_tokens": max(_ROOM, *map(len, labels))}} if labels else {}


def _ignores_case(labels: Sequence[str]) -> bool:
    return len({label.casefold() for label in labels}) == len(labels)


def _prompt(inputs: Sequence[Column], facts: Facts | None, name: str | None) -> DraftPrompt:
    """Show every column; a classifier is told its labels."""
    labels = labels_of(facts) if facts else ()
    shown = (
        f"{{{{ {inputs[0].name} }}}}"
        if len(inputs) == 1
        else "\n\n".join(f"{inert(column.source)}:\n{{{{ {column.name} }}}}" for column in inputs)
    )
    messages: list[Json] = [{"user": shown}]
    if labels:
        told = "\n".join(f"- {inert(label)}" for label in labels)
        task = "Classify what the user sends. Answer with one of these labels, exactly as written, and nothing else:"
        messages.insert(0, {"system": f"{task}\n{told}"})
    todo = "say what the labels mean" if labels else "say what the model is to do with this"
    return DraftPrompt(name or "imported", tuple(messages), todo=(todo,))


def inert(text: str) -> str:
    """Text that a template shows as it is."""
    return text.replace("{", "{{ '{' }}") if re.search(r"\{[{%#]|\{$", text) else text
