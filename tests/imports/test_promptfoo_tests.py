"""promptfoo's tests as cases: inline, CSV, JSON, files, scenarios, combinations of vars."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from promptfoo_config import HEAD, config, imported, lost, remarks, scorers, written

from evalkit.errors import ConfigError
from evalkit.imports.draft import Share
from evalkit.imports.options import ImportOptions
from evalkit.imports.promptfoo import read
from evalkit.imports.promptfoo.csvtests import assertion
from evalkit.types import MISSING

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def variables(draft: Any) -> list[dict[str, Any]]:
    return [dict(case.vars) for case in draft.cases]


def test_lists_of_texts_are_combined(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - vars: {q: [a, b], r: [1, 2], s: [x, y], t: z}\n"
    draft = imported(tmp_path, text)
    assert [(case["q"], case["s"]) for case in variables(draft)] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert all(case["r"] == [1, 2] and case["t"] == "z" for case in variables(draft))
    once = imported(tmp_path, text + "    options: {disableVarExpansion: true}\n")
    assert variables(once) == [{"q": ["a", "b"], "r": [1, 2], "s": ["x", "y"], "t": "z"}]


def test_defaults_of_tests_give_way(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
defaultTest:
  vars: {q: 1, style: plain}
  assert: [{type: contains, value: '{{style}}'}]
  options: {transform: output.trim()}
tests:
  - vars: {q: 2}
  - vars: {style: grand}
    options: {disableDefaultAsserts: true}
    assert: [{type: equals, value: x}]
"""
    )
    draft = imported(tmp_path, text)
    assert variables(draft) == [{"q": 2, "style": "plain"}, {"q": 1, "style": "grand"}]
    assert scorers(draft, 0) == [{"contains": "plain"}]
    assert scorers(draft, 1) == [{"one_of": ["x"]}]


