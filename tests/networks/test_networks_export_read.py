"""The page on the model file: its few lines, and its table of metadata."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

from solarseg.images import read_image
from solarseg.inference.model import load_model
from solarseg.inference.model_file import ModelInfo

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "model-file.md").read_text()
WITHOUT_SOLARSEG = "import runpy, sys; sys.modules['solarseg'] = None; runpy.run_path('nine.py')"


def test_nine_lines_of_onnxruntime_read_the_file_without_solarseg(trained, tmp_path):
    run, _ = trained
    (lines,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in lines.splitlines() if line]) == 9
    assert "import solarseg" not in lines
    (tmp_path / "nine.py").write_text(lines)
    picture = np.random.default_rng(0).integers(0, 80, (160, 128, 3), dtype=np.uint8)
    picture[40:90, 30:80] += np.array([150, 140, 120], np.uint8)
    encoded = cv2.imencode(".png", picture)[1].tobytes()  # exact, whatever the name says
    (tmp_path / "photo.jpg").write_bytes(encoded)
    (tmp_path / "runs/first").mkdir(parents=True)
    shutil.copy(run.model, tmp_path / "runs/first/model.onnx")
    subprocess.run([sys.executable, "-c", WITHOUT_SOLARSEG], cwd=tmp_path, check=True, timeout=120)
    found = cv2.imread(str(tmp_path / "mask.png"), cv2.IMREAD_UNCHANGED)
    model = load_model(run.model)
    inputs = model.preprocessing.to_input(read_image(tmp_path / "photo.jpg"))
    expected = model.probabilities(inputs[None])[0].argmax(axis=-1)
    assert 0 < expected.mean() < 1
    assert (found == expected).all()


def test_every_key_of_the_metadata_is_on_the_page():
    table = PAGE.split("## Metadata")[1].split("## Exports")[0]
    named = {
        key
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for key in re.findall(r"`(\w+)`", row)
    }
    assert named == set(ModelInfo.model_fields)
