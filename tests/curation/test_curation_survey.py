import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_runs import write_half_empty, write_raster

from solarseg.curation import survey as module
from solarseg.curation.check import check
from solarseg.curation.stats import stats
from solarseg.curation.survey import measure_sample, survey_dataset
from solarseg.datasets import Sample, open_dataset
from solarseg.datasets.digests import read_digests
from solarseg.duplicates.leakage import find_copies_in_dataset
from solarseg.errors import DataError
from solarseg.files import digest


def sample(height, width, dtype, valid=None):
    rng = np.random.default_rng(0)
    image = rng.integers(0, np.iinfo(dtype).max, (height, width, 3), dtype=dtype, endpoint=True)
    return Sample(image, rng.choice([0, 1, 255], (height, width)).astype(np.uint8), "a", "a", valid)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_measures_are_those_of_the_whole_image(dtype, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 97)
    one = sample(50, 31, dtype)
    image, mask = one.image, one.mask
    found = measure_sample(one, 2)
    whole = image.reshape(-1, 3).astype(object)  # integers without limits
    assert found.sums.tolist() == whole.sum(axis=0).tolist()
    assert found.squares.tolist() == (whole**2).sum(axis=0).tolist()
    assert found.low.tolist() == whole.min(axis=0).tolist()
    assert found.high.tolist() == whole.max(axis=0).tolist()
    assert found.pixels.tolist() == [(mask == 0).sum(), (mask == 1).sum()]
    assert found.ignored == (mask == 255).sum()
    assert (found.size, found.depth, found.shown, found.areas) == ((31, 50), image.dtype.name, mask.size, {})


@given(
    seed=st.integers(0, 99),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    bands=st.integers(1, 5),
    share=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_pixels_that_show_nothing_change_no_measure(seed, dtype, bands, share):
    rng = np.random.default_rng(seed)
    image = (rng.normal(100, 20, (17, 9, bands)).clip(0, 255)).astype(dtype)
    valid = rng.random((17, 9)) >= share
    mask = np.where(valid, rng.integers(0, 3, (17, 9)), 255).astype(np.uint8)
    found = measure_sample(Sample(image, mask, "a", "a", valid), 3)
    spoilt = np.where(valid[..., None], image, dtype(250))
    again = measure_sample(Sample(spoilt, mask, "a", "a", valid), 3)
    shown = image[valid].astype(np.float64)
    assert found.shown == again.shown == len(shown)
    for name, expected in (("sums", shown.sum(axis=0)), ("squares", (shown**2).sum(axis=0))):
        assert getattr(found, name) == pytest.approx(expected)
        assert np.array_equal(getattr(found, name), getattr(again, name))
    if len(shown):
        assert np.array_equal(found.low, shown.min(axis=0)) and np.array_equal(found.high, shown.max(axis=0))
    else:
        assert np.isnan(found.low).all() and np.isnan(found.high).all()
    assert found.pixels.tolist() == [int((mask == class_id).sum()) for class_id in range(3)]


def test_a_large_image_takes_no_more_memory_than_once_more_its_own():
    one = sample(4000, 2000, np.uint8)
    tracemalloc.start()
    measure_sample(one, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * one.image.nbytes


def test_one_pass_decodes_every_file_once(squares, decodings):
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: square}\n")
    data = open_dataset(squares)
    passed = []
    survey = survey_dataset(data, copies=True, regions=True, each=lambda one: passed.append(one.name))
    survey.find_copies()
    files = [*(squares / "images").iterdir(), *(squares / "masks").iterdir()]
    assert {file: decodings(file) for file in files} == dict.fromkeys(files, 1)
    assert sorted(passed) == data.names
    assert [one.name for one in survey.samples] == data.names


@pytest.mark.parametrize("command", [check, stats])
def test_commands_decode_no_image_twice(squares, decodings, command):
    command(squares)
    images = list((squares / "images").iterdir())
    assert {file: decodings(file) for file in images} == dict.fromkeys(images, 1)


def test_digests_are_those_of_the_files(squares):
    data = open_dataset(squares)
    survey = survey_dataset(data)
    assert survey.digests == read_digests(data)
    assert survey.digests.images["im03"] == digest(squares / "images" / "im03.png")
    before = survey.digests.whole
    Image.new("L", (64, 64)).save(squares / "masks" / "im03.png")
    assert survey_dataset(data).digests.whole != before


def test_copies_are_those_of_a_search_of_its_own(squares):
    for old, new in (("im00", "im05"), ("im01", "im06")):
        for kind in ("images", "masks"):
            turned = np.rot90(np.asarray(Image.open(squares / kind / f"{old}.png")))
            Image.fromarray(turned).save(squares / kind / f"{new}.png")
    data = open_dataset(squares)
    found = survey_dataset(data, copies=True).find_copies()
    assert [(pair.first, pair.second) for pair in found.pairs] == [("im00", "im05"), ("im01", "im06")]
    assert found == find_copies_in_dataset(data)


def test_a_sample_that_cannot_be_read_is_left_out(squares):
    (squares / "images" / "im03.png").write_bytes(b"")
    (squares / "images" / "im07.png").write_bytes(b"no image")
    survey = survey_dataset(open_dataset(squares), copies=True)
    assert list(survey.unreadable) == ["im03", "im07"]
    assert len(survey.samples) == len(survey.digests.images) == 10
    with pytest.raises(DataError, match=r"im03\.png"):
        survey.raise_unreadable()
    assert survey.find_copies().pairs == ()


def test_statistics_do_not_depend_on_what_nodata_is(tmp_path):
    """Case of torchgeo's pull request 3651: a nodata of 65535 made the mean 33,736 instead of 2,135."""
    found = [stats(write_half_empty(tmp_path / f"nd{nodata}", nodata)) for nodata in (0, 65535)]
    assert found[0].bands == found[1].bands
    assert found[0].classes == found[1].classes
    assert found[0].nodata == found[0].ignored == 0.5
    shown = np.concatenate(
        [one.image[:, 32:].reshape(-1, 3) for one in open_dataset(tmp_path / "nd65535")]
    ).astype(np.float64)
    for i, band in enumerate(found[1].bands):
        assert band.mean == pytest.approx(shown[:, i].mean())
        assert band.deviation == pytest.approx(shown[:, i].std())
        assert (band.low, band.high) == (shown[:, i].min(), shown[:, i].max())


def test_copies_do_not_depend_on_what_nodata_is(tmp_path):
    for nodata in (0, 65535):
        root = write_half_empty(tmp_path / f"nd{nodata}", nodata)
        survey = survey_dataset(open_dataset(root), copies=True)
        assert survey.find_copies().pairs == ()
        assert survey.samples[0].metres_per_pixel == pytest.approx(0.1)


def test_an_image_of_nodata_alone_is_named(tmp_path):
    root = write_half_empty(tmp_path / "nd", 0)
    write_raster(root / "images" / "im03.tif", np.zeros((3, 64, 64), np.uint16), 0)
    found = check(root)
    kinds = {(one.kind, one.where) for one in found.problems}
    assert ("all ignored", str(root / "images" / "im03.tif")) in kinds
    assert not any(kind == "constant image" for kind, _ in kinds)
    assert stats(root).images == 12
