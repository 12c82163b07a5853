"""Whatever a suite holds, an export works or says in words why not; and what it wrote can be read."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.imports.kinds import read
from evalkit.imports.options import ImportOptions
from evalkit.yaml12 import load_file

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TRICKY = st.sampled_from(
    ["id", "tags", "vars", "expected", " x ", "a\nb", "", "{{ x }}", "file://x", "-", "no", "\x00"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | ANY,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY | TRICKY, inner, max_size=2),
    max_leaves=4,
)
CASES = st.lists(
    st.fixed_dictionaries(
        {"vars": st.dictionaries(ANY | TRICKY, VALUES | TRICKY, max_size=3)},
        optional={"expected": VALUES | TRICKY, "tags": st.lists(st.sampled_from(["a", "b;c", " d "]), max_size=2)},
    ),
    min_size=1,
    max_size=3,
)
SCORERS = st.sampled_from(
    [
        {"length": {"min_chars": 0}},
        {"contains": "{{ x }}"},
        {"regex": "(a|b)+\\d"},
        {"not": {"contains_any": ["a", "file://b"]}},
        {"all_of": [{"json": {"strict": True}}, {"starts_with": "{"}]},
        {"any_of": [{"contains": "a"}, {"language": "en"}]},
    ]
)

READABLE = {
    "jsonl": lambda file: [json.loads(line) for line in file.read_text().split("\n")[:-1]],
    "csv": lambda file: list(csv.reader(io.StringIO(file.read_bytes().decode(), newline=""), strict=True)),
    "inspect": lambda file: [json.loads(line) for line in file.read_text().split("\n")[:-1]],
    "promptfoo": lambda file: read("promptfoo", str(file), ImportOptions()),
    "openai-evals": load_file,
    "parquet": lambda file: file.stat().st_size,
}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cases=CASES, scorer=SCORERS)
@pytest.mark.parametrize("name", READABLE)
def test_any_suite_is_exported_or_refused_in_words(name, cases, scorer, suite_of, exported):
    try:
        suite = suite_of(
            [case | {"id": str(number)} for number, case in enumerate(cases)], template="?", scorers=[scorer]
        )
    except ConfigError:
        return  # no suite
    try:
        done = exported(suite, name, allow_partial=True)
    except ConfigError:
        return
    assert all(note.message and note.where for note in done.notes)
    if name != "openai-evals" or done.files[1].stat().st_size:
        assert READABLE[name](done.files[0])
