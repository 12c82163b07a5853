"""What a user says of an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How to export.

    Attributes:
        prompt: the name of the prompt whose messages are wanted, where a format has room for those of one.
        models_file: where the suite's models are configured; by default, models.yaml beside the suite or above it.
    """

    prompt: str | None = None
    models_file: Path | None = None
