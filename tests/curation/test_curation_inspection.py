import tracemalloc

import numpy as np
import pytest

from solarseg.curation import inspection
from solarseg.curation.inspection import inspect
from solarseg.datasets import Sample


class One:
    """A dataset of one sample."""

    classes = ("background", "crack")

    def __init__(self, image, mask):
        self.sample = Sample(image, mask, "a", "a")

    def __getitem__(self, name):
        return self.sample


def sample(height, width, dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(dtype).max, (height, width, 3), dtype=dtype, endpoint=True)
    return One(image, rng.choice([0, 1, 255], (height, width)).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_measures_are_those_of_the_whole_image(dtype, monkeypatch):
    monkeypatch.setattr(inspection, "_STRIP", 7)
    one = sample(50, 31, dtype)
    image, mask = one.sample.image, one.sample.mask
    found = inspect(one, "a")
    whole = image.reshape(-1, 3).astype(object)  # integers without limits
    assert found.sums.tolist() == whole.sum(axis=0).tolist()
    assert found.squares.tolist() == (whole**2).sum(axis=0).tolist()
    assert (found.low.tolist(), found.high.tolist()) == (
        whole.min(axis=0).tolist(),
        whole.max(axis=0).tolist(),
    )
    assert found.pixels.tolist() == [(mask == 0).sum(), (mask == 1).sum()]
    assert found.ignored == (mask == 255).sum()


def test_a_large_image_takes_no_more_memory_than_once_more_its_own():
    one = sample(4000, 2000, np.uint8)
    one.sample.mask[:] = 0
    tracemalloc.start()
    inspect(one, "a")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * one.sample.image.nbytes
