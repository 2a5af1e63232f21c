"""What a scientist in a notebook expects of the Python API."""

import csv

import numpy as np
import pytest
from PIL import Image

import solarseg
from solarseg.errors import ArgumentError, ImageError


@pytest.fixture(scope="module")
def results(trained, tmp_path_factory):
    """Public objects, one of each kind."""
    run, dataset = trained
    out = tmp_path_factory.mktemp("results")
    data = solarseg.open_dataset(dataset)
    model = solarseg.load_model(run.path)
    classes = solarseg.ClassMap(("cell", "crack"))
    masks = out / "cells" / "masks"
    masks.mkdir(parents=True)
    mask = np.zeros((60, 60), np.uint8)
    mask[30, 5:55] = 1
    Image.fromarray(mask).save(masks / "a.png")
    (masks.parent / "dataset.yaml").write_text("classes: [cell, crack]\n")
    report = solarseg.evaluate(model, data, split="all")
    return {
        "run": run,
        "model": model,
        "info": model.info,
        "options": solarseg.PredictOptions(tile=64),
        "dataset": data,
        "sample": data[data.names[0]],
        "classes": classes,
        "predictions": solarseg.predict(model, data.image_path(data.names[0]), out / "found"),
        "report": report,
        "comparison": solarseg.compare([run.path, run.path]),
        "measurements": solarseg.measure(masks.parent, out / "measured"),
        "cell": solarseg.measure_cell(mask, classes),
        "estimate": solarseg.estimate_power(np.zeros((6, 10))),
        "wiring": solarseg.default_wiring(1, 4),
        "check": solarseg.data.check(data, search=False),
        "statistics": solarseg.data.stats(data),
        "exported": solarseg.data.export(data, out / "coco", "coco"),
        "conversion": solarseg.data.convert(out / "coco", out / "converted"),
        "split": solarseg.data.split(out / "converted", search=False, overwrite=True),
        "machine": solarseg.Machine(),
    }


def test_everything_is_shown_in_one_line(results):
    for name, result in results.items():
        shown = repr(result)
        assert "\n" not in shown, name
        assert 10 < len(shown) < 400, (name, shown)
        assert " object at 0x" not in shown, name


def test_what_is_shown_says_what_it_is(results):
    assert f"mean IoU {results['report'].mean_iou:.3f}" in repr(results["report"])
    assert "resnet18, background, foreground" in repr(results["model"])
    assert "12 samples, 6 groups; background, foreground" in repr(results["dataset"])
    assert "64 x 64 x 3 uint8" in repr(results["sample"])


@pytest.mark.parametrize(
    ("name", "count", "columns"),
    [
        ("predictions", 1, {"image", "foreground_pixels", "foreground_share"}),
        ("report", 2, {"class", "iou", "iou_low", "iou_high", "precision", "recall", "support"}),
        ("comparison", 2, {"run", "encoder", "iou", "low", "high"}),
        ("measurements", 1, {"image", "severity", "crack_length", "cracks"}),
        ("statistics", 2, {"name", "pixels", "share"}),
    ],
)
def test_rows_are_what_a_table_is_made_of(results, name, count, columns):
    rows = results[name].rows()
    assert len(rows) == count
    assert columns <= set(rows[0])
    assert len({tuple(row) for row in rows}) == 1  # all rows have the same columns, in one order


def test_rows_are_the_numbers_of_the_files(results):
    for name, file in (("predictions", "summary.csv"), ("measurements", "measurements.csv")):
        with (results[name].folder / file).open() as opened:
            (written,) = csv.DictReader(opened)
        (row,) = results[name].rows()
        assert set(written) == set(row)
        for column, value in row.items():
            if isinstance(value, (int, float)):
                assert float(written[column]) == pytest.approx(value, abs=1e-5, rel=1e-5)


def test_rows_of_a_report_are_its_scores(results):
    report = results["report"]
    row = report.rows()[1]
    assert row["class"] == "foreground"
    assert row["iou"] == report.iou["foreground"]
    assert row["iou_low"] <= row["iou"] <= row["iou_high"]
    images = report.image_rows()
    assert [one["name"] for one in images] == list(report.names)
    assert images[0]["accuracy"] == pytest.approx(np.trace(report.matrices[0]) / report.matrices[0].sum())


def test_paths_arrays_pillow_images_and_lists_are_predicted(results):
    model, data = results["model"], results["dataset"]
    path = data.image_path(data.names[0])
    expected = model.predict(path)
    picture = Image.open(path)
    assert np.array_equal(model.predict(str(path)), expected)
    assert np.array_equal(model.predict(np.asarray(picture)), expected)
    assert np.array_equal(model.predict(picture), expected)
    several = model.predict([path, np.asarray(picture), picture.convert("L")])
    assert [mask.shape for mask in several] == [expected.shape] * 3
    assert np.array_equal(several[0], expected)
    assert np.array_equal(several[1], expected)
    with pytest.raises(
        ImageError, match="is a int; give a path, an array, a Pillow image, or a list of them"
    ):
        model.predict(3)


@pytest.mark.parametrize("option", [{"backend": "torch"}, {"device": "cpu"}])
def test_options_without_effect_are_refused(results, tmp_path, option):
    model, data = results["model"], results["dataset"]
    with pytest.raises(ArgumentError, match="not allowed with a loaded model"):
        solarseg.evaluate(model, data, **option)
    with pytest.raises(ArgumentError, match="not allowed with a loaded model"):
        solarseg.predict(model, data.image_path(data.names[0]), tmp_path / "out", **option)
    with pytest.raises(ArgumentError, match="not allowed with an opened dataset"):
        solarseg.evaluate(model, data, group_regex="^(..)")


def test_options_apply_to_a_loaded_model(results):
    model, data = results["model"], results["dataset"]
    never = solarseg.PredictOptions(thresholds={"foreground": 1.0})
    assert solarseg.evaluate(model, data, split="all", options=never).confusion_matrix[:, 1].sum() == 0


def test_an_opened_dataset_is_a_dataset(results, trained):
    run, dataset = trained
    opened = solarseg.evaluate(run.path, results["dataset"], split="all")
    by_path = solarseg.evaluate(run.path, dataset, split="all")
    assert np.array_equal(opened.matrices, by_path.matrices)
    assert solarseg.data.stats(dataset) == results["statistics"]
