"""Which candidate to take: the top line and a section of report.md, and a part of report.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from evalkit.analysis.decide.decision import Decision, Figure, Gap, Judgement, Option
from evalkit.analysis.run_data import Candidate
from evalkit.report.decision_words import Words, cells
from evalkit.report.labels import Labels
from evalkit.report.markup import plain, table
from evalkit.report.sheets import Sheet
from evalkit.suite.decide_rules import Bound, Requirement
from evalkit.types import Json

_FRONT: Final = {"pass_rate": "pass rate", "latency_p95_ms": "p95", "cost_per_1k_usd": "cost"}


def recommendation(decision: Decision | None, labels: Labels) -> list[str]:
    """The answer for the top of a report; nothing where there is no decision."""
    if decision is None:
        return []
    words = Words(decision, labels)
    return [" ".join([f"**{plain(words.headline())}**", *map(plain, words.reasons())]), ""]


def decision_line(decision: Decision, labels: Labels) -> str:
    """The answer for a terminal."""
    words = Words(decision, labels)
    return " ".join([words.headline(), *words.reasons()])


def decision_section(decision: Decision | None, labels: Labels) -> list[str]:
    """The rules, how every candidate stands to them, and what would change the answer."""
    if decision is None:
        return []
    words = Words(decision, labels)
    columns = cells(decision, labels)
    rows = [(plain(name), *figures) for name, *figures in zip(*columns.values(), strict=True)]
    lines = [*words.out(), *words.outlook()]
    return [
        "## Decision",
        "",
        plain(words.rules()),
        "",
        *table(list(columns), rows, left=2),
        "",
        *(f"- {plain(line)}" for line in lines),
        *([""] if lines else []),
        *_paragraph(front_words(decision), words.method()),
    ]


def _paragraph(*sentences: str) -> list[str]:
    text = " ".join(filter(None, sentences))
    return [plain(text), ""] if text else []


def decision_sheets(decision: Decision, labels: Labels) -> tuple[Sheet, ...]:
    """The same for a terminal, or a document of its own."""
    words = Words(decision, labels)
    columns = cells(decision, labels)
    return (
        Sheet(
            title=words.headline(),
            header=tuple(columns),
            rows=tuple(zip(*columns.values(), strict=True)),
            before=(*words.incomplete(), *words.reasons()),
            after=tuple(
                filter(None, [*words.out(), *words.outlook(), words.rules(), front_words(decision), words.method()])
            ),
        ),
    )


def front_words(decision: Decision) -> str:
    """What the front is."""
    known = [_FRONT[name] for name in decision.dimensions]
    if len(known) < 2:
        return ""
    lacking = [word for name, word in _FRONT.items() if name not in decision.dimensions]
    left_out = f" ({' and '.join(lacking)}: not known of any)" if lacking else ""
    return (
        f"Front: no other candidate that meets the rules is at least as good in {', '.join(known[:-1])} and "
        f"{known[-1]}, and better in one of them{left_out}. An unknown figure is never taken to be better or worse."
    )


def decision_json(decision: Decision | None) -> dict[str, Json] | None:
    """The decision, unrounded; null where there is none."""
    if decision is None:
        return None
    rules = decision.rules
    return {
        "rules": {
            "require": [_requirement(one) for one in rules.require],
            "prefer": list(rules.prefer),
            "margin": rules.margin,
            "requests_per_day": rules.requests_per_day,
            "stated": decision.stated,
        },
        "recommended": _name(decision.recommended),
        "best": _name(decision.best),
        "runner_up": _name(decision.runner_up),
        "nearest": _name(decision.nearest),
        "evidence": decision.evidence,
        "cases_needed": decision.cases_needed,
        "confidence": decision.confidence,
        "front_by": list(decision.dimensions),
        "candidates": [_option(one) for one in decision.options],
        "changes": [
            {"key": change.key, "to": change.to, "recommended": _name(change.recommended)}
            for change in decision.changes
        ],
    }


def _name(candidate: Candidate | None) -> dict[str, Json] | None:
    return None if candidate is None else {"model": candidate[0], "prompt": candidate[1]}


def _requirement(one: Requirement) -> dict[str, Json]:
    if isinstance(one, Bound):
        return {"key": one.key, "at_least" if one.more_is_better else "at_most": one.bound}
    return {"key": one.key, "one_of": list(one.values)}


def _option(one: Option) -> dict[str, Json]:
    return {
        "model": one.model,
        "prompt": one.prompt,
        "eligible": one.eligible,
        "as_good": one.as_good,
        "stopped_after": one.stopped_after,
        "on_front": one.on_front,
        "calls": one.calls,
        "missing": one.missing,
        "errors": one.errors,
        "pass_rate": _figure(one.pass_rate),
        "latency_p95_ms": _figure(one.latency_p95_ms),
        "cost_per_1k_usd": _figure(one.cost_per_1k_usd),
        "monthly_usd": one.monthly_usd and _figure(one.monthly_usd),
        "to_best": one.to_best and _gap(one.to_best),
        "requirements": [_judgement(found) for found in one.judgements],
    }


def _figure(figure: Figure) -> dict[str, Json]:
    return {"value": figure.value, "low": figure.low, "high": figure.high}


def _gap(gap: Gap) -> dict[str, Json]:
    return {**asdict(gap), "interval": list(gap.interval)}


def _judgement(one: Judgement) -> dict[str, Json]:
    return {
        "key": one.requirement.key,
        "standing": one.standing,
        "figure": one.figure and _figure(one.figure),
        "given": one.given,
        "cases_needed": one.cases_needed,
        "why_unknown": one.why_unknown or None,
    }
