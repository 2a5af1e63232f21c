import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import solarseg
from solarseg.cli import main

pytestmark = pytest.mark.usefixtures("shared_graphs")

COMMANDS = ("demo", "predict", "measure", "models", "train", "evaluate", "compare", "export", "benchmark")


def run(*arguments):
    """Run the program in a process of its own, as a user does."""
    command = [sys.executable, "-m", "solarseg", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {command} ", shown, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Example: solarseg {command}" in shown
    for option in re.findall(r"^  (--[a-z-]+)(.*)$", shown, re.MULTILINE):
        assert option[1].strip(), f"{option[0]} is not explained"


def test_help_and_import_bring_in_nothing_heavy():
    script = (
        "import sys, solarseg, solarseg.cli; solarseg.cli.main(['--help']); "
        "print([m for m in ('torch', 'cv2', 'onnxruntime', 'matplotlib', 'sklearn', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "name",
    ["train", "evaluate", "predict", "compare", "load_model", "measure", "measure_cell", "open_dataset"],
)
def test_every_public_name_is_there(name):
    import solarseg

    assert callable(getattr(solarseg, name))
    assert name in dir(solarseg)


def test_unknown_public_names_are_refused():
    import solarseg

    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = solarseg.trian


def test_prediction_and_evaluation_need_no_torch(trained, tmp_path):
    run_folder, dataset = trained
    script = f"""
import sys
from importlib.abc import MetaPathFinder

class OnlyTheCore(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("torch", "lightning", "segmentation_models_pytorch", "kornia", "onnx"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, OnlyTheCore())
from solarseg.cli import main
assert main(["predict", {str(run_folder.path)!r}, {str(dataset / "images")!r}, "--out", {str(tmp_path / "p")!r}]) == 0
assert main(["evaluate", {str(run_folder.path)!r}, {str(dataset)!r}, "--out", {str(tmp_path / "e")!r}]) == 0
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "e" / "report.json").exists()


def test_a_missing_extra_is_named_with_its_remedy(squares, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("solarseg.training", "lightning"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(solarseg, "training", raising=False)  # or it would stay what is imported now
    monkeypatch.setitem(sys.modules, "lightning", None)  # as if it were not installed
    assert main(["train", str(squares), "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'solarseg[train]'" in capsys.readouterr().err


def one_line_error(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    return error


def test_bad_input_is_one_line_and_exit_code_2(squares, tmp_path, capsys, trained):
    run_folder, dataset = trained
    out = tmp_path / "out"
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = [
        (("train", empty, "--out", out), "has no folder 'images'"),
        (("train", squares, "--out", out, "--image-size", 100), "multiple of 32"),
        (("train", squares, "--out", out, "--encoder", "resnet35"), "resnet34"),
        (("train", squares, "--out", out, "--class-weights", "a,b"), "class-weights"),
        (("train", squares, "--out", out, "--bands", ""), "name each band"),
        (("train", dataset, "--out", run_folder.path), "exists already"),
        (("predict", tmp_path / "no.onnx", squares, "--out", out), "no such model file"),
        (("predict", squares, squares, "--out", out), "no such model file"),
        (("predict", run_folder.path, empty, "--out", out), "contains no images"),
        (("predict", run_folder.path, tmp_path / "*.gif", "--out", out), "no such image"),
        (("evaluate", run_folder.path, empty), "has no folder 'images'"),
        (("compare", run_folder.path), "RUN: needs two or more, found 1"),
    ]
    for arguments, match in cases:
        assert match in one_line_error(capsys, *arguments)
    assert not out.exists()


def damage(dataset, how):
    """Spoil one file of a dataset."""
    image, mask = dataset / "images" / "im03.png", dataset / "masks" / "im03.png"
    if how == "no mask":
        mask.unlink()
    elif how == "no image":
        image.unlink()
    elif how == "size":
        Image.new("L", (10, 20)).save(mask)
    elif how == "value":
        Image.fromarray(np.full((64, 64), 77, np.uint8)).save(mask)
    elif how == "truncated":
        image.write_bytes(image.read_bytes()[:300])
    elif how == "classes":
        (dataset / "dataset.yaml").write_text("classes: [background, panel]\n")
    elif how == "split":
        (dataset / "split.csv").write_text("name,split\nim00,train\n")


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("no mask", r"images/im03\.png: has no mask of the same name; add .*masks/im03\.png or remove"),
        ("no image", r"masks/im03\.png: has no image of the same name; add .* or remove"),
        ("size", r"masks/im03\.png: mask is 10 x 20 pixels, its image 64 x 64; they must be equal"),
        (
            "value",
            r"masks \(77 in im03\.png\): classes cannot be found from mask values 0, 77, 255; .* dataset\.yaml",
        ),
        ("truncated", r"images/im03\.png: the PNG data are damaged .*; replace or remove the file"),
        ("classes", r"masks/im\d\d\.png: mask has unknown value 255 .*; allowed are 0, 1; correct the mask"),
        ("split", r"split\.csv: says nothing of 'im01'; every image needs a line"),
    ],
)
def test_a_spoilt_dataset_is_named_before_anything_is_written(squares, tmp_path, capsys, how, match):
    damage(squares, how)
    error = one_line_error(capsys, "train", squares, "--out", tmp_path / "run", "--encoder-weights", "none")
    assert re.search(match, error), error
    assert not (tmp_path / "run").exists()


def test_a_folder_without_permission_is_one_line(capsys, monkeypatch):
    from solarseg.cli import main as program

    def refuse(**_):
        raise PermissionError(13, "Permission denied", "/locked")

    monkeypatch.setattr(sys.modules[program.__module__], "app", refuse)
    assert one_line_error(capsys, "train") == "error: /locked: Permission denied"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "d", "--out", "r"), "stopped; use the same command with --resume to resume"),
        (("data", "convert", "s", "d"), "stopped; use the same command to resume"),
        (("data", "check", "d"), "stopped"),
    ],
)
def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys, arguments, said):
    import solarseg.curation.check
    import solarseg.formats.convert

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(solarseg, "train", interrupted, raising=False)
    monkeypatch.setattr(solarseg.curation.check, "check", interrupted)
    monkeypatch.setattr(solarseg.formats.convert, "convert", interrupted)
    assert main(arguments) == 130
    assert capsys.readouterr().err.splitlines()[-1] == said


def test_progress_bars_are_for_terminals(trained, tmp_path, monkeypatch, capsys):
    """In a file or a pipe rich would leave blank lines before what is printed."""
    machines = []
    monkeypatch.setattr(
        solarseg, "train", lambda *_, machine, **options: machines.append(machine), raising=False
    )
    assert main(["train", "d", "--out", "r"]) == 0
    assert [machine.progress for machine in machines] == [False]
    run_folder, dataset = trained
    assert main(["evaluate", str(run_folder.path), str(dataset), "--out", str(tmp_path / "scores")]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[0] == "precision"


def test_wrong_words_are_explained(capsys):
    assert main(["trian"]) == 2
    assert "trian" in capsys.readouterr().err


def test_the_demo_replaces_nothing_but_an_earlier_demo(tmp_path, capsys):
    project = tmp_path / "project"
    (project / "dataset").mkdir(parents=True)
    (project / "dataset" / "dataset.yaml").write_text("classes: [a, b]")
    error = one_line_error(capsys, "demo", "--out", project, "--overwrite")
    assert "because it is not a demo" in error
    assert (project / "dataset" / "dataset.yaml").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--train", "--epochs", 1)])
def test_the_demo_does_what_the_readme_says(tmp_path, options):
    done = run("demo", "--out", tmp_path / "demo", "--images", 24, *options)
    assert done.returncode == 0, done.stderr
    named = re.findall(r"^  (\S+)", done.stdout.split("See:")[1].split("Next:")[0], re.MULTILINE)
    assert len(named) >= 3
    assert len(done.stdout.splitlines()) <= 27  # a screen
    assert re.search(
        r"IoU, 1 is perfect: mean of all classes 0\.\d\d; crack [\d.]+, inactive area", done.stdout
    )
    assert all(Path(name).exists() for name in named)
    reports = [Path(name) for name in named if name.endswith("report.html")]
    assert len(reports) == (0 if "--train" in options else 1)
    for report in reports:  # cracks, inactive area and a dark cell, as in the picture of the tutorial
        assert "10 of 36" in report.read_text(encoding="utf-8")
        assert "10 of 36 cells with defects" in done.stdout
    assert "or --overwrite to replace it" in run("demo", "--out", tmp_path / "demo", *options).stderr
    (tmp_path / "demo" / "mine.txt").write_text("mine")
    again = run("demo", "--out", tmp_path / "demo", "--images", 24, "--overwrite")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "demo" / "mine.txt").exists()
