"""The figures of cascades and of routing by tag, unrounded, for machines. Unknown is null."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.analysis.cascade.cascades import SPLITS, Cascade, Trial, says
from evalkit.analysis.cascade.data import Answers
from evalkit.analysis.cascade.tags import Outcome, Routing
from evalkit.analysis.cascade.worth import Worth
from evalkit.analysis.cost.monthly import Figure
from evalkit.types import Json


def cascade_json(found: Sequence[Cascade], routing: Routing | None, *, margin: float, seed: int) -> dict[str, Json]:
    """All figures."""
    return {
        "margin": margin,
        "seed": seed,
        "splits": SPLITS,
        "cascades": [_cascade(one) for one in found],
        "routing_by_tag": _routing(routing) if routing else None,
    }


def _cascade(one: Cascade) -> dict[str, Json]:
    return {
        "cheap": _name(one.pair.cheap),
        "strong": _name(one.pair.strong),
        "cheap_asked_every_trial": one.by_agreement,
        "cases": one.cases,
        "sources": one.pair.sources,
        "always_cheap": _worth(one.cheap),
        "always_strong": _worth(one.strong),
        "perfect_routing": _worth(one.oracle),
        "chosen": [
            {"aim": str(choice.aim), **_rule(choice.trial), "held_out": _worth(choice.held_out)}
            for choice in one.choices
        ],
        "rules": [{**_rule(trial), "held_out": _worth(trial.held_out)} for trial in one.trials],
    }


def _rule(trial: Trial) -> dict[str, Json]:
    return {
        "signal": trial.rule.signal,
        "share": trial.rule.share,
        "threshold": trial.threshold,
        "says": says(trial.rule, trial.threshold),
    }


def _worth(of: Worth) -> dict[str, Json]:
    return {
        "escalated": of.escalated,
        "pass_rate": of.rate,
        "pass_rate_low": of.interval.low,
        "pass_rate_high": of.interval.high,
        "usd_per_1k": _figure(of.usd_per_1k),
        "latency_p95_ms": _figure(of.p95_ms),
        "over_strong": _figure(of.over_strong),
        "saving": _figure(of.saving),
        "over_chance": _figure(of.over_chance),
    }


def _routing(of: Routing) -> dict[str, Json]:
    return {
        "cases": of.cases,
        "routes": [{"tags": list(kind), **_name(to)} for kind, to in of.routes.items()],
        "default": _name(of.default),
        "by_tag": _outcome(of.by_tag),
        "one_for_all": _outcome(of.single),
        "over_one_for_all": _figure(of.over_single),
        "perfect_routing": _outcome(of.oracle),
    }


def _outcome(of: Outcome) -> dict[str, Json]:
    return {
        "pass_rate": of.rate,
        "pass_rate_low": of.interval.low,
        "pass_rate_high": of.interval.high,
        "usd_per_1k": _figure(of.usd_per_1k),
        "latency_p95_ms": _figure(of.p95_ms),
    }


def _name(of: Answers) -> dict[str, Json]:
    return {"model": of.model, "prompt": of.prompt}


def _figure(figure: Figure | None) -> dict[str, Json] | None:
    return None if figure is None else {"value": figure.value, "low": figure.low, "high": figure.high}
