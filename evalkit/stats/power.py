"""What so many cases can show, and how many it takes to show something. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evalkit.stats.distributions import first_above, normal_quantile


def detectable_difference(n: int, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Find the smallest difference of two pass rates that `n` cases, asked of both, show with probability `power`.

    Args:
        n: cases, above 0.
        discordance: the share of cases on which the two differ, 0..1. A difference cannot be larger than it: for
            larger ones it counts as just as large.
        power: probability of showing it, between 0 and 1.
        alpha: two-sided level of the test, between 0 and 1.

    Returns:
        The difference, 0..1; 1 where so few cases cannot even show that.
    """
    return first_above(lambda difference: _needed(difference, discordance, power, alpha) <= n)


def cases_needed(difference: float, discordance: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Cases, asked of both, that show a difference of two pass rates with probability `power`.

        n = ((z_{1 - alpha / 2} sqrt(psi) + z_power sqrt(psi - d^2)) / d)^2

    R. J. Connor (1987), Sample size for testing differences in proportions for the paired-sample design, Biometrics
    43:207-211. Here d is the difference and psi the discordance.

    Args:
        difference: within -1..1; its sign does not matter.
        discordance: as for `detectable_difference`; so are `power` and `alpha`.
        power: probability of showing it.
        alpha: two-sided level of the test.

    Raises:
        ValueError: the difference is 0, which no number of cases shows.
    """
    _check_difference(difference)
    return math.ceil(_needed(abs(difference), discordance, power, alpha))


def _needed(difference: float, discordance: float, power: float, alpha: float) -> float:
    psi = max(discordance, difference)
    null, true = normal_quantile(1 - alpha / 2), normal_quantile(power)
    return float(((null * math.sqrt(psi) + true * math.sqrt(psi - difference**2)) / difference) ** 2)


def detectable_mean_difference(n: int, variance: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Find the smallest difference of two means that `n` cases, asked of both, show with probability `power`.

        d = (z_{1 - alpha / 2} + z_power) sqrt(variance / n)

    E. Miller (2024), Adding error bars to evals, arXiv:2411.00640, section 5.

    Args:
        n: cases, above 0.
        variance: of the difference from case to case; `VarianceParts.after` gives it for so many trials.
        power: probability of showing it, between 0 and 1.
        alpha: two-sided level of the test, between 0 and 1.

    Returns:
        The difference, 1 at most.
    """
    return min(1.0, _away(power, alpha) * math.sqrt(variance / n))


def cases_needed_for_mean(difference: float, variance: float, *, power: float = 0.8, alpha: float = 0.05) -> int:
    """Cases, asked of both, that show a difference of two means: `detectable_mean_difference` the other way round.

    Raises:
        ValueError: the difference is 0.
    """
    _check_difference(difference)
    return max(1, math.ceil((_away(power, alpha) / difference) ** 2 * variance))


def _away(power: float, alpha: float) -> float:
    return normal_quantile(1 - alpha / 2) + normal_quantile(power)


def _check_difference(difference: float) -> None:
    if not difference:
        raise ValueError("no number of cases shows a difference of 0")


class VarianceParts(NamedTuple):
    """Where the variance of a case's difference comes from, when each candidate is asked once.

    Attributes:
        between: how the candidates' true rates differ from case to case.
        within: what changes when the same case is asked again.
    """

    between: float
    within: float

    def after(self, trials: int) -> float:
        """Variance of a case's difference when each candidate is asked so many times, 1 or more."""
        return self.between + self.within / trials


def variance_parts(
    first_passed: Sequence[int],
    first_finished: Sequence[int],
    second_passed: Sequence[int],
    second_finished: Sequence[int],
) -> VarianceParts | None:
    """Split the variance of the cases' differences in pass rate.

    E. Miller (2024), Adding error bars to evals, arXiv:2411.00640, section 3.1: Var = between + within / trials. Both
    parts are estimated without bias: the one within by the variance of each case's trials, p (1 - p) k / (k - 1), the
    one between by what that leaves of the variance of the differences; it is 0 at least.

    Args:
        first_passed: per case, how many trials the first candidate passed.
        first_finished: how many it finished.
        second_passed: the same of the second candidate, on the same cases in the same order.
        second_finished: likewise.

    Returns:
        The parts; None with fewer than two cases that both finished at least twice, as one trial tells nothing of this.

    Raises:
        ValueError: the sequences have not the same length.
    """
    columns = (first_passed, first_finished, second_passed, second_finished)
    repeated = [row for row in zip(*columns, strict=True) if min(row[1], row[3]) >= 2]
    n = len(repeated)
    if n < 2:
        return None
    differences = [a / k - b / m for a, k, b, m in repeated]
    mean = math.fsum(differences) / n
    total = math.fsum((difference - mean) ** 2 for difference in differences) / (n - 1)
    spreads = [(_of_trials(*one), one[1]) for a, k, b, m in repeated for one in ((a, k), (b, m))]
    within = math.fsum(spread for spread, _ in spreads) / n
    noise = math.fsum(spread / trials for spread, trials in spreads) / n
    return VarianceParts(max(0.0, total - noise), within)


def _of_trials(passed: int, finished: int) -> float:
    """Variance of one trial, estimated from several."""
    return passed * (finished - passed) / (finished * (finished - 1))
