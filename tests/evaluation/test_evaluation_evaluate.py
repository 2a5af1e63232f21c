import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, jaccard_score
from tiny_runs import TINY, quiet

from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError, DatasetError
from solarseg.evaluation.comparison import compare
from solarseg.evaluation.evaluate import _chosen, _rank, evaluate
from solarseg.evaluation.report import Report
from solarseg.inference.model import load_model
from solarseg.masks import read_mask_values
from solarseg.prediction.predict import predict
from solarseg.training.fit import train

pytestmark = pytest.mark.usefixtures("shared_graphs")


def test_scores_are_those_of_the_masks_that_predict_writes(trained, tmp_path):
    run, dataset = trained
    report = evaluate(run.path, dataset, split="all", out=tmp_path / "e")
    predict(run.path, dataset / "images", tmp_path / "p")
    data = open_dataset(dataset)
    truth = np.concatenate([data[name].mask.ravel() for name in data.names])
    written = np.concatenate(
        [read_mask_values(tmp_path / "p/masks" / f"{name}.png").ravel() for name in data.names]
    )
    assert report.iou["foreground"] == pytest.approx(jaccard_score(truth, written), abs=1e-12)
    assert report.accuracy == pytest.approx(accuracy_score(truth, written), abs=1e-12)
    stored = json.loads((tmp_path / "e" / "report.json").read_text())
    assert stored["n_images"] == 12
    assert stored["iou"]["foreground"] == pytest.approx(report.iou["foreground"])
    for name in ("examples.png", "confusion_matrix.png", "reliability.png", "classification_report.txt"):
        assert (tmp_path / "e" / name).stat().st_size > 100


def test_the_runs_test_split_is_the_default(trained):
    run, dataset = trained
    report = evaluate(run.path, dataset)
    assert report.split == "test"
    assert report.trained_on == ()
    assert report.n_images < 12


def test_images_that_were_trained_on_are_counted_and_named(trained, make_squares, caplog):
    run, dataset = trained
    report = evaluate(run.path, dataset, split="all")
    assert len(report.trained_on) == 12 - evaluate(run.path, dataset).n_images
    assert report.trained_on[0] in report.summary_text()


def test_another_dataset_with_equal_names_is_not_taken_for_the_runs_own(trained, make_squares):
    run, _ = trained
    other = make_squares(seed=9)
    report = evaluate(run.path, other)
    assert (report.split, report.n_images, report.trained_on) == ("all", 12, ())


def test_a_renamed_training_image_is_still_known(trained, tmp_path):
    run, dataset = trained
    copy = shutil.copytree(dataset, tmp_path / "copy")
    (copy / "groups.csv").unlink()
    for kind in ("images", "masks"):
        for file in (copy / kind).iterdir():
            file.rename(file.with_name(f"renamed_{file.name}"))
    assert len(evaluate(run.path, copy).trained_on) == 12 - evaluate(run.path, dataset).n_images


def test_an_unknown_split_is_refused(trained, make_squares):
    run, _ = trained
    with pytest.raises(ArgumentError, match=r"`split='test'`: neither the run nor .* has a split\.csv"):
        evaluate(run.path, make_squares(seed=9), split="test")


def test_other_classes_are_refused(trained, make_squares):
    run, _ = trained
    other = make_squares(seed=9)
    (other / "dataset.yaml").write_text("classes: {0: background, 255: panel, 7: crack}\n")
    with pytest.raises(DatasetError, match=r"has 3 classes .* the model 2"):
        evaluate(run.path, other)


def scored(*missed):
    """A report of images with 100 defect pixels, and this number of missed pixels."""
    names = tuple(f"im{i}" for i in range(len(missed)))
    matrices = np.array([[[900, 0], [m, 100 - m]] for m in missed])
    return Report(("background", "crack"), names, names, matrices, "test", "m", "d")


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ([7], {"im0": "best"}),
        ([50, 20], {"im1": "best", "im0": "worst"}),
        ([50, 20, 70], {"im1": "best", "im0": "median", "im2": "worst"}),
        ([1, 2, 3, 4, 5], {"im0": "best", "im2": "median", "im4": "worst"}),
        (
            range(7),
            {"im0": "best", "im1": "best", "im2": "median", "im3": "median", "im5": "worst", "im6": "worst"},
        ),
    ],
)
def test_the_pictures_show_the_best_the_median_and_the_worst(missed, expected):
    assert list(_rank(scored(*missed))) == list(expected.items())
    assert _chosen(list(expected.items())).startswith("best")


