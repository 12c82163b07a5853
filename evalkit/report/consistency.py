"""How the trials of each case agree: a section of report.md, and a part of report.json."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.analysis import Consistency, RunSummary
from evalkit.analysis.summary import PassTrials
from evalkit.report import format as fmt
from evalkit.report.labels import Labels
from evalkit.report.markup import plain, table
from evalkit.stats import Interval
from evalkit.types import Json

_ABOUT = (
    "Over the cases all of whose {k} trials finished: pass@{k} is the share of those that passed at least once, "
    "pass^{k} the share of those that passed every time. The others that ever passed are flaky. An error is not a pass."
)
_ABOUT_ANSWERS = (
    "Same answer: the share of pairs of answers to a case whose text is the same, averaged over cases. Slowest / "
    "fastest: how many times as long the slowest answer to a case took as the fastest, in the median over cases."
)
_ABOUT_K = (
    "How often k trials of a case, of the {k} made, hold at least one pass (pass@k), and hold nothing else (pass^k)."
)

_MOST_ROWS = 24
"""Rows of pass@k for each k that are still read."""


def consistency_section(run: RunSummary, labels: Labels) -> list[str]:
    """Which cases pass at least once and which every time. Nothing for a run that asked each case once."""
    known = [(labels.of(one), one.consistency) for one in run.models if one.consistency]
    if not known:
        return []
    k = run.manifest.trials
    columns = {
        "model": [plain(name) for name, _ in known],
        "cases": [fmt.count(found.cases) for _, found in known],
        f"pass@{k}": [fmt.percent(found.pass_at_k) for _, found in known],
        f"95 % of pass@{k}": [fmt.interval(found.pass_at_k_interval) for _, found in known],
        f"pass^{k}": [fmt.percent(found.pass_hat_k) for _, found in known],
        f"95 % of pass^{k}": [fmt.interval(found.pass_hat_k_interval) for _, found in known],
        "flaky cases": [fmt.count(found.flaky) for _, found in known],
    }
    return [
        "## Consistency",
        "",
        _ABOUT.replace("{k}", str(k)),
        "",
        *table(list(columns), list(zip(*columns.values(), strict=True))),
        "",
        *_answers(known),
        *(_each_k(known, k) if k > 2 else []),
    ]


def _answers(known: Sequence[tuple[str, Consistency]]) -> list[str]:
    """Whether a case gets the same answer each time, and as fast."""
    columns = {
        "model": [plain(name) for name, _ in known],
        "same answer": [fmt.percent(found.agreement.value if found.agreement else None) for _, found in known],
        "95 % interval": [fmt.interval(found.agreement.interval if found.agreement else None) for _, found in known],
        "slowest / fastest": [
            fmt.ratio(found.spread.median, found.spread.interval) if found.spread else fmt.UNKNOWN for _, found in known
        ],
    }
    return [_ABOUT_ANSWERS, "", *table(list(columns), list(zip(*columns.values(), strict=True))), ""]


def _each_k(known: Sequence[tuple[str, Consistency]], trials: int) -> list[str]:
    """Both shares for every number of trials up to all, where there is one between one and all."""
    if trials * len(known) > _MOST_ROWS:
        return ["pass@k and pass^k for each k are in report.json.", ""]
    columns = {
        "model": [plain(name) for name, found in known for _ in found.by_k],
        "k": [str(one.k) for _, found in known for one in found.by_k],
        "pass@k": [_share(one.pass_at_k, one.pass_at_k_interval) for _, found in known for one in found.by_k],
        "pass^k": [_share(one.pass_hat_k, one.pass_hat_k_interval) for _, found in known for one in found.by_k],
    }
    about = _ABOUT_K.replace("{k}", str(trials))
    return [about, "", *table(list(columns), list(zip(*columns.values(), strict=True))), ""]


def _share(rate: float, ends: Interval) -> str:
    return f"{fmt.percent(rate)} [{fmt.interval(ends)}]"


def consistency_json(found: Consistency | None) -> dict[str, Json] | None:
    """A candidate's figures, unrounded; null where each case was asked once, or no case as often as it should."""
    if found is None:
        return None
    agreement, spread = found.agreement, found.spread
    return {
        "k": found.k,
        "cases": found.cases,
        "flaky_cases": found.flaky,
        **_shares(found.by_k[-1]),
        "by_k": [{"k": one.k, **_shares(one)} for one in found.by_k],
        "agreement": agreement.value if agreement else None,
        "agreement_low": agreement.interval.low if agreement else None,
        "agreement_high": agreement.interval.high if agreement else None,
        "latency_spread": spread.median if spread else None,
        "latency_spread_low": spread.interval[0] if spread else None,
        "latency_spread_high": spread.interval[1] if spread else None,
        "latency_spread_cases": spread.cases if spread else 0,
    }


def _shares(one: PassTrials) -> dict[str, Json]:
    return {
        "pass_at_k": one.pass_at_k,
        "pass_at_k_low": one.pass_at_k_interval.low,
        "pass_at_k_high": one.pass_at_k_interval.high,
        "pass_hat_k": one.pass_hat_k,
        "pass_hat_k_low": one.pass_hat_k_interval.low,
        "pass_hat_k_high": one.pass_hat_k_interval.high,
    }
