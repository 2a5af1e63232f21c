from pathlib import Path

import numpy as np
import pytest

from solarseg.synthesis.parameters import Chance, Choice, Range, list_parameters, parameters_as_markdown


def test_every_parameter_has_a_unit_a_range_and_a_description():
    assert len(list_parameters()) > 60
    for name, one in list_parameters().items():
        assert len(one.description) > 5, name
        if isinstance(one, Chance):
            assert 0 < one.probability < 1, name
        elif isinstance(one, Choice):
            assert sum(one.probabilities.values()) == pytest.approx(1), name
        else:
            assert one.low < one.high, name
            assert one.unit, name


def test_every_parameter_is_documented():
    """Write it again with `parameters_as_markdown`."""
    documented = (Path(__file__).parents[2] / "docs/reference/generator.md").read_text()
    assert parameters_as_markdown() in documented


def test_chances_are_as_stated():
    rng = np.random.default_rng(0)
    drawn = [Choice({"a": 0.2, "b": 0.5, "c": 0.3}, "for a test").draw(rng) for _ in range(4000)]
    assert [drawn.count(name) / 4000 for name in "abc"] == pytest.approx([0.2, 0.5, 0.3], abs=0.03)
    assert np.mean([Chance(0.3, "for a test").draw(rng) for _ in range(4000)]) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("distribution", "median"), [("uniform", 5.5), ("low", 3.25), ("high", 7.75), ("log", 10**0.5)]
)
def test_values_cover_the_range_with_the_stated_distribution(distribution, median):
    one, rng = Range(1, 10, "cell", "for a test", distribution), np.random.default_rng(0)
    values = np.array([one.draw(rng) for _ in range(2000)])
    assert 1 <= values.min() < 1.1
    assert 9.9 < values.max() <= 10
    assert np.median(values) == pytest.approx(median, abs=0.3)


def test_ranges_that_are_not_uniform_refuse_draw_int_and_draw_many():
    one, rng = Range(2, 4, "count", "for a test", "low"), np.random.default_rng(0)
    for draw in (one.draw_int, lambda rng: one.draw_many(rng, 3)):
        with pytest.raises(ValueError, match="one value at a time"):
            draw(rng)


def test_whole_numbers_include_both_ends():
    rng = np.random.default_rng(0)
    assert {Range(2, 4, "count", "for a test").draw_int(rng) for _ in range(100)} == {2, 3, 4}
