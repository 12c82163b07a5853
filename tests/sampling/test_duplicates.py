"""Inputs that repeat an earlier one."""

import random
import time
from collections.abc import Callable, Sequence

import pytest

from evalkit.sampling.duplicates import find_repeats

_THINGS = (
    "parcel",
    "refund",
    "invoice",
    "password",
    "coupon",
    "keyboard",
    "subscription",
    "lamp",
    "warranty",
    "ticket",
)
_ASKS = (
    "Where can I find the {} that I ordered for {} last week?",
    "The {} stopped working after {} was changed, what now?",
    "Please explain how {} and {} are charged on my account.",
    "I would like somebody to cancel my {}, and {} with it.",
    "Who do I have to call when {} and {} do not arrive together?",
)
TEXTS = [ask.format(one, other) for ask in _ASKS for one in _THINGS for other in _THINGS if one < other]


def _typos(text: str, count: int, rng: random.Random) -> str:
    letters = list(text)
    for _ in range(count):
        place = rng.randrange(len(letters))
        letters[place] = rng.choice(["", rng.choice("aeinrst"), letters[place] * 2])
    return "".join(letters)


@pytest.mark.parametrize(
    "change",
    [
        lambda text, _: text.upper(),
        lambda text, _: text.replace(" ", "  ").replace(",", " -") + "!!",
        lambda text, rng: _typos(text, 1, rng),
        lambda text, rng: _typos(text, 3, rng),
        lambda text, _: "please " + text,
        lambda text, _: "Hi, " + text + " Thanks",
        lambda text, _: " ".join([*text.split()[2:], *text.split()[:2]]),
    ],
    ids=["case", "punctuation", "one typo", "three typos", "please", "greeting", "order of words"],
)
def test_what_differs_a_little_is_found(change: Callable[[str, random.Random], str]) -> None:
    rng = random.Random(7)
    texts = _distinct()
    planted = [change(text, rng) for text in texts]
    found = {repeat.place: repeat.first for repeat in find_repeats([*texts, *planted])}
    hits = sum(found.get(len(texts) + place) == place for place in range(len(texts)))
    assert hits >= 0.95 * len(texts)


def _distinct() -> Sequence[str]:
    """Texts of which none repeats another."""
    repeated = {repeat.place for repeat in find_repeats(TEXTS)}
    return [text for place, text in enumerate(TEXTS) if place not in repeated]


def test_what_was_planted_in_real_questions_is_found(shared) -> None:
    import csv

    with (shared / "intents" / "banking77.csv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    own = {repeat.place for repeat in find_repeats(texts)}
    texts = [text for place, text in enumerate(texts) if place not in own]
    rng = random.Random(1)
    changes = (
        str.upper,
        lambda text: _typos(text, 2, rng),
        lambda text: "please " + text,
        lambda text: text + " thanks",
    )
    planted = [changes[place % 4](text) for place, text in enumerate(texts)]
    found = {repeat.place for repeat in find_repeats([*texts, *planted])}
    recall = sum(len(texts) + place in found for place in range(len(planted))) / len(planted)
    assert recall >= 0.95
    assert not [place for place in found if place < len(texts)]


def test_forms_filled_in_with_other_words_are_not_the_same() -> None:
    form = "Hello team, I need some help with the {} that I got from your shop in Leeds for my sister, thanks"
    words = ("parcel", "invoice", "mattress", "flight", "keyboard", "subscription", "lamp", "dentist")
    texts = [form.format(word) for word in words] + [
        f"{ask} {word}" for ask in ("Who sells a", "Buy", "A") for word in words
    ]
    slips = [text.replace("sister", "sistr").replace("Leeds", "Leads") for text in texts[:8]]
    found = find_repeats([*texts, *slips])
    assert [(repeat.place, repeat.first) for repeat in found] == [(len(texts) + place, place) for place in range(8)]


def test_word_for_word_is_told_from_nearly() -> None:
    texts = ["Where is it?", "where is IT", "Where is it now?", "Something else entirely"]
    assert [tuple(repeat) for repeat in find_repeats(texts, near=1)] == [(1, 0, 1.0)]
    places = [(repeat.place, repeat.first, repeat.alike == 1) for repeat in find_repeats(texts, near=0.8)]
    assert places == [(1, 0, True), (2, 0, False)]


def test_a_sign_makes_a_difference_word_for_word() -> None:
    assert find_repeats(["What is 17 + 3?", "What is 17 * 3?", "C", "C++", "what is  17 + 3"], near=1) == [(4, 0, 1.0)]


def test_long_texts_that_differ_at_their_end_are_not_the_same() -> None:
    long = "The same long story is told again. " * 2_000
    assert find_repeats([f"{long} Refund me.", f"{long} Send a lamp."], near=1) == []
    assert find_repeats([long, f"{long} "]) == [(1, 0, 1.0)]


def test_what_many_share_takes_no_longer_than_their_number() -> None:
    rng = random.Random(3)
    words = ["".join(rng.choices("abcdefghijklmnop", k=7)) for _ in range(3_000)]
    form = "Dear shop, I have an order with you and would like to know about it, thank you: "
    texts = [form + " ".join(rng.choices(words, k=14)) for _ in range(3_000)]
    started = time.process_time()
    repeats = find_repeats([*texts, *(f"{text} please" for text in texts[:200])])
    assert time.process_time() - started < 20  # seconds; compared all with all it takes minutes
    assert sum(repeat.place >= len(texts) for repeat in repeats) >= 190


def test_whoever_repeats_a_repeat_repeats_the_first() -> None:
    texts = [
        "the parcel did not arrive at my house",
        "the parcel did not arrive at my houses",
        "The parcel did not arrive at my houses!",
    ]
    assert [repeat.first for repeat in find_repeats(texts)] == [0, 0]


@pytest.mark.parametrize(
    "texts", [[], [""], ["", "", "?"], ["a", "b"], ["\ud800 x", "\U0010ffff"], ["a" * 50_000, "b" * 50_000]]
)
def test_odd_texts_do_no_harm(texts: list[str]) -> None:
    repeats = find_repeats(texts)
    assert all(repeat.first < repeat.place for repeat in repeats)
