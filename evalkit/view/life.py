"""Whether a process is at work on a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from evalkit.runner.folder import LOCK
from evalkit.runner.journal import JUDGEMENTS, RECORDS, SCORES
from evalkit.runner.manifest import MANIFEST

_QUIET_S: Final = 60.0
"""So long after the last row only the lock can tell whether a slow call is waited for or its process is gone."""


def last_written_s(folder: Path) -> float:
    """Seconds since something was last written to the run's journals."""
    times = [
        path.stat().st_mtime for name in (MANIFEST, RECORDS, SCORES, JUDGEMENTS) if (path := folder / name).exists()
    ]
    return max(0.0, time.time() - max(times, default=0.0))


def shows_life(folder: Path) -> bool:
    """Whether rows came in lately, or a process holds the run's lock.

    The lock is tried last, as who tries it has it for a moment, in which a resumed run would find it taken.
    """
    return last_written_s(folder) < _QUIET_S or _locked(folder / LOCK)


def _locked(lock: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # pragma: no cover: Windows
        return False
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
