"""Inputs that are made while a dataset is surveyed."""

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image
from tiny_runs import TINY, quiet, write_half_empty

from solarseg.curation.survey import survey_dataset
from solarseg.datasets import open_dataset
from solarseg.datasets.digests import read_digests
from solarseg.errors import RunError
from solarseg.files import digest
from solarseg.images import write_bands
from solarseg.inference.model import load_model
from solarseg.preprocessing import Preprocessing
from solarseg.training import datamodule, fit
from solarseg.training.config import make_config
from solarseg.training.datamodule import TrainingData, find_preprocessing
from solarseg.training.division import find_division
from solarseg.training.fit import train
from solarseg.training.inputs import InputStore, make_input, pixel_counts, plain_preprocessing

SHORT = {**TINY, "epochs": 1}


class FirstStepError(Exception):
    """A training has come to its first step."""


class StopAtFirstStep(Callback):
    def on_train_batch_start(self, *_):
        raise FirstStepError


def start(dataset, run, **options):
    with pytest.raises(FirstStepError):
        train(dataset, run, machine=quiet(), callbacks=[StopAtFirstStep()], **{**SHORT, **options})
    return run


def keep_nothing_in_memory(monkeypatch):
    for module in (datamodule, fit):
        monkeypatch.setattr(module, "MEMORY", 0)


def name_classes(root):
    """Keep `open_dataset` from looking for classes in the masks."""
    (root / "dataset.yaml").write_text("classes: {0: background, 255: square}\n")


def count(root, decodings):
    return {kind: {decodings(file) for file in (root / kind).iterdir()} for kind in ("images", "masks")}


def test_a_training_decodes_every_image_once_before_its_first_step(squares, tmp_path, decodings):
    start(squares, tmp_path / "run")
    assert count(squares, decodings) == {"images": {1}, "masks": {2}}  # classes were found from the masks


def test_a_training_with_named_classes_decodes_every_mask_once(squares, tmp_path, decodings):
    name_classes(squares)
    start(squares, tmp_path / "run", class_weights="frequency", loss="cross_entropy")
    assert count(squares, decodings) == {"images": {1}, "masks": {1}}


def test_a_training_that_keeps_nothing_decodes_the_first_batch_twice(
    squares, tmp_path, decodings, monkeypatch
):
    name_classes(squares)
    keep_nothing_in_memory(monkeypatch)
    start(squares, tmp_path / "run", class_weights="frequency", loss="cross_entropy")
    counts = [decodings(file) for file in (squares / "images").iterdir()]
    assert sorted(counts) == [1] * 8 + [2] * 4  # batches have four images


@pytest.mark.parametrize("kept", [True, False])
def test_images_of_other_bands_are_decoded_at_most_twice(squares, tmp_path, decodings, monkeypatch, kept):
    name_classes(squares)
    if not kept:
        keep_nothing_in_memory(monkeypatch)
    for file in sorted((squares / "images").iterdir())[::2]:
        Image.open(file).convert("L").save(file)
    start(squares, tmp_path / "run")
    assert count(squares, decodings) == {"images": {1, 2}, "masks": {1, 2}}


def results(run):
    """What a training decided before its first step, and what it learnt."""
    files = {name: (run / name).read_text() for name in ("split.csv", "leaks.csv")}
    facts = (run / "config.yaml").read_text().splitlines()
    weights = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    rows = [line.rsplit(",", 1)[0] for line in (run / "metrics.csv").read_text().splitlines()]
    return (
        files,
        facts,
        rows,
        {name: value.tolist() for name, value in weights.items() if value.numel() < 100},
    )


@pytest.mark.slow
def test_results_do_not_depend_on_what_is_kept(squares, tmp_path, monkeypatch):
    for kind in ("images", "masks"):  # a copy in another group
        content = (squares / kind / "im00.png").read_bytes()
        (squares / kind / "im04.png").write_bytes(content)
    monkeypatch.setattr(fit, "finish_run", lambda run, *_: fit.Run(run.path, run.model, None))
    train(squares, tmp_path / "kept", machine=quiet(), **SHORT)
    keep_nothing_in_memory(monkeypatch)
    train(squares, tmp_path / "read", machine=quiet(), **SHORT)
    assert results(tmp_path / "kept") == results(tmp_path / "read")


