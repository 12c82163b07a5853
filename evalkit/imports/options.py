"""What a reader is told about its source, beside the source itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to read a source. None and empty leave it to the source.

    Attributes:
        name: what to call the suite.
        columns: our name of a value, by which prompts and cases know it, to the source's name of its column.
        id: the column that holds the cases' ids.
        expected: the column that holds what is right.
        tags: the columns whose values become tags.
        time: the column that says when each input was asked, which makes neither a var nor a tag.
        limit: how many cases, rows or answers to read at most.
        models: of a suite, the candidates that it is to run, as PROVIDER:MODEL; of a run whose source does not name
            them, what to call those that answered.
        prompt: what to call a prompt that the source does not name.
        scorer: of a run whose source has several scorers or metrics, the one that tells whether an answer passed.
        expected_from_output: whether what a model answered then counts as right.
    """

    name: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    id: str | None = None
    expected: str | None = None
    tags: tuple[str, ...] = ()
    time: str | None = None
    limit: int | None = None
    models: tuple[str, ...] = ()
    prompt: str | None = None
    scorer: str | None = None
    expected_from_output: bool = False


AS_THEY_ARE = ImportOptions()
"""Everything left to the source."""
