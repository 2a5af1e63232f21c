"""``solarseg inspect``."""

import re
import shutil

import numpy as np
import pytest

import solarseg
from solarseg.cli.main import main
from solarseg.errors import MissingLibraryError
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


def test_what_changed_and_what_was_not_compared_is_printed(module, tmp_path, capsys):
    file, corners = module
    (tmp_path / "now").mkdir()
    for name in ("roof.png", "new.png"):
        shutil.copy(file, tmp_path / "now" / name)
    options = ["--cells", "2x3", "--corners", corners, "--no-pdf", "--processes", "1"]
    before = str(tmp_path / "before")
    assert main(["inspect", str(file), "--out", before, *options]) == 0
    assert "new or grown" not in capsys.readouterr().out
    out = str(tmp_path / "after")
    assert main(["inspect", str(tmp_path / "now"), "--out", out, "--compare", before, *options]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"roof: 2 x 3 cells, \d with defects, 0 with new or grown defects, ", printed)
    assert re.search(r"new: 2 x 3 cells, \d with defects, [\d.]+% inactive", printed)
    assert f"1 module not compared with {before}; the notes in modules.csv say why" in printed


def test_a_long_list_of_failures_is_shortened(tmp_path, capsys):
    for number in range(23):
        (tmp_path / f"p{number:02}.png").write_bytes(b"")
    options = ["--out", str(tmp_path / "out"), "--no-pdf", "--processes", "1"]
    assert main(["inspect", str(tmp_path), *options]) == 2
    error = capsys.readouterr().err.splitlines()
    assert (error[0], error[-1], len(error)) == ("23 failed:", "  and 3 more", 22)


def test_missing_libraries_for_pdf_are_named_once(module, tmp_path, monkeypatch, capfd, caplog):
    def missing():
        raise MissingLibraryError("Pango", "install it")

    monkeypatch.setattr("solarseg.inspection.inspect.check_pdf", missing)
    (tmp_path / "photos").mkdir()
    for name in "ab":
        shutil.copy(module[0], tmp_path / "photos" / f"{name}.png")
    options = ["--out", str(tmp_path / "out"), "--cells", "2x3", "--corners", module[1], "--processes", "2"]
    assert main(["inspect", str(tmp_path / "photos"), *options]) == 0
    assert [line for line in caplog.messages if "pdf" in line] == [
        "no report.pdf is written: Pango is not installed on this system; install it"
    ]
    assert "Pango" not in "".join(capfd.readouterr())  # of the processes


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
