from __future__ import annotations

import datetime as dt
import os
import sys
import types
from typing import ClassVar

import pytest

from evalkit.errors import ConfigError, Location
from evalkit.suite.rows import Row
from evalkit.suite.tables import _plain, hub_rows

WHERE = Location("s.yaml", 4, 3)


@pytest.fixture
def library(monkeypatch):
    """Stand in for the `datasets` package: two rows, or whatever a test sets."""
    calls = []

    def load_dataset(*args, **options):
        calls.append((args, options))
        return library.rows

    library = types.SimpleNamespace(
        rows=[{"m": "a", "expected": 1}, {"m": "b", "expected": None}],
        calls=calls,
        load_dataset=load_dataset,
        get_dataset_split_names=lambda *_, **__: ["train", "test"],
    )
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", library)
    return library


def rows(url):
    return list(hub_rows(url, WHERE))


def test_a_split_of_a_hub_dataset(library):
    found = rows("hf://org/name?split=test&config=main&revision=v1")
    assert library.calls == [(("org/name", "main"), {"split": "test", "revision": "v1"})]
    assert [row.data for row in found] == library.rows
    assert str(found[1].where) == "hf://org/name?split=test&config=main&revision=v1 (row 2)"


def test_a_suite_may_name_a_hub_dataset(library, check):
    text = "prompts: [{name: p, template: '{{ m }}'}]\nscorers: [regex: x]\ncases:\n- file: hf://org/name?split=test\n"
    suite, _ = check(text)
    assert [case.vars for case in suite.cases] == [{"m": "a"}, {"m": "b"}]


def test_telemetry_is_off(library):
    rows("hf://name?split=test")
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_class_labels_may_come_by_name(library):
    class Rows(list):
        features: ClassVar = {
            "m": types.SimpleNamespace(dtype="string"),
            "label": types.SimpleNamespace(names=["no", "yes"]),
        }

    library.rows = Rows({"m": "a", "label": number} for number in (1, 0, -1, 2, None))
    found = hub_rows("hf://org/name?split=test", WHERE, named=True)
    assert [row.data["label"] for row in found] == ["yes", "no", None, 2, None]
    assert [row.data["label"] for row in rows("hf://org/name?split=test")] == [1, 0, -1, 2, None]


def test_an_empty_split(library):
    library.rows = []
    assert rows("hf://org/name?split=test") == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hf://", "does not name a dataset"),
        ("hf://a/b/c?split=x", "does not name a dataset"),
        ("hf://a/b?spilt=x", 'unknown option "spilt"; did you mean `split`?'),
        ("hf://a/b", "names no split"),
    ],
)
def test_bad_urls(library, url, words):
    with pytest.raises(ConfigError) as caught:
        rows(url)
    assert words in caught.value.message
    assert caught.value.where == WHERE
    assert library.calls == []


def test_the_splits_are_listed(library):
    with pytest.raises(ConfigError) as caught:
        rows("hf://a/b")
    assert caught.value.remedy == "add ?split= with one of: train, test"


def test_failures_of_the_library_are_put_in_place(library):
    def refuse(*_, **__):
        raise ValueError("Unknown split 'x'.\nmore")

    def stumble():
        yield {"m": 1}
        raise OSError("connection lost")

    library.load_dataset = library.get_dataset_split_names = refuse
    for url in ("hf://a/b?split=x", "hf://a/b"):
        with pytest.raises(ConfigError, match=r"s\.yaml:4:3: the dataset cannot be read: Unknown split 'x'\.$"):
            rows(url)
    library.load_dataset = lambda *_, **__: stumble()
    with pytest.raises(ConfigError, match="connection lost"):
        rows("hf://a/b?split=x")


def test_cells_become_json_values(library):
    day = dt.date(2024, 1, 2)
    assert _plain({"a": [day, (1, None)], 2: True}) == {"a": ["2024-01-02", [1, None]], "2": True}
    library.rows = [{"m": object()}, {"m": b"x"}, {"m": "fine"}]
    first, second, third = rows("hf://a/b?split=x")
    assert "a cell holds object" in first.message
    assert "a cell holds bytes" in second.message
    assert isinstance(third, Row)


def test_a_parquet_file(check, write, monkeypatch):
    pandas = pytest.importorskip("pandas")
    write("c.parquet", b"")
    pandas.DataFrame({"id": ["a", None], "m": ["x", "y"], "n": [1, 2], "tags": [["t"], None]}).to_parquet("c.parquet")
    suite, errors = check("prompts: [{name: p, template: '{{ m }}'}]\nscorers: [regex: x]\ncases: [{file: c.parquet}]")
    assert errors == []
    assert [(case.vars, case.tags) for case in suite.cases] == [({"m": "x", "n": 1}, ("t",)), ({"m": "y", "n": 2}, ())]
    assert suite.cases[0].id == "a"
    assert str(suite.cases[1].where) == "c.parquet (row 2)"


def test_a_file_that_is_not_parquet(check, write):
    write("c.parquet", b"hello")
    _, errors = check("prompts: [{name: p, template: x}]\nscorers: [regex: x]\ncases: [{file: c.parquet}]")
    assert errors[0].startswith("c.parquet: the dataset cannot be read: ")
