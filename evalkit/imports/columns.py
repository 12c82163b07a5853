"""What the columns of a table are: looked at once, then told apart into ids, tags, times, what is right, and inputs."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from evalkit.errors import ConfigError, Location
from evalkit.imports.options import ImportOptions
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import as_text, is_number
from evalkit.types import Json

POLICY: Final = "data_policy"
"""The column that says which cases must not leave the machine."""
MOST_LABELS: Final = 100
LONGEST_ID: Final = 200
_LONGEST_LABEL: Final = 80
_WORD: Final = re.compile(r"[^\W_]")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_MOST_COLUMNS: Final = 1_000
_EXPECTED: Final = (
    "expected",
    "expectedoutput",
    "expectedanswer",
    "ideal",
    "idealanswer",
    "groundtruth",
    "gold",
    "goldlabel",
    "goldanswer",
    "correct",
    "correctanswer",
    "correctanswers",
    "bestanswer",
    "referenceanswer",
    "reference",
    "labeltext",
    "labelname",
    "label",
    "labels",
    "category",
    "intent",
    "class",
    "target",
    "answer",
    "answers",
    "answerkey",
    "solution",
    "output",
    "completion",
    "response",
)
"""Names of columns that hold what is right, the surest first; in small letters, without what separates words."""
_ASKING: Final = frozenset({"question", "questions", "query", "prompt", "instruction"})
_ANSWERING: Final = ("answer", "answers", "answerkey", "solution")
"""Beside a column of questions, these are surer than a label: that is then what the question is about."""
_TELLING: Final = re.compile(
    "(expected|correct|incorrect|gold|groundtruth|ideal|label).*|.*(answers?|answerkey|labels?|solution|rationale|explanation)"
)
"""Names of further columns that give away what is right."""
_NUMBERING: Final = frozenset({"", "nr", "no", "idx", "index", "rowid", "rownumber", "uuid", "guid", "unnamed0"})
_ID: Final = re.compile(r"(?i:(?:.*[\W_])?id)|.*[a-z]I[dD]", re.DOTALL)
_TAKEN: Final = frozenset(
    {"loop", "self", "true", "false", "none", "varargs", "kwargs", "caller", "super", "namespace"}
)


class Column(NamedTuple):
    """A column that fills a var of a prompt."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What each column of a table is for, by the source's names.

    `guessed` are the roles that nobody named: `id`, `expected`, `tags`. `withheld` are columns that no prompt shows, as
    their names say that they may hold what is right.
    """

    inputs: tuple[Column, ...]
    id: str | None = None
    expected: str | None = None
    tags: tuple[str, ...] = ()
    time: str | None = None
    guessed: frozenset[str] = frozenset()
    withheld: tuple[str, ...] = ()


@dataclass(slots=True)
class Facts:
    """What was seen in a column."""

    filled: int = 0
    longest: int = 0
    lines: bool = False
    numbers: int = 0
    structured: int = 0
    lists: int = 0
    """How many of these are lists of texts, one of which is right."""
    wordless: bool = False
    """Whether a value has neither a letter nor a digit."""
    counts: dict[str, int] = field(default_factory=dict)
    """How often each value occurs; of the first MOST_LABELS + 1 only."""
    ids: set[int] | None = None
    """The hashes of all values; None where nobody asks whether they are distinct."""
    distinct: bool = True

    def add(self, value: Json) -> None:
        """Look at a value that is there."""
        self.filled += 1
        if isinstance(value, (dict, list)):
            self.structured += 1
            self.distinct = False
            texts = [one for one in value if isinstance(one, str) and _WORD.search(one)] if value else []
            if isinstance(value, list) and len(texts) == len(value):
                self.lists += 1
                self.longest = max(self.longest, *map(len, texts))
            return
        text = (value if isinstance(value, str) else as_text(value)).strip()
        self.longest = max(self.longest, len(text))
        self.lines = self.lines or "\n" in text
        self.wordless = self.wordless or not _WORD.search(text)
        self.numbers += is_number(value)
        if text in self.counts or len(self.counts) <= MOST_LABELS:
            self.counts[text] = self.counts.get(text, 0) + 1
        if self.ids is not None:
            self.distinct = self.distinct and fit_for_id(text) and hash(text) not in self.ids
            self.ids.add(hash(text))

    @property
    def labels(self) -> tuple[str, ...]:
        """The values in order of the alphabet, where they are few, short and repeated; else none."""
        few = 1 < len(self.counts) <= MOST_LABELS and self.filled >= 2 * len(self.counts)
        plain = not (self.structured or self.lines) and self.longest <= _LONGEST_LABEL
        return tuple(sorted(self.counts)) if few and plain else ()


class Survey:
    """What a table holds: its columns in the order in which they turn up, and the facts of each."""

    def __init__(self) -> None:
        self.rows = 0
        self.unreadable = 0
        self.cases = 0
        """How many rows have the shape of a case."""
        self.facts: dict[str, Facts] = {}

    def add(self, row: Mapping[str, Json], where: Location) -> None:
        """Look at a row.

        Raises:
            ConfigError: there are too many columns.
        """
        self.rows += 1
        self.cases += is_case(row)
        for name, value in row.items():
            facts = self.facts.get(name)
            if facts is None:
                if len(self.facts) == _MOST_COLUMNS:
                    remedy = "write one row as one object, with the same names in each"
                    raise ConfigError(f"there are more than {_MOST_COLUMNS:,} columns", where=where, remedy=remedy)
                facts = self.facts[name] = Facts(ids=set() if _is_numbering(name) else None)
            if not is_empty(told := accepted(value)):
                facts.add(told)


_CASE_KEYS: Final = frozenset({"id", "vars", "expected", "tags", "scorers", "turns", "data_policy"})


def is_case(row: Mapping[str, Json]) -> bool:
    """Whether a row has the shape of a case as suites spell it."""
    return isinstance(row.get("vars"), dict) and row.keys() <= _CASE_KEYS


def accepted(value: Json) -> Json:
    """What is right: of answers with their places in a text, as SQuAD keeps them, the different answers alone."""
    if isinstance(value, dict) and value.keys() == {"text", "answer_start"} and isinstance(value["text"], list):
        return list(dict.fromkeys(map(as_text, value["text"])))
    return value


def is_empty(value: Json) -> bool:
    """Whether a cell says nothing."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or value in ([], {})