def test_scenarios_are_multiplied(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
scenarios:
  - config:
      - vars: {language: French, hello: Bonjour}
        assert: [{type: contains, value: '{{hello}}'}]
      - vars: {language: Spanish, hello: Hola}
    tests:
      - vars: {q: one}
      - vars: {q: two}
        assert: [{type: webhook}]
"""
    )
    draft = imported(tmp_path, text)
    found = [(case["language"], case["q"]) for case in variables(draft)]
    assert found == [("French", "one"), ("French", "two"), ("Spanish", "one"), ("Spanish", "two")]
    assert scorers(draft, 0) == [{"contains": "Bonjour"}]
    assert [note.where.line for note in draft.notes if note.lost] == [12]


CSV = """q,__expected,__expected2,__metric,__threshold,__description,__metadata:kind,__metadata:tags[],\
__config:__expected2:threshold,style
one,Uno,,,,,,,,a
two,contains: dos,similar(0.8):due,Tone,0.5,Second,hard,"x,y\\,z",0.9,b
three,javascript: output.length < 5,"contains-any: a,b",,,,,,,c
four,grade: is it {{style}}?,,,,,,,,d
five,not-icontains:x,,,,,,,,e
"""


def test_a_csv_has_special_columns(tmp_path: Path) -> None:
    draft = imported(tmp_path, HEAD + "tests: file://tests.csv\n", {"tests.csv": CSV})
    assert lost(draft) == []
    assert variables(draft)[0] == {"q": "one", "style": "a"}
    assert draft.cases[0].expected == "Uno"
    assert scorers(draft, 0) == [{"exact": {"strip": False}}]
    second = draft.cases[1]
    assert (second.id, second.tags) == ("Second", ("kind:hard", "x", "y,z"))
    group = {
        "scorers": [
            {"contains": {"value": "dos", "name": "Tone"}},
            {"embedding": {"model": "embedder", "threshold": 0.9, "name": "Tone"}},
        ],
        "threshold": 0.5,
    }
    assert scorers(draft, 1) == [{"all_of": group}]
    assert second.expected == "due"
    assert scorers(draft, 2) == [{"length": {"max_chars": 4}}, {"contains_any": ["a", "b"]}]
    assert scorers(draft, 3) == [{"judge": "is it d?"}]
    assert scorers(draft, 4) == [{"not": {"contains": {"value": "x", "ignore_case": True}}}]
    written(draft, tmp_path)


def test_a_bad_row_names_its_line(tmp_path: Path) -> None:
    draft = imported(tmp_path, HEAD + "tests: file://tests.csv\n", {"tests.csv": 'q,r\n"a\nb",1\nc\n\nd,2\n'})
    [note] = [note for note in draft.notes if note.lost]
    assert (Path(note.where.path).name, note.where.line) == ("tests.csv", 4)
    assert [case["q"] for case in variables(draft)] == ["a\nb", "d"]
    assert Share("tests", 3, 2) in draft.shares


@pytest.mark.parametrize("name", ["tests.json", "tests.yaml", "tests.jsonl"])
def test_tests_stand_in_files(tmp_path: Path, name: str) -> None:
    tests = [{"vars": {"q": "a"}, "assert": [{"type": "contains", "value": "x"}]}, {"vars": {"q": "b"}}]
    content = "\n".join(map(json.dumps, tests)) if name.endswith("l") and "json" in name else json.dumps(tests)
    draft = imported(tmp_path, HEAD + f"tests: ['file://{name}', {{vars: {{q: c}}}}]\n", {name: content})
    assert lost(draft) == []
    assert [case["q"] for case in variables(draft)] == ["a", "b", "c"]
    assert scorers(draft, 0) == [{"contains": "x"}]


def test_a_pattern_means_several_files(tmp_path: Path) -> None:
    files = {"t/a.yaml": "- vars: {q: a}", "t/b.yaml": "- vars: {q: b}", "t/c.txt": "no"}
    draft = imported(tmp_path, HEAD + "tests: file://t/*.yaml\n", files)
    assert [case["q"] for case in variables(draft)] == ["a", "b"]


def test_files_of_vars_are_read(tmp_path: Path) -> None:
    files = {"long.txt": "a long\ntext\n\n", "data.yaml": "a: [1]", "docs/1.md": "one", "docs/2.md": "two"}
    (tmp_path / "photo.png").write_bytes(PNG)
    text = (
        HEAD
        + "tests:\n  - vars: {q: file://long.txt, d: file://data.yaml, p: file://photo.png, m: 'file://docs/*.md'}\n"
    )
    draft = imported(tmp_path, text, files)
    assert [case["m"] for case in variables(draft)] == ["one", "two"]
    first = variables(draft)[0]
    assert (first["q"], first["d"]) == ("a long\ntext", '{"a":[1]}')
    assert first["p"] == "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("file://vars.js", "is a program"),
        ("file://vars.py:get", "is a program"),
        ("file://none.txt", "is not there"),
        ("file://sound.mp3", "neither text nor a picture"),
        ("file://paper.pdf", "is no text"),
        ("{{ env.HOME }}", "reads the environment"),
    ],
)
def test_what_cannot_be_read_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, words: str) -> None:
    monkeypatch.setenv("HOME", "/never/shown")
    files = {"vars.js": "", "sound.mp3": "", "paper.pdf": ""}
    draft = imported(tmp_path, HEAD + f"tests:\n  - vars: {{q: '{value}'}}\n", files)
    assert words in lost(draft)[0]
    assert "never" not in json.dumps(variables(draft))


def test_vars_are_templates_over_vars(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - vars: {q: 'Weather in {{city}}?', city: '{{land}} City', land: New, none: '{{gone}}'}\n"
    assert variables(imported(tmp_path, text)) == [
        {"q": "Weather in New City?", "city": "New City", "land": "New", "none": "{{gone}}"}
    ]


def test_plain_transforms_of_vars_are_done(tmp_path: Path) -> None:
    text = (
        HEAD
        + "tests:\n  - vars: {q: x}\n    options:\n"
        + "      transformVars: 'return { ...vars, mark: `[${vars.q}]`, n: 3 }'\n"
    )
    assert variables(imported(tmp_path, text)) == [{"q": "x", "mark": "[x]", "n": 3}]
    other = text.replace("`[${vars.q}]`", "run(vars)")
    assert "transformVars" in lost(imported(tmp_path, other))[0]


def test_prefixes_and_suffixes_become_vars(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - vars: {q: x}\n    options: {prefix: 'Please: '}\n  - vars: {q: y}\n"
    draft = imported(tmp_path, text)
    assert draft.prompts[0].messages == ({"user": "{{ prompt_prefix }}{{q}}{{ prompt_suffix }}"},)
    assert [case["prompt_prefix"] for case in variables(draft)] == ["Please: ", ""]
    written(draft, tmp_path)


def test_outputs_that_are_brought_along_are_kept(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - {vars: {q: x}, providerOutput: an answer, assert: [{type: contains, value: an}]}\n"
    draft = imported(tmp_path, text)
    assert lost(draft) == []
    assert json.loads(draft.files["outputs.jsonl"]) == {"id": "test-1", "output": "an answer"}
    assert draft.cases[0].id == "test-1"


@pytest.mark.parametrize("key", ["provider", "prompts", "providers", "assertScoringFunction"])
def test_tests_for_some_only_are_lost(tmp_path: Path, key: str) -> None:
    draft = imported(tmp_path, HEAD + f"tests:\n  - {{vars: {{q: x}}, {key}: y}}\n")
    assert lost(draft)[0].startswith(f"`{key}`: ")
    assert Share("tests", 1, 0) in draft.shares


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ("file://tests.py", "is a program"),
        ("https://example.com/t.csv", "not fetched"),
        ("huggingface://datasets/o/n?split=test&config=c&limit=10", "not fetched"),
        ("file://tests.xlsx", "cannot be read"),
        ("file://none.csv", "is not there"),
        ("[7]", "no test"),
        ("[[]]", "no test"),
    ],
)
def test_tests_that_cannot_be_read_are_lost(tmp_path: Path, tests: str, words: str) -> None:
    draft = imported(tmp_path, HEAD + f"tests: {tests}\n", {"tests.py": "", "tests.xlsx": ""})
    assert words in lost(draft)[0]
    assert Share("tests", 1, 0) in draft.shares


def test_a_dataset_is_named_as_we_name_it(tmp_path: Path) -> None:
    draft = imported(tmp_path, HEAD + "tests: huggingface://datasets/o/n?split=dev&config=c&limit=10\n")
    assert "hf://o/n?split=dev[:10]&config=c" in draft.notes[0].remedy


def test_no_tests_at_all_is_one_test(tmp_path: Path) -> None:
    assert len(imported(tmp_path, "prompts: [Hello]\nproviders: [echo]\n").cases) == 1


def test_what_is_lost_of_a_test_is_told_at_its_case(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
defaultTest: {provider: openai:gpt-4o}
tests:
  - vars: {q: [file://none.txt, b]}
  - vars: {q: c}
    prompts: [x]
  - 7
"""
    )
    draft = imported(tmp_path, text)
    assert [[words.split(" (")[0] for words in case.todo] for case in draft.cases] == [
        ["var `q`: the file none.txt is not there"],
        [],
        ["`prompts`: the test is for some prompts only; here every case is asked with every prompt"],
    ]
    assert draft.cases[0].todo[0].endswith("(promptfooconfig.yaml:6:5): put it there, or take the reference out")
    assert [words.split(" (")[0] for words in draft.todo][:2] == [
        "this is no test",
        "`provider`: a provider of the test's own; here every model is asked every case",
    ]


