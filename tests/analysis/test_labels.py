"""Which labels were expected and which found, out of the rows of a run."""

from pathlib import Path

import pytest

from evalkit.analysis import analyse
from evalkit.analysis import labels as labels_module
from evalkit.scorers import ScorerContext, compile_scorer
from evalkit.stats import clustered_mean_interval, wilson
from evalkit.types import Case, Record, Score, ScorerVerdict


def told(expected, found, name="label", **more):
    hit = expected == found
    details = {"label": found, "expected": expected}
    return ScorerVerdict(name, Score(**{"value": float(hit), "passed": hit, "details": details, **more}))


def plain(name="label", *, passed=False, **more):
    return ScorerVerdict(name, Score(**{"value": float(passed), "passed": passed, **more}))


@pytest.fixture
def labels_of(run_of):
    def labels_of(verdicts, letters=None, **options):
        return analyse(run_of(letters or "P" * len(verdicts), verdicts=verdicts, **options)).labels

    return labels_of


def test_a_run_without_labels_has_none(run_of):
    assert analyse(run_of("PF")).labels == ()


def test_figures_recount_from_the_rows(labels_of):
    pairs = [("bug", "bug"), ("bug", "bug"), ("bug", "billing"), ("billing", "billing"), ("billing", None)]
    (one,) = labels_of([(told(*pair),) for pair in pairs])
    assert (one.model, one.prompt, one.scorer, one.left_out) == ("m", "p", "label", 0)
    figures = one.figures
    assert (figures.n, figures.accuracy, figures.without_label) == (5, 3 / 5, 1)
    billing, bug = figures.labels
    assert (billing.support, billing.predicted, billing.true_positive) == (2, 2, 1)
    assert (bug.precision, bug.recall) == (2 / 2, 2 / 3)
    assert figures.macro_f1 == pytest.approx((2 * 1 / (2 + 2) + 2 * 2 / (3 + 2)) / 2)
    assert figures.accuracy_interval == pytest.approx(wilson(3, 5))
    assert figures.confusion["bug", "billing"] == 1


def test_calls_without_a_verdict_stand_apart(labels_of):
    verdicts = [(told("a", "a"),), (told("a", "b"),), None, None, None, None]
    (one,) = labels_of(verdicts, "PFES?U")
    assert (one.figures.n, one.left_out) == (2, 0)


def test_every_candidate_and_scorer_has_its_own(labels_of):
    topic, tone = "topic", "turn 2: tone"
    verdicts = [
        (told("a", "a", topic), told("+", "+", tone)),
        (told("a", "b", topic), told("-", "-", tone)),
        (told("a", "a", topic), plain("exact", passed=True)),
        (told("b", "b", topic), plain("exact", passed=True)),
    ]
    found = labels_of(verdicts, models=("m", "n"))
    assert [(one.model, one.scorer, one.figures.accuracy) for one in found] == [
        ("m", topic, 0.5),
        ("m", tone, 1.0),
        ("n", topic, 1.0),
    ]


def test_scorers_of_one_name_are_told_apart(labels_of):
    first, second = labels_of([(told("a", "a"), told("x", "y")), (told("b", "b"), told("y", "y"))])
    assert (first.scorer, first.figures.accuracy) == ("label", 1.0)
    assert (second.scorer, second.figures.accuracy) == ("label (2)", 0.5)


def test_trials_are_clustered_by_case(labels_of):
    # Four cases twice, trial after trial: right and wrong; right twice; error and right; errors.
    trials = [("a", "a"), ("b", "b"), None, None, ("a", None), ("b", "b"), ("c", "c"), None]
    verdicts = [pair and (told(*pair),) for pair in trials]
    (one,) = labels_of(verdicts, "PPEEFPPE", trials=2)
    assert one.figures.n == 5
    expected = clustered_mean_interval([[1.0, 0.0], [1.0, 1.0], [1.0]])
    assert one.figures.accuracy_interval == pytest.approx(expected)
    assert one.figures.cases == {(("a", "a"), ("a", None)): 1, (("b", "b"), ("b", "b")): 1, (("c", "c"),): 1}


@pytest.mark.parametrize("trials", [1, 2])
def test_cases_of_one_source_are_clustered(labels_of, trials):
    pairs = [("a", "a"), ("b", "b"), ("a", None), ("b", "a")]
    verdicts = [(told(*pair),) for pair in pairs] * trials
    (alone,) = labels_of(verdicts, "PPFF" * trials, trials=trials, cluster="x")
    assert alone.figures.accuracy_interval == pytest.approx(wilson(2, 4))
    (shared,) = labels_of(verdicts, "PPFF" * trials, trials=trials, cluster="x", xs="uuvv")
    by_source = [[1.0] * 2 * trials, [0.0] * 2 * trials]
    assert shared.figures.n == 4 * trials
    assert shared.figures.accuracy_interval == pytest.approx(clustered_mean_interval(by_source))
    assert len(shared.figures.cases) == 2


@pytest.mark.parametrize(
    "verdict",
    [
        plain(),
        plain(details={"error": "a fault"}, value=None),
        plain(details={"label": "a"}),
        plain(details={"expected": "a"}),
        plain(details={"label": 1.0, "expected": 0.0}),
        plain(details={"label": ["a"], "expected": "a"}),
        told("a", "a", value=0.0, passed=False),  # `not`
        told("a", "b", value=1.0, passed=True),
        told("a", None, value=1.0, passed=True),
    ],
)
def test_what_tells_no_labels_or_the_opposite_is_left_out_and_counted(labels_of, verdict):
    (one,) = labels_of([(told("a", "a"),), (verdict,), (verdict,)])
    assert (one.figures.n, one.left_out) == (1, 2)
    assert not labels_of([(verdict,)])


@pytest.mark.parametrize(
    ("spelling", "expected", "outputs"),
    [
        ({"label": ["bug", "billing"]}, "bug", ("a bug", "billing", "neither", "bug or billing")),
        ({"choice": 4}, "B", ("The answer is (B).", "The answer is (C).", "", "no idea")),
    ],
)
def test_scorers_tell_labels_as_they_are_counted_here(labels_of, spelling, expected, outputs):
    entry = compile_scorer(spelling, context=ScorerContext(Path()))
    answers = [Record("1", "m", "p", "c", 1, output=output) for output in outputs]
    scores = [entry.scorer.score(answer, Case("c", {}, expected)) for answer in answers]
    (one,) = labels_of([(ScorerVerdict(entry.name, score),) for score in scores])
    assert (one.figures.correct, one.figures.without_label, one.figures.n, one.left_out) == (1, 2, 4, 0)


def test_a_threshold_does_not_change_what_was_found(labels_of):
    (one,) = labels_of([(told("a", "b", passed=True),)])
    assert one.figures.confusion == {("a", "b"): 1}


@pytest.mark.parametrize("trials", [1, 2])
def test_more_labels_than_can_be_counted_are_not(labels_of, monkeypatch, trials):
    monkeypatch.setattr(labels_module, "MOST_LABELS", 2)
    few = [(told("a", "b"),), (told("b", None),)] * trials
    assert labels_of(few, trials=trials)[0].figures.n == 2 * trials
    many = [(told("a", "b"),), (told("b", "c"),), (told("a", "a"),), (told("a", None),)]
    (one,) = labels_of(many, trials=trials)
    assert one.figures is None
