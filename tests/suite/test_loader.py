from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from evalkit.errors import ConfigError, ConfigErrors
from evalkit.suite import check_suite, load_suite
from evalkit.types import MISSING

PROMPT = "prompts: [{name: p, template: '{{ m }}'}]\n"
SUITE = f"{PROMPT}scorers: [exact]\ncases:\n- {{id: a, vars: {{m: hi}}, expected: x}}\n"


def test_a_full_suite(write):
    write("p/zero.yaml", "messages:\n- system: be brief\n- user: '{{ m }} {{ kinds }}'\n")
    write("p/extra.txt", "{{ m }}?\n")
    write("out.json", '{"type": "object"}')
    path = write(
        "evals/mine.yaml",
        """\
# yaml-language-server: $schema=../evalkit/suite/suite.schema.json
suite: my-suite
description: What it is for.
prompts: [../p/zero.yaml, {name: one, template: "{{ m }}"}]
models: [a, b]
vars: {kinds: x}
params: {temperature: 0, stop: ["\\n"], response_format: json_schema, seed: null, extra_body: {x: 1}}
output_schema: ../out.json
trials: 3
threshold: 0.5
scorers: [exact, {exact: {ignore_case: true, name: loose, weight: 2}}]
cases:
  - id: a
    vars: {m: hi}
    expected: no
    tags: [en, 2024, 1.10, en]
    scorers: [contains]
""",
    )
    suite = load_suite(path, prompts=[Path("p/extra.txt")])
    assert (suite.name, suite.path, suite.models, suite.trials) == ("my-suite", str(path), ("a", "b"), 3)
    assert (suite.threshold, suite.vars, suite.output_schema) == (0.5, {"kinds": "x"}, {"type": "object"})
    assert suite.params["response_format"] == "json_schema"
    assert [prompt.name for prompt in suite.prompts] == ["zero", "one", "extra"]
    (case,) = suite.cases
    assert (case.id, case.vars, case.expected, case.tags) == ("a", {"m": "hi"}, "no", ("en", "2024", "1.10"))
    assert str(case.where) == "evals/mine.yaml:13:5"
    assert [(entry.name, entry.weight) for entry in suite.scorers_for(case)] == [
        ("exact", 1),
        ("loose", 2),
        ("contains", 1),
    ]


def test_the_name_defaults_to_the_file_s(check):
    suite, _ = check(SUITE)
    assert suite.name == "s"
    assert suite.trials == 1
    assert suite.threshold is None


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("0123", "0123"),
        ("1.10", "1.10"),
        ("1_000", "1_000"),
        ("1e3", "1e3"),
        ("3", 3),
        ("2.5", 2.5),
        ("true", True),
        ("null", None),
        ("{a: 1.10, b: [0123]}", {"a": "1.10", "b": ["0123"]}),
    ],
)
def test_expected_stays_as_typed(check, typed, expected):
    suite, _ = check(f"{PROMPT}cases:\n- vars: {{m: {typed}}}\n  expected: {typed}\n  scorers: [regex: x]\n")
    assert suite.cases[0].expected == expected
    assert type(suite.cases[0].expected) is type(expected)
    assert suite.cases[0].vars["m"] == expected


def test_expected_left_out_is_not_null(check):
    suite, _ = check(f"{PROMPT}cases: [{{vars: {{m: x}}, scorers: [regex: x]}}]")
    assert suite.cases[0].expected is MISSING


