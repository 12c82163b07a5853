"""Who is asked, and what comes of several judges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from evalkit.errors import ConfigError
from evalkit.scorers.base import Options, ScorerError
from evalkit.scorers.judges.forms import Form
from evalkit.scorers.judges.material import EXPLAINED
from evalkit.scorers.judges.verdicts import NoVerdictError, Verdict, verdict_in
from evalkit.scorers.options import Opt
from evalkit.scorers.values import clip, show
from evalkit.types import Json, Message, Question, Record, ScorerContext

ANY_LENGTH: Final = 1 << 62
"""Answers of any length are handled at once: what is shown of them has a limit."""

_REASON_CHARS: Final = 240
_NOW: Final = "That was all of the material. Now give your verdict, as the JSON object that was described."

Combine: TypeAlias = Literal["majority", "mean", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging(Options):
    """The options of every scorer that asks judges."""

    model: Annotated[
        str | tuple[str, ...] | None,
        Opt("The model that judges, or several of them, by their names. Default: the suite's `judge`.", filled=True),
    ] = None
    combine: Annotated[
        Combine,
        Opt(
            "What counts when several judge: the value that more than half of them give or exceed (majority), "
            "the mean of their values, or the lowest (all)."
        ),
    ] = "majority"
    instructions: Annotated[
        str | None,
        Opt("What the judge is told about how to judge, instead of our words. Plain text.", filled=True),
    ] = None

    def inline_chars(self, context: ScorerContext) -> int:  # noqa: ARG002 - other scorers need it
        """However long an answer is, little of it is looked at."""
        return ANY_LENGTH

    def panel(self, scorer: str, context: ScorerContext) -> Panel:
        """Find out who judges.

        Raises:
            ConfigError: nobody is named, or somebody twice.
        """
        named = context.judge if self.model is None else self.model
        if named is None:
            raise ConfigError(
                f"{scorer}: no model is named that judges",
                remedy=f"write `judge: NAME` in the suite, or `{scorer}: {{..., model: NAME}}`",
            )
        models = (named,) if isinstance(named, str) else named
        if not all(models):
            raise ConfigError(f"{scorer}: a judge has no name")
        if twice := next((model for model in models if models.count(model) > 1), None):
            raise ConfigError(f"{scorer}: {show(twice)} is listed twice as a judge", remedy="list each once")
        return Panel(models, self.combine)


@dataclass(frozen=True, slots=True)
class Panel:
    """The judges of a scorer, and how their voices are counted."""

    models: tuple[str, ...]
    combine: Combine

    def ask(self, brief: str, *messages: str) -> tuple[Question, ...]:
        """Ask each judge about each message, at temperature 0; the questions to one judge stand together."""
        return tuple(
            # The last word is ours: what the pieces say stands further away.
            Question(model, (Message("system", brief), Message("user", f"{text}\n\n{_NOW}")), {"temperature": 0})
            for model in self.models
            for text in messages
        )

    def value(self, values: Sequence[float]) -> float:
        """Put the judges' values together."""
        if self.combine == "mean":
            return math.fsum(values) / len(values)
        ranked = sorted(values)
        return ranked[0] if self.combine == "all" else ranked[(len(ranked) - 1) // 2]


def brief(how: str, task: str, form: Form) -> str:
    """Tell a judge what to do: how to judge, the task at hand, what it is shown, and the form of its verdict."""
    reply = f'{{"reason": "two or three sentences", "{form.key}": {form.wanted}}}'
    wanted = f"Reply with one JSON object and nothing else, your reason first and then your verdict: {reply}"
    return f"{how}\n\n{task}\n\n{EXPLAINED}\n\n{wanted}"


def heard(model: str, reply: Record, form: Form) -> Verdict:
    """Read a judge's reply.

    Raises:
        ScorerError: there is none, or it holds no verdict.
    """
    if reply.error is not None:
        raise ScorerError(f"the judge {model} gave no answer: {clip(reply.error.message, 300)}")
    try:
        return verdict_in(reply.output or "", form)
    except NoVerdictError as error:
        cut = _CUT.get(reply.finish_reason or "", "")
        raise ScorerError(
            f"the answer of the judge {model} cannot be read: {error}{cut}, got {show(reply.output or '', 160)}",
            unreadable=reply.call_id,
        ) from None


_CUT: Final = {
    "length": " (it was cut off at the limit on tokens: `max_tokens` of its row in models.yaml)",
    "content_filter": " (a filter cut it off)",
    "refusal": " (it refused)",
}


def reason_of(voices: Sequence[tuple[str, Verdict]]) -> str:
    """Say on one line what the judges said who gave less than all, and why."""
    below = [(model, verdict) for model, verdict in voices if verdict.grade.value < 1]
    said = [f"{verdict.grade.said}: {verdict.reason}" if verdict.reason else verdict.grade.said for _, verdict in below]
    if len(voices) > 1:
        said = [f"{model}: {text}" for (model, _), text in zip(below, said, strict=True)]
    return clip("; ".join(said), _REASON_CHARS)


def as_details(model: str, verdict: Verdict) -> dict[str, Json]:
    """What is kept of one judge's verdict."""
    return {"model": model, "value": verdict.grade.value, "verdict": verdict.grade.said, "reason": verdict.reason}
