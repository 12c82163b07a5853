"""The triage suite's own soundness: labels, tags and ids hold together, and no message is there twice."""

import importlib.util
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from rapidfuzz import fuzz

from evalkit.scorers import verdict_of
from evalkit.suite import load_suite
from evalkit.types import Record

EVALS = Path(__file__).parents[2] / "evals"
SUITE_FILE = EVALS / "support_triage.yaml"
SUITE = yaml.safe_load(SUITE_FILE.read_text(encoding="utf-8"))
CASES = SUITE["cases"]
PROMPTS = {Path(path).stem: yaml.safe_load((EVALS / path).read_text(encoding="utf-8")) for path in SUITE["prompts"]}
MODELS = yaml.safe_load((EVALS / "models.yaml").read_text(encoding="utf-8"))["models"]
QUEUES = list(SUITE["vars"]["queues"])
EXAMPLES = SUITE["vars"]["examples"]
KINDS = {"short", "long", "typos", "other-language", "ambiguous", "multi", "hostile"}
OTHER_SCRIPTS = {
    "ar": r"[\u0600-\u06ff]",
    "hi": r"[\u0900-\u097f]",
    "ja": r"[\u3041-\u30ff]",
    "ko": r"[\uac00-\ud7a3]",
    "uk": r"[\u0404-\u0491]",
    "zh": r"[\u4e00-\u9fff]",
}

by_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def message(case):
    return case["vars"]["message"]


def tagged(tag):
    return [case for case in CASES if tag in case["tags"]]


def languages(case):
    return [tag for tag in case["tags"] if re.fullmatch("[a-z]{2}", tag)]


@pytest.fixture(scope="module")
def suite():
    return load_suite(SUITE_FILE)


@pytest.fixture(scope="module")
def passes(suite):
    """Judge an answer to a case."""
    (entry,) = suite.scorers
    cases = {case.id: case for case in suite.cases}

    def judge(case, said):
        record = Record("0" * 16, "m", "p", case["id"], 1, output=said)
        return verdict_of(entry.scorer, record, cases[case["id"]], ()).passed

    return judge


