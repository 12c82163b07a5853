"""What a reader of another tool's files hands on: a suite or a run in the making, and what could not come along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from evalkit.errors import Location
from evalkit.runner.manifest import ManifestModel, ManifestPrompt
from evalkit.types import MISSING, Case, Json, RecordError, ScorerVerdict, Usage


@dataclass(frozen=True, slots=True)
class Note:
    """What was not carried over as it stood.

    `kind` is of the thing in the source's words: "assertion", "provider", "prompt", "test", "row", ... `lost` tells
    whether it is missing from the result, which then needs the user's consent; else it was carried over with a change
    in meaning that a person should know of. `remedy` says what to write instead.
    """

    where: Location
    kind: str
    message: str
    lost: bool = True
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """How many things of a kind the source has, and how many of them were carried over whole."""

    kind: str
    found: int
    carried: int


class Stamp(NamedTuple):
    """When an input was asked, as the source spells it, if it says so; and where."""

    where: Location
    value: Json


@dataclass(frozen=True, slots=True)
class DraftCase:
    """A case to be written. `scorers` are its own, as a suite spells them; `todo` are remarks for whoever finishes it.

    An `id` of None is left out, so that it is made from the content. `data_policy` is `local` for data that must not
    leave the machine. `at` is never written; it is there where the options name a column of times.
    """

    vars: Mapping[str, Json]
    id: str | None = None
    expected: Json = MISSING
    tags: tuple[str, ...] = ()
    scorers: tuple[Json, ...] = ()
    turns: tuple[Json, ...] = ()
    todo: tuple[str, ...] = ()
    data_policy: str | None = None
    at: Stamp | None = None


@dataclass(frozen=True, slots=True)
class DraftPrompt:
    """A prompt to be written: its messages as a prompt file spells them, templates in our Jinja2."""

    name: str
    messages: tuple[Json, ...]
    description: str = ""
    todo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftSuite:
    """A suite to be written, with its prompts and models.

    `models` are rows of models.yaml by name, of which the suite runs `run` (all where it is None). `settings` are
    further keys of the suite as they are spelled: params, vars, trials, tools, judge, threshold, output_schema.
    `todo` are remarks that stand at the top of the file. `files` are further files to write, by path in the folder.
    """

    name: str
    cases: Sequence[DraftCase]
    prompts: Sequence[DraftPrompt]
    models: Mapping[str, Mapping[str, Json]]
    scorers: tuple[Json, ...] = ()
    run: tuple[str, ...] | None = None
    description: str = ""
    settings: Mapping[str, Json] = field(default_factory=dict)
    todo: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftAnswer:
    """An answer that another tool got, with its verdict: an output and `verdicts`, or an `error`.

    `passed` is the other tool's verdict on the whole; None where it gave none. Times in milliseconds, as that tool
    took them; an unknown one is None.
    """

    model: str
    prompt: str
    case_id: str
    trial: int = 1
    output: str | None = None
    error: RecordError | None = None
    passed: bool | None = None
    value: float | None = None
    verdicts: tuple[ScorerVerdict, ...] = ()
    tool_calls: tuple[Json, ...] = ()
    finish_reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    latency_ms: float | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    served_model: str | None = None
    started_at: str = ""


@dataclass(frozen=True, slots=True)
class DraftRun:
    """A run to be written from another tool's results. `tool` names that tool with its version, as far as known.

    `source` is the file or folder that was named, `files` are those that were read, where it is not the one.
    """

    suite: str
    tool: str
    source: str
    created_at: str
    models: tuple[ManifestModel, ...]
    prompts: tuple[ManifestPrompt, ...]
    cases: Sequence[Case]
    answers: Iterable[DraftAnswer]
    trials: int = 1
    description: str = ""
    finished_at: str | None = None
    files: tuple[Path, ...] = ()
    threshold: float | None = None
    notes: tuple[Note, ...] = ()
    shares: tuple[Share, ...] = ()
