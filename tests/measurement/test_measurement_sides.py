import cv2
import numpy as np
import pytest

from solarseg.measurement.regions import find_components
from solarseg.measurement.sides import side_brightness_ratio


def cracked(*points, width=3, size=120):
    region = np.zeros((size, size), np.uint8)
    cv2.polylines(region, [np.array(points)], False, 1, width)
    (crack,) = find_components(region > 0)
    return crack, region == 0


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("darker", [0.3, 0.8, 1.0])
def test_a_straight_crack_between_two_levels_at_any_angle(degrees, darker):
    along = np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    ends = [(60 + way * 40 * along).round().astype(int) for way in (-1, 1)]
    y, x = np.indices((120, 120))
    grey = np.where((x - 60) * along[1] - (y - 60) * along[0] > 0, 100.0, 100 * darker)
    crack, silicon = cracked(*ends)
    assert side_brightness_ratio(crack, grey, silicon, reach=8) == pytest.approx(darker, abs=0.01)


def test_a_bent_crack_keeps_its_sides_apart():
    points = [(20, 20), (60, 50), (100, 30)]
    inside = np.zeros((120, 120), np.uint8)
    cv2.fillPoly(inside, [np.array([*points, (100, 119), (20, 119)])], 1)
    crack, silicon = cracked(*points)
    assert side_brightness_ratio(crack, np.where(inside, 50.0, 100.0), silicon, reach=8) == pytest.approx(
        0.5, abs=0.02
    )


def test_a_crack_at_the_edge_has_one_side_only():
    crack, silicon = cracked((1, 10), (1, 110))
    assert side_brightness_ratio(crack, np.full((120, 120), 50.0), silicon, reach=8) is None


def test_black_silicon_has_no_ratio():
    crack, silicon = cracked((60, 10), (60, 110))
    assert side_brightness_ratio(crack, np.zeros((120, 120)), silicon, reach=8) is None
