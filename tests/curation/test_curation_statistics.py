import json

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label, regionprops

from solarseg.curation.inspection import inspect, inspect_all, region_areas
from solarseg.curation.sample_sheet import choose_samples
from solarseg.curation.statistics import summarise
from solarseg.curation.stats import stats
from solarseg.datasets import open_dataset
from solarseg.errors import DatasetError
from solarseg.images import write_bands

RNG = np.random.default_rng(0)


@pytest.fixture
def mixed(tmp_path):
    """Ten 12-bit images of four bands with three classes and ignored pixels, in four groups."""
    root = tmp_path / "mixed"
    (root / "masks").mkdir(parents=True)
    for i in range(10):
        size = (20, 30) if i < 7 else (16, 16)
        write_bands(root / "images" / f"{i}.tif", RNG.integers(0, 4096, (*size, 4), dtype=np.uint16))
        mask = RNG.choice(np.array([0, 1, 2, 255] if i != 4 else [0], dtype=np.uint8), size)
        Image.fromarray(mask).save(root / "masks" / f"{i}.png")
    (root / "dataset.yaml").write_text(
        "classes: [background, crack, busbar]\nignore_index: 255\nbands: [B, G, R, N]\n"
    )
    (root / "groups.csv").write_text("name,group\n" + "".join(f"{i},g{i % 4}\n" for i in range(10)))
    return root


def test_numbers_are_those_of_numpy_and_scikit_image(mixed):
    data = open_dataset(mixed)
    found = summarise(data, *inspect_all(data))
    samples = list(data)
    pixels = np.concatenate([sample.image.reshape(-1, 4) for sample in samples])
    ids = np.concatenate([sample.mask.ravel() for sample in samples])
    assert [band.name for band in found.bands] == ["B", "G", "R", "N"]
    for i, band in enumerate(found.bands):
        assert (band.low, band.high) == (pixels[:, i].min(), pixels[:, i].max())
        assert band.mean == pytest.approx(pixels[:, i].mean())
        assert band.deviation == pytest.approx(pixels[:, i].std())
    for class_id, one in enumerate(found.classes):
        assert one.pixels == (ids == class_id).sum()
        assert one.share == pytest.approx((ids == class_id).sum() / (ids != 255).sum())
        assert one.images == sum((sample.mask == class_id).any() for sample in samples)
    for class_id in (1, 2):
        areas = [
            region.area
            for sample in samples
            for region in regionprops(label(sample.mask == class_id, connectivity=2))
        ]
        one = found.classes[class_id]
        assert one.regions == len(areas)
        assert one.areas == pytest.approx(np.quantile(areas, (0, 0.25, 0.5, 0.75, 1)))
        assert (
            list(one.histogram) == np.histogram(areas, 2.0 ** np.arange(len(one.histogram) + 1))[0].tolist()
        )
    assert found.ignored == pytest.approx((ids == 255).mean())
    assert found.sizes == {"30x20": 7, "16x16": 3}
    assert (found.depths, found.images, found.empty, found.groups) == ({"uint16": 10}, 10, 1, 4)
    assert found.group_sizes == {"g0": 3, "g1": 3, "g2": 2, "g3": 2}


def test_a_sample_that_cannot_be_read_costs_only_itself(mixed):
    (mixed / "images" / "3.tif").write_bytes(b"II*\0nonsense")
    found = stats(mixed)
    assert found.images == 9
    assert list(found.unreadable) == ["3"]
    for file in (mixed / "images").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DatasetError, match="no sample can be read"):
        stats(mixed)


def test_regions_of_a_power_of_two_stand_in_their_own_bin(tmp_path):
    assert region_areas(np.zeros((3, 3), dtype=bool)) == []
    mask = np.zeros((8, 40), dtype=np.uint8)
    mask[0, 0], mask[0, 2:5], mask[0, 6:10], mask[:, 20:28] = 1, 1, 1, 1
    for kind, array in (("images", mask), ("masks", mask)):
        (tmp_path / kind).mkdir()
        Image.fromarray(array).save(tmp_path / kind / "a.png")
    data = open_dataset(tmp_path)
    assert sorted(inspect(data, "a").areas[1]) == [1, 3, 4, 64]
    assert summarise(data, *inspect_all(data)).classes[1].histogram == (1, 1, 1, 0, 0, 0, 1)


def test_stats_writes_numbers_and_pictures(mixed, tmp_path):
    found = stats(mixed, out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "statistics.json").read_text()) == found.model_dump(mode="json")
    for name in ("statistics.png", "samples.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.width > 800
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_samples_are_chosen_so_that_each_class_is_shown():
    shares = {f"i{i:03}": np.array([1.0, 0.0, 0.0]) for i in range(100)}
    shares["i017"] = np.array([0.5, 0.5, 0.0])
    shares["i083"] = np.array([0.5, 0.0, 0.5])
    chosen = choose_samples(shares, 10)
    assert len(chosen) == 10
    assert {"i017", "i083"} <= set(chosen)
    assert chosen == sorted(chosen)
    assert choose_samples(shares, 1) in (["i017"], ["i083"])
    assert choose_samples(dict(list(shares.items())[:3]), 10) == ["i000", "i001", "i002"]