def test_tests_that_are_all_lost_leave_their_defaults(tmp_path: Path) -> None:
    text = HEAD + "defaultTest: {assert: [{type: contains, value: x}]}\ntests: file://none.csv\n"
    draft = imported(tmp_path, text)
    assert draft.scorers == ({"contains": "x"},)
    assert any("none of the tests came along" in words for words in draft.todo)
    assert {Share("tests", 1, 0), Share("assertions", 1, 1)} <= set(draft.shares)
    assert len(written(draft, tmp_path).cases) == 1


def test_the_same_remark_stands_once(tmp_path: Path) -> None:
    tests = "".join(f"  - {{vars: {{q: a{number}}}, odd: 1}}\n" for number in range(12))
    [note] = [note for note in imported(tmp_path, HEAD + "tests:\n" + tests).notes if "`odd`" in note.message]
    assert note.where.line == 4
    assert note.message.endswith("(also at lines 5, 6, 7, 8, 9, 10, 11, 12 and 3 more)")


def test_as_many_as_wanted(tmp_path: Path) -> None:
    text = HEAD + "tests:\n  - vars: {q: [a, b, c]}\n"
    assert len(imported(tmp_path, text, options=ImportOptions(limit=2)).cases) == 2


def test_combinations_without_end_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalkit.imports.promptfoo.tests.MAX_TESTS", 50)
    values = json.dumps([str(number) for number in range(100)])
    draft = imported(tmp_path, HEAD + f"tests:\n  - vars: {{q: {values}, r: {values}, s: {values}}}\n")
    assert len(draft.cases) == 50
    assert "more than 50 tests" in lost(draft)[0]