BAD = [
    ("prompts: [", "s.yaml:2:1: a value is missing here; the file ends here"),
    ("- a\n", "s.yaml:1:1: the file must be a mapping (`key: value`), got a list"),
    ("", "s.yaml:1:1: the file is empty"),
    (SUITE + "scorer: [exact]\n", 's.yaml:5:1: unknown key "scorer"; did you mean `scorers`?'),
    (SUITE + "scorers: [exact]\n", 's.yaml:5:1: the key "scorers" is given twice, first on line 2'),
    ("prompts: []\n" + SUITE.partition("\n")[2], "s.yaml:1:10: `prompts` is empty"),
    (SUITE.partition("\n")[2], "s.yaml:1:1: the file lacks the key `prompts`"),
    (PROMPT + "scorers: [exact]\n", "s.yaml:1:1: the file lacks the key `cases`"),
    (PROMPT + "scorers: [exact]\ncases: []\n", "s.yaml:3:8: `cases` is empty"),
    (PROMPT + "scorers: [exact]\ncases:\n", "s.yaml:3:7: `cases` must be a list, got null"),
    (
        SUITE + "suite: a b\n",
        "s.yaml:5:8: `suite` must be letters, digits, '.', '_' and '-', as it names the results folder, got \"a b\"",
    ),
    (SUITE + "suite: 3\n", "s.yaml:5:8: `suite` must be a string, got 3"),
    (SUITE + "trials: 0\n", "s.yaml:5:9: `trials` must be at least 1, got 0"),
    (SUITE + "trials: many\n", 's.yaml:5:9: `trials` must be a whole number, got "many"'),
    (SUITE + "threshold: 2\n", "s.yaml:5:12: `threshold` must be at most 1, got 2"),
    (SUITE + "models: [a, b, a]\n", 's.yaml:5:9: `models` lists "a" more than once'),
    (SUITE + "models: [{a: 1}]\n", "s.yaml:5:10: `models[0]` must be a string, got a mapping"),
    (SUITE + "params: {temprature: 0}\n", 's.yaml:5:10: unknown key "temprature"; did you mean `temperature`?'),
    (SUITE + "params: {temperature: hot}\n", 's.yaml:5:23: `params.temperature` must be a number, got "hot"'),
    (SUITE + "params: {top_p: .nan}\n", "s.yaml:5:17: `params.top_p` is not a finite number"),
    (SUITE + "params: {stop: [1]}\n", "s.yaml:5:17: `params.stop[0]` must be a string, got 1"),
    (
        SUITE + "params: {response_format: jsn}\n",
        's.yaml:5:27: `params.response_format` must be one of text, json_object, json_schema, got "jsn"',
    ),
    (
        SUITE + "output_schema: {type: strng}\n",
        "s.yaml:5:23: `output_schema` is not a valid JSON Schema: 'strng' is not valid under any of the given schemas",
    ),
    (SUITE + "output_schema: no.json\n", "s.yaml:5:16: the schema file no.json does not exist"),
    (SUITE.replace("[exact]", "[exat]"), 's.yaml:2:11: unknown scorer "exat"; did you mean `exact`?'),
    (SUITE.replace("[exact]", "[regex: '[']"), "s.yaml:2:11: "),
    (SUITE.replace("[exact]", "[]"), "s.yaml:4:3: no scorer judges any case"),
    (SUITE + "- {id: b, vars: {m: 1}, scorers: [nope]}\n", 's.yaml:5:35: case "b": unknown scorer "nope"'),
    (SUITE + "- {id: b, vars: {m: 1}}\n", 's.yaml:5:3: case "b": exact: `expected` is missing'),
    (
        SUITE.replace("scorers: [exact]\n", "") + "- {id: b, vars: {m: 1}, expected: x, scorers: [exact]}\n",
        's.yaml:3:3: case "a": no scorer judges this case',
    ),
    (SUITE.replace("{m: hi}", "{n: hi}"), 's.yaml:1:31: case "a", prompt "p": `m` is undefined'),
    (SUITE + "- {file: nope.jsonl}\n", "s.yaml:5:10: the case file nope.jsonl does not exist"),
    (SUITE + "- {file: nope.txt}\n", "s.yaml:5:10: cases cannot be read from nope.txt"),
    (SUITE + "- {file: 3}\n", "s.yaml:5:10: `cases[1].file` must be a string, got 3"),
    (SUITE + "- {file: a.csv, colums: {}}\n", 's.yaml:5:17: unknown key "colums"; did you mean `columns`?'),
    (
        SUITE + "- {id: a, vars: {m: 1}, expected: x}\n",
        's.yaml:5:3: the case id "a" is taken by the case at s.yaml:4:3',
    ),
    (SUITE + "- hello\n", "s.yaml:5:3: a case is a mapping, got a string"),
    (SUITE + "- {m: hi}\n", 's.yaml:5:4: unknown key of a case: "m"'),
    (
        SUITE + "- {id: '', vars: {m: 1}, expected: x}\n",
        's.yaml:5:8: `id` of a case must be one line of text of 1 to 200 characters, got ""',
    ),
    (SUITE + "- {vars: [1]}\n", "s.yaml:5:10: `vars` of a case must be a mapping of names to values, got [1]"),
    (SUITE + "- {tags: a}\n", 's.yaml:5:10: `tags` of a case must be a list of short texts, got "a"'),
    (SUITE + "- {scorers: exact}\n", 's.yaml:5:13: `scorers` of a case must be a list of scorers, got "exact"'),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_each_mistake_gives_one_message_with_its_place(check, text, message):
    _, errors = check(text)
    (error,) = errors
    assert error.startswith(message)
    assert "Traceback" not in error


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"])
def test_an_empty_suite_is_told_how_to_begin(text, tmp_path):
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="the file is empty") as caught:
        load_suite(tmp_path / "s.yaml")
    assert caught.value.remedy == "evalkit init writes a suite, its prompt and a models file to begin with"


def test_all_problems_are_reported_at_once(check):
    prompts = "prompts: [missing.yaml, {name: p, template: '{{ m '}]"
    _, errors = check(f"{prompts}\ntrials: 0\nscorers: [exat]\ncases: [{{vars: 3}}, {{file: x.csv}}, {{id: a}}]\n")
    assert [error.partition(": ")[0] for error in errors] == [
        *("s.yaml:2:9", "s.yaml:1:11", "s.yaml:3:11", "s.yaml:4:16", "s.yaml:4:27", "s.yaml:1:45")
    ]