def test_a_file_in_the_way_of_the_report_is_said_before_anything_is_scored(trained, tmp_path):
    run, dataset = trained
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        evaluate(run.path, dataset, out=tmp_path / "file")
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        compare([run.path, run.path], tmp_path / "file")
    with pytest.raises(ArgumentError, match="file: is a file; give a folder"):
        train(dataset, tmp_path / "file", resume=True, machine=quiet())


def test_compare_ranks_runs_and_says_what_is_noise(trained, tmp_path):
    run, _ = trained
    shutil.copytree(run.path, tmp_path / "again $_$")  # which is no formula
    result = compare([run.path, tmp_path / "again $_$"], tmp_path / "out")
    assert [row.encoder for row in result.runs] == ["resnet18"] * 2
    assert result.runs[0].iou == pytest.approx(run.report.iou["foreground"])
    assert result.differences[0].value == 0
    assert (tmp_path / "out" / "compare.md").read_text() == result.markdown() + "\n"
    assert all(row.seconds > 0 for row in result.runs)
    assert (tmp_path / "out" / "compare.csv").read_text().startswith("run,encoder,parameters")
    assert (tmp_path / "out" / "compare.png").exists()


def test_compare_refuses_runs_scored_on_other_images(trained, tmp_path):
    run, dataset = trained
    copy = shutil.copytree(run.path, tmp_path / "copy")
    evaluate(copy, dataset, split="all", out=copy / "evaluation")
    with pytest.raises(ArgumentError, match="scored on other images"):
        compare([run.path, copy])
    shutil.rmtree(copy / "evaluation")
    with pytest.raises(ArgumentError, match="make it with: solarseg evaluate"):
        compare([run.path, copy])


def test_compare_refuses_runs_scored_on_other_masks(trained, tmp_path):
    run, dataset = trained
    copy = shutil.copytree(run.path, tmp_path / "copy")
    corrected = shutil.copytree(dataset, tmp_path / dataset.name)
    name = run.report.names[1]
    Image.new("L", (64, 64), 255).save(corrected / "masks" / f"{name}.png")
    evaluate(copy, corrected, out=copy / "evaluation")
    with pytest.raises(ArgumentError, match=f"copy: was scored on another mask of {name} than"):
        compare([run.path, copy])


@pytest.mark.usefixtures("shared_weights")
def test_groups_given_at_training_are_those_of_the_evaluation(squares, tmp_path):
    (squares / "groups.csv").unlink()
    options = {**TINY, "epochs": 1, "group_regex": r"im\d(\d)"}
    run = train(squares, tmp_path / "run", machine=quiet(), **options)
    report = evaluate(run.path, squares)
    assert report.groups == run.report.groups
    assert set(report.groups) <= set("0123456789")


def test_an_image_added_later_does_not_lose_the_runs_split(trained, tmp_path, caplog):
    run, dataset = trained
    grown = shutil.copytree(dataset, tmp_path / "grown")
    for kind in ("images", "masks"):
        shutil.copy(grown / kind / "im00.png", grown / kind / "new.png")
    (grown / "groups.csv").unlink()
    report = evaluate(run.path, grown)
    assert report.split == "test"
    assert report.names == evaluate(run.path, dataset).names
    assert "left out 1 image(s) that the run's split does not know, such as new" in caplog.text


def test_a_foreign_datasets_own_split_is_used_only_when_asked_for(trained, make_squares):
    run, _ = trained
    other = make_squares(seed=9)
    lines = [f"im{i:02},{'test' if i < 6 else 'train'}" for i in range(12)]
    (other / "groups.csv").unlink()
    (other / "split.csv").write_text("\n".join(["name,split", *lines]))
    assert evaluate(run.path, other).n_images == 12
    assert evaluate(run.path, other, split="test").n_images == 6


def test_images_without_any_defect_are_scored(trained, make_squares):
    run, _ = trained
    other = make_squares(seed=9)
    for file in (other / "masks").iterdir():
        Image.new("L", (64, 64)).save(file)
    report = evaluate(run.path, other)
    assert report.classification_report["foreground"]["support"] == 0
    assert report.n_images == 12


