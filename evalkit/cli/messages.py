"""What the command line says when something is wrong."""

from __future__ import annotations

import sys

from evalkit.errors import ConfigErrors, EvalkitError

MAX_SHOWN = 40


def print_error(error: EvalkitError) -> None:
    """Print an error, or each of several, with its place and its remedy, to standard error."""
    errors = error.errors if isinstance(error, ConfigErrors) else (error,)
    for one in errors[:MAX_SHOWN]:
        sys.stderr.write(f"error: {one}\n")
        if one.remedy:
            sys.stderr.write(f"  -> {one.remedy}\n")
    if len(errors) > MAX_SHOWN:
        sys.stderr.write(f"... and {len(errors) - MAX_SHOWN} more\n")
