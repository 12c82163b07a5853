"""Pure functions on numbers: intervals and quantiles. No I/O, nothing of evalkit, nothing but the standard library."""

from evalkit.stats.intervals import Interval, clustered_mean_interval, wilson
from evalkit.stats.quantiles import min_n_for_upper_bound, quantile

__all__ = ["Interval", "clustered_mean_interval", "min_n_for_upper_bound", "quantile", "wilson"]
