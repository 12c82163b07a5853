"""The kinds of sources that can be imported, and who reads each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from evalkit.errors import ConfigError, Location
from evalkit.imports.draft import DraftCase, DraftRun, DraftSuite, Stamp
from evalkit.imports.options import ImportOptions
from evalkit.scorers.options import unknown_name

HUB: Final = "hf://"
"""How the address of a dataset on the Hugging Face hub begins."""

Reader: TypeAlias = Callable[[Any, ImportOptions], DraftSuite | DraftRun]
"""Reads a source: a path, or the address of a dataset where the kind takes one.

Raises ConfigError where nothing of it can be read; what only some of it lacks is told in the draft's notes.
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: what it is in words, what it becomes, and its reader as `module:function`."""

    name: str
    words: str
    becomes: Literal["suite", "run"]
    reader: str
    from_hub: bool = False

    def load(self) -> Reader:
        """Import the reader; its module, and what that needs, is not looked at before."""
        module, _, function = self.reader.partition(":")
        reader: Reader = getattr(import_module(module), function)
        return reader


_KINDS: Final = (
    Kind("promptfoo", "a promptfoo config: YAML, JSON, or a CSV of tests", "suite", "evalkit.imports.promptfoo:read"),
    Kind("promptfoo-results", "promptfoo's results, as JSON", "run", "evalkit.imports.promptfoo_results:read"),
    Kind("inspect", "an Inspect log: .json or .eval", "run", "evalkit.imports.inspect_logs:read"),
    Kind("lm-eval", "what lm-eval --log_samples wrote: samples_*.jsonl", "run", "evalkit.imports.lm_eval:read"),
    Kind("openai-evals", "an eval of the OpenAI evals registry: YAML", "suite", "evalkit.imports.openai_evals:read"),
    Kind(
        "logs",
        "requests and answers of OpenAI's or Anthropic's APIs or a proxy, or OpenTelemetry GenAI spans: JSON or JSONL",
        "suite",
        "evalkit.imports.logs:read",
    ),
    Kind(
        "table",
        "a table of cases: CSV, TSV, JSONL, JSON, Parquet, or hf://org/name?split=test",
        "suite",
        "evalkit.imports.table:read",
        from_hub=True,
    ),
)

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _KINDS}


def read(kind: str, source: str, options: ImportOptions) -> DraftSuite | DraftRun:
    """Read a source of a kind.

    Raises:
        ConfigError: there is no such kind or source, or nothing of it can be read.
    """
    found = KINDS.get(kind)
    if found is None:
        raise unknown_name("kind of source", kind, KINDS)
    if source.startswith(HUB):
        if not found.from_hub:
            raise ConfigError(f"{kind} is read from files, not from {source}", remedy="download it, and name the file")
        return found.load()(source, options)
    path = Path(source)
    if not path.exists():
        raise ConfigError(f"there is no {source}", remedy="check the path")
    if not (path.is_file() or path.is_dir()):
        raise ConfigError(f"{source} is neither a file nor a folder", remedy="write what it gives to a file first")
    draft = found.load()(path, options)
    if options.time is None or isinstance(draft, DraftRun):
        return draft
    return replace(draft, cases=[_with_time(case, options.time, Location(path)) for case in draft.cases])


def _with_time(case: DraftCase, name: str, where: Location) -> DraftCase:
    """Take the time off a case whose reader knows of none: there it is a var."""
    if case.at is not None:
        return case
    rest = {key: value for key, value in case.vars.items() if key != name}
    return replace(case, vars=rest, at=Stamp(where, case.vars.get(name)))