def test_compare_says_that_images_were_trained_on(trained, tmp_path):
    run, dataset = trained
    copies = [shutil.copytree(run.path, tmp_path / name) for name in "ab"]
    for copy in copies:
        evaluate(copy, dataset, split="all", out=copy / "evaluation")
    result = compare(copies)
    assert result.n_trained_on > 0
    assert f"{result.n_trained_on} of these images were trained on" in result.markdown()


def test_classes_in_another_order_are_refused(trained, make_squares):
    run, _ = trained
    other = make_squares(seed=9)
    (other / "dataset.yaml").write_text("classes: {0: foreground, 255: background}\n")
    with pytest.raises(DatasetError, match="class 'foreground' has id 0, in the model 1; write"):
        evaluate(run.path, other)


def test_a_model_next_to_the_split_of_another_run(trained, tmp_path):
    run, dataset = trained
    shutil.copy(run.model, tmp_path / "model.onnx")
    names = [line.split(",")[0] for line in (run.path / "split.csv").read_text().split()[1:]]
    (tmp_path / "split.csv").write_text("\n".join(["name,split", *(f"{name},train" for name in names)]))
    assert evaluate(tmp_path / "model.onnx", dataset, split="train").n_images == 12


def rescored(run, to, spoil):
    """Copy a run with a made-up report: eight groups of two images, so many of 100 defect pixels missed."""
    copy = shutil.copytree(run.path, to)
    missed = np.resize(spoil, 16)
    matrices = np.array([[[900, 0], [m, 100 - m]] for m in missed])
    names = tuple(f"im{i}" for i in range(16))
    groups = tuple(f"g{i // 2}" for i in range(16))
    shutil.rmtree(copy / "evaluation")
    Report(("background", "foreground"), names, groups, matrices, "test", "m", "d").save(copy / "evaluation")
    return copy


def test_compare_distinguishes_a_difference_from_noise(trained, tmp_path):
    run, _ = trained
    good = rescored(run, tmp_path / "good", [10, 20])
    worse = rescored(run, tmp_path / "worse", [40, 50])
    other = rescored(run, tmp_path / "other", [25, 25, 5, 5])
    compared = compare([worse, good, other])
    assert [row.run for row in compared.runs] == ["good", "other", "worse"]
    assert compared.differences[1].value == pytest.approx(0.85 - 0.55)
    sentences = [line for line in compared.markdown().splitlines() if line.startswith("- good over")]
    assert "within the noise" in sentences[0]
    assert "larger than the noise" in sentences[1]


def test_compare_makes_no_claim_over_few_groups(trained, tmp_path):
    run, _ = trained
    shutil.copytree(run.path, tmp_path / "again")
    assert "too few groups to distinguish" in compare([run.path, tmp_path / "again"]).markdown()


def test_compare_refuses_runs_scored_over_other_groups(trained, tmp_path):
    run, _ = trained
    copy = shutil.copytree(run.path, tmp_path / "copy")
    report = Report.load(copy / "evaluation" / "report.json")
    replace(report, groups=report.names).save(copy / "evaluation")
    with pytest.raises(ArgumentError, match="over other groups"):
        compare([run.path, copy])


def test_calibration_is_that_of_the_probabilities(trained):
    """Counted again, at the size of the images, which is that of the network: temperature can be taken out exactly."""
    run, dataset = trained
    model = load_model(run.path)
    report = evaluate(model, dataset, split="val")
    data, found = open_dataset(dataset), []
    for name in report.names:
        sample = data[name]
        dark, bright = np.moveaxis(model.predict_probabilities(sample.image).astype(float), -1, 0)
        logits = model.info.temperature * (np.log(bright) - np.log(dark))
        found += [(share, sample.mask) for share in (bright, 1 / (1 + np.exp(-logits)))]
    for name, pairs in (("", found[::2]), ("_before", found[1::2])):
        share, truth = (
            np.concatenate([part.ravel() for part in parts]) for parts in zip(*pairs, strict=True)
        )
        confidence, right = np.maximum(share, 1 - share), (share > 0.5) == truth
        bins = np.clip(np.ceil(confidence * 15) - 1, 0, 14)
        gaps = [abs((confidence - right)[bins == number].sum()) for number in range(15)]
        stated = report.calibration["expected_calibration_error" + name]["value"]
        assert stated == pytest.approx(sum(gaps) / len(share), abs=1e-4)
    assert report.calibration["temperature"] == model.info.temperature
