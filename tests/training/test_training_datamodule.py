import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from solarseg.curation.survey import survey_dataset
from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError, DatasetError, ImageError
from solarseg.images import write_bands
from solarseg.preprocessing import Preprocessing
from solarseg.training.datamodule import DataModule, TrainingData, check_images, find_preprocessing
from solarseg.training.inputs import InputStore, find_range, pixel_counts


def module(squares, split=None, **options):
    data = open_dataset(squares)
    split = split or dict.fromkeys(data.names, "train")
    settings = {"batch_size": 5, "seed": 3, "workers": 0, **options}
    return DataModule(data, split, Preprocessing(64), **settings)


def orders(batches, epoch):
    loader = batches.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return [image.sum().item() for images, _ in loader for image in images.long()]


def test_order_depends_on_seed_and_epoch_alone(squares):
    assert orders(module(squares), 0) == orders(module(squares), 0)
    assert orders(module(squares), 0) != orders(module(squares), 1)
    assert orders(module(squares), 0) != orders(module(squares, seed=4), 0)
    assert sorted(orders(module(squares), 0)) == sorted(orders(module(squares), 1))


def test_a_last_batch_of_one_is_left_out(squares):
    data = open_dataset(squares)
    split = {name: "train" if i < 11 else "val" for i, name in enumerate(data.names)}
    sizes = [len(images) for images, _ in module(squares, split).train_dataloader()]
    assert sizes == [5, 5]
    assert [len(images) for images, _ in module(squares, split).val_dataloader()] == [1]


def test_nothing_to_train_on_is_said(squares):
    with pytest.raises(DatasetError, match="no image to train on"):
        module(squares, dict.fromkeys(open_dataset(squares).names, "val"))


def test_statistics_are_those_of_the_images(squares):
    data = open_dataset(squares)
    found = find_preprocessing(survey_dataset(data), data.names, 64, None)
    pixels = np.concatenate([data[name].image.reshape(-1, 3) for name in data.names]) / 255
    assert np.allclose(found.mean, pixels.mean(axis=0), atol=1e-6)
    assert np.allclose(found.std, pixels.std(axis=0), atol=1e-6)
    assert (found.bands, found.depth) == (3, "uint8")


def test_statistics_of_pretrained_weights_are_used_for_as_many_bands(squares):
    data = open_dataset(squares)
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert find_preprocessing(survey_dataset(data), data.names, 64, imagenet).mean == imagenet[0]
    assert find_preprocessing(survey_dataset(data), data.names, 64, ((0.5,), (0.5,))).mean != (0.5,)


def facts_of(data):
    store = InputStore(64)
    survey_dataset(data, each=store.add)
    return store.facts_of(data.names)


def test_pixels_are_counted_by_class(squares):
    data = open_dataset(squares)
    counts = pixel_counts(facts_of(data), 2)
    panels = sum(int(data[name].mask.sum()) for name in data.names)
    assert counts == [12 * 64 * 64 - panels, panels]


def test_samples_are_read_once(squares):
    data = TrainingData(open_dataset(squares), ["im00", "im01"], Preprocessing(64))
    data.fill_memory(shown=False)
    (squares / "images" / "im00.png").unlink()
    image, mask = data[0]
    assert image.dtype == torch.uint8
    assert image.shape == (3, 64, 64)
    assert set(mask.unique().tolist()) == {0, 1}


def as_tiff(squares, convert):
    """Save the dataset's images as TIFF, converted."""
    for file in sorted((squares / "images").iterdir()):
        pixels = convert(file.stem, np.asarray(Image.open(file)))
        file.unlink()
        tifffile.imwrite(file.with_suffix(".tif"), pixels, photometric="rgb")
    return open_dataset(squares)


def test_deep_images_are_augmented_within_their_own_range(squares):
    data = as_tiff(squares, lambda _, pixels: pixels.astype(np.uint16) * 16)  # a 12-bit sensor
    prepared = find_preprocessing(survey_dataset(data), data.names, 64, ((0.485,) * 3, (0.229,) * 3))
    assert prepared.depth == "uint16"
    assert max(prepared.mean) < 4096 / 65535  # their own, not what 8-bit pictures have
    low, high = find_range(facts_of(data), prepared)
    assert min(low) == 0
    assert 3000 / 65535 < max(high) <= 4080 / 65535


