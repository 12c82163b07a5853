from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import ConfigError
from evalkit.scorers import ScorerError
from evalkit.types import Score

Judge = Callable[..., Score]

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "kind": {"enum": ["refund", "other"]}, "n": {"minimum": 1}},
    "required": ["id"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ('{"id": "1", "kind": "refund", "n": 1}', ""),
        ('See [1]. ```json\n{"id": "1"}\n```', ""),
        ('See [1]: {"id": "1"}', ""),
        ('{"id": null}', "$.id: expected string, got null"),
        ('{"id": "1", "kind": "x"}', '$.kind: expected one of ["refund", "other"], got "x"'),
        ("{}", "$: 'id' is a required property"),
        ('{"id": "1", "n": 0}', "$.n: 0 is less than the minimum of 1"),
        ("[1]", "$: expected object, got [1]"),
        ("sorry", 'no JSON found in the answer: "sorry"'),
        ('{"id": "' + "x" * 100_000, "no JSON found in the answer"),
    ],
)
def test_answers_are_held_to_the_schema(judge: Judge, output: str, words: str) -> None:
    score = judge({"json_schema": {"schema": ORDER}}, output)
    assert score.passed is (words == "")
    assert words in score.reason
    assert len(score.reason) < 400


def test_the_first_three_violations_are_named(judge: Judge) -> None:
    schema = {"properties": {name: {"type": ["integer", "null"]} for name in "abcd"}}
    score = judge({"json_schema": {"schema": schema}}, '{"a": "1", "b": "2", "c": "3", "d": "4"}')
    assert score.reason.count("expected integer or null") == 3
    assert score.reason.endswith("and more")


def test_const_is_named(judge: Judge) -> None:
    assert judge({"json_schema": {"schema": {"const": 1}}}, "2").reason == "$: expected 1, got 2"


def test_strict_answers_are_json_alone(judge: Judge) -> None:
    strict = {"json_schema": {"schema": ORDER, "strict": True}}
    assert judge(strict, ' {"id": "1"}\n').passed
    score = judge(strict, '```json\n{"id": "1"}\n```')
    assert "not valid JSON" in score.reason


def test_the_suites_output_schema_is_the_default(judge: Judge, compiled: Any) -> None:
    assert judge("json_schema", '{"id": "1"}', output_schema=ORDER).passed
    assert not judge("json_schema", "{}", output_schema=ORDER).passed
    with pytest.raises(ConfigError) as caught:
        compiled("json_schema")
    assert "output_schema" in str(caught.value.remedy)


def test_a_schema_file_is_found_beside_the_suite(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text(json.dumps(ORDER), encoding="utf-8")
    assert judge({"json_schema": "order.json"}, '{"id": "1"}').passed
    assert not judge({"json_schema": {"schema": "order.json"}}, "{}").passed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read the schema file"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"type": "objekt"}', "invalid schema"),
        (b"[" * 200 + b"]" * 200, "nested more than 100"),
        (b"5", "invalid schema"),
    ],
)
def test_unusable_schema_files(compiled: Any, tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        compiled({"json_schema": "s.json"})
    assert words in str(caught.value)


LOOP = {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "objekt"}, "$.type"),
        ({"pattern": "("}, "$.pattern"),
        ({"properties": {"a": {"pattern": "("}}}, "$.properties.a.pattern"),
        ({"patternProperties": {"(": {}}}, "invalid schema"),
        ({"$schema": "http://example.com/draft"}, "unknown draft"),
        ({"$schema": 5}, "unknown draft 5"),
        ({"$ref": "#/$defs/none"}, "cannot resolve `$ref`"),
        ({"properties": {"a": {"items": {"$ref": "https://example.com/x.json"}}}}, "https://example.com/x.json"),
        ({"$ref": "#"}, "refers to itself without end"),
        (LOOP, "refers to itself without end"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(compiled: Any, schema: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compiled({"json_schema": {"schema": schema}})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$id": "https://example.com/a", "$ref": "b", "$defs": {"b": {"$id": "b"}}},
        {"properties": {"$ref": {"type": "string"}}, "enum": [{"$ref": "no reference"}, {}]},
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
    ],
)
def test_references_inside_the_schema_and_to_the_drafts_work(judge: Judge, schema: Any) -> None:
    assert judge({"json_schema": {"schema": schema}}, "{}").passed


def test_the_draft_decides(judge: Judge) -> None:
    seven = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert not judge({"json_schema": {"schema": seven}}, "[1]").passed
    latest = {"prefixItems": [{"type": "string"}]}
    assert not judge({"json_schema": {"schema": latest}}, "[1]").passed


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"a": LOOP["$defs"]["a"]}, "$defs": LOOP["$defs"]}, "without end"),
        (
            {"properties": {"a": {"$ref": "#/x/y"}}, "x": {"y": {"$ref": "http://example.com/z"}}},
            "http://example.com/z",
        ),
    ],
)
def test_a_schema_at_fault_while_judging_is_not_the_models_failure(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, schema: Any, words: str
) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a schema was fetched"))
    with pytest.raises(ScorerError, match=words):
        judge({"json_schema": {"schema": schema}}, '{"a": 1}')


def test_every_case_can_be_judged(compiled: Any) -> None:
    assert compiled({"json_schema": {"schema": ORDER}}).check(None) is None
