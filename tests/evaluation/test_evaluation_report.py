import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from solarseg.errors import ArgumentError, DataError, OutputError
from solarseg.evaluation.report import Report
from solarseg.evaluation.scores import confusion_matrix

CLASSES = ("background", "crack", "inactive area", "finger interruption")


def make_report(matrices=None, *, groups=8, **changes):
    """Return a report of 16 images; the last class occurs in none of them."""
    if matrices is None:
        matrices = np.random.default_rng(0).integers(0, 9, (16, 4, 4)) + 20 * np.eye(4, dtype=np.int64)
        matrices[:, 3] = 0
        matrices[:, :, 3] = 0
    count = len(matrices)
    parts = {
        "class_names": CLASSES[: matrices.shape[-1]],
        "names": tuple(f"image{i}" for i in range(count)),
        "groups": tuple(f"module{i % groups}" for i in range(count)),
        "matrices": matrices,
        "split": "test",
        "model": "runs/first/model.onnx",
        "dataset": "data/cells",
    }
    return Report(**parts | changes)


def nested(value):
    """Yield every leaf of nested dicts and lists."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from nested(each)
    else:
        yield value


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(0, 10_000))
def test_classification_report_equals_that_of_the_pixels(num_classes, used, seed):
    generator = np.random.default_rng(seed)
    truth, prediction = generator.integers(0, min(used, num_classes), (2, 3, 40))
    matrices = np.stack(
        [confusion_matrix(*pair, num_classes) for pair in zip(truth, prediction, strict=True)]
    )
    report = make_report(matrices)

    present = np.union1d(truth, prediction)
    options = {"target_names": [CLASSES[i] for i in present], "zero_division": 0}
    expected = metrics.classification_report(truth.ravel(), prediction.ravel(), output_dict=True, **options)
    found = report.classification_report
    for name, row in expected.items():
        assert found[name] == pytest.approx(row), name
    assert list(found) == [*report.class_names, "accuracy", "macro avg", "weighted avg"]
    assert all(isinstance(row["support"], int) for name, row in found.items() if name != "accuracy")
    text = metrics.classification_report(truth.ravel(), prediction.ravel(), **options)
    assert report.classification_text() == text


def test_large_supports_keep_the_layout():
    text = make_report(np.array([[[917_504_000, 1], [2, 12_345_678]]])).classification_text()
    rows = [line for line in text.splitlines() if line]
    assert [row.split()[-1] for row in rows[1:3]] == ["917504001", "12345680"]
    assert len({len(row) for row in rows}) == 1


def test_a_class_that_does_not_occur_has_no_scores_and_does_not_count():
    report = make_report()
    row = report.classification_report["finger interruption"]
    assert row["support"] == 0
    assert np.isnan(row["f1-score"])
    assert np.isnan(report.iou["finger interruption"])
    present = [score for score in report.dice.values() if not np.isnan(score)]
    assert report.classification_report["macro avg"]["f1-score"] == pytest.approx(np.mean(present))


def test_scores_come_in_class_id_order_and_agree_with_the_pooled_matrix():
    report = make_report()
    pooled = report.matrices.sum(axis=0)
    np.testing.assert_array_equal(report.confusion_matrix, pooled)
    assert report.accuracy == pytest.approx(np.trace(pooled) / pooled.sum())
    assert tuple(report.iou) == tuple(report.dice) == tuple(report.image_iou) == CLASSES
    union = pooled[1].sum() + pooled[:, 1].sum() - pooled[1, 1]
    assert report.iou["crack"] == pytest.approx(pooled[1, 1] / union)
    assert report.mean_iou == pytest.approx(np.nanmean(list(report.iou.values())))
    assert report.mean_image_iou != pytest.approx(report.mean_iou)
    assert (report.n_images, report.n_groups) == (16, 8)


@pytest.mark.parametrize("groups", [1, 8])
def test_dict_is_plain_valid_json(groups):
    value = make_report(groups=groups, trained_on=("image1",)).to_dict()
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert {type(leaf) for leaf in nested(value)} <= {str, int, float, bool, type(None)}
    assert value["iou"]["finger interruption"] is None
    assert value["trained_on"] == {"count": 1, "names": ["image1"]}


def test_the_dict_is_complete():
    report = make_report()
    value = report.to_dict()
    assert list(value["iou"]) == list(CLASSES)
    assert value["accuracy"] == report.accuracy
    assert value["confusion_matrix"] == report.confusion_matrix.tolist()
    intervals = value["intervals"]
    assert intervals["level"] == 0.95
    assert intervals["groups"] == 8
    for name in ("accuracy", "mean_iou", "mean_image_iou"):
        assert intervals[name]["low"] < value[name] < intervals[name]["high"]
        assert intervals[name]["reliable"] is True
    for name in ("iou", "image_iou", "dice"):
        assert intervals[name]["crack"]["low"] < value[name]["crack"] < intervals[name]["crack"]["high"]
        assert intervals[name]["finger interruption"] == {
            "low": None,
            "high": None,
            "groups": 0,
            "reliable": False,
        }
    first = value["per_image"][0]
    assert (first["name"], first["group"]) == ("image0", "module0")
    assert first["confusion_matrix"] == report.matrices[0].tolist()
    assert first["iou"]["finger interruption"] is None
    assert value == report.scores() | value
    assert "per_image" not in report.scores()


def test_save_and_load_lose_nothing(tmp_path):
    report = make_report(trained_on=("image1", "image2"))
    report.save(tmp_path / "evaluation")
    for path in (tmp_path / "evaluation", tmp_path / "evaluation" / "report.json"):
        loaded = Report.load(path)
        assert loaded.to_dict() == report.to_dict()
        assert loaded.trained_on == report.trained_on
    written = (tmp_path / "evaluation" / "classification_report.txt").read_text()
    assert written == report.classification_text()
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == [
        "classification_report.txt",
        "report.json",
    ]


def test_matrices_are_written_with_one_line_per_row(tmp_path):
    report = make_report(names=("[\n1,\n2\n]", *(f"image{i}" for i in range(15))))
    report.save(tmp_path)
    row = json.dumps(report.matrices[0, 0].tolist())
    assert any(line.strip() == f"{row}," for line in (tmp_path / "report.json").read_text().splitlines())
    assert Report.load(tmp_path).names == report.names


@pytest.mark.parametrize("text", ["not json", "[]", "{}", '{"per_image": 1}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError, match=r"report\.json: not a report of solarseg"):
        Report.load(tmp_path)
    with pytest.raises(DataError, match=r"none\.json: cannot be read"):
        Report.load(tmp_path / "none.json")


def test_a_report_that_cannot_be_written_raises_an_error(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OutputError, match=r"report\.json: could not be written"):
        make_report().save(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_names": CLASSES[:3]}, "does not match 16 images of 3 classes"),
        ({"names": ("image0",)}, "does not match 1 images"),
        ({"groups": ("module0",)}, "with 1 groups does not match 16 images"),
        ({"matrices": np.zeros((16, 4, 4), np.int64)}, "no pixel to score"),
    ],
)
def test_parts_must_match(changes, message):
    with pytest.raises(ArgumentError, match=message):
        dataclasses.replace(make_report(), **changes)


def test_summary_gives_each_number_with_its_interval():
    report = make_report()
    text = report.summary_text()
    for score, interval in zip(report.iou.values(), report.intervals["iou"], strict=True):
        if not np.isnan(score):
            assert f"{score:.4f}  {interval.low:.4f} to {interval.high:.4f}" in text
    for score in (report.accuracy, report.mean_iou, report.mean_image_iou):
        assert f"{score:.4f}" in text
    assert "16 (groups: 8)" in text
    assert "split: test" in text
    assert "unreliable" not in text
    assert "WARNING" not in text
    assert "nan" not in text


def test_the_summary_marks_unreliable_intervals():
    assert "*: unreliable, based on fewer than 6 groups" in make_report(groups=5).summary_text()
    assert "*: unreliable, based on fewer than 6 groups" in make_report(groups=1).summary_text()


def test_the_summary_warns_of_training_images():
    text = make_report(trained_on=("image3", "image4", "image5", "image6")).summary_text()
    assert "WARNING: the model was trained on 4 of the 16 images (image3, image4, image5, ...)" in text
