import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label, regionprops
from test_measurement_skeleton import bar, blobs

from solarseg.measurement.regions import find_components, orientation


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_components_equal_scikit_image(seed):
    region = blobs(seed)
    theirs = regionprops(label(region, connectivity=2))
    ours = list(find_components(region))
    assert sorted((one.top, one.left, one.area) for one in ours) == sorted(
        (int(one.bbox[0]), int(one.bbox[1]), int(one.area)) for one in theirs
    )
    centres = sorted((one.centroid[1], one.centroid[0]) for one in theirs)
    assert np.allclose(sorted(one.centre for one in ours), centres)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_orientation_equals_scikit_image(seed):
    region = blobs(seed)
    ours = {(one.top, one.left, one.area): orientation(one.pixels) for one in find_components(region)}
    for theirs in regionprops(label(region, connectivity=2)):
        if theirs.axis_major_length > 1.2 * theirs.axis_minor_length:
            found = ours[theirs.bbox[0], theirs.bbox[1], theirs.area]
            off = (found - np.degrees(theirs.orientation) - 90) % 180  # theirs is counted from the columns
            assert min(off, 180 - off) < 1e-3


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 150])
def test_orientation_and_extent_of_a_bar(degrees):
    (one,) = find_components(bar(80, 4, -degrees))  # rows go down, angles up
    assert orientation(one.pixels) == pytest.approx(degrees, abs=1)
    assert one.extent == pytest.approx(80, abs=2)
    assert one.centre == pytest.approx((79.5, 79.5), abs=0.6)


@settings(deadline=None)
@given(seed=st.integers(0, 100_000))
def test_orientation_is_below_180(seed):
    pixels = np.random.default_rng(seed).random((5, 9)) < 0.5
    pixels[0, 0] = True
    assert 0 <= orientation(pixels) < 180


@settings(max_examples=60)
@given(arrays(bool, (9, 11)), st.integers(0, 3), st.integers(0, 3))
def test_components_are_in_the_order_of_their_first_pixels(pixels, above, left):
    first = [(one.top, one.left + int(one.pixels[0].argmax())) for one in find_components(pixels)]
    assert first == sorted(set(first))
    moved = find_components(np.pad(pixels, ((above, 0), (left, 0))))
    assert [one.area for one in moved] == [one.area for one in find_components(pixels)]