def test_a_csv_of_tests_is_a_source(tmp_path: Path) -> None:
    path = tmp_path / "tests.csv"
    path.write_text("city,land,__expected\nRome,Italy,contains: Italy\n")
    draft = read(path)
    assert draft.prompts[0].messages == ({"user": "city: {{ city }}\nland: {{ land }}"},)
    assert any("has no prompt" in words for words in remarks(draft))
    assert scorers(draft) == [{"contains": "Italy"}]
    assert draft.cases[0].expected is MISSING


def test_sources_are_files_or_their_folder(tmp_path: Path) -> None:
    path = config(tmp_path / "my-suite", HEAD + "tests: [{vars: {q: x}}]\n")
    assert read(path).name == read(path.parent).name == "my-suite"
    assert read(path, ImportOptions(name="Other one")).name == "other-one"
    with pytest.raises(ConfigError, match="no promptfooconfig"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="is a program"):
        read(tmp_path / "promptfooconfig.js")


@pytest.mark.parametrize("text", ["", "[]", "7", "hello", "a: 1", "prompts: [", "\x00", "a: &a [*a]"])
def test_what_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        imported(tmp_path, text)


def test_keys_of_a_config_are_looked_over(tmp_path: Path) -> None:
    text = (
        HEAD
        + "tests: [{vars: {q: x}, odd: 1}]\nredteam: {plugins: [x]}\nenv: {KEY: sk-1}\nsharing: true\noutputPath: x\n"
    )
    draft = imported(tmp_path, text)
    assert lost(draft) == ["`redteam`: red-team tests are made up anew by each run"]
    assert {words.split("`")[1] for words in remarks(draft)} == {"env", "sharing", "outputPath", "odd"}
    assert "sk-1" not in repr(draft)


def test_repeats_are_trials(tmp_path: Path) -> None:
    draft = imported(tmp_path, HEAD + "evaluateOptions: {repeat: 3}\ntests: [{vars: {q: x}}]\n")
    assert draft.settings["trials"] == 3


def test_only_the_config_leads_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    files = {"tests.csv": "q\nfile://../secret.txt\n", "link.csv": "q\nfile://link.txt\n"}
    path = config(tmp_path / "suite", HEAD + "tests: ['file://tests.csv', 'file://link.csv']\n", files)
    (tmp_path / "suite" / "link.txt").symlink_to("../secret.txt")
    draft = read(path)
    assert all("outside the config's folder" in words for words in lost(draft))
    assert len(lost(draft)) == 2
    assert "the secret" not in repr(draft)
    own = imported(tmp_path / "suite", HEAD + "tests: [{vars: {q: 'file://../secret.txt'}}]\n")
    assert variables(own) == [{"q": "the secret"}]


@pytest.mark.parametrize(
    ("cell", "made"),
    [
        ("similar: x", {"type": "similar", "value": "x", "threshold": 0.8}),
        ("similar(0.5): x", {"type": "similar", "value": "x", "threshold": 0.5}),
        ("latency(900)", {"type": "latency", "threshold": 900.0}),
        ("not-is-json", {"type": "not-is-json"}),
        ("fn: output.length", {"type": "javascript", "value": "output.length"}),
        ("file://check.py:fn", {"type": "python", "value": "file://check.py:fn"}),
        ("note: this", {"type": "equals", "value": "note: this"}),
    ],
)
def test_a_cell_begins_with_a_type(cell: str, made: dict[str, Any]) -> None:
    assert assertion(cell) == made
