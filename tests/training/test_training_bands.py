from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_runs import TINY, quiet

from solarseg.errors import ArgumentError
from solarseg.images import read_image, write_bands
from solarseg.inference.model import load_model
from solarseg.training.datamodule import _pick
from solarseg.training.fit import train

NAMES = ["B1", "B2", "B3", "B8A", "B12"]


@pytest.fixture
def banded(squares: Path) -> Path:
    """The squares as 12-bit images of five bands, of which only B8A shows anything."""
    rng = np.random.default_rng(0)
    for file in sorted((squares / "images").iterdir()):
        grey = read_image(file)[..., 0].astype(np.uint16) * 16
        image = rng.integers(0, 4096, (*grey.shape, 5), dtype=np.uint16)
        image[..., 3] = grey
        write_bands(file.with_suffix(".tif"), image, NAMES)
        file.unlink()
    (squares / "dataset.yaml").write_text(yaml.safe_dump({"bands": NAMES}))
    return squares


def test_some_bands_are_trained_on_and_found_again(banded, tmp_path):
    run = train(banded, tmp_path / "run", machine=quiet(), bands=("B8A", "2"), **{**TINY, "epochs": 8})
    model = load_model(run.path)
    assert model.info.band_names == ("B8A", "B2")
    assert (model.info.picked, model.info.picked_from) == ((3, 1), 5)
    image = read_image(next((banded / "images").iterdir()))
    names = [
        line.split(",")[0]
        for line in run.path.joinpath("split.csv").read_text().splitlines()
        if ",train," in line
    ]
    seen = np.stack([read_image(banded / "images" / f"{name}.tif") for name in names])[..., [3, 1]] / 65535
    assert model.info.mean == pytest.approx(seen.mean(axis=(0, 1, 2)))
    assert model.info.std == pytest.approx(seen.std(axis=(0, 1, 2)))
    assert np.array_equal(model.predict(image), model.predict(image[..., [3, 1]]))
    other = image.copy()
    other[..., [0, 2, 4]] = 0
    assert np.array_equal(model.predict(image), model.predict(other))


@pytest.mark.parametrize("band", ["B7", "0", "6"])
def test_a_band_that_is_not_there_is_named_with_those_that_are(banded, tmp_path, band):
    with pytest.raises(
        ArgumentError, match=f"`bands={band}`: no such band; the images have B1, B2, B3, B8A, B12, or 1"
    ):
        train(banded, tmp_path / "run", machine=quiet(), bands=(band,), **TINY)
    assert not (tmp_path / "run").exists()


def test_a_band_that_is_named_twice_is_refused():
    assert _pick(("B8A", "1"), NAMES, 5) == (3, 0)
    with pytest.raises(ArgumentError, match="`bands=B8A,4`: takes band 4 twice; name each once"):
        _pick(("B8A", "4"), NAMES, 5)


def test_bands_without_names_are_not_asked_for_by_name():
    with pytest.raises(
        ArgumentError,
        match=r"`bands=B4`: no such band; the images have 1 to 13 by number; .*, add bands: to dataset\.yaml",
    ):
        _pick(("B4",), (), 13)
