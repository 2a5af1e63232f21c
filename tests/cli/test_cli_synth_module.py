"""``solarseg synth module``."""

import numpy as np
import pytest

import solarseg
from solarseg.cli.main import main
from solarseg.images import read_image


def synth(out, *options):
    return main(["synth", "module", "--out", str(out), "--cells", "3x4", "--size", "300", *options])


def test_the_photograph_is_that_of_the_generator(tmp_path, capsys):
    assert synth(tmp_path / "module.png", "--seed", "21", "--straight") == 0
    made = solarseg.generate_photograph(np.random.default_rng(21), 300, 3, 4, straight=True)
    assert (read_image(tmp_path / "module.png") == made.image).all()
    assert capsys.readouterr().out.startswith(
        f"3 x 4 cells: {tmp_path / 'module.png'}\nNext: solarseg inspect "
    )


def test_jpeg_has_8_bits(tmp_path):
    seed = next(
        seed
        for seed in range(50)
        if solarseg.generate_photograph(np.random.default_rng(seed), 300, 3, 4, straight=True).image.dtype
        == np.uint16
    )
    assert synth(tmp_path / "module.jpg", "--seed", str(seed), "--straight") == 0
    assert read_image(tmp_path / "module.jpg").dtype == np.uint8


def test_a_file_is_replaced_only_if_asked(tmp_path, capsys):
    (tmp_path / "module.png").write_text("mine")
    assert synth(tmp_path / "module.png") == 2
    assert "give another --out, or --overwrite to replace it" in capsys.readouterr().err
    assert (tmp_path / "module.png").read_text() == "mine"
    assert synth(tmp_path / "module.png", "--overwrite") == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("module.tif", [], "must end in .png, .jpg or .jpeg"),
        ("module.png", ["--seed", "-1"], "--seed -1: must be 0 or more"),
        ("module.png", ["--cells", "many"], "--cells many: must be ROWSxCOLUMNS"),
        ("module.png", ["--size", "9"], "--size 9"),
    ],
)
def test_wrong_options_are_named(tmp_path, capsys, name, options, message):
    assert synth(tmp_path / name, *options) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / name).exists()
