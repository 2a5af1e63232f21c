"""Comparisons that say what can be said, and errors whose advice works when it is followed."""

import re
import shlex
import shutil
from dataclasses import replace
from math import nan

import pytest
from tiny_model import write_tiny

from solarseg import evaluate
from solarseg.cli import main
from solarseg.errors import ArgumentError, ModelFileError
from solarseg.evaluation.comparison import Comparison, Row, compare
from solarseg.evaluation.intervals import Difference, Interval
from solarseg.evaluation.report import Report
from solarseg.inference.model import load_model
from solarseg.inference.model_file import find_model_file
from solarseg.inference.options import PredictOptions
from solarseg.inference.shipped import shipped_models

ROW = Row("a", "resnet18", 11.2, 3.4, 0.8, 0.7, 0.9, 0.95, 0.88, 0.01, 45.0)


def made_of(*rows, difference):
    return Comparison(rows, (difference,), n_images=4, n_groups=1, n_informative=1, reliable=False)


def test_what_one_group_cannot_show_is_not_written_as_nan():
    other = replace(ROW, run="b", iou=0.75, low=nan, high=nan)
    text = made_of(
        replace(ROW, low=nan, high=nan), other, difference=Difference(0.05, Interval(nan, nan, 1), nan)
    )
    assert "nan" not in text.markdown() + text.csv()
    assert "| 0.800 (no interval) |" in text.markdown()
    assert "- a over b: +0.050 IoU, too few groups to distinguish it from noise." in text.markdown()
    assert text.csv().splitlines()[1] == "a,resnet18,11.2,3.4,0.8,,,0.95,0.88,0.01,45.0"


def test_runs_without_any_score_are_said_to_have_none():
    nothing = replace(ROW, iou=nan, low=nan, high=nan, f1=nan)
    text = made_of(nothing, replace(nothing, run="b"), difference=Difference(nan, Interval(nan, nan, 0), nan))
    assert "nan" not in text.markdown() + text.csv()
    assert "- a over b: no IoU, too few groups" in text.markdown()


def advised(capsys):
    """The command that the error advises, for the dataset ``squares``."""
    (command,) = re.findall(r"make it with: solarseg (.*)", capsys.readouterr().err)
    return [word.replace("DATASET", "squares") for word in shlex.split(command)]


@pytest.mark.slow
def test_the_advice_to_evaluate_works_for_runs_model_files_and_shipped_models(
    squares, tmp_path, monkeypatch, capsys
):
    """A folder of the name of a shipped model, which the advice makes, does not hide that model."""
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "shipped.onnx")
    shutil.copytree(tmp_path / "squares", tmp_path / "my squares")
    monkeypatch.setattr(
        "solarseg.inference.model_file.shipped_models", lambda: {"tiny": tmp_path / "shipped.onnx"}
    )
    for folder in ("run", "my run"):
        (tmp_path / folder).mkdir()
        write_tiny(tmp_path / folder / "model.onnx")
        write_tiny(tmp_path / folder / "model-int8.onnx")
    models = ["run", "my run", "tiny", "run/model-int8.onnx", "my run/model.onnx", "shipped.onnx"]
    for _ in range(5):  # "my run" and its model.onnx have one report
        assert main(["compare", *models]) == 2
        assert main(advised(capsys)) == 0
        capsys.readouterr()
    assert main(["compare", *models]) == 0
    assert main(["predict", "tiny", "squares", "--out", "out", "--quiet"]) == 0
    assert (tmp_path / "tiny" / "evaluation" / "report.json").exists()


def test_a_folder_with_a_model_comes_before_a_shipped_one_and_a_folder_without_does_not(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shipped = shipped_models()["el-cell"]
    assert find_model_file("el-cell") == shipped
    (tmp_path / "el-cell").mkdir()
    assert find_model_file("el-cell") == shipped
    write_tiny(tmp_path / "el-cell" / "model.onnx")
    assert find_model_file("el-cell").resolve() == tmp_path / "el-cell" / "model.onnx"
    for name in ("no-such-model", tmp_path):
        with pytest.raises(ModelFileError, match="no such model file"):
            find_model_file(name)


def test_arguments_are_checked_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "solarseg.evaluation.comparison.load_model", lambda *_: pytest.fail("a model was opened")
    )
    write_tiny(tmp_path / "a.onnx")
    with pytest.raises(ArgumentError, match="needs two or more, found 1"):
        compare([tmp_path / "a.onnx"])
    with pytest.raises(ArgumentError, match="no such report"):
        compare([tmp_path / "a.onnx", tmp_path / "a.onnx"])
    with pytest.raises(ModelFileError, match="no such model file"):
        compare([tmp_path / "a.onnx", tmp_path / "b.onnx"])


def test_options_with_the_names_of_classes_name_a_folder_in_the_run(squares, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    model = load_model(write_tiny(tmp_path / "run" / "model.onnx"))
    names = (model.info.class_names[0], "../../crack: 1")
    model = replace(model, info=model.info.model_copy(update={"class_names": names}))
    evaluate(replace(model, options=PredictOptions(thresholds={names[1]: 0.3})), squares)
    [folder] = (tmp_path / "run").glob("evaluation-squares-all-.._.._crack__1=0.3-*")
    assert (folder / "report.json").exists()


def test_scores_with_other_options_are_kept_apart(trained, tmp_path):
    folder = shutil.copytree(trained[0].path, tmp_path / "run")
    usual = evaluate(folder, trained[1])
    options = PredictOptions(tile=32, thresholds={"foreground": 0.3})
    other = evaluate(folder, trained[1], options=options)
    name = "evaluation-tile=32-foreground=0.3"
    assert Report.load(folder / "evaluation").mean_iou == usual.mean_iou
    assert (
        Report.load(folder / name).options == other.options == {"tile": 32, "thresholds": {"foreground": 0.3}}
    )
    assert "options  tile=32, foreground=0.3" in other.summary_text()
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.copy(copy / name / "report.json", copy / "evaluation")
    with pytest.raises(
        ArgumentError, match=r"scored with tile=32, foreground=0\.3, .*run with the default options"
    ):
        compare([folder, copy])
