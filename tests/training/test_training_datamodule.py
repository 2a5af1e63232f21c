import numpy as np
import pytest
import torch

from solarseg.datasets import open_dataset
from solarseg.errors import DatasetError
from solarseg.preprocessing import Preprocessing
from solarseg.training.datamodule import DataModule, TrainingData, find_preprocessing, pixel_counts


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
    found = find_preprocessing(data, data.names, 64, None)
    pixels = np.concatenate([data[name].image.reshape(-1, 3) for name in data.names]) / 255
    assert np.allclose(found.mean, pixels.mean(axis=0), atol=1e-6)
    assert np.allclose(found.std, pixels.std(axis=0), atol=1e-6)
    assert (found.bands, found.depth) == (3, "uint8")


def test_statistics_of_pretrained_weights_are_used_for_as_many_bands(squares):
    data = open_dataset(squares)
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert find_preprocessing(data, data.names, 64, imagenet).mean == imagenet[0]
    assert find_preprocessing(data, data.names, 64, ((0.5,), (0.5,))).mean != (0.5,)


def test_pixels_are_counted_by_class(squares):
    data = open_dataset(squares)
    counts = pixel_counts(TrainingData(data, data.names, Preprocessing(64)), 2)
    panels = sum(int(data[name].mask.sum()) for name in data.names)
    assert counts == [12 * 64 * 64 - panels, panels]


def test_samples_are_read_once(squares):
    data = TrainingData(open_dataset(squares), ["im00", "im01"], Preprocessing(64))
    data.read_all(shown=False)
    (squares / "images" / "im00.png").unlink()
    image, mask = data[0]
    assert image.dtype == torch.uint8
    assert image.shape == (3, 64, 64)
    assert set(mask.unique().tolist()) == {0, 1}
