"""The formats that cases and results can be exported to, and who makes each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from evalkit.errors import ConfigError
from evalkit.exports.options import ExportOptions
from evalkit.exports.told import Told
from evalkit.exports.write import Files
from evalkit.scorers.options import unknown_name

What: TypeAlias = Literal["cases", "results"]

Maker: TypeAlias = Callable[[Any, ExportOptions, Told], Files]
"""Makes the files of a suite, or of a run; takes down what they cannot hold, if need be only while they are written."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its name, what it holds of what, its maker as `module:function`.

    `folder` tells whether it is several files.
    """

    name: str
    what: What
    words: str
    maker: str
    folder: bool = False

    def load(self) -> Maker:
        """Import the maker; its module, and what that needs, is not looked at before."""
        module, _, function = self.maker.partition(":")
        maker: Maker = getattr(import_module(f"evalkit.exports.{module}"), function)
        return maker


_FORMATS: Final = (
    Format("jsonl", "cases", "a case a line, with all that a case has", "cases:jsonl"),
    Format("csv", "cases", "a case a row, a column for each var, all values as text", "cases:csv"),
    Format("parquet", "cases", "a case a row, a column for each var, with types", "cases:parquet"),
    Format("promptfoo", "cases", "promptfooconfig.yaml with the suite's prompts", "promptfoo:config", folder=True),
    Format("inspect", "cases", "a dataset of Inspect: JSON lines", "datasets:inspect"),
    Format(
        "openai-evals", "cases", "a registry of OpenAI's evals: YAML and samples", "datasets:openai_evals", folder=True
    ),
    Format("jsonl", "results", "a call a line, with every scorer's verdict", "results:jsonl"),
    Format("csv", "results", "a call a row: cases.csv with columns for each scorer", "results:csv"),
    Format("parquet", "results", "the same, with types", "results:parquet"),
)

FORMATS: Final[Mapping[What, Mapping[str, Format]]] = {
    what: {one.name: one for one in _FORMATS if one.what == what} for what in ("cases", "results")
}
"""All formats, by what they are of and by name."""


def format_of(what: What, name: str | None, out: Path) -> Format:
    """Find a format by its name, or by the ending of the file.

    Raises:
        ConfigError: there is none of this name for cases, or for results; or it cannot be told from the file.
    """
    formats = FORMATS[what]
    if name is None:
        found = formats.get(out.suffix.lower().removeprefix("."))
        if found is None:
            words = f"the format of {what} cannot be told from the name {out.name!r}"
            raise ConfigError(words, remedy=f"name it with --format: {', '.join(formats)}")
        return found
    if name not in formats:
        other: What = "results" if what == "cases" else "cases"
        if name in FORMATS[other]:
            words = f"{name} is a format of {other}, not of {what}"
            raise ConfigError(words, remedy=f"choose among {', '.join(formats)}")
        raise unknown_name("format", name, formats)
    return formats[name]
