"""The example suite's own soundness: its labels follow from its messages and its files from its documentation.

The files are read as plain YAML, so that these tests do not depend on evalkit's loader.
"""

import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
import yaml

EVALS = Path(__file__).parents[2] / "evals"
SUITE_FILE = EVALS / "order_extraction.yaml"
SUITE = yaml.safe_load(SUITE_FILE.read_text(encoding="utf-8"))
CASES = SUITE["cases"]
PROMPTS = {Path(path).stem: yaml.safe_load((EVALS / path).read_text(encoding="utf-8")) for path in SUITE["prompts"]}
MODELS = yaml.safe_load((EVALS / "models.yaml").read_text(encoding="utf-8"))["models"]
KINDS = list(SUITE["vars"]["kinds"])
NULL_TAGS = {"name": "no-name", "order_number": "no-order"}


def documented_tags():
    """The tags explained in the suite's opening comment, one per line."""
    comment = SUITE_FILE.read_text(encoding="utf-8").split("(`tags`)")[1].split("\nsuite:")[0]
    return re.findall(r"^#   ([a-z-]+) {2,}\S", comment, re.MULTILINE)


def example_pairs():
    examples = SUITE["vars"]["examples"]
    return list(zip(examples[::2], examples[1::2], strict=True))


def load_baseline():
    path = EVALS / MODELS["order-rules"]["function"].partition(":")[0]
    spec = importlib.util.spec_from_file_location("order_rules", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


by_case = pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])


def test_there_are_150_cases_that_all_differ():
    messages = [" ".join(case["vars"]["message"].casefold().split()) for case in CASES]
    assert len(CASES) == len({case["id"] for case in CASES}) == len(set(messages)) == 150


def test_ids_are_kebab_case_and_open_with_the_kind():
    for case in CASES:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", case["id"])
        assert case["id"].startswith(case["expected"]["request"] + "-")


@by_case
def test_expected_fits_the_output_schema(case):
    jsonschema.validate(case["expected"], SUITE["output_schema"])


@by_case
@pytest.mark.parametrize("field", ["name", "order_number"])
def test_expected_stands_in_the_message_or_is_tagged_as_missing(case, field):
    value = case["expected"][field]
    assert (value is None) == (NULL_TAGS[field] in case["tags"])
    if value is not None:
        pattern = rf"(?<![0-9]){re.escape(value)}(?![0-9])"
        assert re.search(pattern, case["vars"]["message"], re.IGNORECASE)


@by_case
def test_a_case_has_one_to_four_documented_tags(case):
    assert 1 <= len(set(case["tags"])) == len(case["tags"]) <= 4
    assert set(case["tags"]) <= set(documented_tags())


def test_every_tag_and_kind_has_enough_cases_to_be_read_alone():
    tags = Counter(tag for case in CASES for tag in case["tags"])
    kinds = Counter(case["expected"]["request"] for case in CASES)
    assert set(tags) == set(documented_tags())
    assert min(tags.values()) >= 10
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 20


def test_names_and_numbers_do_not_repeat():
    for field in NULL_TAGS:
        values = [case["expected"][field] for case in CASES if case["expected"][field] is not None]
        assert len(set(values)) == len(values)


def test_the_kinds_of_schema_and_instructions_are_the_same():
    assert SUITE["output_schema"]["properties"]["request"]["enum"] == KINDS


def test_examples_are_sound_and_are_no_cases():
    messages = " ".join(case["vars"]["message"] for case in CASES).casefold()
    seen = []
    for question, answer in example_pairs():
        assert (question["role"], answer["role"]) == ("user", "assistant")
        expected = json.loads(answer["content"])
        jsonschema.validate(expected, SUITE["output_schema"])
        assert question["content"].casefold() not in messages
        for field in NULL_TAGS:
            value = expected[field]
            assert value is None or value in question["content"]
            assert value is None or not re.search(rf"\b{re.escape(value)}\b", messages, re.IGNORECASE)
        seen.append(expected["request"])
    assert sorted(set(seen)) == sorted(KINDS)


def test_only_the_few_shot_prompt_shows_the_examples():
    inserts = {
        stem: [turn["insert"] for turn in prompt["messages"] if "insert" in turn] for stem, prompt in PROMPTS.items()
    }
    assert inserts == {"order_extraction_zero_shot": [], "order_extraction_few_shot": ["examples"]}


def test_contact_details_are_fictitious():
    text = SUITE_FILE.read_text(encoding="utf-8")
    assert all(domain == "example.com" for domain in re.findall(r"[\w.]+@([\w.]+\w)", text))
    assert all(int(line) < 200 for line in re.findall(r"555-(\d{4})", text))


def test_the_suite_names_models_that_are_configured():
    assert set(SUITE["models"]) <= set(MODELS)


def test_priced_models_say_where_and_when_the_price_was_read():
    for name, row in MODELS.items():
        price = row.get("price")
        assert price is None or {"input", "output", "as_of", "source"} <= set(price), name


def test_models_hold_no_keys():
    assert not [name for name, row in MODELS.items() if {"api_key", "key", "token"} & set(row)]


def test_the_baseline_answers_in_the_schema_for_every_case():
    extract = load_baseline().extract
    for case in CASES:
        jsonschema.validate(extract(case["vars"]), SUITE["output_schema"])


def test_the_baseline_is_useful_and_beatable():
    extract = load_baseline().extract
    right = sum(
        {key: value and value.casefold() for key, value in extract(case["vars"]).items()}
        == {key: value and value.casefold() for key, value in case["expected"].items()}
        for case in CASES
    )
    assert 0.35 <= right / len(CASES) <= 0.75
