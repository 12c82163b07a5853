from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from evalkit.errors import ConfigError
from evalkit.structure import error_parts
from evalkit.suite.decide_block import block_of, read_rules, revised, unanswerable
from evalkit.suite.decide_rules import MEASURES, PREFERENCES, Bound, DecideRules, OneOf
from evalkit.suite.schema import suite_schema
from evalkit.types import Gpu, Model, Price

HEAD = """
prompts: [{name: p, template: "{{ a }}"}]
scorers: [exact]
cases:
  - {id: a, vars: {a: 1}, expected: x, tags: [refunds]}
"""
BLOCK = {
    "require": {
        "pass_rate": ">= 0.90",
        "latency_p95_ms": "<=1500",
        "cost_per_1k_usd": "<= 5e-1",
        "data_policy": "local",
        "license": ["apache-2.0", "mit"],
        "tags": {"refunds": ">= .95"},
    },
    "prefer": ["cost", "latency_p95_ms"],
    "margin": 0.05,
    "traffic": {"requests_per_day": 50000},
}


def test_a_block_becomes_rules():
    assert read_rules(BLOCK) == DecideRules(
        require=(
            Bound("pass_rate", 0.9),
            Bound("latency_p95_ms", 1500),
            Bound("cost_per_1k_usd", 0.5),
            OneOf("data_policy", ("local",)),
            OneOf("license", ("apache-2.0", "mit")),
            Bound("pass_rate", 0.95, tag="refunds"),
        ),
        prefer=("cost", "latency_p95_ms"),
        margin=0.05,
        requests_per_day=50000,
    )


@pytest.mark.parametrize("block", [None, {}])
def test_without_a_block_the_default_rules_hold(block):
    assert read_rules(block) == DecideRules((), ("cost",), 0.02, None)


def test_rules_read_as_sentences():
    words = [str(one) for one in read_rules(BLOCK).require]
    assert words[0] == "pass_rate at least 0.9"
    assert words[1] == "latency_p95_ms at most 1500"
    assert words[4] == "license: apache-2.0 or mit"
    assert words[5] == "tags.refunds at least 0.95"


@pytest.mark.parametrize(
    ("decide", "at", "message"),
    [
        (
            "{require: {pass_rate: 0.9}}",
            "0.9",
            "`decide.require.pass_rate` must be a comparison with a number, got 0.9",
        ),
        ("{require: {pass_rate: '>= high'}}", "'>= h", 'must be a comparison with a number, got ">= high"'),
        ("{require: {pass_rate: '>= 90'}}", "'>= 90", "is a share, from 0 to 1"),
        ("{require: {pass_rate: '<= 0.9'}}", "'<= 0.9", "is required to be at least something"),
        ("{require: {pass_rate: '> 0.9'}}", "'> 0.9", "is required to be at least something"),
        ("{require: {latency_p95_ms: '>= 9'}}", "'>= 9", "is required to be at most something"),
        ("{require: {latency_p95: '<= 9'}}", "latency", "did you mean `latency_p95_ms`?"),
        ("{require: {license: 3}}", "3", "`decide.require.license` must be a word or a list of words"),
        ("{require: {license: []}}", "[]", "must be a word or a list of words"),
        ("{require: 3}", "3", "`decide.require` must be a mapping"),
        ("{require: {tags: [refunds]}}", "[refunds", "`decide.require.tags` must be a mapping"),
        ("{require: {tags: {refunds: '<= 0.9'}}}", "'<=", "`decide.require.tags.refunds` is required to be at least"),
        ("{require: {tags: {refund: '>= 0.9'}}}", "refund", 'no case has the tag "refund"'),
        ("{prefer: costs}", "costs", "did you mean `cost`?"),
        ("{prefer: [cost, speed]}", "speed", 'unknown preference "speed"'),
        ("{prefer: []}", "[]", "`decide.prefer` is empty"),
        ("{margin: auto}", "auto", "`decide.margin` must be a number from 0 to below 1"),
        ("{margin: 1}", "1", "`decide.margin` must be a number"),
        ("{margin: true}", "true", "`decide.margin` must be a number"),
        ("{traffic: {requests_per_day: 0}}", "0", "must be a number above 0, got 0"),
        ("{traffic: {}}", "{}", "`decide.traffic.requests_per_day` is missing"),
        ("{traffic: 5}", "5", "`decide.traffic` must be a mapping"),
        ("{must: {}}", "must", 'unknown key "must"'),
        ("3", "3", "`decide` must be a mapping"),
    ],
)
def test_wrong_rules_are_found_with_their_place(check, decide, at, message):
    line = f"decide: {decide}"
    suite, (error,) = check(f"suite: s{HEAD}{line}\n")
    assert suite is None
    assert f"s.yaml:6:{line.index(at) + 1}: " in error
    assert message in error


def test_all_problems_are_found_at_once(check):
    _, errors = check(f"suite: s{HEAD}decide: {{require: {{pass_rate: 1, error_rate: 2}}, margin: x, foo: 1}}\n")
    assert len(errors) == 4


def test_a_sound_block_is_kept_as_it_stands(check):
    suite, _ = check(f"suite: s{HEAD}decide: {json.dumps(BLOCK)}\n")
    assert suite.decide == BLOCK


@pytest.mark.parametrize("block", [{}, BLOCK, {"prefer": "pass_rate"}, {"require": {"error_rate": "<= 0"}}])
def test_editors_accept_what_is_sound(block):
    jsonschema.Draft202012Validator(_block_schema()).validate(block)
    read_rules(block)


