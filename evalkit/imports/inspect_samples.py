"""One sample of an Inspect log: the case, the answer, and what the scorers said.

The time of an answer is that of the model's own calls, waiting and failed tries left out, as events or the output tell
it. Only where neither does it is the sample's working time, which is what Inspect itself calls the time without
waiting, though with solvers' and scorers' work. Its total time depends on how many samples went on beside it and is
never taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from evalkit.errors import ConfigError
from evalkit.imports.draft import DraftAnswer
from evalkit.imports.gathering import MAX_TRIALS
from evalkit.imports.grades import PASS_AT, spelled_number
from evalkit.imports.values import (
    amount,
    count,
    failure,
    finish_reason,
    items,
    mapping,
    moment,
    one_line,
    share,
    text,
    verdict,
)
from evalkit.types import MISSING, Case, Json, ScorerVerdict, Usage

_LETTERS: Final[Mapping[str, tuple[float, bool]]] = {
    "C": (1.0, True),
    "P": (0.5, False),
    "I": (0.0, False),
    "N": (0.0, False),
    "yes": (1.0, True),
    "true": (1.0, True),
    "no": (0.0, False),
    "false": (0.0, False),
}
_ATTACHED: Final = "attachment://"


class Grade(NamedTuple):
    """What one scorer, or a part of it, said: `value` is None where that is no grade from 0 to 1."""

    name: str
    told: Json
    value: float | None
    passed: bool
    reason: str

    @property
    def graded(self) -> bool:
        """Whether it says more than pass or fail, by a number."""
        return self.value is not None and 0 < self.value < 1 and not isinstance(self.told, str)


def case_of(sample: Mapping[str, Json], task: str, tags: Sequence[str]) -> Case:
    """The question of a sample; `task` stands before its id, and is a tag of it, unless empty.

    Raises:
        ConfigError: the sample has no id.
    """
    name = sample.get("id")
    if isinstance(name, bool) or not isinstance(name, (str, int)) or name == "":
        raise ConfigError("has no `id`")
    metadata = mapping(sample.get("metadata"))
    variables: dict[str, Json] = {"input": _input(sample.get("input"), mapping(sample.get("attachments")))}
    if sample.get("choices"):
        variables["choices"] = sample["choices"]
    if metadata:
        variables["metadata"] = metadata
    target = sample.get("target")
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    named = [one_line(text(metadata[key])) for key in tags if metadata.get(key) is not None]
    return Case(
        id=one_line(f"{task}/{name}" if task else str(name), 200),
        vars=variables,
        expected=MISSING if target is None or target in ("", []) else target,
        tags=tuple(dict.fromkeys(tag for tag in (task, *named) if tag)),
    )


def _input(told: Json, attachments: Mapping[str, Json]) -> Json:
    """The input as text, or as a list of messages."""
    if not isinstance(told, list):
        return _content(told, attachments)
    messages = map(mapping, told)
    return [{"role": text(one.get("role")), "content": _content(one.get("content"), attachments)} for one in messages]


def _content(told: Json, attachments: Mapping[str, Json]) -> str:
    """A message's text; other things than text stand there by their kind, and reasoning not at all."""
    if isinstance(told, list):
        return "".join(filter(None, (_part(mapping(part), attachments) for part in told)))
    words = text(told)
    if words.startswith(_ATTACHED):
        return text(attachments.get(words.removeprefix(_ATTACHED), words))
    return words


def _part(part: Mapping[str, Json], attachments: Mapping[str, Json]) -> str:
    kind = text(part.get("type"))
    if kind == "text":
        return _content(part.get("text"), attachments)
    return "" if kind == "reasoning" else f"[{kind}]"


def grades_of(sample: Mapping[str, Json], order: Sequence[str]) -> list[Grade]:
    """What the scorers said, in the log's order of scorers; of one with several values each is taken by itself."""
    scores = mapping(sample.get("scores"))
    if not scores and isinstance(sample.get("score"), dict):  # a single scorer, in early logs
        scores = {order[0] if order else "score": sample["score"]}
    names = sorted(scores, key=lambda name: order.index(name) if name in order else len(order))
    return [grade for name in names for grade in _grades(name, scores[name])]


def _grades(name: str, score: Json) -> Iterator[Grade]:
    value = mapping(score).get("value") if isinstance(score, dict) else score
    reason = text(mapping(score).get("explanation") or mapping(score).get("answer"))
    parts: Iterator[tuple[str, Json]]
    if isinstance(value, dict):
        parts = ((f"{name}.{key}", part) for key, part in value.items())
    elif isinstance(value, list):
        parts = ((f"{name}.{place}", part) for place, part in enumerate(value, 1))
    else:
        parts = iter([(name, value)])
    yield from (_grade(part, told, reason) for part, told in parts)


def _grade(name: str, told: Json, reason: str) -> Grade:
    if isinstance(told, str):
        known = _LETTERS.get(told) or _LETTERS.get(told.strip().lower())
        if known:
            return Grade(name, told, *known, reason)
        told = spelled_number(told)
    value = share(told)
    return Grade(name, told, value, value is not None and value >= PASS_AT, reason)


