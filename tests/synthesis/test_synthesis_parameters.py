from pathlib import Path

import numpy as np
import pytest

from solarseg.synthesis.parameters import Chance, Choice, Range, as_markdown, table


def test_every_parameter_has_a_unit_a_range_and_a_reason():
    assert len(table()) > 60
    for name, one in table().items():
        assert len(one.reason) > 5, name
        if isinstance(one, Chance):
            assert 0 < one.probability < 1, name
        elif isinstance(one, Choice):
            assert sum(one.shares.values()) == pytest.approx(1), name
        else:
            assert one.low < one.high, name
            assert one.unit, name


def test_every_parameter_is_documented():
    """Make it anew with `as_markdown`."""
    documented = (Path(__file__).parents[2] / "docs/generator.md").read_text()
    assert as_markdown() in documented


def test_chances_are_as_stated():
    rng = np.random.default_rng(0)
    drawn = [Choice({"a": 0.2, "b": 0.5, "c": 0.3}, "for a test").draw(rng) for _ in range(4000)]
    assert [drawn.count(name) / 4000 for name in "abc"] == pytest.approx([0.2, 0.5, 0.3], abs=0.03)
    assert np.mean([Chance(0.3, "for a test").draw(rng) for _ in range(4000)]) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("how", ["draw", "draw_low"])
def test_values_are_drawn_from_the_whole_range(how):
    one = Range(-2, 6, "cell", "for a test")
    values = np.array([getattr(one, how)(rng) for rng in [np.random.default_rng(0)] for _ in range(2000)])
    assert values.min() >= -2
    assert values.max() <= 6
    assert np.median(values) == pytest.approx(2 if how == "draw" else 0, abs=0.2)


def test_whole_numbers_include_both_ends():
    rng = np.random.default_rng(0)
    assert {Range(2, 4, "count", "for a test").draw_int(rng) for _ in range(100)} == {2, 3, 4}
