from pathlib import Path

import pytest

from solarseg.duplicates.leakage import Leak, write_leaks
from solarseg.errors import DatasetError
from solarseg.files import digest, write_table
from solarseg.runs import RunFolder


def write_split(run: RunFolder) -> None:
    rows = [
        ("a", "train", "1", "d1"),
        ("b", "val", "2", "d2"),
        ("c", "test", "3", "d3"),
        ("d", "test", "4", "d4"),
    ]
    write_table(run.split, ("name", "split", "group", "digest"), rows)


def test_a_training_leaves_what_a_run_folder_has(trained):
    run = RunFolder(trained[0].path)
    found = [run.config, run.split, run.leaks, run.metrics, run.curves, run.best, run.last, run.model]
    assert [file for file in (*found, run.evaluation() / "report.json") if not file.is_file()] == []
    known = {file.relative_to(run.path).parts[0] for file in found} | {"evaluation", "tensorboard"}
    others = {
        file.name for file in run.path.glob("evaluation-*")
    }  # other tests evaluate this run on other data
    assert {
        file.name for file in run.path.iterdir()
    } - others == known  # nothing that the module does not name
    assert not run.is_free
    assert run.weights == run.best


def test_the_split_of_a_training_names_its_images(trained):
    run, dataset = trained
    found = RunFolder(run.path).read_split()
    assert set(found.split) == {file.stem for file in (dataset / "images").iterdir()}
    assert found.digests == {file.stem: digest(file) for file in (dataset / "images").iterdir()}
    assert len(set(found.groups.values())) == 6
    assert found.leaks == []


def test_related_are_test_images_with_a_copy_in_train_or_val(tmp_path):
    run = RunFolder(tmp_path)
    write_split(run)
    assert run.read_split().related({"c": "d3"}) is None  # copies were not searched for
    write_leaks(run.leaks, [Leak("b", "val", "a", "train"), Leak("d", "test", "a", "train")])
    split = run.read_split()
    assert split.related({"c": "d3", "d": "d4", "b": "d2"}) == ("d",)
    assert split.related({"c": "another"}) is None
    assert split.related({"new": "d9"}) is None
    assert [split.has_learnt_from(name) for name in ("a", "b", "c", "new")] == [True, True, False, False]


def test_a_folder_without_a_split_has_none(tmp_path):
    assert RunFolder(tmp_path / "none").read_split() is None
    assert RunFolder(tmp_path / "none").is_free
    (tmp_path / "split.csv").write_text("image,part\na,train\n")
    with pytest.raises(DatasetError, match=r"split\.csv"):
        RunFolder(tmp_path).read_split()


def test_the_run_of_a_model_file_is_the_folder_it_is_in(trained, tmp_path):
    run, _ = trained
    assert RunFolder.of_model(run.model) == RunFolder(run.path)
    assert RunFolder.of_model(tmp_path / "model.onnx") is None


def test_evaluations_of_exports_and_other_data_have_folders_of_their_own():
    run = RunFolder(Path("run"))
    names = [
        run.evaluation(model, data).name
        for model in (None, Path("m/x-int8.onnx"))
        for data in ("", "roofs-all")
    ]
    assert names == ["evaluation", "evaluation-roofs-all", "evaluation-x-int8", "evaluation-x-int8-roofs-all"]
