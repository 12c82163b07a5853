"""Pure functions on numbers: intervals, paired tests, quantiles, power, pass@k. No I/O.

What is named here needs nothing but the standard library. Modules that need numpy are imported by their own name.
"""

from evalkit.stats.intervals import Interval, clustered_mean_interval, wilson
from evalkit.stats.passk import pass_at_k, pass_hat_k
from evalkit.stats.quantiles import min_n_for_upper_bound, quantile

__all__ = [
    "Interval",
    "clustered_mean_interval",
    "min_n_for_upper_bound",
    "pass_at_k",
    "pass_hat_k",
    "quantile",
    "wilson",
]
