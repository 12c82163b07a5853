"""What to mend where calls failed, and how to ask them again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

from evalkit.analysis import RunSummary
from evalkit.errors import ErrorKind
from evalkit.report.alerts import path_from_here
from evalkit.types import Model


def look_at(model: Model, kind: str) -> str:
    """Say what to look at where a server refuses whatever a model is asked; empty where the error says it all.

    Args:
        model: who was asked.
        kind: of the error.
    """
    if model.base_url is None or kind not in {ErrorKind.AUTH, ErrorKind.NOT_FOUND}:
        return ""
    place = f", {model.where}" if model.where else ""
    if kind == ErrorKind.NOT_FOUND:
        return f"look at `model` and `base_url`{place}"
    variable = model.api_key_env
    if variable is None:
        return f"name the variable that holds its key: `api_key_env`{place}"
    return f"look at the key in {variable}" if os.environ.get(variable) else f"export {variable}=..., its key"


def to_mend(run: RunSummary, models: Sequence[Model], *, allow_code: bool) -> Iterator[str]:
    """Say, for a terminal, what to look at and how to ask again what ended in an error."""
    if not run.errors:
        return
    kinds = {one.model: one.errors_by_kind for one in run.models}
    for model in models:
        for kind in kinds.get(model.name, {}):
            if hint := look_at(model, kind):
                yield f"  -> {model.name}: {hint}"
    allowed = ["--allow-code"] if allow_code else []
    again = ["evalkit", "run", run.manifest.suite.path, *allowed, "--resume", path_from_here(run.folder)]
    yield f"  -> ask only these again: {shlex.join(again)}"
