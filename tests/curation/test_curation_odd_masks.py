from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.classes import find_classes
from solarseg.curation.odd_masks import find_odd
from solarseg.errors import DatasetError
from solarseg.masks import MaskLook

BLUR = list(range(9)) + list(range(247, 256))


def odd(*held):
    found = find_odd([MaskLook(Path(str(i)), sorted(values)) for i, values in enumerate(held)])
    return {int(file.name): why for file, why in found.items()}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([[0, 255], [0], [255]], []),
        ([[0, 255], [0, 7, 255], [0]], [1]),
        ([[0, 1], [0, 255], [0, 255], [0]], [0]),
        ([[0, 255], [0, 255], [0, 255], BLUR, BLUR], [3, 4]),
        ([[0, 3], [0, 2], [0, 1], [0, 1, 200]], [3]),
        ([[0, 5], [0, 5], [0, 6], [0, 4]], []),  # none alone is nearly gapless; all together are
        ([[0, 100], [0, 100], [0]], [0, 1]),
        ([[0], [0]], []),
        ([[0, 1], list(range(300)), [0, 1]], [1]),  # more than there may be classes
    ],
)
def test_the_commonest_values_stay(held, expected):
    assert sorted(odd(*held)) == expected


def test_where_nothing_goes_together_the_reason_is_that_of_the_classes():
    assert odd([0, 100])[0].startswith("classes cannot be found from mask values 0, 100")


@given(st.lists(st.sets(st.sampled_from([0, 1, 2, 3, 9, 200, 255]), min_size=1), min_size=1, max_size=12))
def test_classes_are_found_from_those_that_stay(held):
    gone = odd(*held)
    stay = set().union(*(values for i, values in enumerate(held) if i not in gone))
    try:
        find_classes(set().union(*held))
    except DatasetError:
        assert stay <= {0} or find_classes(stay)
    else:
        assert not gone
