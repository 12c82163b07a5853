"""What differs between two candidates and between their runs, as their manifests tell."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final, NamedTuple

from evalkit.runner.manifest import Manifest, ManifestModel, ManifestPrompt
from evalkit.types import Json

_NO_SETTING: Final = frozenset({"name", "notes", "fingerprint"})
"""Of a model's row: what it is called, what is said of it, and what follows from the rest."""
_TEXT: Final = 200
_DIFF_CONTEXT: Final = 3


class Changed(NamedTuple):
    """A setting and its values, as text; None where it is not set."""

    what: str
    old: str | None
    new: str | None


class PromptDiff(NamedTuple):
    """How two prompts differ.

    Attributes:
        alike: whether they ask the same, whatever they are called.
        lines: a unified diff of their texts; empty where these are the same, or where a run did not keep them.
        known: whether both runs kept the texts.
    """

    alike: bool
    lines: tuple[str, ...]
    known: bool


def changed_model(old: ManifestModel, new: ManifestModel) -> tuple[Changed, ...]:
    """The settings of two model rows that differ; the fingerprint only where no setting tells why it does."""
    changed = tuple(_changed(_flat(_row(old)), _flat(_row(new))))
    if not changed and old.fingerprint != new.fingerprint:
        return (Changed("fingerprint", old.fingerprint, new.fingerprint),)
    return changed


def _row(model: ManifestModel) -> dict[str, Json]:
    return {**asdict(model), "concurrency": model.concurrency or None}  # 0 is not known


def changed_prompt(old: ManifestPrompt, new: ManifestPrompt) -> PromptDiff:
    """Compare the texts of two prompts line by line, each message under its role."""
    known = bool(old.template and new.template)
    lines = difflib.unified_diff(_lines(old), _lines(new), "A", "B", n=_DIFF_CONTEXT, lineterm="") if known else ()
    return PromptDiff(old.fingerprint == new.fingerprint, tuple(lines), known)


def changed_run(old: Manifest, new: Manifest) -> tuple[Changed, ...]:
    """What differs between two runs besides candidates and cases."""
    return tuple(_changed(_settings(old), _settings(new)))


def _settings(run: Manifest) -> Mapping[str, Json]:
    judges = {f"judge {judge.name}": judge.fingerprint for judge in run.judges}
    git = run.git or {}
    modified = " with changes" if git.get("modified") else ""
    return {
        "suite": run.suite.name,
        "suite content": run.suite.fingerprint[:12],
        "threshold": run.threshold,
        "trials": run.trials,
        "evalkit": run.evalkit,
        "git commit": f"{git['commit'][:12]}{modified}" if git.get("commit") else None,
        "calls per second": run.load and run.load.rate_per_s,
        **judges,
    }


def _changed(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Changed]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield Changed(name, _text(before), _text(after))


def _flat(row: Mapping[str, Json], prefix: str = "") -> dict[str, Json]:
    """A row with the keys of the mappings in it as `params.temperature`."""
    flat: dict[str, Json] = {}
    for key, value in row.items():
        if not prefix and key in _NO_SETTING:
            continue
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _text(value: Json) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _TEXT else f"{text[:_TEXT]}..."


def _lines(prompt: ManifestPrompt) -> list[str]:
    return [line for role, text in prompt.template for line in (f"[{role}]", *text.splitlines())]
