"""What a test's case is called, tagged with, asked and expected to be answered, be it of a config or of its results.

A suite imported from a config and a run imported from its results thereby have the same cases, and are comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from evalkit.imports.columns import fit_for_id
from evalkit.imports.promptfoo.providers import own_name
from evalkit.imports.values import plain_name
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

_ID: Final = "id"
_COUNTED: Final = "Row #"
"""How promptfoo describes the rows of a table that are not described: by their place."""


def plain_var(value: Json) -> Json:
    """A var's value as promptfoo puts it into prompts: null is nothing, a text's last line break is taken off."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return int(value)  # as JavaScript writes it
    return value.removesuffix("\n") if isinstance(value, str) else value


def given_id(metadata: Mapping[str, Json]) -> str | None:
    """The id that a test's metadata holds, as `evalkit export` puts it there."""
    given = metadata.get(_ID)
    return given if isinstance(given, str) and fit_for_id(given) else None


def described_id(description: str | None) -> str:
    """The id of a case that is described in words; empty where nothing of it tells the test from others."""
    return "" if description is None or description.startswith(_COUNTED) else plain_name(description)


def case_id(metadata: Mapping[str, Json], description: str | None, taken: set[str]) -> str | None:
    """The id of a case, which it adds to those taken; None: it is to be made of the content."""
    given = given_id(metadata)
    if given is not None and given not in taken:
        taken.add(given)
        return given
    described = described_id(description)
    return own_name(described, taken) if described else None


def said_to_expect(asserted: Json, metadata: Mapping[str, Json]) -> tuple[Json, Mapping[str, Json]]:
    """What a case expects, and the rest of its metadata: it may be told there, as `evalkit export` does.

    An assertion that compares with something else has the last word.
    """
    if "expected" not in metadata or (asserted is not MISSING and as_text(metadata["expected"]) != asserted):
        return asserted, metadata
    return metadata["expected"], {key: value for key, value in metadata.items() if key != "expected"}


def tags_of(metadata: Mapping[str, Json]) -> tuple[str, ...]:
    """A test's metadata as tags: those called `tags` as they are, others with their names."""
    tags: list[str] = []
    for key, value in metadata.items():
        if key == _ID and isinstance(value, str):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, (str, int, float)) and str(one).strip():
                text = " ".join(str(one).split())[:100]
                tags.append(text if key == "tags" else f"{key}:{text}")
    return tuple(dict.fromkeys(tags))
