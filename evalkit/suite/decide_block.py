"""Read the `decide:` block of a suite, or the same as options of a command, and find what is wrong with it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from evalkit.errors import ConfigError, Location, one_or_many
from evalkit.scorers.options import unknown_name
from evalkit.scorers.values import is_number, show
from evalkit.structure import error_parts
from evalkit.suite.decide_rules import (
    BLOCK,
    DEFAULT_MARGIN,
    DEFAULT_PREFERENCE,
    MEASURES,
    PREFERENCES,
    PROPERTIES,
    TAGS,
    Bound,
    DecideRules,
    OneOf,
    Requirement,
)
from evalkit.types import Case, Json, Model
from evalkit.yaml12 import Document, load_file

KeyPath: TypeAlias = tuple[str | int, ...]

_PER_DAY: Final = "requests_per_day"
_TAGS_NAMED: Final = 20
_COMPARISON: Final = re.compile(r"\s*(>=|<=|==|=|>|<)?\s*(.*?)\s*")
_NUMBER: Final = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_OPTION: Final = re.compile(r"\s*(.+?)\s*((?:>=|<=).*|[<>=][^<>]*)", re.DOTALL)


class Where(Protocol):
    """Finds the place of a value (or of its key) in the user's file."""

    def __call__(self, path: KeyPath, *, key: bool = False) -> Location | None:
        """Say where what stands at this path below `decide` is written; None where no file says it."""
        ...


def _nowhere(path: KeyPath, *, key: bool = False) -> Location | None:  # noqa: ARG001 - as Where has it
    return None


def read_rules(block: Json, where: Where = _nowhere) -> DecideRules:
    """Read the `decide:` block.

    Args:
        block: as the file has it; None and empty: the default rules.
        where: finds the place of what is wrong.

    Raises:
        ConfigError: what is wrong; a `ConfigErrors` with all of it where there are several problems.
    """
    reader = _Reader(where)
    rules = reader.rules({} if block is None else block)
    if reader.errors:
        raise one_or_many(reader.errors)
    return rules


def decide_problems(document: Document, block: Json, cases: Iterable[Case] | None) -> list[ConfigError]:
    """Find everything that is wrong with the `decide:` block of a suite's document.

    Args:
        document: the suite's.
        block: its block; None where there is none.
        cases: the suite's, to look for tags; None where they are not known.
    """
    where = where_in(document)
    try:
        rules = read_rules(block, where)
    except ConfigError as error:
        return error_parts(error)
    return [] if cases is None else _unknown_tags(rules, cases, where)


def _unknown_tags(rules: DecideRules, cases: Iterable[Case], where: Where) -> list[ConfigError]:
    """Find the tags that a requirement is about and no case carries."""
    wanted = {one.tag for one in rules.require if isinstance(one, Bound) and one.tag is not None}
    known = {tag for case in cases for tag in case.tags} if wanted else set[str]()
    there = f"the tags of the cases are: {', '.join(sorted(known)[:_TAGS_NAMED])}" if known else "no case has tags"
    return [
        ConfigError(f"no case has the tag {show(tag, 40)}", where=where(("require", TAGS, tag), key=True), remedy=there)
        for tag in sorted(wanted - known)
    ]


def block_of(path: Path) -> Mapping[str, Json]:
    """Read the `decide:` block of a suite file, which is checked; the rest of the file is not.

    Raises:
        ConfigError: the file cannot be read, has no such block, or the block is wrong.
    """
    document = load_file(path)
    block = document.data.get(BLOCK) if isinstance(document.data, dict) else None
    if block is None:
        raise ConfigError(
            "has no `decide:` block", where=Location(path), remedy="add one, or use --require and --prefer"
        )
    read_rules(block, where_in(document))
    return dict(block)


def where_in(document: Document) -> Where:
    """Find places in the block of a suite's document."""

    def where(path: KeyPath, *, key: bool = False) -> Location:
        return document.where((BLOCK, *path), key=key)

    return where


