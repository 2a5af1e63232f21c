import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.classes import ClassMap, find_classes
from solarseg.errors import ArgumentError, DatasetError, MaskError


@pytest.mark.parametrize(
    ("values", "names", "spelled", "ignore"),
    [
        ({0, 255}, ("background", "foreground"), (0, 255), False),
        ({0, 1}, ("background", "foreground"), (0, 1), False),
        ({0, 2, 1, 255}, ("background", "class_1", "class_2"), (0, 1, 2), True),
        ({0, 1, 2}, ("background", "class_1", "class_2"), (0, 1, 2), False),
        ({0, 3, 1}, ("background", "class_1", "class_2", "class_3"), (0, 1, 2, 3), False),
    ],
)
def test_classes_are_found_from_mask_values(values, names, spelled, ignore):
    classes = find_classes(values)
    assert (classes.names, classes.values, classes.ignore) == (names, spelled, ignore)


@pytest.mark.parametrize("values", [{0}, {0, 7}, {0, 17, 93, 128, 254}, set(), {0, 1, 255}, {1, 255}])
def test_values_without_sensible_classes_are_refused(values):
    with pytest.raises(DatasetError, match=r"dataset\.yaml"):
        find_classes(values)


def test_palette_gives_the_colours():
    palette = [(0, 0, 0), (9, 8, 7), (1, 2, 3), (5, 5, 5)]
    assert find_classes({0, 1, 2}, palette).colours == ((0, 0, 0), (9, 8, 7), (1, 2, 3))


def test_unknown_value_names_file_value_and_choices():
    classes = ClassMap(("background", "panel"), values=(0, 255))
    with pytest.raises(
        MaskError,
        match=r"m\.png: mask has unknown value 3 \(1 pixels have unknown values\); allowed are 0, 255",
    ):
        classes.encode(np.array([[0, 3]], dtype=np.uint8), "m.png")


@given(st.lists(st.integers(0, 254), min_size=2, max_size=9, unique=True), st.randoms())
def test_encoding_gives_each_value_its_place(values, random):
    classes = ClassMap(tuple(f"c{v}" for v in values), values=tuple(values), ignore=True)
    drawn = random.choices([*values, 255], k=20)
    expected = [255 if v == 255 else values.index(v) for v in drawn]
    assert classes.encode(np.array([drawn], dtype=np.uint8)).tolist() == [expected]


@pytest.mark.parametrize(
    "arguments",
    [
        {"names": ("alone",)},
        {"names": ("a", "a")},
        {"names": ("a", "b"), "values": (1, 1)},
        {"names": ("a", "b"), "values": (0, 300)},
        {"names": ("a", "b"), "values": (0, 255), "ignore": True},
        {"names": ("a", "b"), "colours": ((0, 0, 0),)},
    ],
)
def test_impossible_maps_are_refused(arguments):
    with pytest.raises(ArgumentError, match="classes"):
        ClassMap(**arguments)
