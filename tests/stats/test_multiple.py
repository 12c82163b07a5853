import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.stats.multiple import holm

p_values = st.lists(st.floats(0, 1), max_size=12)


def test_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("given_values", "adjusted"), [([], []), ([0.02], [0.02]), ([0.5, 0.6], [1.0, 1.0]), ([0.03, 0.03], [0.06, 0.06])]
)
def test_few_values(given_values, adjusted):
    assert holm(given_values) == pytest.approx(adjusted)


@given(p_values, st.floats(0.001, 0.999))
def test_rejects_what_the_step_down_procedure_rejects(values, alpha):
    adjusted = holm(values)
    still = True
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        # The least p-value against alpha / m, the next against alpha / (m - 1), until one fails.
        still = still and values[index] * (len(values) - rank) <= alpha
        assert (adjusted[index] <= alpha) is still


@given(p_values)
def test_adjusting_keeps_the_order_and_lowers_nothing(values):
    adjusted = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[index] for index in order] == sorted(adjusted)