def fit_for_id(text: str) -> bool:
    """Whether a text can be a case's id, or a tag."""
    return 0 < len(text) <= LONGEST_ID and not _CONTROL.search(text)


def plan(survey: Survey, options: ImportOptions) -> Plan:
    """Decide what each column is for: as the options say, else as its name tells.

    Raises:
        ConfigError: an option names a column that is not there, or a name that no var can have; no input is left.
    """
    mapped = dict(options.columns)
    given_id = options.id or mapped.pop("id", None)
    given_expected = options.expected or mapped.pop("expected", None)
    given_tags = options.tags or ((mapped.pop("tags"),) if "tags" in mapped else ())
    _check(survey, [*mapped.values(), *given_tags, *filter(None, (given_id, given_expected, options.time))])
    _check_names(mapped)
    used = {POLICY, *mapped.values(), *given_tags, given_id, given_expected, options.time}
    free = [name for name in survey.facts if name not in used]
    expected = given_expected or _guess_expected(survey, free)
    tags = tuple(given_tags) or tuple(one for one in free if _squeezed(one) == "tags")
    rest = [one for one in free if one not in {expected, *tags} and survey.facts[one].filled]
    name = given_id or _guess_id(survey, rest, mapped)
    rest = [one for one in rest if one != name]
    withheld = () if mapped else tuple(one for one in rest if _tells(one))
    if len(withheld) == len(rest):
        withheld = ()
    inputs = [Column(*pair) for pair in mapped.items()] or _named([one for one in rest if one not in withheld])
    if not inputs:
        remedy = "name one with --map, such as --map message=COLUMN"
        raise ConfigError("no column is left that a model could be asked about", remedy=remedy)
    roles = {"id": (name, given_id), "expected": (expected, given_expected), "tags": (tags, tuple(given_tags))}
    guessed = frozenset(role for role, (found, given) in roles.items() if found and not given)
    return Plan(tuple(inputs), name, expected, tags, options.time, guessed, withheld)


def _check(survey: Survey, names: Iterable[str]) -> None:
    for name in names:
        if name not in survey.facts:
            raise unknown_name("column", name, survey.facts)


def _check_names(mapped: Mapping[str, str]) -> None:
    for name in mapped:
        if var_name(name) != name:
            remedy = f"use letters, digits and _ only, such as {var_name(name)}"
            raise ConfigError(f"{name!r} cannot be the name of a var", remedy=remedy)


def _guess_expected(survey: Survey, free: Sequence[str]) -> str | None:
    """Find the column that holds what is right by its name; it must be filled in, and not the only one."""
    filled = [name for name in free if survey.facts[name].filled]
    usable = {_squeezed(name): name for name in filled if survey.facts[name].filled >= 0.9 * survey.rows}
    others = len(filled) > 1 or len(free) < len(survey.facts)
    surest = _ANSWERING if any(_squeezed(name) in _ASKING for name in filled) else ()
    sure = _EXPECTED[: _EXPECTED.index("labeltext")]
    order = (*sure, *surest, *_EXPECTED)
    return next((usable[name] for name in order if name in usable), None) if others else None


def _guess_id(survey: Survey, free: Sequence[str], mapped: Mapping[str, str]) -> str | None:
    """Find the column that numbers the rows, called `id` if there is one; an input must be left beside it."""
    found = [name for name in free if _is_numbering(name) and _unique(survey, name)]
    found.sort(key=lambda name: _squeezed(name) != "id")
    return found[0] if found and (mapped or len(free) > 1 or _squeezed(found[0]) == "id") else None


def _tells(name: str) -> bool:
    """Whether a column may hold what is right, by its name."""
    return _squeezed(name) in _EXPECTED or _TELLING.fullmatch(_squeezed(name)) is not None


def _is_numbering(name: str) -> bool:
    return bool(_ID.fullmatch(name)) or _squeezed(name) in _NUMBERING


def _unique(survey: Survey, name: str) -> bool:
    facts = survey.facts[name]
    return facts.distinct and facts.filled == survey.rows


def _squeezed(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _named(sources: Sequence[str]) -> list[Column]:
    columns: dict[str, str] = {}
    for source in sources:
        stem = name = var_name(source)
        number = 2
        while name in columns:
            name, number = f"{stem}_{number}", number + 1
        columns[name] = source
    return [Column(*pair) for pair in columns.items()]


def var_name(text: str) -> str:
    """Make a name that a template can use out of any text."""
    name: str = re.sub(r"\W+", "_", text[:60]).strip("_") or "column"
    if not name.isascii():
        name = name if name.isidentifier() else "column"
    elif name[0].isdigit():
        name = f"column_{name}"
    if name != text:
        name = name.lower()
    return f"{name}_" if keyword.iskeyword(name) or name.lower() in _TAKEN or name in _WORDS else name


_WORDS: Final = frozenset({"range", "dict", "cycler", "joiner"})