@pytest.mark.parametrize(
    "block",
    [
        {"prefer": "x"},
        {"prefer": []},
        {"margin": 1},
        {"require": {"pass_rate": 0.9}},
        {"require": {"pass_rate": "<= 0.9"}},
        {"require": {"foo": ">= 1"}},
        {"require": {"tags": {"a": 0.5}}},
        {"require": {"license": []}},
        {"traffic": {}},
        {"x": 1},
    ],
)
def test_editors_refuse_what_is_not(block):
    assert not jsonschema.Draft202012Validator(_block_schema()).is_valid(block)
    with pytest.raises(ConfigError):
        read_rules(block)


def _block_schema():
    return suite_schema()["$defs"]["decide"]


def test_every_preference_is_a_measure():
    assert set(PREFERENCES.values()) <= set(MEASURES)


@pytest.mark.parametrize("name", MEASURES)
def test_every_measures_example_is_sound(name):
    (found,) = read_rules({"require": {name: MEASURES[name].example}}).require
    assert found.key == name


@pytest.mark.parametrize(
    ("key", "values", "given", "met"),
    [
        ("license", ("mit",), "MIT", True),
        ("license", ("mit",), "mit-0", False),
        ("region", ("eu",), "eu-west-1", True),
        ("region", ("eu",), "europe", False),
        ("region", ("EU",), "eu", True),
        ("data_policy", ("local", "zero-retention"), "zero-retention", True),
    ],
)
def test_a_rows_word_is_compared(key, values, given, met):
    assert OneOf(key, values).met_by(given) is met


@pytest.mark.parametrize(("bound", "met"), [(0.9, True), (0.91, False)])
def test_a_bound_is_met_at_its_very_value(bound, met):
    assert Bound("pass_rate", bound).met_by(135 / 150) is met
    assert Bound("latency_p95_ms", bound).met_by(bound)


def test_options_change_a_block():
    rules = revised(
        BLOCK,
        require=["latency_p95_ms<=2000", "error_rate <= 0.01", "tags.a=b>=0.5", "license=mit", "region= eu, us "],
        without=["data_policy", "tags.refunds"],
        prefer=["pass_rate"],
        margin=0.01,
        requests_per_day=7,
    )
    assert rules == DecideRules(
        require=(
            Bound("pass_rate", 0.9),
            Bound("latency_p95_ms", 2000),
            Bound("cost_per_1k_usd", 0.5),
            OneOf("license", ("mit",)),
            Bound("error_rate", 0.01),
            OneOf("region", ("eu", "us")),
            Bound("pass_rate", 0.5, tag="a=b"),
        ),
        prefer=("pass_rate",),
        margin=0.01,
        requests_per_day=7,
    )


def test_options_leave_a_block_as_it_is_by_default():
    assert revised(BLOCK) == read_rules(BLOCK)
    assert revised({}) == DecideRules()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"require": ["pass_rate"]}, "--require 'pass_rate' is not a requirement"),
        ({"require": ["pass_rate=0.9"]}, "is required to be at least something"),
        ({"require": ["passrate>=0.9"]}, "did you mean `pass_rate`?"),
        ({"require": ["license="]}, "must be a word or a list of words"),
        ({"without": ["pass_rate"]}, "--without pass_rate: there is no such requirement"),
        ({"prefer": ["x"]}, 'unknown preference "x"'),
        ({"margin": 2.0}, "`decide.margin` must be a number"),
        ({"requests_per_day": -1.0}, "must be a number above 0"),
    ],
)
def test_options_that_cannot_be_used_are_told(options, message):
    with pytest.raises(ConfigError) as caught:
        revised({}, **options)
    assert message in str(caught.value)
    assert error_parts(caught.value)[0].where is None


def test_the_block_of_a_file(tmp_path: Path):
    path = tmp_path / "s.yaml"
    path.write_text("decide: {margin: 0.1}\nnonsense: true\n", encoding="utf-8")
    assert block_of(path) == {"margin": 0.1}
    path.write_text("suite: x\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has no `decide:` block"):
        block_of(path)
    path.write_text("decide: {margin: 3}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"s\.yaml:1:18"):
        block_of(path)


API = Model("api", "openai", "openai", base_url="https://api.example.com/v1")
OWN = Model("own", "vllm", "openai", base_url="http://10.0.0.5/v1", self_hosted=True)
RULES = Model("rules", "python", "python", function="rules.py:go")


@pytest.mark.parametrize(
    ("model", "faults"),
    [
        (API, 1),
        (Model("api", "openai", "openai", base_url="https://api.example.com/v1", price=Price(1, 2)), 0),
        (Model("api", "openai", "openai", base_url="https://gpu.example.com/v1", gpu=Gpu(2.0)), 0),
        (OWN, 0),
        (RULES, 0),
    ],
)
def test_a_cost_rule_needs_the_price_of_who_is_paid(model, faults):
    problems = list(unanswerable({"require": {"cost_per_1k_usd": "<= 1"}}, [model], 1))
    assert len(problems) == faults
    assert all("needs the price of model 'api'" in str(problem) for problem in problems)
    assert list(unanswerable({"require": {"pass_rate": ">= 1"}}, [model], 1)) == []


@pytest.mark.parametrize(("trials", "faults"), [(1, 1), (3, 0)])
def test_pass_hat_k_needs_trials(trials, faults):
    assert len(list(unanswerable({"require": {"pass_hat_k": ">= 0.5"}}, [API], trials))) == faults
