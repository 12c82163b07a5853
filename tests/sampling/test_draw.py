"""The sample that stands for many inputs."""

import csv
import datetime as dt
from collections import Counter

import numpy as np
import pytest

from evalkit.sampling.choose import Balance
from evalkit.sampling.draw import Input, Sample, draw
from evalkit.sampling.language import detector
from evalkit.sampling.strata import common, lengths, times

_COMMON = [
    f"My parcel number {n} {verb} yet, where is it?" for n in range(40) for verb in ("did not arrive", "is missing")
]
_RARE = ["How do I delete my account for good?", "Do you ship lamps to Iceland?", "Votre application ne marche plus."]


def _draw(texts: list[str], wanted: int, **options: object) -> Sample:
    return draw([Input(text) for text in texts], wanted, **options)


def test_intents_are_covered_without_a_look_at_them(shared) -> None:
    with (shared / "intents" / "banking77.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    sample = _draw([row["text"] for row in rows], 150)
    assert len(sample.chosen) == 150
    assert len({rows[place]["category"] for place in sample.chosen}) >= 70
    assert sum(sample.stands_for) == len(rows)


def test_a_kind_is_named_by_words_before_numbers() -> None:
    calls = [f"Please call me back on 555 010{n}, thank you" for n in range(20)]
    (kind, *_) = _draw([*calls, "12 34"], 3).kinds
    assert not any(word.isdigit() for word in kind.name.split(", "))


def test_rare_kinds_stay_and_repeats_go() -> None:
    texts = [*_COMMON, *_COMMON, *_RARE]
    sample = _draw(texts, 12, near=0.99)
    assert set(range(len(texts) - 3, len(texts))) <= set(sample.chosen)
    assert not {repeat.place for repeat in sample.repeats} & set(sample.chosen)
    assert sum(kind.inputs for kind in sample.kinds) == sum(sample.stands_for) == len(texts)
    assert sum(kind.chosen for kind in sample.kinds) == len(sample.chosen) == 12


def test_the_same_seed_draws_the_same() -> None:
    texts = [*_COMMON, *_RARE]
    assert _draw(texts, 10, near=1, seed=3) == _draw(texts, 10, near=1, seed=3)


def test_shares_of_tags_and_times_are_kept() -> None:
    things = ("parcel", "invoice", "password", "lamp", "refund", "coupon", "keyboard", "voucher", "ticket", "receipt")
    asks = (
        "Where can I find the {}?",
        "The {} stopped working, what now?",
        "I want to cancel my {}.",
        "Who sells a {}?",
    )
    texts = [ask.format(thing) for ask in asks for thing in things]
    texts += [f"My {thing} number {number} is not here" for thing in things for number in range(16)]
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    inputs = [
        # The days have nothing to do with the texts: a day of little variety would rightly get fewer choices.
        Input(text, ("app",) if place % 4 else ("web",), start + dt.timedelta(days=37 * place % len(texts)))
        for place, text in enumerate(texts)
    ]
    strata = draw(inputs, 40, near=1).strata
    for stratum in ("tag", "time", "length"):
        assert all(abs(share.inputs - share.sample) <= 0.1 for share in strata[stratum]), stratum
    spans = [share.value for share in strata["time"]]
    assert spans == sorted(spans)


def test_what_is_short_of_choices_by_now_goes_first() -> None:
    balance = Balance({"tag": ["web", "app", "web", "app"]}, np.array([1, 1, 1, 1]))
    for _ in range(10):
        balance.add(0)
        balance.add(1)
    assert balance.short_of(np.array([2, 3])).tolist() == pytest.approx([0.15, 0.15], abs=0.05)
    balance.add(0)
    web, app = balance.short_of(np.array([2, 3]))
    assert web <= 0 < app


def test_languages_are_told_by_whoever_is_asked() -> None:
    sample = draw(
        [Input(text) for text in [*_COMMON, *["Wo ist mein Paket " + "x" * n for n in range(9)]]],
        20,
        near=1,
        detect=lambda text: "de" if text.startswith("Wo") else "en",
    )
    assert {share.value for share in sample.strata["language"]} == {"en", "de"}


def test_a_text_of_no_language_is_called_so() -> None:
    pytest.importorskip("py3langid")
    assert [detector()(text) for text in ("Where is my parcel?", "12345")] == ["en", "none"]


@pytest.mark.parametrize(
    ("texts", "wanted", "chosen"), [(["a"], 5, 1), (["", "", "?"], 2, 2), (["same", "other"], 1, 1)]
)
def test_few_and_odd_inputs(texts: list[str], wanted: int, chosen: int) -> None:
    assert len(_draw(texts, wanted).chosen) == chosen


def test_strata_name_what_they_hold() -> None:
    assert Counter(lengths(["a", "bb" * 5, "c" * 50])) == {"short": 1, "medium": 1, "long": 1}
    assert common(["en"] * 300 + ["cy"]) == ["en"] * 300 + ["other"]
    stamp = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    assert times([stamp, None, stamp + dt.timedelta(days=8)]) == ["from 2026-05-01", "unknown", "from 2026-05-07"]
    assert times([None]) == ["unknown"]
