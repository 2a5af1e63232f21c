import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny

from solarseg.cli import main
from solarseg.errors import MissingExtraError
from solarseg.evaluation import benchmark
from solarseg.inference import timing
from solarseg.inference.model import load_model


@pytest.fixture(autouse=True)
def fast_timing(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "SECONDS", 0.0)
    monkeypatch.setenv("SOLARSEG_SETTINGS", str(tmp_path / "settings"))


def test_the_table_and_what_is_remembered(trained, capsys):
    run, dataset = trained
    assert main(["benchmark", str(run.path), "--images", str(dataset), "--save", "--quiet"]) == 0
    found = capsys.readouterr().out
    for backend in ("onnxruntime", "openvino", "torch"):
        assert re.search(
            rf"{backend} +[\d.]+ ms an image in batches of 1 \(\d+ a second\), +[\d.]+ ms", found
        )
    assert re.search(
        r"from file to mask with \w+: [\d.]+ images a second, \d+% of the network alone \(12 images", found
    )
    (kept,) = re.findall(r"stored: (\w+),", found)
    assert load_model(run.path).backend == kept


def test_nothing_is_remembered_unasked(trained, capsys):
    run, _ = trained
    assert main(["benchmark", str(run.path), "--quiet"]) == 0
    assert "--save stores it" in capsys.readouterr().out
    assert load_model(run.path).backend == "onnxruntime"


def test_what_is_not_installed_is_said(trained, capsys, monkeypatch):
    run, _ = trained
    real = timing.load_model

    def load(path, *, backend, **options):
        if backend == "openvino":
            raise MissingExtraError("openvino", "openvino")
        return real(path, backend=backend, **options)

    monkeypatch.setattr(timing, "load_model", load)
    assert main(["benchmark", str(run.model), "--quiet"]) == 0
    assert "openvino     openvino is not installed; install it with: pip install 'solarseg[openvino]'" in (
        capsys.readouterr().out
    )


@pytest.fixture
def photos(tmp_path):
    """Three images, half of each bright, and a file that is no image."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        image = np.full((64, 64, 3), 20 * number, np.uint8)
        image[:, 32:] = 255
        Image.fromarray(image).save(folder / f"{number}.png")
    (folder / "damaged.png").write_bytes(b"\x89PNG")
    return folder


def disturb(monkeypatch, columns):
    """Let openvino, which is the fastest, take the class from some columns that onnxruntime finds bright."""
    real = benchmark.open_backends

    def opened(path, device):
        models, failed = real(path, device)
        reference = models["onnxruntime"]

        def compute(images):
            found = reference.compute(images).copy()
            found[:, :, 32 : 32 + columns] = found[:, :, 32 : 32 + columns, ::-1]
            return found

        models["openvino"] = replace(reference, backend="openvino", compute=compute)
        return models, failed

    monkeypatch.setattr(benchmark, "open_backends", opened)
    taken = {"onnxruntime": {1: 2.0, 8: 2.0}, "openvino": {1: 1.0, 8: 1.0}}
    monkeypatch.setattr(benchmark, "time_models", lambda *_: taken)


@pytest.mark.parametrize(("columns", "kept"), [(0, "openvino"), (1, "onnxruntime")])
@pytest.mark.parametrize("own_images", [True, False])
def test_a_backend_that_changes_a_class_is_not_stored_however_fast(
    tmp_path, photos, monkeypatch, capsys, columns, kept, own_images
):
    model = write_tiny(tmp_path / "m.onnx")
    disturb(monkeypatch, columns)
    assert main(["benchmark", str(model), "--save", "--quiet", *["--images", str(photos)] * own_images]) == 0
    found = capsys.readouterr().out
    assert f"stored: {kept}," in found
    assert load_model(model).backend == kept
    if columns and own_images:
        # Of 64 x 64 pixels, 2,044 are bright: 32 columns without their corners. A column has 62 of them and 2 others.
        lost = 100 * (1 - (2044 - 62) / (2044 + 2))
        assert f"openvino is not used: it changes the class bright by {lost:.2f} points of IoU" in found
        assert "(3 images)" in found


@pytest.mark.parametrize("options", [["--images", "nowhere"], ["--device", "tpu"]])
def test_arguments_are_checked_before_anything_is_measured(tmp_path, monkeypatch, capsys, options):
    monkeypatch.setattr(benchmark, "time_models", lambda *_: pytest.fail("measured"))
    assert main(["benchmark", str(write_tiny(tmp_path / "m.onnx")), *options]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_settings_folder_that_cannot_be_made_is_said_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "time_models", lambda *_: pytest.fail("measured"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOLARSEG_SETTINGS", str(tmp_path / "file" / "settings"))
    assert main(["benchmark", str(write_tiny(tmp_path / "m.onnx")), "--save"]) == 2
    assert "SOLARSEG_SETTINGS names another folder" in capsys.readouterr().err


def test_a_folder_of_images_that_cannot_be_read_is_refused(tmp_path, capsys):
    write_tiny(tmp_path / "model.onnx")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"none")
    command = ["benchmark", str(tmp_path / "model.onnx"), "--images", str(tmp_path / "photos"), "--quiet"]
    assert main(command) == 2
    assert "a.png: cannot be read as an image" in capsys.readouterr().err


def test_what_a_backend_cannot_compute_is_said_without_python(capsys):
    assert main(["benchmark", "el-cell", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "  torch        computes no int8; use backend='onnxruntime'" in out
    assert "`" not in out