class _Reader:
    """Reads a block piece by piece, and collects what is wrong with it."""

    def __init__(self, where: Where) -> None:
        self.errors: list[ConfigError] = []
        self._where = where

    def rules(self, block: Json) -> DecideRules:
        """Read the whole block."""
        known: Mapping[str, Callable[[Json], Any]] = {
            "require": self._require,
            "prefer": self._prefer,
            "margin": self._margin,
            "traffic": self._traffic,
        }
        given = self._mapping((), block, known)
        found = {key: known[key](value) for key, value in given.items()}
        return DecideRules(
            require=found.get("require", ()),
            prefer=found.get("prefer", DEFAULT_PREFERENCE),
            margin=found.get("margin", DEFAULT_MARGIN),
            requests_per_day=found.get("traffic"),
        )

    def _require(self, block: Json) -> tuple[Requirement, ...]:
        given = self._mapping(("require",), block, [*MEASURES, *PROPERTIES, TAGS])
        found: list[Requirement | None] = []
        for key, value in given.items():
            if key == TAGS:
                rates = self._mapping(("require", TAGS), value, None)
                found += [self._bound(("require", TAGS, tag), "pass_rate", rate, tag) for tag, rate in rates.items()]
            elif key in MEASURES:
                found.append(self._bound(("require", key), key, value))
            else:
                found.append(self._one_of(key, value))
        return tuple(one for one in found if one is not None)

    def _bound(self, path: KeyPath, name: str, value: Json, tag: str | None = None) -> Bound | None:
        measure = MEASURES[name]
        example = f'write it as in "{measure.example}"'
        operator, number = _comparison(value) if isinstance(value, str) else ("", "")
        got = f"got {show(value, 40)}"
        if not _NUMBER.fullmatch(number):
            self._wrong(path, f"must be a comparison with a number, {got}", f"{example}, in quotes")
        elif operator != measure.operator:
            side = "at least" if measure.more_is_better else "at most"
            self._wrong(path, f"is required to be {side} something, {got}", example)
        elif float(number) > measure.most:
            self._wrong(path, f"is a share, from 0 to 1, {got}", "write 0.9 for 90 %")
        else:
            return Bound(name, float(number), tag)
        return None

    def _one_of(self, key: str, value: Json) -> OneOf | None:
        values = value if isinstance(value, list) else [value]
        if values and all(isinstance(one, str) and one for one in values):
            return OneOf(key, tuple(values))
        self._wrong(("require", key), f"must be a word or a list of words, got {show(value, 40)}")
        return None

    def _prefer(self, value: Json) -> tuple[str, ...]:
        names = value if isinstance(value, list) else [value]
        if not names:
            self._wrong(("prefer",), "is empty", f"use some of: {', '.join(PREFERENCES)}")
        for index, name in enumerate(names):
            if not isinstance(name, str) or name not in PREFERENCES:
                path: KeyPath = ("prefer", index) if isinstance(value, list) else ("prefer",)
                self._unknown("preference", name, PREFERENCES, self._where(path))
        return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))

    def _margin(self, value: Json) -> float:
        if is_number(value) and 0 <= value < 1:
            return float(value)
        remedy = "write 0.02 for two points: how much pass rate a cheaper candidate may cost is yours to say"
        self._wrong(("margin",), f"must be a number from 0 to below 1, got {show(value, 40)}", remedy)
        return DEFAULT_MARGIN

    def _traffic(self, block: Json) -> float | None:
        given = self._mapping(("traffic",), block, [_PER_DAY])
        value: Any = given.get(_PER_DAY)
        if is_number(value) and 0 < value < math.inf:
            return float(value)
        if isinstance(block, Mapping):
            got = f"must be a number above 0, got {show(value, 40)}" if given else "is missing"
            self._wrong(("traffic", _PER_DAY), got)
        return None

    def _mapping(self, path: KeyPath, value: Json, known: Collection[str] | None) -> dict[str, Json]:
        """Take a mapping's known keys (None: all are); complain about others, or about what is no mapping."""
        if not isinstance(value, Mapping):
            self._wrong(path, f"must be a mapping (`key: value`), got {show(value, 40)}")
            return {}
        for key in value if known is not None else ():
            if known is not None and key not in known:
                self._unknown("key", key, known, self._where((*path, key), key=True))
        return {str(key): item for key, item in value.items() if known is None or key in known}

    def _unknown(self, what: str, name: object, known: Collection[str], where: Location | None) -> None:
        error = unknown_name(what, name, known)
        self.errors.append(ConfigError(error.message, where=where, remedy=error.remedy))

    def _wrong(self, path: KeyPath, message: str, remedy: str | None = None) -> None:
        name = ".".join(map(str, (BLOCK, *path)))
        self.errors.append(ConfigError(f"`{name}` {message}", where=self._where(path), remedy=remedy))