def test_many_problems_of_a_kind_are_cut_short(check):
    rows = "".join(f"- {{id: c{n}, vars: {{n: 1}}, expected: x}}\n" for n in range(50))
    _, errors = check(f"{PROMPT}scorers: [exact]\ncases:\n{rows}")
    assert len(errors) == 21
    assert errors[-1] == "... and 30 more problems of this kind"


def test_a_broken_section_raises_no_further_complaints(check):
    _, errors = check(SUITE.replace("{m: hi}", "{n: hi}") + "vars: 3\n")
    assert errors == ["s.yaml:5:7: `vars` must be a mapping (`key: value`), got 3"]
    _, errors = check(SUITE.replace("[exact]", "exact"))
    assert errors == ['s.yaml:2:10: `scorers` must be a list, got "exact"']
    _, errors = check(SUITE.replace("[exact]", "[json_schema]") + "output_schema: {type: 3}\n")
    assert len(errors) == 1
    assert "output_schema" in errors[0]


def test_load_suite_raises_one_error_or_all(write):
    with pytest.raises(ConfigErrors) as caught:
        load_suite(write("a.yaml", SUITE + "trials: 0\nthreshold: 3\n"))
    assert len(caught.value.errors) == 2
    with pytest.raises(ConfigError, match=r"^b\.yaml:5:9: `trials`"):
        load_suite(write("b.yaml", SUITE + "trials: 0\n"))


def test_a_missing_suite(write):
    suite, (error,) = check_suite(Path("nope.yaml"))
    assert suite is None
    assert str(error) == "nope.yaml: there is no such file"


def test_a_file_name_that_cannot_be_a_suite_s(write):
    _, errors = check_suite(write("my suite.yaml", SUITE))
    assert str(errors[0]).startswith('my suite.yaml: "my suite" cannot name a results folder')


def test_code_in_scorers_needs_leave(check, write):
    write("judge.py", "def ok(output, expected, vars):\n    return True\n")
    text = SUITE.replace("[exact]", "[python: 'judge.py:ok']")
    _, (error,) = check(text)
    assert error.startswith("s.yaml:2:11: ")
    assert check(text, allow_code=True)[0]


def test_schema_files(check, write):
    write("list.json", "[1]")
    write("broken.json", '{"type":\n oops}')
    write("bad.json", '{"type": 3}')
    assert check(SUITE + "output_schema: list.json\n")[1] == ["list.json:1: a JSON Schema is an object"]
    assert check(SUITE + "output_schema: broken.json\n")[1][0].startswith("broken.json:2:2: this is not JSON")
    assert check(SUITE + "output_schema: bad.json\n")[1][0].startswith("s.yaml:5:16: `output_schema` is not a valid")


def test_prompt_names_are_unique(check, write):
    write("p.txt", "{{ m }}")
    _, errors = check(SUITE, prompts=[Path("p.txt")])
    assert errors == ['p.txt: the prompt name "p" is taken by the prompt at s.yaml:1:11']


FINGERPRINTED = [
    ("expected: x", "expected: y"),
    ("{m: hi}", "{m: ho}"),
    ("id: a", "id: b"),
    ("[exact]", "[exact: {strip: false}]"),
    ("{{ m }}", "{{ m }}!"),
    ("cases:", "trials: 2\ncases:"),
    ("cases:", "params: {temperature: 0}\ncases:"),
    ("cases:", "vars: {k: 1}\ncases:"),
    ("cases:", "output_schema: {}\ncases:"),
    ("expected: x", "expected: x, scorers: [contains]"),
    ("expected: x", "expected: x, tags: [t]"),
    ("expected: x", "expected: 'x '"),
    ("expected: x", "expected: 1"),
    ("hi}", "hi, n: 1}"),
    ("cases:", "threshold: 1\ncases:"),
    ("name: p", "name: q"),
]


@pytest.mark.parametrize(("old", "new"), FINGERPRINTED)
def test_the_fingerprint_follows_the_content(check, old, new):
    before, _ = check(SUITE)
    after, _ = check(SUITE.replace(old, new))
    assert before.fingerprint != after.fingerprint


def test_the_fingerprint_ignores_words_for_people(check):
    before, _ = check(SUITE)
    after, _ = check("# a comment\ndescription: x\nmodels: [m]\n" + SUITE)
    assert before.fingerprint == after.fingerprint


def test_ten_thousand_inline_cases(write):
    rows = "".join(f"- {{id: c{n}, vars: {{m: 'number {n}'}}, expected: {n}, tags: [t]}}\n" for n in range(10_000))
    path = write("s.yaml", f"{PROMPT}scorers: [exact]\ncases:\n{rows}")
    started = time.process_time()
    assert len(load_suite(path).cases) == 10_000
    assert time.process_time() - started < 8


def test_case_values_are_json(check):
    suite, _ = check(SUITE.replace("hi", "{a: [1, 0123, null, 1.10]}"))
    assert json.loads(json.dumps(suite.cases[0].vars)) == {"m": {"a": [1, "0123", None, "1.10"]}}
