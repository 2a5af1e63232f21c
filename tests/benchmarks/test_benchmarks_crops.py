"""The benchmark of crops counts edges outside of them, and draws each cell as it is cropped."""

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

from solarseg.modules import locate_module
from solarseg.modules.light import above_black, to_light
from solarseg.synthesis import generate_photograph


@pytest.fixture
def crops(load_benchmark):
    return load_benchmark("crops")


@pytest.fixture(scope="module")
def image():
    return generate_photograph(np.random.default_rng(1), size=900, rows=6, columns=10, straight=True).image


def test_edges_are_outside_of_crops_that_are_moved(crops, image):
    module, light = locate_module(image), above_black(to_light(image))
    room = crops.measure(light, module)
    assert len(room) == 2 * 2 * 60
    assert room.min() > 0
    moved = replace(module, homography=module.homography @ np.array([(1, 0, 0.04), (0, 1, 0), (0, 0, 1)]))
    left = crops.measure(light, moved)
    assert (left < 0).mean() == pytest.approx(0.25)  # the left edges
    assert left.min() == pytest.approx(room.min() - 0.04, abs=0.01)


def test_a_photograph_is_a_line_and_a_sheet(crops, image, tmp_path, monkeypatch, capsys):
    for name, pixels in {"roof": image, "empty": np.zeros_like(image)}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
    files = [str(tmp_path / f"{name}.png") for name in ("roof", "empty")]
    monkeypatch.setattr(
        sys, "argv", ["crops.py", *files, "--cells", "10x6", "--sheets", str(tmp_path / "sheets")]
    )
    crops.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:2] == ["roof", "6x10"]
    assert lines[2].split()[-1] == "0.0%"
    assert lines[3].split() == ["empty", "located:", "nothing"]
    assert lines[4].startswith("2 photographs: 1 without the expected module; 0 with edges outside")
    side = crops.SIZE + 2
    assert cv2.imread(str(tmp_path / "sheets/roof.png")).shape == (6 * side, 10 * side, 3)
    assert not (tmp_path / "sheets/empty.png").exists()
