from __future__ import annotations

import pytest

from evalkit.errors import ConfigError, Location
from evalkit.suite import Renderer
from evalkit.types import Case, Message, Prompt, PromptTurn


def render(template: str, case_vars: dict | None = None, **suite_vars):
    prompt = Prompt("p", (PromptTurn("user", template, where=Location("p.yaml", 5)),), "")
    (message,) = Renderer(prompt, suite_vars).messages(Case("c1", case_vars or {}, where=Location("s.yaml", 9, 5)))
    return message.content


def insert(value):
    prompt = Prompt(
        "p", (PromptTurn(None, insert="examples", where=Location("p.yaml", 2, 3)), PromptTurn("user", "go")), ""
    )
    return Renderer(prompt, {}).messages(Case("c1", {"examples": value}))


def test_the_case_s_vars_win():
    assert render("{{ a }}{{ b }}", {"a": 1}, a=2, b=3) == "13"


def test_values_are_data():
    assert render("{{ m }}", {"m": "{{ 7 * 7 }} {% raw %}"}) == "{{ 7 * 7 }} {% raw %}"


def test_nothing_is_escaped():
    assert render("{{ m }}&", {"m": "<b>'\"&"}) == "<b>'\"&&"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), ({"a": None}, '{"a": null}'), ([1, "é"], '[1, "é"]'), (2.5, "2.5"), ("x", "x")],
)
def test_values_are_spelled_as_their_author_typed_them(value, text):
    assert render("{{ v }}", {"v": value}) == text


def test_tojson_keeps_characters():
    assert render("{{ v | tojson }}", {"v": {"a": "<é>"}}) == '{"a": "<é>"}'
    assert render("{{ v | tojson(indent=2) }}", {"v": [1]}) == "[\n  1\n]"


def test_one_trailing_newline_is_dropped():
    assert render("{{ m }}\n", {"m": "x\n"}) == "x\n"
    assert render("a\n\n") == "a\n"


def test_loops_and_conditions():
    assert (
        render("{% for x in xs if x is defined %}{{ loop.index }}{{ x }} {% endfor %}", {"xs": ["a", "b"]}) == "1a 2b "
    )
    assert render("{% if y is defined %}{{ y }}{% else %}-{% endif %}") == "-"


def test_an_undefined_variable_names_case_prompt_variable_and_line():
    with pytest.raises(ConfigError) as caught:
        render("one\ntwo {{ mesage }}", {"message": 1})
    error = caught.value
    assert str(error) == 'p.yaml:6: case "c1", prompt "p": `mesage` is undefined; did you mean `message`?'
    assert "s.yaml:9:5" in error.remedy
    assert "message" in error.remedy


def test_an_undefined_variable_where_nothing_is_defined():
    with pytest.raises(ConfigError) as caught:
        render("{{ x }}")
    assert caught.value.remedy.endswith("nothing is defined")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("\n{{ m.a }}", "no attribute 'a'"),
        ("\n{{ 1 / m }}", "division by zero"),
        ("\n{% for i in range(10000000) %}{% endfor %}", "Range too big"),
        ("\n{{ m.__class__.__mro__ }}", "unsafe"),
        ("\n{{ [].append(1) }}", "safe"),
        ("\n{% include 'x' %}", "no loader"),
        ("\n{{ m | join }}", "not iterable"),
        ("\n{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
    ],
)
def test_a_template_that_fails(template, words):
    with pytest.raises(ConfigError) as caught:
        render(template, {"m": 0})
    assert words in str(caught.value)
    assert str(caught.value.where).startswith("p.yaml:")
    assert 'case "c1", prompt "p"' in caught.value.message


@pytest.mark.parametrize(
    ("template", "place", "words"),
    [
        ("a\n{% if %}", "p.yaml:6", "Expected an expression"),
        ("{{ a | nope }}", "p.yaml:5", "nope"),
        ("{{ a", "p.yaml:5", "unexpected end"),
        ("Hello {{ a } there", "p.yaml:5", "what begins with '{{' ends with '}}'"),
        ("{% for %}", "p.yaml:5", ""),
        ("{% if a %}" * 200 + "{% endif %}" * 200, "p.yaml:5", "nested too deeply"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "p.yaml:5", "nested too deeply"),
        ("{{ xs | random }}", "p.yaml:5", "random"),
    ],
)
def test_a_template_that_is_not_jinja(template, place, words):
    with pytest.raises(ConfigError) as caught:
        render(template)
    assert str(caught.value.where) == place
    assert words in caught.value.message


def test_every_bad_template_of_a_prompt_is_reported():
    turns = (PromptTurn("system", "{{"), PromptTurn("user", "{%"))
    with pytest.raises(ConfigError) as caught:
        Renderer(Prompt("p", turns, ""), {})
    assert len(caught.value.errors) == 2


def test_chance_is_out_of_reach():
    with pytest.raises(ConfigError, match="`lipsum` is undefined"):
        render("{{ lipsum() }}")


def test_inserted_messages_are_data():
    assert insert([{"role": "user", "content": "{{ x }}"}, {"assistant": "a"}]) == (
        Message("user", "{{ x }}"),
        Message("assistant", "a"),
        Message("user", "go"),
    )
    assert insert([]) == (Message("user", "go"),)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x", "`examples` is a string"),
        ([{"user": "a"}, "x"], "entry 2 of `examples` is a string"),
        ([{"role": "robot", "content": "x"}], "entry 1 of"),
        ([{"user": 3}], "entry 1 of"),
        ([{"user": "a", "assistant": "b"}], "entry 1 of"),
        ([{"role": ["x"], "content": "x"}], "entry 1 of"),
    ],
)
def test_what_cannot_be_inserted(value, words):
    with pytest.raises(ConfigError, match=words) as caught:
        insert(value)
    assert str(caught.value.where) == "p.yaml:2:3"


def test_a_missing_var_to_insert():
    prompt = Prompt("p", (PromptTurn(None, insert="shots"),), "")
    with pytest.raises(ConfigError, match=r"`shots` is undefined; did you mean `shot`\?"):
        Renderer(prompt, {"shot": []}).messages(Case("c", {}))
