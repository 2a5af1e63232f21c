"""From generated cells to measurements, with the model that ships, as a user does it."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import solarseg
from solarseg.cli import main
from solarseg.inference.model_file import read_info
from solarseg.inference.shipped import card_of, shipped_models
from solarseg.synthesis import CELL_CLASSES


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("el") / "cells"
    assert main(["synth", "el", "--out", str(folder), "--count", "24", "--seed", "77", "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def found(cells):
    folder = cells.parent / "found"
    assert main(["predict", "el-cell", str(cells), "--out", str(folder), "--cell-mm", "156", "--quiet"]) == 0
    return folder


def rows_of(folder):
    with (folder / "measurements.csv").open() as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def one_line_error(capsys, *arguments):
    assert main([*map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_models_lists_what_ships(capsys):
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    info = read_info(shipped_models()["el-cell"])
    assert shown.startswith("el-cell: ")
    assert info.fingerprint in shown
    for name in CELL_CLASSES.names:
        assert f"    {name} " in shown
    assert "licence      MIT" in shown
    assert "rights reserved" in shown  # the licence of what it was trained on


def test_the_card_says_what_it_is_and_what_it_is_not(capsys):
    assert main(["models", "el-cell"]) == 0
    shown = capsys.readouterr().out
    for word in ("Licence", "Limits", "Scores", "make_el_cell.py", "ELPV"):
        assert word in shown
    assert "must be one of el-cell" in one_line_error(capsys, "models", "el-module")


def test_the_card_and_the_file_say_the_same():
    file = shipped_models()["el-cell"]
    card, info = card_of("el-cell"), read_info(file)
    assert f"| Fingerprint | {info.fingerprint} |" in card
    network = (
        f"{info.encoder}, {info.parameters / 1e6:.1f} M weights, {info.image_size} x {info.image_size} pixels"
    )
    assert network in card.lower().replace("resnet34 from scratch", "resnet34").replace(
        " m weights", " M weights"
    )
    assert f"{info.precision}, {file.stat().st_size / 1e6:.1f} MB" in card
    count = info.dataset.split()[0]
    assert f"{count} generated cells" in card
    assert f"{info.epochs} epochs" in card
    intervals = info.scores["intervals"]["iou"]
    for name in CELL_CLASSES.names[1:]:
        span = f"({intervals[name]['low']:.3f} to {intervals[name]['high']:.3f})"
        assert f"| {name} | {info.scores['iou'][name]:.3f} {span} |" in card


def test_the_demo_refuses_what_it_cannot_do_before_it_makes_anything(tmp_path, capsys):
    folder = tmp_path / "demo"
    assert "--images 0: must be 1 or more" in one_line_error(capsys, "demo", "--out", folder, "--images", 0)
    assert "--epochs 3: requires --train" in one_line_error(capsys, "demo", "--out", folder, "--epochs", 3)
    assert "--epochs 0" in one_line_error(capsys, "demo", "--out", folder, "--train", "--epochs", 0)
    assert "24 or more" in one_line_error(capsys, "demo", "--out", folder, "--train", "--images", 8)
    assert not folder.exists()


def test_the_model_that_ships_is_small_and_knows_itself():
    file = shipped_models()["el-cell"]
    info = read_info(file)
    assert file.stat().st_size < 30e6
    assert info.classes == CELL_CLASSES
    assert info.bands == 1
    assert info.scores["iou"].keys() == set(CELL_CLASSES.names)


def test_predict_writes_masks_overlays_and_measurements(cells, found, capsys):
    rows = rows_of(found)
    assert sorted(rows) == sorted(file.stem for file in (cells / "images").iterdir())
    records = {one["image"]: one for one in json.loads((found / "measurements.json").read_text())}
    for name, row in rows.items():
        assert (found / f"masks/{name}.png").exists()
        assert float(row["severity"]) == records[name]["severity"] >= 0
        assert float(row["crack_length_mm"]) >= 0


def test_what_was_drawn_is_found(cells):
    """Far below what docs/results/accuracy.md measures: this catches a model file or a pipeline that is broken."""
    report = solarseg.evaluate("el-cell", cells, split="all")
    assert report.iou["cell"] > 0.95
    assert report.iou["inactive_area"] > 0.6
    assert report.iou["crack"] > 0.3


def test_severity_follows_what_was_drawn(cells, found, tmp_path):
    assert main(["measure", str(cells), "--out", str(tmp_path), "--quiet"]) == 0
    truth, measured = rows_of(tmp_path), rows_of(found)
    pairs = np.array([[float(rows[name]["severity"]) for rows in (truth, measured)] for name in truth])
    ranks = pairs.argsort(axis=0).argsort(axis=0)
    assert np.corrcoef(ranks.T)[0, 1] > 0.6


def test_measure_says_the_worst_first(cells, tmp_path, capsys):
    assert main(["measure", str(cells), "--out", str(tmp_path), "--quiet"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  severity")]
    severities = [float(line.split()[1]) for line in lines]
    assert len(lines) == 5
    assert severities == sorted(severities, reverse=True)
    assert all(" pixels, " in line for line in lines)


def test_lengths_are_said_in_mm_where_the_cell_has_a_size(cells, tmp_path, capsys):
    assert main(["measure", str(cells), "--out", str(tmp_path), "--cell-mm", "156", "--quiet"]) == 0
    worst = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  severity"))
    row = max(rows_of(tmp_path).values(), key=lambda row: float(row["severity"]))
    assert f"cracks of {float(row['crack_length_mm']):.0f} mm, " in worst


def test_images_of_other_things_have_a_warning(cells, tmp_path, capsys):
    images = tmp_path / "images"
    images.mkdir()
    cell = np.asarray(Image.open(next((cells / "images").iterdir())))
    photo = np.stack([cell, cell // 2, 255 - cell], axis=-1)
    for name, image in {"photo": photo, "black": cell // 40, "white": np.full_like(cell, 255)}.items():
        Image.fromarray(image).save(images / f"{name}.png")
    assert main(["predict", "el-cell", str(images), "--out", str(tmp_path / "found"), "--quiet"]) == 0
    warned = capsys.readouterr().err
    for sentence in ("photo: in colour", "black: black: the exposure", "white: saturated: "):
        assert sentence in warned
    assert "in colour" in rows_of(tmp_path / "found")["photo"]["warnings"]


@pytest.mark.parametrize("shape", [(300, 300), (100, 100), (150, 160)])
def test_cells_of_any_size_are_done(shape, tmp_path):
    image = np.full(shape, 140, np.uint8)
    image[shape[0] // 2 :, : shape[1] // 3] = 20
    Image.fromarray(image).save(tmp_path / "a.png")
    assert main(["predict", "el-cell", str(tmp_path / "a.png"), "--out", str(tmp_path / "o"), "--quiet"]) == 0
    assert Image.open(tmp_path / "o/masks/a.png").size == shape[::-1]


def test_a_model_file_of_that_name_comes_first(tmp_path, monkeypatch):
    from solarseg.inference.model_file import find_model_file

    (tmp_path / "el-cell").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    assert find_model_file("el-cell").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("synth", "el", "--out", "NEW", "--bits", 12), "--bits 12: must be 8 or 16"),
        (("synth", "el", "--out", "NEW", "--cell", "hjt"), "mono, poly or both"),
        (("synth", "el", "--out", "NEW", "--count", 0), "must be 1 or more"),
        (("measure", "NOWHERE", "--out", "NEW"), "no such folder"),
        (("predict", "el-modul", "CELLS", "--out", "NEW"), "a shipped model: el-cell"),
        (("predict", "el-cell", "CELLS", "--out", "NEW", "--cell-mm", 0), "must be above 0"),
        (("measure", "CELLS", "--out", "NEW", "--cell-mm", -1), "must be above 0"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(arguments, said, cells, tmp_path, capsys):
    places = {"NEW": tmp_path / "new", "NOWHERE": tmp_path / "nowhere", "CELLS": cells}
    assert said in one_line_error(capsys, *(places.get(word, word) for word in arguments))
    assert not (tmp_path / "new").exists()


def test_training_the_demo_without_its_extra_says_so_before_anything_is_made(tmp_path):
    script = f"""
import sys
sys.modules["lightning"] = None
from solarseg.cli import main
sys.exit(main(["demo", "--train", "--out", {str(tmp_path / "demo")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'solarseg[train]'" in done.stderr
    assert not (tmp_path / "demo").exists()
