"""The data of the benchmarks: generated, and made from public downloads."""

import csv
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from solarseg import open_dataset
from solarseg.formats import open_source


@pytest.fixture
def pv01(load_benchmark):
    return load_benchmark("pv01")


def test_tiles_close_to_each_other_are_one_site(pv01):
    chain = [(3000, 2000), (3009, 2010), (3015, 2018), (3010, 2025)]  # only neighbours in it are close
    apart = [(3026, 2018), (3100, 2000)]
    names = [f"any/PV01_{y}_{x}" for y, x in chain + apart]
    site_of = pv01.sites(names)
    assert [site_of[name] for name in names] == ["site00"] * 4 + ["site01", "site02"]
    assert list(pv01.choose(site_of, 2).values()) == ["site00"] * 4
    assert set(pv01.choose(site_of, 5).values()) == {"site00", "site01"}


def test_sites_agree_with_groups_made_by_hand(pv01, real_data):
    with (real_data / "pv01-tiles/groups.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["name"]: row["group"] for row in csv.DictReader(file)}
    found = pv01.sites(expected)
    for first, second in combinations(expected, 2):
        assert (found[first] == found[second]) == (expected[first] == expected[second])


def test_the_published_files_become_a_dataset_folder(pv01, tmp_path, monkeypatch):
    folder = tmp_path / "downloads/PV01/PV01_Rooftop_Brick"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = {}
    for name, code in (("PV01_3000_2000", 211), ("PV01_3002_2000", 212), ("PV01_3100_2000", 213)):
        images[name] = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        mask[4:9, 5:20] = code
        Image.fromarray(images[name]).save(folder / f"{name}.bmp")
        Image.fromarray(mask).save(folder / f"{name}_label.bmp")
    dataset = tmp_path / "pv01"
    monkeypatch.setattr("sys.argv", ["pv01.py", str(tmp_path / "downloads"), str(dataset)])
    pv01.main()
    data = open_dataset(dataset)
    assert data.group_of == dict(zip(images, ("site00", "site00", "site01"), strict=True))
    for name, image in images.items():
        assert np.array_equal(data[name].image, image)
        assert data[name].mask.sum() == 75


def test_generated_tiles_have_two_classes_and_groups_of_four(load_benchmark, tmp_path, monkeypatch):
    generated = load_benchmark("generated")
    monkeypatch.setattr(generated, "CACHE", tmp_path)
    data = generated.open_tiles(None, count=8, size=64)
    assert [data.groups.count(group) for group in sorted(set(data.groups))] == [4, 4]
    masks = [data.read_mask(name) for name in data.names]
    assert set(np.unique(masks)) == {0, 1}
    written = (tmp_path / "defects-8-64/groups.csv").stat().st_mtime_ns
    assert generated.open_tiles(None, count=8, size=64).names == data.names
    assert (tmp_path / "defects-8-64/groups.csv").stat().st_mtime_ns == written


def test_a_generated_file_is_read_as_glosofarid(load_benchmark, tmp_path):
    generated = load_benchmark("generated")
    file = tmp_path / "solar_2023_us.tfrecord.gz"
    generated.write_glosofarid(file, count=3)
    samples = list(open_source(file))
    for number, sample in enumerate(samples):
        image, mask = next(generated.landscape_in_two_years(number))
        assert np.array_equal(sample.image, image)
        assert np.array_equal(sample.mask, mask)
    assert len(samples) == 3


def test_folds_test_each_image_once_and_never_divide_a_group(load_benchmark, make_squares):
    cross_validation = load_benchmark("cross_validation")
    data = open_dataset(make_squares(count=12, groups=6))
    folds = cross_validation.make_folds(data, 3, None)
    assert sorted(name for fold in folds for name in fold.test) == data.names
    for fold in folds:
        assert sorted(fold.training + fold.test) == data.names
        assert not {data.group_of[name] for name in fold.training} & {
            data.group_of[name] for name in fold.test
        }
    (named,) = cross_validation.make_folds(data, 3, ["g0,g5"])
    assert {data.group_of[name] for name in named.test} == {"g0", "g5"}
    with pytest.raises(SystemExit, match="no group 'g9'"):
        cross_validation.make_folds(data, 3, ["g0,g9"])
