"""Which candidate to take, by the rules of a run's manifest, worked out anew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pandas as pd
from recount_formulas import wilson
from recount_pairs import gap
from recount_run import Run, moment
from scipy import stats

AT_LEAST = {"pass_rate", "pass_hat_k", "context_window"}
WORDS = {"data_policy", "license", "region"}
FRONT = ("pass_rate", "latency_p95_ms", "cost_per_1k_usd")
MONTH = 365 / 12
PEAK = 3.0
USED_AT_PEAK = 0.7
MOST_CASES = 100_000

Rules = dict[str, Any]
"""require: (key, bound or words) each; prefer; margin; per_day."""


def decision(
    run: Run, models: Sequence[Mapping[str, Any]], tags: Sequence[Mapping[str, Any]], stopped: Mapping[Any, int]
) -> dict[str, Any] | None:
    """The decision, from the figures of the candidates; `stopped` has those that a race did."""
    stated = bool(run.manifest["decide"])
    if not stated and (len(models) < 2 or any(one["cost_per_1k_cases_usd"] is None for one in models)):
        return None
    rules = rules_of(run.manifest["decide"] or {})
    return Field(run, models, tags, stopped, stated=stated).decide(rules)


def rules_of(block: Mapping[str, Any]) -> Rules:
    require = []
    for key, value in block.get("require", {}).items():
        if key == "tags":
            require += [(f"tags.{tag}", bound(rate)) for tag, rate in value.items()]
        else:
            require.append((key, ([value] if isinstance(value, str) else value) if key in WORDS else bound(value)))
    prefer = block.get("prefer", "cost")
    return {
        "require": require,
        "prefer": [prefer] if isinstance(prefer, str) else prefer,
        "margin": block.get("margin", 0.02),
        "per_day": block.get("traffic", {}).get("requests_per_day"),
    }


def bound(text: str) -> float:
    return float(text.strip().lstrip("<>=").strip())


def more(key: str) -> bool:
    return key in AT_LEAST or key.startswith("tags.")


def two_digits(value: float, *, up: bool) -> float:
    exact = Decimal(repr(float(f"{value:.10g}")))
    step = Decimal(1).scaleb(exact.adjusted() - 1)
    return float(exact.quantize(step, rounding=ROUND_CEILING if up else ROUND_FLOOR)) if value else 0.0


class Field:
    """All candidates with what rules ask of them. A figure is (value, low, high, n)."""

    def __init__(
        self,
        run: Run,
        models: Sequence[Mapping[str, Any]],
        tags: Sequence[Mapping[str, Any]],
        stopped: Mapping[Any, int],
        *,
        stated: bool,
    ) -> None:
        self.run, self.stopped, self.stated = run, stopped, stated
        self.told = dict(zip(run.candidates, models, strict=True))
        self.figures = {one: self.figures_of(one) for one in run.candidates}
        for one, tag in zip(
            [one for one in run.candidates for _ in range(len(tags) // len(models))], tags, strict=True
        ):
            self.figures[one][f"tags.{tag['tag']}"] = rate(tag)
        self.measured = [one for one in run.candidates if known(self.told[one]["pass_rate"])]
        self.alpha = 0.05 / max(1, len(self.measured) - 1)
        means = {
            one: run.of(one).query("finished").groupby("case")["passed"].mean().astype(float) for one in self.measured
        }
        self.lead = {
            (one, other): (means[one] - means[other]).dropna().mean()
            for one in self.measured
            for other in self.measured
        }
        self.monthly_of_one = {one: self.per_request(one) for one in run.candidates}

    def figures_of(self, one: tuple[str, str]) -> dict[str, Any]:
        told, calls = self.told[one], self.run.of(one)
        finished = int(calls["finished"].sum())
        hat = told["consistency"] or {}
        usd = self.mean_per_answer(one, "cost") if self.stated and not self.run.models[one[0]]["gpu"] else None
        ends = (1000 * usd[1], 1000 * usd[2]) if usd else (None, None)
        window = self.run.models[one[0]]["context_window"]
        errors = int(told["errors"])
        timed = {
            f"latency_p{q}_ms": (
                told[f"latency_p{q}_ms"],
                told[f"latency_p{q}_low_ms"],
                told[f"latency_p{q}_high_ms"],
                told["timed_answers"],
            )
            for q in (50, 95, 99)
        }
        return {
            "pass_rate": rate(told),
            "pass_hat_k": (*(hat.get(f"pass_hat_k{end}") for end in ("", "_low", "_high")), hat.get("cases", 0)),
            "error_rate": (errors / finished, *wilson(errors, finished), finished) if finished else (None,) * 4,
            **timed,
            **{f"ttft_p{q}_ms": (told[f"ttft_p{q}_ms"], None, None, 0) for q in (50, 95)},
            "cost_per_1k_usd": (told["cost_per_1k_cases_usd"], *ends, int(calls["answered"].sum())),
            "context_window": (window, window, window, 0),
        }

    def mean_per_answer(self, one: tuple[str, str], column: str) -> tuple[float, float, float] | None:
        """A mean over answers with Student's interval, by groups of cases."""
        answers = self.run.of(one).query("answered")
        if not len(answers) or answers[column].isna().any():
            return None
        groups = answers.assign(what=answers[column].astype(float)).groupby("group")["what"].agg(["sum", "size"])
        mean, m = groups["sum"].sum() / groups["size"].sum(), len(groups)
        spread = ((groups["sum"] - mean * groups["size"]) ** 2).sum() * m / (m - 1)
        half = float(stats.t.ppf(0.975, m - 1)) * math.sqrt(spread) / groups["size"].sum()
        return mean, max(0.0, mean - half), mean + half

    def per_request(self, one: tuple[str, str]) -> tuple[Any, Any] | None:
        """What a request takes, and of the user's own servers what they do and cost; None where unknown."""
        model = self.run.models[one[0]]
        if model["gpu"] is None:
            usd = self.mean_per_answer(one, "cost")
            return usd and (usd, None)
        tokens = self.mean_per_answer(one, "output")
        if tokens is None or model["concurrency"] <= 1:
            return None
        spans, generated = [], 0
        for record in self.run.of(one).query("answered")["record"]:
            sent = moment(record["started_at"]) + (record["queue_ms"] + record["retry_ms"]) / 1000
            spans.append((sent, sent + record["latency_ms"] / 1000))
            generated += record["usage"]["output"]
        busy, until = 0.0, -math.inf
        for begin, end in sorted(spans):
            busy, until = busy + max(0.0, end - max(begin, until)), max(until, end)
        return tokens, (generated / busy, model["gpu"]["count"] * model["gpu"]["usd_per_hour"] * 24 * MONTH)

    def monthly(self, one: tuple[str, str], per_day: float) -> list[float | None]:
        found = self.monthly_of_one[one]
        if found is None:
            return [None] * 3
        amounts, server = found
        if server is None:
            return [usd * per_day * MONTH for usd in amounts]
        speed, rent = server
        peaks = (tokens * per_day / 86400 * PEAK for tokens in amounts)
        return [max(1, math.ceil(peak / (speed * USED_AT_PEAK) - 1e-9)) * rent for peak in peaks]

    def word(self, one: tuple[str, str], key: str) -> str | None:
        model = self.run.models[one[0]]
        here = any(f"//{host}" in (model["base_url"] or "") for host in ("127.", "localhost", "[::1]"))
        return model[key] or ("local" if key == "data_policy" and (here or model["weights"]) else None)

    def judge(self, one: tuple[str, str], key: str, wanted: Any) -> dict[str, Any]:
        if key in WORDS:
            given = self.word(one, key)
            begins = [f"{word.casefold()}-" for word in wanted] if key == "region" else []
            met = given and (
                given.casefold() in map(str.casefold, wanted) or any(given.casefold().startswith(b) for b in begins)
            )
            standing = "unknown" if given is None else "met" if met else "missed"
            return {"key": key, "standing": standing, "figure": None, "given": given, "cases_needed": None}
        value, low, high, n = self.figures[one].get(key, (None,) * 4)
        found = {
            "key": key,
            "given": None,
            "figure": dict(zip(("value", "low", "high"), (value, low, high), strict=True)),
        }
        if not known(value):
            return found | {"standing": "unknown", "cases_needed": None}
        sign = 1 if more(key) else -1
        met = sign * value >= sign * wanted
        near = low if met == more(key) else high
        word = "met" if met else "missed"
        if near is not None and (sign * near >= sign * wanted) == met:
            return found | {"standing": word, "cases_needed": None}
        return found | {"standing": f"{word} by estimate", "cases_needed": cases_needed(value, near, wanted, n)}

    def holds(self, one: tuple[str, str], key: str, wanted: Any) -> bool:
        return self.judge(one, key, wanted)["standing"] in {"met", "met by estimate"}

    def rank(self, one: tuple[str, str], key: str, rules: Rules) -> float | None:
        """A figure, the lower the better."""
        if key == "cost_per_1k_usd" and rules["per_day"]:
            return self.monthly(one, rules["per_day"])[0]
        value = self.figures[one][key][0]
        return -value if key in AT_LEAST and known(value) else value

    def liked(self, one: tuple[str, str], rules: Rules) -> tuple[Any, ...]:
        keys = ["cost_per_1k_usd" if name == "cost" else name for name in rules["prefer"]]
        ranks = [self.rank(one, key, rules) for key in (*keys, *FRONT)]
        return (*(rank if known(rank) else math.inf for rank in ranks), one)

    def eligible(self, rules: Rules) -> list[tuple[str, str]]:
        return [one for one in self.measured if all(self.holds(one, *rule) for rule in rules["require"])]

    def choose(self, eligible: Sequence[tuple[str, str]], rules: Rules) -> tuple[Any, list[Any], Any]:
        """The best, those as good, and the recommended one. Whom a race stopped sets no standard."""
        leading = [one for one in eligible if one not in self.stopped] or list(eligible)
        behind = {
            one: round(max((self.ahead(other, one) for other in leading if other != one), default=0.0), 9)
            for one in eligible
        }
        best = min(leading, key=lambda one: (behind[one], self.liked(one, rules)), default=None)
        if best is None or not self.told[best]["pass_rate"]:
            return best, [], None
        good = [one for one in eligible if one == best or behind[one] <= rules["margin"]]
        return best, good, min(good, key=lambda one: self.liked(one, rules))

    def ahead(self, one: tuple[str, str], other: tuple[str, str]) -> float:
        lead = self.lead[one, other]
        return float(lead) if known(lead) else math.inf

    def answer(self, rules: Rules) -> Any:
        return self.choose(self.eligible(rules), rules)[2]

    def gap(self, one: tuple[str, str], other: tuple[str, str]) -> dict[str, Any] | None:
        if one not in self.measured or other not in self.measured or not known(self.lead[one, other]):
            return None
        found = gap(self.run, one, other, "passed", z=float(stats.norm.ppf(1 - self.alpha / 2)))
        names = ("cases", "difference", "better", "worse")
        return {name: found[name] for name in names} | {"interval": [found["difference_low"], found["difference_high"]]}

    def decide(self, rules: Rules) -> dict[str, Any]:
        eligible = self.eligible(rules)
        best, good, taken = self.choose(eligible, rules)
        front_by = [key for key in FRONT if any(known(self.rank(one, key, rules)) for one in eligible)]
        rivals = [one for one in eligible if one != taken]
        evidence, needed = self.evidence(taken, rivals, rules["margin"]) if taken else (None, None)
        return {
            "rules": {
                "require": [required(*rule) for rule in rules["require"]],
                "prefer": rules["prefer"],
                "margin": rules["margin"],
                "requests_per_day": rules["per_day"],
                "stated": self.stated,
            },
            "recommended": named(taken),
            "best": named(best),
            "runner_up": named(self.choose(rivals, rules)[2]) if taken else None,
            "nearest": None if eligible else named(self.nearest(rules)),
            "evidence": evidence,
            "cases_needed": needed,
            "confidence": 1 - self.alpha,
            "front_by": front_by,
            "candidates": [self.option(one, rules, eligible, best, good, front_by) for one in self.run.candidates],
            "changes": list(self.changes(rules, taken)),
        }

    def option(
        self, one: tuple[str, str], rules: Rules, eligible: Any, best: Any, good: Any, front_by: Any
    ) -> dict[str, Any]:
        told = self.told[one]
        own = [self.rank(one, key, rules) for key in front_by]
        beaten = any(dominates([self.rank(other, key, rules) for key in front_by], own) for other in eligible)
        ends = ("value", "low", "high")
        return {
            **named(one),
            "eligible": one in eligible,
            "as_good": one in good,
            "on_front": one in eligible and not beaten,
            "calls": told["passed"] + told["failed"] + told["errors"] + told["missing"],
            "missing": told["missing"],
            "errors": told["errors"],
            "stopped_after": self.stopped.get(one),
            **{key: dict(zip(ends, self.figures[one][key][:3], strict=True)) for key in FRONT},
            "monthly_usd": (
                dict(zip(ends, self.monthly(one, rules["per_day"]), strict=True)) if rules["per_day"] else None
            ),
            "to_best": None if best is None or one == best else self.gap(one, best),
            "requirements": [self.judge(one, *rule) for rule in rules["require"]],
        }

    def evidence(self, taken: Any, rivals: Sequence[Any], margin: float) -> tuple[str, int | None]:
        open_ones = []
        for one in rivals:
            found = self.gap(taken, one)
            if found is None or found["interval"][0] <= -margin:
                open_ones.append(found)
        if not rivals:
            return "no other is eligible", None
        if not open_ones:
            return "shown", None
        needed = [
            one and cases_needed(one["difference"], one["interval"][0], -margin, one["cases"]) for one in open_ones
        ]
        return "by estimate", None if None in needed else max(needed)

    def changes(self, rules: Rules, taken: Any) -> Iterator[dict[str, Any]]:
        for at, (key, wanted) in enumerate(rules["require"]):
            others = [rule for place, rule in enumerate(rules["require"]) if place != at]
            for to in [*self.looser(key, wanted), None]:
                found = self.answer(rules | {"require": [*others, *([] if to is None else [(key, to)])]})
                if found not in (None, taken):
                    yield {"key": key, "to": to, "recommended": named(found)}
                    break
        for margin in (rules["margin"] / 2, rules["margin"] * 2):
            found = self.answer(rules | {"margin": margin})
            if found not in (None, taken):
                yield {"key": "margin", "to": margin, "recommended": named(found)}
        if rules["per_day"] and taken:
            for sign in (-1, 1):
                yield from self.other_traffic(rules, taken, sign)

    def looser(self, key: str, wanted: Any) -> list[float]:
        if key in WORDS:
            return []
        values = [self.figures[one].get(key, (None,))[0] for one in self.run.candidates]
        missed = [value for value in values if known(value) and (value < wanted if more(key) else value > wanted)]
        return sorted({two_digits(value, up=not more(key)) for value in missed}, reverse=more(key))

    def other_traffic(self, rules: Rules, taken: Any, sign: int) -> Iterator[dict[str, Any]]:
        """The nearest traffic at which the answer is another one: found on a fine grid, then between its points."""

        def differs(power: float) -> bool:
            return self.answer(rules | {"per_day": rules["per_day"] * 2.0**power}) != taken

        steps = [sign * step / 8 for step in range(1, 81)]
        beyond = next((power for power in steps if differs(power)), None)
        if beyond is None:
            return
        before = beyond - sign / 8
        for _ in range(30):
            middle = (before + beyond) / 2
            before, beyond = (before, middle) if differs(middle) else (middle, beyond)
        exact = rules["per_day"] * 2.0**beyond
        to = two_digits(exact, up=sign > 0)
        to = exact if self.answer(rules | {"per_day": to}) == taken else to
        if (found := self.answer(rules | {"per_day": to})) is not None:
            yield {"key": "requests_per_day", "to": to, "recommended": named(found)}

    def nearest(self, rules: Rules) -> Any:
        """Who breaks the fewest rules, and these by the least part of their bounds."""

        def distance(one: tuple[str, str]) -> tuple[Any, ...]:
            broken = [rule for rule in rules["require"] if not self.holds(one, *rule)]
            return len(broken), sum(self.short(one, *rule) for rule in broken), -self.told[one]["pass_rate"], one

        return min(self.measured, key=distance, default=None)

    def short(self, one: tuple[str, str], key: str, wanted: Any) -> float:
        value = None if key in WORDS else self.figures[one].get(key, (None,))[0]
        return min(1.0, abs(value / wanted - 1)) if known(value) and wanted else 1.0