def test_8_bit_images_have_the_whole_range(squares):
    data = open_dataset(squares)
    assert find_range(facts_of(data), Preprocessing(64)) == ((0.0,) * 3, (1.0,) * 3)


def test_whole_numbers_and_floats_do_not_mix(squares):
    data = as_tiff(squares, lambda name, pixels: pixels.astype(np.float32) if name == "im03" else pixels)
    with pytest.raises(ImageError, match=r"im00\.tif: has whole numbers, other images .* floats"):
        find_preprocessing(survey_dataset(data), data.names, 64, None)


def test_images_of_other_bands_are_named(squares):
    data = as_tiff(squares, lambda name, pixels: np.dstack([pixels, pixels]) if name == "im03" else pixels)
    with pytest.raises(ImageError, match=r"im03\.tif: image has 6 bands, .*im\d\d\.tif has 3"):
        find_preprocessing(survey_dataset(data), data.names, 64, None)


@pytest.mark.parametrize(
    ("convert", "expected"),
    [
        (lambda pixels: np.dstack([pixels, pixels]), "image has 6 bands, the model takes 3"),
        (lambda pixels: pixels.astype(np.float32), "floats from 0 to 2[0-9]+, the model takes uint8"),
        (lambda pixels: pixels / np.float32(255), None),
        (lambda pixels: pixels.astype(np.uint16), None),
        (lambda pixels: pixels[..., :1], None),
    ],
)
def test_an_image_that_is_refused_is_refused_without_reading_it_again(squares, convert, expected):
    file = squares / "images" / "im03.png"
    pixels = convert(np.asarray(Image.open(file)))
    file.unlink()
    write_bands(file.with_suffix(".tif"), pixels)
    data = open_dataset(squares)
    survey = survey_dataset(data)
    found = find_preprocessing(survey, [name for name in data.names if name != "im03"], 64, None)
    batches, im03 = TrainingData(data, data.names, found), data.names.index("im03")
    if expected is None:
        check_images(survey, found)
        assert batches[im03][0].shape == (3, 64, 64)
        return
    for refuse in (lambda: check_images(survey, found), lambda: batches[im03]):
        with pytest.raises(ImageError, match=rf"im03\.tif: .*{expected}"):
            refuse()


def test_grey_among_rgb_is_taken_for_rgb(squares):
    file = squares / "images" / "im03.png"
    Image.open(file).convert("L").save(file)
    data = open_dataset(squares)
    assert find_preprocessing(survey_dataset(data), data.names, 64, None).bands == 3


def test_a_constant_band_is_only_moved(squares):
    def without_red(_, pixels):
        pixels = pixels.copy()
        pixels[..., 0] = 40
        return pixels

    data = as_tiff(squares, without_red)
    found = find_preprocessing(survey_dataset(data), data.names, 64, None)
    assert found.std[0] == 1.0
    assert found.mean[0] == pytest.approx(40 / 255)


def test_batches_of_one_are_refused_where_one_pixel_is_left(squares):
    data = open_dataset(squares)
    with pytest.raises(ArgumentError, match=r"`batch_size=1`: at image size 32"):
        DataModule(
            data, dict.fromkeys(data.names, "train"), Preprocessing(32), batch_size=1, seed=0, workers=0
        )


def test_more_processes_than_val_images_are_refused(squares):
    split = {name: "val" if name < "im02" else "train" for name in open_dataset(squares).names}
    with pytest.raises(ArgumentError, match="`devices=3`, `num_nodes=1`: more processes than the 2 image"):
        module(squares, split, devices=3)


def test_processes_share_out_all_images_and_none_twice(squares):
    seen = {"train": [], "val": []}
    data = open_dataset(squares)
    split = {name: "val" if name < "im05" else "train" for name in data.names}
    for rank in range(2):
        batches = module(squares, split, batch_size=2)
        batches.trainer = type("Place", (), {"world_size": 2, "global_rank": rank})()
        seen["train"] += list(batches.train_dataloader().sampler)
        seen["val"] += list(batches.val_dataloader().dataset.indices)
    assert sorted(seen["val"]) == list(range(5))
    assert set(seen["train"]) == set(range(7))
    assert len(seen["train"]) == 8  # one drawn twice, so that both take as many steps