def test_a_changed_image_is_read_again(squares, tmp_path):
    data, config, machine = open_dataset(squares), make_config(**SHORT), quiet()
    first, _ = fit.survey_samples(data, config, machine, copies=True)
    file = squares / "images" / "im03.png"
    changed = np.asarray(Image.open(file)) // 2
    Image.fromarray(changed).save(file)
    second, store = fit.survey_samples(data, config, machine, copies=True)
    assert second.digests == read_digests(data) != first.digests
    assert second.digests.images["im03"] == digest(file)
    sums = {one.name: one.sums.tolist() for one in second.samples}
    assert sums["im03"] == changed.sum(axis=(0, 1)).tolist()
    inputs = store.take(data.names, Preprocessing(64))
    assert np.array_equal(inputs["im03"][0].permute(1, 2, 0).numpy(), changed)


def test_a_run_is_not_resumed_after_an_image_changed(squares, tmp_path):
    start(squares, tmp_path / "run")
    file = squares / "images" / "im03.png"
    Image.fromarray(np.asarray(Image.open(file)) // 2).save(file)
    with pytest.raises(RunError, match="changed"):
        train(squares, tmp_path / "run", resume=True, machine=quiet())


def test_a_division_finds_the_copies_of_the_survey(squares, tmp_path):
    for kind in ("images", "masks"):
        (squares / kind / "im04.png").write_bytes((squares / kind / "im00.png").read_bytes())
    config = make_config(**SHORT)
    survey, _ = fit.survey_samples(open_dataset(squares), config, quiet(), copies=True)
    for file in (squares / "images").iterdir():
        file.unlink()  # nothing is read again
    division = find_division(fit.RunFolder(tmp_path / "run"), survey, config, progress=False)
    assert division.groups["im00"] == division.groups["im04"] != division.groups["im01"]
    assert division.leaks == []


def survey_inputs(data, *options, **more):
    store = InputStore(*options, **more)
    return survey_dataset(data, each=store.add), store


def equal(first, second):
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def write_kinds(root, kinds):
    """Images of some bands and depth each, larger than the input."""
    rng = np.random.default_rng(0)
    (root / "masks").mkdir(parents=True)
    for i, (bands, depth) in enumerate(kinds):
        most = 1 if depth == "float32" else np.iinfo(depth).max
        write_bands(root / "images" / f"{i}.tif", (rng.random((50 + i, 70, bands)) * most).astype(depth))
        Image.fromarray(rng.integers(0, 2, (50 + i, 70), dtype=np.uint8)).save(root / "masks" / f"{i}.png")
    return open_dataset(root)


@pytest.mark.parametrize(
    ("kinds", "bands", "ready"),
    [
        ([(3, "uint8")] * 3, None, "012"),
        ([(1, "uint8"), (3, "uint8"), (3, "uint8")], None, "12"),  # grey among RGB
        ([(1, "uint8"), (3, "uint8"), (3, "uint8")], ("3", "1", "2"), "12"),
        ([(3, "uint8"), (3, "uint16")], None, "1"),  # all become 16-bit
        ([(4, "float32")] * 2, None, "01"),
        ([(5, "uint16")] * 2, ("4", "2"), "01"),
    ],
)
def test_inputs_of_the_survey_are_those_that_reading_again_makes(tmp_path, kinds, bands, ready):
    data = write_kinds(tmp_path / "data", kinds)
    survey, store = survey_inputs(data, 32, bands)
    preprocessing = find_preprocessing(survey, data.names, 32, None, bands)
    made = store.take(data.names, preprocessing)
    assert "".join(made) == ready
    plain = TrainingData(data, data.names, preprocessing)
    plain.fill_memory(shown=False)
    assert all(equal(made[name], plain[data.names.index(name)]) for name in made)
    masks = np.stack([plain[number][1].numpy() for number in range(len(data))])
    assert pixel_counts(store.facts_of(data.names), 2) == [(masks == 0).sum(), (masks == 1).sum()]


def test_inputs_of_the_survey_are_not_read_again(squares):
    data = open_dataset(squares)
    survey, store = survey_inputs(data, 64)
    preprocessing = find_preprocessing(survey, data.names, 64, None)
    for file in (squares / "images").iterdir():
        file.unlink()
    batches = TrainingData(data, data.names, preprocessing, store=store)
    batches.fill_memory(shown=False)
    assert batches[3][0].shape == (3, 64, 64)
    assert store.take(data.names, preprocessing) == {}


@pytest.mark.parametrize(("memory", "kept"), [(12, 12), (12 - 1e-4, 11), (1, 1), (0, 0)])
def test_inputs_are_kept_as_far_as_they_fit(squares, memory, kept):
    data = open_dataset(squares)
    survey, store = survey_inputs(data, 64, memory=int(memory * 64 * 64 * 4))
    assert sum(pixel_counts(store.facts_of(data.names), 2)) == 12 * 64 * 64
    assert len(store.take(data.names, find_preprocessing(survey, data.names, 64, None))) == kept
    _, store = survey_inputs(data, 64)
    store.clear()
    assert store.take(data.names, Preprocessing(64)) == {}


def test_facts_of_an_input_are_those_of_numpy(tmp_path):
    data = write_kinds(tmp_path / "data", [(4, "uint16"), (4, "uint16")])
    _, store = survey_inputs(data, 64)
    for name, facts in zip(data.names, store.facts_of(data.names), strict=True):
        image, mask = make_input(data[name], plain_preprocessing(64, 4, "uint16"), name)
        assert facts.low == pytest.approx(image.numpy().min(axis=(1, 2)) / 65535)
        assert facts.high == pytest.approx(image.numpy().max(axis=(1, 2)) / 65535)
        assert facts.pixels.tolist() == np.bincount(mask.numpy().ravel(), minlength=256).tolist()


def test_every_image_counts_the_same_in_the_normalisation(tmp_path):
    """All are resized to one size, so a large image is seen as often as a small one."""
    (tmp_path / "masks").mkdir()
    (tmp_path / "images").mkdir()
    for name, side, level in (("small", 40, 50), ("large", 400, 150)):
        Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(np.eye(side, dtype=np.uint8)).save(tmp_path / "masks" / f"{name}.png")
    data = open_dataset(tmp_path)
    found = find_preprocessing(survey_dataset(data), data.names, 64, None)
    assert found.mean == pytest.approx((100 / 255,) * 3)
    assert found.std == pytest.approx((50 / 255,) * 3)


@pytest.mark.parametrize("kept", [True, False])
def test_images_with_nodata_are_read_at_most_twice(tmp_path, monkeypatch, kept):
    dataset = write_half_empty(tmp_path / "data", 0)
    if not kept:
        keep_nothing_in_memory(monkeypatch)
    reads = {}
    read = fit.FolderDataset.__getitem__

    def counted(data, name):
        reads[name] = reads.get(name, 0) + 1
        return read(data, name)

    monkeypatch.setattr(fit.FolderDataset, "__getitem__", counted)
    start(dataset, tmp_path / "run")
    assert set(reads) == {file.stem for file in (dataset / "images").iterdir()}
    assert set(reads.values()) == {1, 2}  # once in the test split


@pytest.mark.slow
def test_a_training_does_not_depend_on_what_nodata_is(tmp_path):
    """With 65535 instead of 0, the train IoU after 30 epochs was 0.07 instead of 0.51."""
    runs = {}
    for nodata in (0, 65535):
        dataset = write_half_empty(tmp_path / f"nd{nodata}", nodata)
        runs[nodata] = train(dataset, tmp_path / f"run{nodata}", machine=quiet(), **SHORT, search=False)
    metrics = [(run.path / "metrics.csv").read_text().splitlines() for run in runs.values()]
    assert [line.split(",")[1:5] for line in metrics[0]] == [line.split(",")[1:5] for line in metrics[1]]
    first, second = (load_model(run.path) for run in runs.values())
    assert first.info.fingerprint == second.info.fingerprint  # of the weights
    assert first.info.mean == second.info.mean and first.info.std == second.info.std
    scores = [run.report.scores() | {"dataset": ""} for run in runs.values()]
    assert scores[0] == scores[1]
    for name in ("im00", "im07"):
        masks = [first.predict(tmp_path / f"nd{nodata}" / "images" / f"{name}.tif") for nodata in (0, 65535)]
        assert np.array_equal(*masks)
        assert (masks[0][:, :32] == 255).all() and (masks[0][:, 32:] != 255).all()
