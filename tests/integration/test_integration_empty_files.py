"""An empty file, as a full disk or an interrupted copy leaves it, is called empty, whatever library was to read it."""

from pathlib import Path

import pytest
from tiny_model import write_tiny
from torch import nn

import solarseg
from solarseg.datasets.tables import read_table
from solarseg.download.archives import find_damage, unpack
from solarseg.errors import SolarsegError
from solarseg.evaluation.report import Report
from solarseg.formats import ReadOptions
from solarseg.images import read_image
from solarseg.networks.encoders import build_encoder
from solarseg.runs import RunFolder
from solarseg.training.config import read_config
from solarseg.training.run_folder import check_checkpoints


def read_raster(file):
    solarseg.predict_raster(write_tiny(file.with_name("m.onnx")), file, file.with_name("out"))


def read_checkpoint(file):
    check_checkpoints(RunFolder(file.parents[1]), nn.Linear(1, 1), has_best=False)


READ = {
    "model.onnx": solarseg.load_model,
    "image.png": read_image,
    "image.tif": read_image,
    "image.jpg": read_image,
    "raster.tif": read_raster,
    "report.json": Report.load,
    "groups.csv": lambda file: read_table(file, "name", "group"),
    "coco.json": lambda file: solarseg.data.convert(file, file.with_name("out")),
    "tiles.tfrecord": lambda file: solarseg.data.convert(file, file.with_name("out")),
    "weights.pth": lambda file: build_encoder("resnet18", weights=file),
    "weights.safetensors": lambda file: build_encoder("resnet18", weights=file),
    "config.yaml": read_config,
    "checkpoints/last.ckpt": read_checkpoint,
    **dict.fromkeys(
        ("cells.zip", "cells.tar", "cells.tar.gz"), lambda file: unpack(file, file.with_name("out"))
    ),
}


@pytest.mark.parametrize("name", READ)
def test_an_empty_file_is_called_empty(tmp_path, name):
    file: Path = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    with pytest.raises(SolarsegError) as caught:
        READ[name](file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "the file is empty" in message
    assert "; " in message.partition("the file is empty")[2]  # what to do
    assert "\n" not in message


def test_an_empty_table_of_colours_is_called_empty(tmp_path, squares):
    file = tmp_path / "colours.csv"
    file.touch()
    with pytest.raises(SolarsegError, match="the file is empty; its first line must be name,red,green,blue"):
        solarseg.data.convert(
            squares, tmp_path / "out", format_name="colour-masks", options=ReadOptions(colours=file)
        )


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_an_empty_download_is_called_empty(tmp_path, name):
    (tmp_path / "part").touch()
    assert find_damage(tmp_path / "part", name) == "the file is empty"


def test_a_file_with_content_is_not_called_empty(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"\0")
    with pytest.raises(SolarsegError) as caught:
        solarseg.load_model(tmp_path / "model.onnx")
    assert "empty" not in str(caught.value)
