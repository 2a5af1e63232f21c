import threading
import time

import cv2
import numpy as np
import pytest

from solarseg.duplicates import same_place
from solarseg.duplicates.same_place import find_same_places, outline_map
from solarseg.duplicates.search import group_linked_images
from solarseg.errors import ImageError


def fields_of(place, side=280):
    """Number of the field of each pixel."""
    rng = np.random.default_rng(place)
    lines = np.zeros((side, side), np.uint8)
    for _ in range(22):
        (x, y), angle = rng.uniform(0, side, 2), rng.uniform(0, np.pi)
        step = 2 * side * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple(int(value) for value in (x, y) + sign * step) for sign in (-1, 1)]
        cv2.line(lines, *ends, 255)
    return cv2.connectedComponents((lines == 0).astype(np.uint8), connectivity=4)[1]


def tile(place, year, panels=False, shift=(0, 0)):
    """Return a tile of a place in one year: each field and band has a random brightness."""
    rng = np.random.default_rng([place, year])
    fields = fields_of(place)
    image = rng.uniform(500, 4000, (fields.max() + 1, 13))[fields] + rng.normal(0, 60, (*fields.shape, 13))
    mask = np.zeros(fields.shape, np.uint8)
    if panels:
        mask[100:150, 90:180] = 1
        image[100:150, 90:180] = 1000
    y, x = 12 + shift[0], 12 + shift[1]
    return image[y : y + 256, x : x + 256].astype(np.uint16), mask[y : y + 256, x : x + 256]


def search(tiles, **options):
    return find_same_places(list(tiles), tiles.__getitem__, **options)


def test_places_are_found_if_fields_change():
    tiles = {f"{place} {year}": tile(place, year) for place in range(12) for year in (2021, 2022, 2023)}
    found = search(tiles, threads=2)
    assert {pair.kind for pair in found.pairs} == {"place"}
    assert {(pair.first, pair.second) for pair in found.pairs} == {
        (f"{place} {first}", f"{place} {second}")
        for place in range(12)
        for first, second in ((2021, 2022), (2021, 2023), (2022, 2023))
    }
    groups = group_linked_images(found.pairs)
    assert len(set(groups.values())) == 12
    assert all(groups[name] == groups[f"{name.split()[0]} 2021"] for name in tiles)


def test_inverted_brightness_and_bands_of_any_range_change_nothing():
    image, mask = tile(0, 2021)
    other = (10_000 - image.astype(np.float32)) * np.geomspace(0.001, 1000, 13, dtype=np.float32)
    assert outline_map(other) == pytest.approx(outline_map(image), abs=0.01)
    assert search({"a": (image, mask), "b": (other, mask)}).pairs[0].correlation == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("shift", [(3, -2), (-4, 4), (0, 5)])
def test_tiles_may_be_some_pixels_apart(shift):
    assert len(search({"a": tile(1, 2021), "b": tile(1, 2022, shift=shift)}).pairs) == 1


def strips(place, year):
    """Return a tile whose upper part shows the place, so that its outlines agree in part."""
    image, mask = tile(place, 2021)
    image[110:] = tile(place + 1000 + year, year)[0][110:]
    mask[20:60, 30:100] = 1
    return image, mask


def test_masks_that_agree_need_less_agreement_of_outlines():
    (one, mask), (other, _) = strips(3, 1), strips(3, 2)
    correlation = cv2.matchTemplate(
        outline_map(one), outline_map(other)[4:-4, 4:-4], cv2.TM_CCOEFF_NORMED
    ).max()
    assert same_place.MIN_CORRELATION_WITH_MASKS < correlation < same_place.MIN_CORRELATION
    empty, ignored = np.zeros_like(mask), np.where(mask, 255, 0).astype(np.uint8)
    pairs = {
        "agree": (mask, np.roll(mask, 4, axis=1)),
        "half": (mask, np.roll(mask, 35, axis=1)),
        "empty": (empty, empty),
        "built": (empty, mask),
        "ignored": (ignored, ignored),
    }
    found = {
        name: len(search({"a": (one, first), "b": (other, second)}).pairs)
        for name, (first, second) in pairs.items()
    }
    assert found == {"agree": 1, "half": 0, "empty": 0, "built": 0, "ignored": 0}


def test_masks_are_compared_where_the_outlines_agree():
    """Panels shifted with the tile agree; panels shifted the other way do not."""
    one, mask = strips(3, 1)
    other = np.roll(strips(3, 2)[0], 8, axis=1)
    assert len(search({"a": (one, mask), "b": (other, np.roll(mask, 8, axis=1))}).pairs) == 1
    assert len(search({"a": (one, mask), "b": (other, np.roll(mask, -8, axis=1))}).pairs) == 0


def test_tiles_without_outlines_have_no_place():
    mask = np.zeros((256, 256), np.uint8)
    water = np.full((256, 256, 13), 900, np.uint16)
    assert not outline_map(water).any()
    assert search({"a": (water, mask), "b": (water, mask), "c": tile(7, 2021)}).pairs == ()
    assert search({}).pairs == ()


def test_a_tile_that_cannot_be_read_does_not_affect_others():
    tiles = {"a": tile(8, 2021), "b": tile(8, 2022)}

    def load(name):
        if name == "torn":
            raise ImageError("torn: truncated")
        return tiles[name]

    found = find_same_places(["a", "torn", "b"], load)
    assert [(pair.first, pair.second) for pair in found.pairs] == [("a", "b")]
    assert str(found.unreadable["torn"]) == "torn: truncated"


def test_proposals_are_compared_in_several_threads_in_a_stream(monkeypatch):
    proposed, threads, ahead = 300, [], []

    def propose_pairs(_):
        for _ in range(proposed):
            ahead.append(len(ahead) - len(threads))
            yield 0, 1

    def compare(*_):
        threads.append(threading.current_thread().name)
        time.sleep(0.001)

    monkeypatch.setattr(same_place, "_propose", propose_pairs)
    monkeypatch.setattr(same_place, "_place_correlation", compare)
    assert search({"a": tile(0, 1), "b": tile(1, 1)}, threads=2).proposed == proposed
    assert len(set(threads)) == 2
    assert max(ahead) < 20


def test_rows_of_comparisons_change_nothing(monkeypatch):
    tiles = {f"{place} {year}": tile(place, year) for place in range(4) for year in (1, 2)}
    whole = search(tiles)
    monkeypatch.setattr(same_place, "_ROWS", 3)
    assert search(tiles) == whole
