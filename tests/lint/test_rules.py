"""What makes a suite weak, rule by rule, and what does not."""

import pytest
import yaml

from evalkit.lint.finding import Finding, Severity
from evalkit.lint.history import History, Tally
from evalkit.lint.rules import RULES, lint
from evalkit.lint.subject import Subject
from evalkit.suite import load_suite

_PROMPT = {"name": "p", "messages": [{"user": "Route this: {{ message }}"}]}
_TOPICS = ("parcel", "invoice", "password", "lamp", "refund", "coupon", "hub", "voucher", "ticket", "receipt")
_ASKS = ("Where is my {} from last week?", "I want to cancel the {}, please", "{} broken, what now", "Sell me a {}!")
MESSAGES = [ask.format(topic) for ask in _ASKS for topic in _TOPICS]


@pytest.fixture
def found(tmp_path):
    """Load a suite of these cases, look at it, and return what was found, by rule."""

    def look(cases, *, prompt=None, history=None, **more):
        data = {
            "suite": "tiny",
            "prompts": [prompt or _PROMPT],
            "scorers": ["exact"],
            "models": ["m"],
            "cases": cases,
            **more,
        }
        path = tmp_path / "suite.yaml"
        path.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
        subject = Subject(load_suite(path), {}, history or History())
        by_rule: dict[str, list[Finding]] = {}
        for finding in lint(subject):
            by_rule.setdefault(finding.rule, []).append(finding)
        return by_rule

    return look


def _case(number: int, message: str | None = None, expected: object = None, **more: object) -> dict[str, object]:
    text = MESSAGES[number] if message is None else message
    known = expected if expected is not None else ("billing", "bug", "sales")[number % 3]
    return {"id": f"c{number}", "vars": {"message": text}, "expected": known, **more}


CASES = [_case(number) for number in range(40)]


def test_a_sound_suite_has_no_findings(found) -> None:
    assert found(CASES) == {}


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) == 16


@pytest.mark.parametrize(
    ("second", "rule"),
    [
        (_case(90, MESSAGES[0], "sales"), "contradiction"),
        (_case(90, f"  {MESSAGES[0]} ", "billing"), "repeat"),
        (_case(90, f"{MESSAGES[0]}!", "billing"), "near-repeat"),
        (_case(90, MESSAGES[0].lower(), "billing"), "near-repeat"),
        (_case(90, f"{MESSAGES[0]}!", "sales"), None),
        (_case(90, MESSAGES[0], "billing", scorers=[{"length": {"max_chars": 9}}]), None),
    ],
)
def test_cases_that_ask_the_same(found, second, rule) -> None:
    findings = found([*CASES, second])
    assert list(findings) == ([rule] if rule else [])
    if rule:
        assert findings[rule][0].cases == ("c0", "c90")
        assert findings[rule][0].where.line is not None


def test_sums_that_differ_in_a_sign_are_no_repeats(found) -> None:
    sums = [_case(number, f"{number} {sign} 3 = ?", str(number)) for number, sign in enumerate("+-*/" * 10)]
    sums += [_case(50, "17 * 3 =  ?", "51"), _case(51, "17 + 3 = ?", "20")]
    assert not {"contradiction", "repeat"} & set(found(sums))


def test_only_what_a_prompt_shows_makes_two_cases_differ(found) -> None:
    twice = [_case(90, MESSAGES[0], "billing")]
    twice[0]["vars"]["source"] = "crm"
    findings = found([*CASES, *twice])
    assert set(findings) == {"repeat", "unused-var"}
    assert "`source`" in findings["unused-var"][0].message


def test_a_label_that_is_mostly_right(found) -> None:
    cases = [_case(number, expected="other" if number > 9 else "bug") for number in range(40)]
    (finding,) = found(cases)["one-label"]
    assert "`other` passes 75 %" in finding.message
    assert "one-label" not in found([_case(n, expected="other" if n > 18 else "bug") for n in range(40)])
    assert "every case expects" in found([_case(n, expected="bug") for n in range(40)])["one-label"][0].message


def test_a_var_that_holds_what_is_right(found) -> None:
    cases = [{**case, "vars": {**case["vars"], "hint": case["expected"]}} for case in CASES]
    prompt = {"name": "p", "messages": [{"user": "{{ message }} {{ hint }}"}]}
    (finding,) = found(cases, prompt=prompt)["leak"]
    assert finding.severity is Severity.ERROR
    assert "`hint`" in finding.message
    assert "leak" not in found(cases)  # no prompt shows it


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("The lamp flickers.\nExpected answer: billing", True),
        ("The lamp flickers. Label = 'billing'", True),
        ("The lamp flickers. Answer: bug", False),
        ("My billing address changed", False),
    ],
)
def test_an_input_that_says_what_is_right(found, text, leaks) -> None:
    findings = found([*CASES, _case(90, text, "billing")])
    assert ("leak" in findings) is leaks


def test_a_long_answer_in_the_input_is_told_unless_that_is_the_task(found) -> None:
    answers = [f"Take the {topic} to any of our shops and ask for a new one there" for topic in _TOPICS] * 4
    cases = [_case(number, expected=answer) for number, answer in enumerate(answers)]
    cases[3] = _case(3, f"Notes: {answers[3]}. {MESSAGES[3]}", answers[3])
    assert found(cases)["leak"][0].cases == ("c3",)
    reading = [_case(number, f"{answer}. {MESSAGES[number]}", answer) for number, answer in enumerate(answers)]
    assert "leak" not in found(reading)


def test_a_case_that_is_an_example_too(found) -> None:
    prompt = {"name": "p", "messages": [{"user": f"Such as: {MESSAGES[2].upper()} -> sales. {{{{ message }}}}"}]}
    assert found(CASES, prompt=prompt)["shown-example"][0].cases == ("c2",)


