"""What a suite file becomes: prompts and cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalkit.errors import Location
from evalkit.types.base import MISSING, Json
from evalkit.types.messages import Role, Tool
from evalkit.types.scores import ScorerEntry


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says next in a scripted conversation, with what the model's reply to it is held to.

    `user` is data, never a template. `expected` is MISSING where none was given.
    """

    user: str
    expected: Json = MISSING
    scorers: tuple[ScorerEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file that a case shows to the model: its path, and the SHA-256 of what it held when the suite was loaded."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Case:
    """One input with its expected output.

    `vars` are data: they fill a prompt's placeholders and are never templates themselves. `expected` is MISSING where
    none was given. `scorers` judge this case on top of the suite's. `turns` go on with the conversation that the prompt
    opens; `expected` and `scorers` are about its last reply. `files` are the pictures that the suite's prompts show for
    this case, by the path as it is written. `data_policy` holds beside the suite's.
    """

    id: str
    vars: Mapping[str, Json]
    expected: Json = MISSING
    tags: tuple[str, ...] = ()
    scorers: tuple[ScorerEntry, ...] = ()
    where: Location | None = None
    turns: tuple[Turn, ...] = ()
    files: Mapping[str, CaseFile] = field(default_factory=dict)
    data_policy: str | None = None


@dataclass(frozen=True, slots=True)
class PromptPart:
    """A part of a message template: a text, or the place of a picture."""

    kind: Literal["text", "image"]
    template: str
    where: Location | None = None


@dataclass(frozen=True, slots=True)
class PromptTurn:
    """One entry of a prompt: a message template, or (`insert`) the name of a var that holds a list of messages.

    The template is one text, or several `parts`.
    """

    role: Role | None
    template: str = ""
    insert: str | None = None
    where: Location | None = None
    parts: tuple[PromptPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A named template. `fingerprint` changes whenever what it renders could change, or the tools offered with it."""

    name: str
    turns: tuple[PromptTurn, ...]
    fingerprint: str
    where: Location | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """A loaded and validated suite file.

    `data_policy: local` keeps its cases on this machine and on `allow_hosts`. `needs` are the FEATURES that its
    requests carry; a form of the answer that `params` ask for is not among them, as models may settle it otherwise.
    `judges` are the models that its scorers may ask, by name; `embedders` those of them that are asked for embeddings.
    `cluster` names the var whose value cases of one source share. `gate` and `decide` are the rules as they stand.
    """

    name: str
    path: str
    cases: Sequence[Case]
    prompts: Sequence[Prompt]
    models: tuple[str, ...]
    scorers: tuple[ScorerEntry, ...]
    description: str = ""
    vars: Mapping[str, Json] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    output_schema: Json | None = None
    trials: int = 1
    threshold: float | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    data_policy: str | None = None
    allow_hosts: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    judges: tuple[str, ...] = ()
    embedders: tuple[str, ...] = ()
    cluster: str | None = None
    gate: Mapping[str, Json] = field(default_factory=dict)
    decide: Mapping[str, Json] = field(default_factory=dict)
    fingerprint: str = ""

    def scorers_for(self, case: Case) -> tuple[ScorerEntry, ...]:
        """The suite's scorers followed by the case's own, as far as they judge this case."""
        return tuple(entry for entry in self.scorers + case.scorers if entry.judges(case))