def known(value: Any) -> bool:
    return value is not None and not pd.isna(value)


def rate(told: Mapping[str, Any]) -> tuple[Any, ...]:
    """A pass rate with its interval, and how many cases it stands for."""
    done = told["passed"] + told["failed"] + told["errors"]
    n = round(told["cases"] * done / (done + told["missing"] + told["not_asked"]))
    return told["pass_rate"], told["pass_rate_low"], told["pass_rate_high"], n


def named(one: Any) -> Any:
    return one and {"model": one[0], "prompt": one[1]}


def required(key: str, wanted: Any) -> dict[str, Any]:
    how = "one_of" if key in WORDS else "at_least" if more(key) else "at_most"
    return {"key": key, how: wanted}


def dominates(one: Sequence[Any], other: Sequence[Any]) -> bool:
    if not all(map(known, (*one, *other))):
        return False
    return all(a <= b for a, b in zip(one, other, strict=True)) and list(one) != list(other)


def cases_needed(value: float, near: float | None, wanted: float, n: int) -> int | None:
    """Widths of intervals go by the root of the number of cases; two digits are told."""
    if near is None or value == wanted:
        return None
    cases = n * ((value - near) / (value - wanted)) ** 2
    return None if cases > MOST_CASES else max(n + 1, int(two_digits(cases, up=True)))
