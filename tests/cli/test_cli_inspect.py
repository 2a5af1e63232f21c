"""``solarseg inspect``."""

import numpy as np
import pytest

import solarseg
from solarseg.cli.main import main
from solarseg.images import write_image


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A photograph of a small module, and its corners as the command takes them."""
    made = solarseg.generate_photograph(np.random.default_rng(21), 500, 2, 3, straight=True)
    file = tmp_path_factory.mktemp("photographs") / "roof.png"
    write_image(file, made.image[..., 0] if made.image.shape[-1] == 1 else made.image)
    return file, ",".join(f"{value:.1f}" for value in made.modules[0].corners.ravel())


def test_a_module_is_inspected(module, tmp_path, capsys):
    file, corners = module
    out = tmp_path / "out"
    assert (
        main(["inspect", str(file), "--out", str(out), "--cells", "2x3", "--corners", corners, "--no-pdf"])
        == 0
    )
    printed = capsys.readouterr().out
    assert printed.startswith("1 module inspected, ")
    assert f"of 6 cells with defects: {out / 'index.html'}" in printed
    assert "roof: 2 x 3 cells" in printed
    assert (out / "roof" / "report.html").exists()
    assert not (out / "roof" / "report.pdf").exists()
    again = ["inspect", str(file), "--out", str(out), "--cells", "2x3", "--corners", corners, "--no-pdf"]
    assert main(again) == 0
    assert "1 photograph of a previous run, not inspected again" in capsys.readouterr().out
    write_image(tmp_path / "other.png", np.full((200, 300), 90, np.uint8))
    assert main(["inspect", str(tmp_path / "other.png"), "--out", str(out), "--no-pdf"]) == 2
    assert "give another --out, or --overwrite to replace its index and tables" in capsys.readouterr().err


def test_a_photograph_without_a_module_says_how_to_help(tmp_path, capsys):
    write_image(tmp_path / "grey.png", np.full((200, 300), 90, np.uint8))
    assert main(["inspect", str(tmp_path / "grey.png"), "--out", str(tmp_path / "out"), "--no-pdf"]) == 2
    error = capsys.readouterr().err
    assert "no whole module found" in error
    assert "give --corners and --cells" in error


def test_some_photographs_that_fail_are_partial_success(module, tmp_path, capsys):
    file, corners = module
    (tmp_path / "broken.png").write_bytes(b"")
    images = [str(file), str(tmp_path / "broken.png")]
    options = ["--out", str(tmp_path / "out"), "--cells", "2x3", "--corners", corners, "--no-pdf"]
    assert main(["inspect", *images, *options]) == 1
    assert "1 failed:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cells", "six"], "--cells six: must be ROWSxCOLUMNS"),
        (["--corners", "1,2,x"], "--corners 1,2,x: must be eight numbers"),
        (["--processes", "0"], "--processes 0: must be 1 or more"),
        (["--corners", "1,2,3,4,5,6,7,8"], "--corners: requires --cells"),
    ],
)
def test_wrong_options_are_named(module, tmp_path, capsys, options, message):
    assert main(["inspect", str(module[0]), "--out", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
