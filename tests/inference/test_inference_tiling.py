import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.errors import ArgumentError
from solarseg.inference.tiling import Tiling, stitch

tilings = st.integers(1, 40).flatmap(
    lambda tile: st.builds(
        Tiling,
        height=st.integers(1, 150),
        width=st.integers(1, 150),
        tile=st.just(tile),
        overlap=st.integers(0, tile // 2),
    )
)


@given(tilings)
def test_tiles_cover_the_image_and_overlap_enough(tiling):
    for starts, length in ((tiling.tops, tiling.height), (tiling.lefts, tiling.width)):
        assert starts[0] == 0
        assert starts[-1] == max(0, length - tiling.tile)
        steps = np.diff(starts)
        assert (steps > 0).all()
        assert (steps <= tiling.tile - tiling.overlap).all()


@given(tilings)
def test_weights_are_shares_of_one(tiling):
    for starts, weights in (
        (tiling.tops, tiling.row_weights()),
        (tiling.lefts, tiling.column_weights()),
    ):
        total = np.zeros(starts[-1] + tiling.tile)
        for start, weight in zip(starts, weights, strict=True):
            total[start : start + tiling.tile] += weight
        assert (weights >= 0).all()
        assert total == pytest.approx(np.ones_like(total), abs=1e-6)


def padded(tiling, seed=0):
    """An image, and what lies beyond it where it is smaller than a tile."""
    size = (max(tiling.height, tiling.tile), max(tiling.width, tiling.tile), 2)
    return np.random.default_rng(seed).random(size).astype(np.float32)


@given(tilings, st.data())
def test_what_all_tiles_agree_on_comes_out_as_it_was(tiling, data):
    image = padded(tiling)

    def predict(top, lefts):
        return (image[top : top + tiling.tile, left : left + tiling.tile] for left in lefts)

    first = data.draw(st.integers(0, len(tiling.tops) - 1))
    bands = list(stitch(tiling, predict, first))
    assert [band.top for band in bands] == list(tiling.tops[first:])
    found = np.concatenate([band.values for band in bands])
    assert found == pytest.approx(image[tiling.tops[first] : tiling.height, : tiling.width], abs=1e-5)


@given(tilings, st.data())
def test_a_second_start_gives_what_the_first_would_have(tiling, data):
    rng = np.random.default_rng(1)
    shown = {
        top: rng.random((len(tiling.lefts), tiling.tile, tiling.tile, 1)).astype(np.float32)
        for top in tiling.tops
    }

    def predict(top, lefts):
        assert lefts == list(tiling.lefts)
        return iter(shown[top])

    whole = list(stitch(tiling, predict))
    first = data.draw(st.integers(0, len(whole) - 1))
    for again, before in zip(stitch(tiling, predict, first), whole[first:], strict=True):
        assert again.top == before.top
        assert np.array_equal(again.values, before.values)


def test_between_two_tiles_one_passes_into_the_other():
    tiling = Tiling(4, 12, tile=8, overlap=4)

    def predict(top, lefts):
        return iter([np.zeros((8, 8, 1), np.float32), np.ones((8, 8, 1), np.float32)])

    (band,) = stitch(tiling, predict)
    assert band.values[0, :, 0].tolist() == [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1]


@pytest.mark.parametrize(("tile", "overlap"), [(0, 0), (8, 5), (8, -1)])
def test_tiles_that_cannot_be(tile, overlap):
    with pytest.raises(ArgumentError, match=r"`(tile|overlap)=.*`: must be"):
        Tiling(10, 10, tile, overlap)