def _comparison(text: str) -> tuple[str, str]:
    match = _COMPARISON.fullmatch(text)
    return ((match[1] or ""), match[2]) if match else ("", "")


def revised(
    block: Mapping[str, Json],
    *,
    require: Sequence[str] = (),
    without: Sequence[str] = (),
    prefer: Sequence[str] = (),
    margin: float | None = None,
    requests_per_day: float | None = None,
) -> DecideRules:
    """Change the rules of a block, as the options of a command have it.

    Args:
        block: a sound `decide:` block; empty for the default rules.
        require: requirements that come on top or replace those of the same key: `pass_rate>=0.9`, `tags.refunds>=0.95`,
            `license=mit,apache-2.0`.
        without: the keys of requirements to leave out.
        prefer: in place of the block's, if any.
        margin: in place of the block's.
        requests_per_day: in place of the block's.

    Raises:
        ConfigError: a requirement cannot be read, or one to leave out is not there.
    """
    wanted = _flat(block.get("require", {}))
    unknown = [_not_there(key, wanted) for key in without if key not in wanted]
    if unknown:
        raise one_or_many(unknown)
    kept = {key: value for key, value in wanted.items() if key not in without} | dict(map(_entry, require))
    changed = {
        "prefer": list(prefer) or None,
        "margin": margin,
        "traffic": None if requests_per_day is None else {_PER_DAY: requests_per_day},
    }
    given = {key: value for key, value in changed.items() if value is not None}
    return read_rules({**block, "require": _nested(kept), **given})


def _flat(require: Mapping[str, Json]) -> dict[str, Json]:
    """Requirements by key, those of tags as `tags.TAG`."""
    plain = {key: value for key, value in require.items() if key != TAGS}
    return plain | {f"{TAGS}.{tag}": value for tag, value in require.get(TAGS, {}).items()}


def _nested(require: Mapping[str, Json]) -> dict[str, Json]:
    start = f"{TAGS}."
    tags = {key.removeprefix(start): value for key, value in require.items() if key.startswith(start)}
    plain = {key: value for key, value in require.items() if not key.startswith(start)}
    return plain | ({TAGS: tags} if tags else {})


def _entry(text: str) -> tuple[str, Json]:
    """Read a requirement as a command line has it."""
    name, _, words = text.partition("=")
    if name.strip() in PROPERTIES:
        return name.strip(), [word.strip() for word in words.split(",") if word.strip()]
    match = _OPTION.fullmatch(text)
    if match is None:
        remedy = "write it as in --require 'pass_rate>=0.9', or --require license=mit,apache-2.0"
        raise ConfigError(f"--require {text!r} is not a requirement", remedy=remedy)
    return match[1], match[2]


def _not_there(key: str, there: Mapping[str, Json]) -> ConfigError:
    remedy = f"the rules require: {', '.join(there)}" if there else "the rules require nothing"
    return ConfigError(f"--without {key}: there is no such requirement", remedy=remedy)


def unanswerable(block: Mapping[str, Json], models: Iterable[Model], trials: int) -> Iterator[ConfigError]:
    """Find what the rules ask and a run of these models could not tell, before it is paid for.

    Servers, weights and code of the user's own may do without a price: their cost is unknown, and said to be.
    """
    rules = read_rules(block)
    priceless = [model for model in models if model.price is None and model.gpu is None]
    for model in priceless if rules.cost_matters else ():
        if model.base_url and not model.self_hosted:
            yield ConfigError(
                f"`{BLOCK}.require.cost_per_1k_usd` needs the price of model {model.name!r}",
                where=model.where,
                remedy="add `price: {input: ..., output: ...}`, USD per one million tokens",
            )
    if trials == 1 and any(one.key == "pass_hat_k" for one in rules.require):
        remedy = "add `trials: 3` to the suite, or --trials 3"
        yield ConfigError(f"`{BLOCK}.require.pass_hat_k` needs several trials of each case", remedy=remedy)
