"""How OpenAI's evals judge, as our scorers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from evalkit.errors import ConfigError, Location
from evalkit.imports.gathering import Notes
from evalkit.imports.values import mapping
from evalkit.scorers.values import as_text
from evalkit.types import Json
from evalkit.yaml12 import load_file

JUDGE: Final = "gpt-4o-mini"
"""The model that judges unless somebody names another."""

Judged: TypeAlias = tuple[Json, tuple[Json, ...]]
"""What a case expects, None for nothing, and the scorers of its own."""

_LENIENT: Final = {"ignore_case": True, "ignore_punctuation": True, "ignore_articles": True, "ignore_whitespace": True}
_ARTICLES: Final = frozenset({"a", "an", "the"})
_PLACEHOLDERS: Final = {
    "input": "[the question, as given]",
    "completion": "[the answer, as given]",
    "ideal": "[what is expected, as given]",
    "criteria": "[the criteria]",
}


@dataclass(frozen=True, slots=True)
class Grading:
    """Scorers of the suite, and what each sample's `ideal` and criteria make of its case.

    `judged` raises ValueError where a sample does not say what is right.
    """

    judged: Callable[[Json, str], Judged]
    scorers: tuple[Json, ...] = ()
    judge: str | None = None
    todo: tuple[str, ...] = ()


def grading_of(kind: str, args: Mapping[str, Json], where: Location, folder: Path, notes: Notes) -> Grading:
    """Translate a class of the registry; takes down what is lost.

    Args:
        kind: the class, as `module:Class`.
        args: its arguments.
        where: the eval.
        folder: that of the YAML file.
        notes: of the import.
    """
    name = kind.rpartition(":")[2].rpartition(".")[2]
    if name == "Match":
        return Grading(lambda ideal, _: _texts(ideal, "starts_with", {}), ())
    if name == "Includes":
        options: dict[str, Json] = {"ignore_case": True} if args.get("ignore_case") else {}
        return Grading(_any_text, ({"contains_any": options},) if options else ("contains_any",))
    if name == "FuzzyMatch":
        words = "FuzzyMatch also accepts an answer that is a part of what is right; `contains_any` does not"
        notes.add(where, "class", words, lost=False)
        return Grading(_lenient)
    if name == "JsonMatch":
        return Grading(_json_values)
    if name == "JsonValidator":
        return Grading(lambda _ideal, _criteria: (None, ()), ("json",))
    if name in ("ModelBasedClassify", "ModelGraded"):
        return _model_graded(args, where, folder, notes)
    return _unknown(f"the class {kind[:100]}", where, notes)


def _unknown(what: str, where: Location, notes: Notes) -> Grading:
    remedy = "choose a scorer for suite.yaml: evalkit scorers"
    notes.add(where, "class", f"{what} has no counterpart", remedy=remedy)
    todo = f"{what} judged these cases; this only sees that there is an answer"
    return Grading(lambda ideal, _: (ideal, ()), ({"length": {"min_chars": 1}},), todo=(todo,))


def _listed(ideal: Json) -> list[str]:
    found = [as_text(one) for one in (ideal if isinstance(ideal, list) else [ideal]) if one is not None]
    if not any(one.strip() for one in found):
        raise ValueError("`ideal` does not say what is right")
    return [one for one in found if one.strip()]


def _any_text(ideal: Json, _criteria: str) -> Judged:
    found = _listed(ideal)
    return (found[0] if len(found) == 1 else found), ()


def _lenient(ideal: Json, _criteria: str) -> Judged:
    """Articles are passed over, unless nothing else is right."""
    expected, _ = _any_text(ideal, "")
    articles = any(one.strip().lower() in _ARTICLES for one in _listed(ideal))
    return expected, ({"contains_any": {**_LENIENT, "ignore_articles": False} if articles else _LENIENT},)


def _texts(ideal: Json, scorer: str, options: Mapping[str, Json]) -> Judged:
    found = _listed(ideal)
    if len(found) == 1:
        return found[0], ({scorer: dict(options)} if options else scorer,)
    return found, ({"any_of": [{scorer: {"value": one, **options}} for one in found]},)


def _json_values(ideal: Json, _criteria: str) -> Judged:
    texts = ideal if isinstance(ideal, list) else [ideal]
    values = [_parsed(one) for one in texts]
    if len(values) == 1:
        return values[0], ({"json_equal": {"strict": True}},)
    if not values:
        raise ValueError("`ideal` does not say what is right")
    schemas = [{"json_schema": {"schema": {"const": value}, "strict": True}} for value in values]
    return values, ({"any_of": schemas},)


def _parsed(text: Json) -> Json:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("`ideal` is not JSON") from None


def _model_graded(args: Mapping[str, Json], where: Location, folder: Path, notes: Notes) -> Grading:
    named = args.get("modelgraded_spec", args.get("modelgraded_spec_file"))
    name = named if isinstance(named, str) else ""
    words = f"a model judges, by {name or 'a spec without a name'}"
    judging = f"a model that judges by {name or 'a spec without a name'}"
    if args.get("multicomp_n") not in (None, 1) or args.get("metaeval"):
        return _unknown(f"{judging}, several answers or its own verdicts,", where, notes)
    remedy = f"the judge is {JUDGE}: set another with `judge:` in suite.yaml"
    if name == "fact":
        notes.add(where, "class", f"{words}: `judge_reference` asks in its own words", lost=False, remedy=remedy)
        return Grading(_reference, ("judge_reference",), JUDGE)
    if name == "closedqa":
        notes.add(where, "class", f"{words}: `judge` asks in its own words", lost=False, remedy=remedy)
        given = args.get("criteria")
        shared = given if isinstance(given, str) else ""
        return Grading(lambda ideal, criteria: _by_criteria(ideal, criteria or shared), (), JUDGE)
    spec = _spec(name, folder)
    choices = _choices(spec)
    question = spec.get("prompt")
    if not isinstance(question, str) or not choices:
        return _unknown(
            judging if spec else f"{judging}, which is not in `modelgraded` beside the evals,", where, notes
        )
    notes.add(where, "class", f"{words}: `judge_choice` shows the answer in its own way", lost=False, remedy=remedy)
    plain = re.sub(r"\{(\w+)\}", lambda match: _PLACEHOLDERS.get(match[1], match[0]), question)
    return Grading(_optional, ({"judge_choice": {"question": plain, "choices": choices}},), JUDGE)


def _reference(ideal: Json, _criteria: str) -> Judged:
    return "\n".join(_listed(ideal)), ()


def _optional(ideal: Json, _criteria: str) -> Judged:
    return ideal, ()


def _by_criteria(ideal: Json, criteria: str) -> Judged:
    if not criteria.strip():
        raise ValueError("`criteria` does not say what the judge is to look for")
    return ideal, ({"judge": {"rubric": criteria}},)


def _spec(name: str, folder: Path) -> Mapping[str, Json]:
    """Read a spec of the registry, from `modelgraded` beside the folder of the evals."""
    if not re.fullmatch(r"[\w-]+", name):
        return {}
    path = folder.resolve().parent / "modelgraded" / f"{name}.yaml"
    try:
        data = mapping(load_file(path).data) if path.is_file() and not path.is_symlink() else {}
    except ConfigError:
        return {}
    return mapping(data.get(name)) or data


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", text) else None


def _choices(spec: Mapping[str, Json]) -> dict[str, float]:
    """What each choice is worth, brought to 0..1; none where the spec does not say it."""
    given = spec.get("choice_scores")
    strings = spec.get("choice_strings")
    if given == "from_strings" and isinstance(strings, (str, list)):
        given = {one: number for one in map(as_text, strings) if (number := _number(one)) is not None}
    scores = mapping(given)
    values = {
        str(key): float(value)
        for key, value in scores.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if len(set(values.values())) < 2 or len(values) != len(scores):
        return {}
    low, high = min(values.values()), max(values.values())
    if low >= 0 and high <= 1:
        return values
    return {key: (value - low) / (high - low) for key, value in values.items()}
