from __future__ import annotations

import pytest

from evalkit.errors import ConfigError
from evalkit.suite.jsontext import parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        ('"\\ud83d\\ude00"', "😀"),
        ("[" * 100 + "]" * 100, ...),
    ],
)
def test_json_is_read(text, value):
    got = parse_json(text, "f.json")
    assert value is ... or got == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "f.json:7:2: this is not JSON"),
        ("[1,\n2 3]", "f.json:8:3: this is not JSON"),
        ("", "f.json:7:1: this is not JSON"),
        ("NaN", "f.json:7: NaN is not JSON"),
        ("[-Infinity]", "f.json:7: -Infinity is not JSON"),
        ("1e999", "f.json:7: the number 1e999 is too large"),
        ("1" * 5000, "f.json:7: a number has too many digits"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', 'f.json:7: the key "b" is given twice'),
        ('"\\uD800"', "f.json:7: a \\ud... escape"),
        ("[" * 101 + "]" * 101, "f.json:7: values are nested more than 100"),
        ('{"a":' * 300 + "1" + "}" * 300, "f.json:7: values are nested more than 100"),
        ("[" * 100_000, "f.json:7: values are nested more than 100"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        parse_json(text, "f.json", first_line=7)
    assert str(caught.value).startswith(message)


def test_many_brackets_side_by_side_are_fine():
    assert len(parse_json("[" + ",".join(["[]"] * 200) + "]", "f.json")) == 200
