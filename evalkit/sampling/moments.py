"""When something was asked, as logs and tables spell it."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final

_MILLISECONDS: Final = 1e11
"""From this number on a time counts milliseconds, then micro- and nanoseconds: as seconds it were the year 5138."""

_EARLIEST: Final = 1e8
"""Smaller numbers, such as 2024 or 17, are no times: as seconds they were before 1973."""


def moment(value: Any) -> dt.datetime | None:  # noqa: ANN401 - whatever a cell holds
    """Read a time: ISO 8601, or a number of seconds, milliseconds, ... since 1970; UTC where no zone is given."""
    if isinstance(value, str):
        text = value.strip()
        try:
            return _zoned(dt.datetime.fromisoformat(text))
        except OverflowError:  # before the year 1, or after 9999, in UTC
            return None
        except ValueError:
            pass
        try:
            value = float(text)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    if value < _EARLIEST:
        return None
    while value >= _MILLISECONDS:
        value /= 1000
    return dt.datetime.fromtimestamp(value, dt.UTC)


def _zoned(stamp: dt.datetime) -> dt.datetime:
    return stamp.astimezone(dt.UTC) if stamp.tzinfo else stamp.replace(tzinfo=dt.UTC)