def deciding(grades: Sequence[Grade], wanted: str | None) -> Grade | None:
    """The grade that tells whether an answer passed: that of the scorer that is wanted, else the first."""
    if wanted is None:
        return grades[0] if grades else None
    return next((grade for grade in grades if grade.name == wanted or grade.name.startswith(f"{wanted}.")), None)


def answer_of(
    sample: Mapping[str, Json], model: str, grades: Sequence[Grade], decides: Grade | None, names: tuple[str, str]
) -> DraftAnswer:
    """The answer in a sample, with its verdicts: only that of the grade that decides has weight.

    Args:
        sample: of the log.
        model: the name by which the log calls its model.
        grades: of the sample.
        decides: one of them.
        names: what the run calls the model and the prompt.

    Raises:
        ConfigError: its epoch is no number of a trial.
    """
    trial = count(sample.get("epoch", 1))
    if not trial or trial > MAX_TRIALS:
        raise ConfigError(f"has the epoch {text(sample.get('epoch'))[:40]}, where one from 1 to {MAX_TRIALS} is wanted")
    began = _began(sample)
    if sample.get("error"):
        error = sample["error"]
        told = error.get("message") if isinstance(error, dict) else error
        return DraftAnswer(*names, "", trial, error=failure(told), started_at=began)
    output = mapping(sample.get("output"))
    choice = mapping(next(iter(items(output.get("choices"))), None))
    usage = _tokens(sample, output, model)
    return DraftAnswer(
        *names,
        case_id="",
        trial=trial,
        output=_output(output, mapping(choice.get("message")), mapping(sample.get("attachments"))),
        passed=None if decides is None or decides.value is None else decides.passed,
        value=decides.value if decides else None,
        verdicts=tuple(_verdict(grade, decides) for grade in grades if grade.value is not None),
        tool_calls=_tool_calls(mapping(choice.get("message"))),
        finish_reason=finish_reason(choice.get("stop_reason")),
        usage=_usage(usage),
        latency_ms=_latency_ms(sample, output, model),
        cost_usd=amount(usage.get("total_cost")),
        served_model=_served(output, model),
        started_at=began,
    )


def _verdict(grade: Grade, decides: Grade | None) -> ScorerVerdict:
    return verdict(
        grade.name, grade.value, passed=grade.passed, reason=grade.reason, weight=1.0 if grade is decides else 0.0
    )


def _output(output: Mapping[str, Json], message: Mapping[str, Json], attachments: Mapping[str, Json]) -> str:
    completion = output.get("completion")
    return _content(completion if isinstance(completion, str) else message.get("content"), attachments)


def _tool_calls(message: Mapping[str, Json]) -> tuple[Json, ...]:
    return tuple(
        {"id": text(call.get("id")), "name": text(call.get("function")), "arguments": call.get("arguments")}
        for call in map(mapping, items(message.get("tool_calls")))
    )


def _served(output: Mapping[str, Json], model: str) -> str | None:
    told = output.get("model")
    if not isinstance(told, str) or not told:
        return None
    return told.removeprefix(f"{model.partition('/')[0]}/")


def _tokens(sample: Mapping[str, Json], output: Mapping[str, Json], model: str) -> Mapping[str, Json]:
    """What the model used in all its calls for a sample; the calls of graders and other roles are not its own."""
    used = mapping(mapping(sample.get("model_usage")).get(model))
    return used or mapping(output.get("usage"))


def _usage(used: Mapping[str, Json]) -> Usage:
    sent, received = count(used.get("input_tokens")), count(used.get("output_tokens"))
    read, written = count(used.get("input_tokens_cache_read")), count(used.get("input_tokens_cache_write"))
    cached = (read or 0) + (written or 0)
    if sent is not None and cached and (sent < cached or _counts_apart(used, sent + (received or 0), cached)):
        sent += cached
    return Usage(sent, read, written, received, count(used.get("reasoning_tokens")))


def _counts_apart(used: Mapping[str, Json], plain: int, cached: int) -> bool:
    """Whether the input's tokens do not hold those of the cache, as with some providers: the total tells."""
    return count(used.get("total_tokens")) == plain + cached


def _events(sample: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    told = sample.get("events") or mapping(sample.get("transcript")).get("events")
    return [mapping(event) for event in items(told)]


def _latency_ms(sample: Mapping[str, Json], output: Mapping[str, Json], model: str) -> float | None:
    calls = [
        event
        for event in _events(sample)
        if event.get("event") == "model"
        and event.get("model") in (model, model.partition("/")[2])
        and not event.get("role")
        and not event.get("error")
    ]
    if any(event.get("cache") == "read" for event in calls):
        return None
    times = [amount(mapping(event.get("output")).get("time")) for event in calls]
    if times and None not in times:
        return 1000 * sum(filter(None, times))
    own = amount(output.get("time")) if len(calls) <= 1 else None
    seconds = amount(sample.get("working_time")) if own is None else own
    return None if seconds is None else 1000 * seconds


def _began(sample: Mapping[str, Json]) -> str:
    told = sample.get("started_at") or next((event.get("timestamp") for event in _events(sample)), None)
    return moment(told)
