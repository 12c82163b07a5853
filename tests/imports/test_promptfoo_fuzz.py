"""Whatever a config, or a file that it names, holds: it is read, or refused in words, and nothing of it is run."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from promptfoo_config import config

from evalkit.errors import ConfigError
from evalkit.imports.promptfoo import read
from evalkit.imports.promptfoo.csvtests import assertion
from evalkit.imports.promptfoo.scripts.conditions import scorer_of
from evalkit.imports.promptfoo.scripts.javascript import parse_javascript
from evalkit.imports.promptfoo.scripts.patterns import python_pattern
from evalkit.imports.promptfoo.scripts.python import parse_python
from evalkit.imports.promptfoo.scripts.subjects import Scope
from evalkit.imports.promptfoo.scripts.tree import NotMechanicalError
from evalkit.imports.write import write_suite

FULL: dict[str, Any] = {
    "description": "d",
    "prompts": ["{{q}}", {"raw": '[{"role": "user", "content": "{{q}}"}]', "label": "l"}, "file://p.txt"],
    "providers": [
        {
            "id": "openai:gpt-4o",
            "label": "m",
            "config": {
                "temperature": 0,
                "stop": ["x"],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
                "headers": {"a": "b"},
            },
        }
    ],
    "defaultTest": {"vars": {"x": "y"}, "assert": [{"type": "is-json", "value": {"type": "object"}}], "options": {}},
    "tests": [
        {
            "vars": {"q": ["a", "{{x}}"], "n": 1},
            "threshold": 0.5,
            "metadata": {"tags": ["a"]},
            "assert": [
                {"type": "assert-set", "threshold": 0.5, "assert": [{"type": "contains-any", "value": ["a", "b"]}]},
                {"type": "javascript", "value": "JSON.parse(output).a > 3", "weight": 2, "metric": "{{q}}"},
                {"type": "similar", "value": "x", "provider": "openai:embedding:e", "transform": "output.trim()"},
                {"type": "g-eval", "value": ["x", "y"]},
            ],
            "options": {"prefix": "p", "transformVars": "return {...vars, z: 1}"},
        },
        "file://t.csv",
    ],
    "scenarios": [{"config": [{"vars": {"q": "c"}}], "tests": [{"vars": {"r": "d"}}]}],
}
FILES = {"p.txt": "A {{q}}\n---\nB", "t.csv": "q,__expected\na,contains: b\n"}
ODD: list[Any] = [
    None,
    True,
    -1,
    1e400,
    float("nan"),
    10**40,
    "",
    "x" * 300,
    "{{",
    "{% for %}",
    "file://",
    "file://../..",
    "\ud800",
]
ODD += [
    "file:///etc/passwd",
    "file:///dev/zero",
    "file://\0",
    "{{env.PATH}}",
    [],
    [[]],
    {},
    {"id": {}},
    {"type": []},
    [None],
]


PARTS: list[dict[str, Any]] = [
    {"prompts": ["x"], "tests": [{"vars": {"q": "a"}}], **{key: FULL[key] for key in keys}}
    for keys in (("description", "prompts"), ("providers",), ("defaultTest", "tests"), ("scenarios",))
]
"""The same in smaller configs, which are quicker to read."""


def tried(folder: Path, content: Any, *, write: bool = True) -> None:
    """Import a config, and write what comes out of it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "promptfooconfig.json"
    path.write_text(
        content if isinstance(content, str) else json.dumps(content), encoding="utf-8", errors="surrogatepass"
    )
    for name, text in FILES.items():
        (folder / name).write_text(text)
    try:
        draft = read(path)
    except ConfigError:
        return
    if write:
        write_suite(draft, folder / "out")
    assert "/etc/passwd" in json.dumps(content) or "root:" not in repr(draft)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in pairs:
        found += places(one, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def test_the_config_is_sound(tmp_path: Path) -> None:
    tried(tmp_path, FULL)
    assert (tmp_path / "out" / "suite.yaml").is_file()


def test_wrong_types_anywhere(tmp_path: Path) -> None:
    chance = random.Random(1)
    whole = [(part, path) for part in PARTS for path in places(part)]
    for number, (part, path) in enumerate(whole):
        tried(tmp_path / f"{number}", replaced(part, path, chance.choice(ODD)), write=number % 5 == 0)


def test_broken_text(tmp_path: Path) -> None:
    text = json.dumps(FULL)
    chance = random.Random(1)
    for number in range(40):
        at = chance.randrange(len(text))
        flipped = text[:at] + chr(ord(text[at]) ^ (1 << chance.randrange(7))) + text[at + 1 :]
        tried(tmp_path / f"{number}", text[:at] if number % 2 else flipped, write=number % 4 == 0)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "{a: " * 5000,
        "prompts: &a [*a]",
        "a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nprompts: [*c, *c]\ntests: []",
        "prompts: [x]\nx: {$ref: '#/y'}\ny: {$ref: '#/x'}",
        "prompts: [x]\nx: {a: {$ref: '#/x'}, b: {$ref: '#/x'}}",
        "prompts: [\"{{ 'a' * 1000000000 }}\"]\ntests: [{vars: {q: \"{{ 'a' * 1000000000 }}\", z: 1}}]",
        "prompts: [x]\ntests: [{vars: {a: '{{ b * 1000000000 }}', b: 'x'}}]",
        "prompts: [x]\ntests: [{vars: {a: '{{ [].__class__.__mro__ }}{{ b }}', b: 'x'}}]",
        "prompts: [x]\ntests: [{vars: {a: '{{ b }}', b: '{{ a }}'}}]",
        "prompts: [x]\nprompts: [y]",
        "prompts: [x]\ntests: !!python/object/apply:os.system ['true']",
    ],
)
def test_bombs(tmp_path: Path, text: str) -> None:
    path = config(tmp_path, text)
    with contextlib.suppress(ConfigError):
        write_suite(read(path), tmp_path / "out")


def test_files_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "loop.txt").symlink_to("loop.txt")
    (tmp_path / "latin.txt").write_bytes(b"\xff\xfe")
    names = ["folder", "pipe.txt", "loop.txt", "latin.txt", "a/../../b.txt", "x" * 5000, "*" * 50]
    for name in names:
        text = f"prompts: ['file://{name}']\ntests: ['file://{name}', {{vars: {{q: 'file://{name}'}}}}]\n"
        draft = read(config(tmp_path, text))
        assert sum(note.lost for note in draft.notes) >= 2


TEXTS = st.text(st.sampled_from("outp.legn<>=!&|'\"`()[]{}/\\$?:;,+-*0123 \nJSONarsex"), max_size=60)


@settings(max_examples=100)
@given(TEXTS)
def test_any_script(text: str) -> None:
    for parse in (parse_javascript, parse_python):
        for script in (text, f"output{text}", f"JSON.parse(output){text}"):
            with contextlib.suppress(NotMechanicalError):
                assert len(scorer_of(parse(script), Scope({}))) == 1


@settings(max_examples=60)
@given(
    st.text(st.sampled_from("()[]{}?<>=!:^$*+.|\\/abpuk1-,"), max_size=20),
    st.text(st.sampled_from("gimsuy"), max_size=3),
)
def test_any_pattern(source: str, flags: str) -> None:
    with contextlib.suppress(NotMechanicalError):
        pattern, kept = python_pattern(source, flags)
        assert re.compile(pattern)
        assert set(kept) <= set("ims")


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_any_cell(text: str) -> None:
    assert set(assertion(text)) <= {"type", "value", "threshold"}