def test_scorers_that_pass_nothing_at_all(found) -> None:
    weak = found(CASES, scorers=[{"not": "refusal"}])
    assert {"passes-empty", "passes-echo"} <= set(weak)
    assert weak["passes-empty"][0].severity is Severity.ERROR
    one = [*CASES, _case(90, "Say nothing about it", "x", scorers=[{"not": {"contains": "it"}}])]
    assert "passes-empty" not in found(one)  # the suite's scorer does not pass
    few = found([*CASES, _case(91, "Say little", "", scorers=[{"length": {"max_chars": 9}}])])
    assert "passes-empty" not in few  # nothing is what it expects


def test_a_few_cases_that_an_empty_answer_passes(found) -> None:
    short = [{**case, "scorers": ["exact"]} for case in CASES]
    weak = [{"id": "w", "vars": {"message": "Say little"}, "scorers": [{"length": {"max_chars": 9}}]}]
    (finding,) = found([*short, *weak], scorers=[])["passes-empty"]
    assert finding.severity is Severity.WARNING
    assert finding.cases == ("w",)
    assert "1 of 41" in finding.message


def test_an_echo_passes_where_the_answer_is_looked_for_in_the_question(found) -> None:
    cases = [_case(number, f"{MESSAGES[number]} Is it billing, bug or sales") for number in range(40)]
    assert found(cases, scorers=["contains"])["passes-echo"][0].severity is Severity.ERROR
    assert "passes-echo" not in found(cases)


def test_an_answer_that_is_right_is_not_held_against_a_case(found) -> None:
    cases = [_case(number, expected="I don't know." if number % 2 else "n/a") for number in range(40)]
    assert "passes-evasive" not in found(cases)


def test_turns_are_judged_too(found) -> None:
    turns = [{"user": "And the colour?", "scorers": [{"contains": "blue"}]}, {"user": "Thanks, bye"}]
    cases = [_case(number, turns=turns) for number in range(30)]
    assert "passes-empty" not in found(cases, scorers=[{"length": {"max_chars": 90}}])
    open_turns = [{"user": "And the colour?"}]
    cases = [_case(number, turns=open_turns) for number in range(30)]
    assert "passes-empty" in found(cases, scorers=[{"length": {"max_chars": 90}}])


def test_scorers_that_ask_models_are_left_out(found) -> None:
    findings = found(CASES, scorers=[{"judge": {"rubric": "It is kind."}}], judge="j")
    assert not {"passes-empty", "passes-echo", "passes-evasive"} & set(findings)


def _history(outcomes: dict[str, dict[tuple[str, str], Tally]]) -> History:
    return History(2, (), outcomes)


def test_cases_that_all_pass_or_fail(found) -> None:
    good, bad = Tally(2, 2), Tally(2, 0)
    both = {("a", "p"): good, ("b", "p"): good}
    outcomes = {f"c{number}": dict(both) for number in range(40)}
    assert found(CASES, history=_history(outcomes))["always-passed"][0].severity is Severity.WARNING
    outcomes |= {f"c{number}": {("a", "p"): good, ("b", "p"): bad} for number in range(25)}
    assert "always-passed" not in found(CASES, history=_history(outcomes))
    outcomes["c7"] = {("a", "p"): bad, ("b", "p"): bad}
    (failed,) = found(CASES, history=_history(outcomes))["always-failed"]
    assert failed.cases == ("c7",)
    assert "2 candidates of 2 runs" in failed.message
    assert failed.severity is Severity.WARNING


def test_two_prompts_of_one_model_are_not_two_voices(found) -> None:
    outcomes = {f"c{number}": {("a", "p"): Tally(1, 1), ("a", "q"): Tally(1, 1)} for number in range(40)}
    assert found(CASES, history=_history(outcomes)) == {}


@pytest.mark.parametrize("block", ["gate", "decide"])
def test_a_margin_that_takes_more_cases(found, block) -> None:
    (finding,) = found(CASES, **{block: {"margin": 0.02}})["small-margin"]
    assert f"`{block}.margin` asks for 2 points; 40 cases show differences of 14 points" in finding.message
    assert "1,963" in finding.remedy
    assert found(CASES, **{block: {"margin": 0.2}}) == {}


def test_few_cases_and_thin_tags(found) -> None:
    (finding,) = found(CASES[:12])["few-cases"]
    assert "anything from 55 to 95 %" in finding.why
    tagged = [{**case, "tags": ["de" if number < 3 else "en"]} for number, case in enumerate(CASES)]
    assert "de (3)" in found(tagged)["thin-tag"][0].message


def test_a_var_is_not_used_because_its_name_is_part_of_another_word(found) -> None:
    cases = [{**case, "vars": {**case["vars"], "max": "3"}} for case in CASES]
    assert "`max`" in found(cases, scorers=["exact", {"length": {"max_chars": 9}}])["unused-var"][0].message


@pytest.mark.parametrize(
    ("scorers", "told"),
    [([{"length": {"min_chars": 1}}], True), (["exact"], False), ([{"regex": "[a-z]"}], True), (["contains"], False)],
)
def test_an_expected_answer_that_no_scorer_looks_at(found, scorers, told) -> None:
    assert ("passes-swapped" in found(CASES, scorers=scorers)) is told


def test_an_expected_object_that_no_scorer_looks_at(found) -> None:
    cases = [_case(number, expected={"total": number + 1}) for number in range(40)]
    assert "passes 39 of 39 cases" in found(cases, scorers=["json"])["passes-swapped"][0].message
    assert "passes-swapped" not in found(cases, scorers=["json_fields"])
