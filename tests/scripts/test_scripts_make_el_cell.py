"""The script that makes the shipped model, on a few small cells."""

import importlib.util
import subprocess
from pathlib import Path

import pytest
import torch

from solarseg.inference.model_file import read_info
from solarseg.synthesis import write_cells
from solarseg.training.config import make_config

pytestmark = pytest.mark.usefixtures("shared_graphs")

SCRIPT = Path(__file__).parents[2] / "scripts/make_el_cell.py"
SMALL = {"encoder": "resnet18", "image_size": 32, "batch_size": 8, "epochs": 2, "val": 0.2, "test": 0.2}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_el_cell", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.DEVICE = "cpu"
    return module


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("el") / "cells"
    write_cells(folder, count=40, size=32)
    return folder


class InterruptedTrainingError(Exception):
    pass


def trained(script, cells, work, interrupted_in=None):
    """Make a run, interrupted while an epoch is scored."""
    work.mkdir(exist_ok=True)
    config = make_config(**script.SETTINGS | SMALL)
    score, calls = script.score, []

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == interrupted_in:
            raise InterruptedTrainingError
        return score(*arguments)

    script.score = interrupting
    try:
        script.make_run(cells, work, config)
    finally:
        script.score = score
    return len(calls)


@pytest.mark.slow
def test_an_interrupted_training_resumes_to_the_same_weights_and_makes_a_run(script, cells, tmp_path):
    assert trained(script, cells, tmp_path / "whole") == 2
    with pytest.raises(InterruptedTrainingError):
        trained(script, cells, tmp_path / "resumed", interrupted_in=2)
    assert not (tmp_path / "resumed/weights.safetensors").exists()
    assert trained(script, cells, tmp_path / "resumed") == 1
    whole, resumed = (
        script.load_file(tmp_path / name / "weights.safetensors") for name in ("whole", "resumed")
    )
    assert all(torch.allclose(whole[name].float(), resumed[name].float(), atol=1e-3) for name in whole)
    info = read_info(tmp_path / "resumed/run/model.onnx")
    assert (info.encoder, info.epochs) == ("resnet18", 2)
    assert (tmp_path / "resumed/run/evaluation/report.json").exists()


def test_a_batch_has_every_symmetry_of_a_square(script):
    one = torch.arange(9).reshape(1, 3, 3).repeat(8, 1, 1)
    ways = script.apply_symmetries(one)
    assert len({tuple(way.flatten().tolist()) for way in ways}) == script.WAYS == 8


def test_a_work_folder_with_other_settings_is_refused(script, tmp_path):
    script.check_recipe(tmp_path, {"count": 40})
    script.check_recipe(tmp_path, {"count": 40})
    with pytest.raises(SystemExit, match="was started with"):
        script.check_recipe(tmp_path, {"count": 50})


def test_a_commit_that_generates_other_cells_is_refused(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "HERE", tmp_path)
    source = tmp_path / "src/solarseg/synthesis/cells.py"
    source.parent.mkdir(parents=True)
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c")
    for content in ("first", "second"):
        source.write_text(content)
        for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", content)):
            subprocess.run([*git, *command], check=True)
    script.check_commit(None)
    script.check_commit("HEAD")
    with pytest.raises(SystemExit, match="--as-of HEAD~1: src/solarseg/synthesis differs"):
        script.check_commit("HEAD~1")
    with pytest.raises(SystemExit, match="--as-of nowhere: fatal"):
        script.check_commit("nowhere")


def test_fewer_cells_than_a_batch_are_refused(script, cells, tmp_path):
    config = make_config(**script.SETTINGS | SMALL | {"batch_size": 64})
    with pytest.raises(SystemExit, match="increase --count"):
        script.make_run(cells, tmp_path, config)