@pytest.fixture(scope="module")
def route():
    path = EVALS / MODELS["triage-keywords"]["function"].partition(":")[0]
    spec = importlib.util.spec_from_file_location("triage_keywords", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.route


def test_the_suite_loads_with_all_its_cases(suite):
    assert [case.id for case in suite.cases] == [case["id"] for case in CASES]
    assert len(CASES) == len({case["id"] for case in CASES}) == 150


def test_the_scorer_knows_the_queues_and_no_other_label():
    (entry,) = SUITE["scorers"]
    assert list(entry["label"]["labels"]) == QUEUES
    assert {case["expected"] for case in CASES} == set(QUEUES)


def test_every_queue_has_between_10_and_40_cases():
    counts = Counter(case["expected"] for case in CASES)
    assert min(counts.values()) >= 10
    assert max(counts.values()) <= 40


@by_case
def test_an_id_opens_with_the_queue(case):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", case["id"])
    assert case["id"].startswith(case["expected"] + "-")


@by_case
def test_tags_name_one_language_and_documented_kinds(case):
    (language,) = languages(case)
    assert len(set(case["tags"])) == len(case["tags"])
    assert set(case["tags"]) - {language} <= KINDS
    assert ("other-language" in case["tags"]) == (language != "en")


@by_case
def test_lengths_are_as_tagged(case):
    length = len(message(case))
    assert ("long" in case["tags"]) == (length >= 400)
    assert "short" not in case["tags"] or length <= 40
    assert "short" in case["tags"] or length > 40 or languages(case) != ["en"]


@by_case
def test_a_message_is_in_the_script_of_its_language(case):
    (language,) = languages(case)
    if language in OTHER_SCRIPTS:
        assert re.search(OTHER_SCRIPTS[language], message(case))
    else:
        assert not [script for script in OTHER_SCRIPTS.values() if re.search(script, message(case))]


def test_every_kind_is_documented_and_has_enough_cases_to_be_read_alone():
    comment = SUITE_FILE.read_text(encoding="utf-8").split("(`tags`)")[1].split("\nsuite:")[0]
    assert set(re.findall(r"^#   ([a-z-]+) {2,}\S", comment, re.MULTILINE)) == KINDS
    assert min(len(tagged(kind)) for kind in KINDS) >= 10
    assert len({language for case in CASES for language in languages(case)}) >= 9


def test_where_two_queues_are_asked_the_first_in_priority_is_right():
    """The ids of such cases name both; the order of the queues is the priority that the prompts state."""
    named = {case["id"]: re.match(r"([a-z]+)-before-([a-z]+)-", case["id"]) for case in CASES}
    assert {case["id"] for case in tagged("multi")} == {name for name, match in named.items() if match}
    for match in filter(None, named.values()):
        assert QUEUES.index(match[1]) < QUEUES.index(match[2])


def test_no_two_messages_are_alike():
    texts = {case["id"]: " ".join(message(case).casefold().split()) for case in CASES}
    alike = {
        pair: round(fuzz.ratio(texts[pair[0]], texts[pair[1]]))
        for pair in itertools.combinations(texts, 2)
        if fuzz.ratio(texts[pair[0]], texts[pair[1]]) > 70
    }
    assert not alike


def test_examples_show_each_queue_once_and_are_no_cases():
    asked, answered = EXAMPLES[::2], EXAMPLES[1::2]
    assert [row["content"] for row in answered] == QUEUES
    assert {(first["role"], second["role"]) for first, second in zip(asked, answered, strict=True)} == {
        ("user", "assistant")
    }
    for example in asked:
        assert max(fuzz.ratio(example["content"].casefold(), message(case).casefold()) for case in CASES) < 60


def test_only_the_few_shot_prompt_shows_the_examples():
    inserts = {
        stem: [row["insert"] for row in prompt["messages"] if "insert" in row] for stem, prompt in PROMPTS.items()
    }
    assert inserts == {"support_triage_zero_shot": [], "support_triage_few_shot": ["examples"]}


def test_every_prompt_states_the_priority():
    assert all("{{ priority }}" in str(prompt["messages"]) for prompt in PROMPTS.values())


def test_messages_hold_no_contact_of_a_real_person():
    text = " ".join(map(message, CASES))
    assert set(re.findall(r"[\w.]+@([\w.]+\w)", text)) <= {"example.com"}
    assert not re.findall(r"(?:\d[ ()/-]?){7,}", text)


@pytest.mark.parametrize("said", ["", "I'm not sure.", ", ".join(QUEUES), None])
def test_no_queue_all_queues_and_an_echo_pass_nothing(passes, said):
    assert [case["id"] for case in CASES if passes(case, message(case) if said is None else said)] == []


@pytest.mark.parametrize("form", ["{}", "Queue: {}.", "**{}**", '{{"queue": "{}"}}', "It's {} rather than {}."])
def test_the_right_queue_passes_in_the_ways_models_say_it(passes, form):
    wrong = {queue: next(other for other in QUEUES if other != queue) for queue in QUEUES}
    said = {case["id"]: form.format(case["expected"].title(), wrong[case["expected"]]) for case in CASES}
    assert [case["id"] for case in CASES if not passes(case, said[case["id"]])] == []
    assert not passes(CASES[0], form.format(wrong[CASES[0]["expected"]], CASES[0]["expected"]))


def test_the_baseline_names_a_queue_for_every_case(route):
    assert {route(case["vars"]) for case in CASES} <= set(QUEUES)


def test_the_baseline_is_useful_and_beatable(route):
    right = sum(route(case["vars"]) == case["expected"] for case in CASES)
    spoken = len({language for case in CASES for language in languages(case)})
    about = (EVALS / "README.md").read_text(encoding="utf-8")
    assert f"{spoken} languages" in about
    assert f"keywords gets {right} right" in about
    commonest = max(Counter(case["expected"] for case in CASES).values())
    assert 2 * commonest < right < 0.6 * len(CASES)


def test_the_baseline_takes_the_first_queue_in_priority(route):
    assert route({"message": "The APP crashes, and I want a refund."}) == "billing"
    assert route({"message": "happy"}) == "other"


def test_what_is_required_can_be_measured_here():
    assert set(SUITE["decide"]["require"]["tags"]) <= KINDS
    assert set(SUITE["models"]) <= set(MODELS)
    assert (
        "cost_per_1k_usd" not in SUITE["decide"]["require"]
    )  # weights and functions have no price: they'd be ruled out
