"""Odd and bad input: inspected, or refused in one line; what is written is complete."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
import tifffile
from generated_photograph import photograph
from PIL import Image

import solarseg
from solarseg.cli.main import main
from solarseg.errors import ArgumentError, ExistsError, ImageError, OutputError
from solarseg.images import read_image, write_image
from solarseg.inspection import photograph as photograph_module
from solarseg.inspection.layout import InspectionPaths, ModulePaths
from solarseg.inspection.photograph import read_photograph
from solarseg.modules.locate import LocatedModules
from solarseg.synthesis.dataset import generate_dataset_cell

SIZE, ROWS, COLUMNS = 400, 2, 3
MADE = photograph(21, SIZE, ROWS, COLUMNS)
GREY = MADE.image[..., 0]
CORNERS = MADE.modules[0].corners
GIVEN = {"cells": (ROWS, COLUMNS), "corners": CORNERS, "pdf": False, "processes": 1}
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}  # what a camera stores that wants a viewer to undo it
EXIF_ORIENTATION = 274


def assert_complete(out, modules):
    """All files of the inspection, a complete folder for each module, and nothing else: no temporary files."""
    paths = InspectionPaths(out)
    assert sorted(each.name for each in out.iterdir()) == sorted(
        [*(file.name for file in paths.files), *modules]
    )
    for name in modules:
        folder = paths.module(name)
        assert folder.exists
        assert not list(folder.root.rglob(".*"))
        assert (
            len(list((folder.root / "cells").iterdir())) == len(list((folder.root / "masks").iterdir())) > 0
        )


def refusal(image, out, **options):
    """Why the only image was refused, in one line; nothing may be written."""
    done = solarseg.inspect(image, out, pdf=False, processes=1, **options)
    assert (done.modules, len(done.failed)) == ((), 1)
    assert not out.exists()
    (reason,) = done.failed.values()
    assert "\n" not in reason and len(reason) < 500
    return reason


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    folder = tmp_path_factory.mktemp("upright")
    write_image(folder / "roof.png", GREY)
    return solarseg.inspect(folder / "roof.png", folder / "out", **GIVEN)


# What is shown


@pytest.mark.parametrize("cell", range(3))
def test_a_picture_of_a_single_cell_is_refused_before_the_search(tmp_path, monkeypatch, cell):
    def searched(*_):
        raise AssertionError("the search takes seconds")

    image, _ = generate_dataset_cell(3, cell, 300)
    write_image(tmp_path / "cell.png", image[..., 0])
    monkeypatch.setattr(photograph_module, "locate_modules", searched)
    assert refusal(tmp_path / "cell.png", tmp_path / "out") == (
        "looks like a picture of a single cell (square, 300 x 300 pixels, bright up to its edges); use `solarseg "
        "predict`, or give `cells` if it shows a module"
    )
    with pytest.raises(AssertionError, match="takes seconds"):
        read_photograph(tmp_path / "cell.png", (6, 10))


def test_a_larger_picture_of_a_single_cell_is_refused_with_what_takes_it(tmp_path):
    image, _ = generate_dataset_cell(3, 1, 400)
    write_image(tmp_path / "cell.png", image[..., 0])
    reason = refusal(tmp_path / "cell.png", tmp_path / "out")
    assert re.match(r"no whole module found: .*if it shows a single cell, use `solarseg predict`$", reason)


@pytest.mark.parametrize(("rows", "columns"), [(6, 8), (6, 10)])  # the least elongated of the common ones
def test_a_module_in_a_small_square_picture_is_found(tmp_path, rows, columns):
    """As wide as a picture of 300 pixels, whose cells have as few pixels as is allowed."""
    made = photograph(21, 900, rows, columns)
    low, high = made.modules[0].corners.min(axis=0), made.modules[0].corners.max(axis=0)
    image = made.image[..., 0]
    margin = 0.02 * (high - low)[0]
    left, top = np.maximum(low - margin, 0).astype(int)
    right, bottom = np.minimum(high + margin, image.shape[::-1]).astype(int)
    tight = image[top:bottom, left:right]
    small = cv2.resize(
        tight, (300, round(300 * tight.shape[0] / tight.shape[1])), interpolation=cv2.INTER_AREA
    )
    square = np.full((300, 300), np.percentile(image, 1), np.uint8)
    above = (300 - len(small)) // 2
    square[above : above + len(small)] = small
    write_image(tmp_path / "roof.png", square)
    (module,) = read_photograph(tmp_path / "roof.png").modules
    assert (module.rows, module.columns) == (rows, columns)
    assert 24 <= module.pixels_per_cell < 300 / columns


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((300, 400), np.uint8),
        np.full((300, 400), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (300, 400), dtype=np.uint8),
        np.ones((1, 1), np.uint8),
        np.ones((3, 2000), np.uint8),
    ],
    ids=["black", "white", "noise", "one pixel", "a line"],
)
def test_no_module_is_refused(tmp_path, pixels):
    write_image(tmp_path / "image.png", pixels)
    expected = "is too small" if min(pixels.shape) < 24 else "give `corners` and `cells`"
    assert expected in refusal(tmp_path / "image.png", tmp_path / "out")


def test_a_refusal_names_the_first_places_only(tmp_path, monkeypatch):
    write_image(tmp_path / "roof.png", GREY)
    left_out = tuple(f"place {number}" for number in range(1, 6))
    monkeypatch.setattr(photograph_module, "locate_modules", lambda *_: LocatedModules((), left_out))
    with pytest.raises(ImageError, match=r"found: place 1; place 2; place 3; and 2 more; give `corners`"):
        read_photograph(tmp_path / "roof.png")


def test_several_modules_are_found_and_named_from_the_upper_left(tmp_path):
    """Two modules next to each other: the second one is the first one with less light."""
    one = photograph(21, 900, 6, 10).image[..., 0]
    gap = np.full((one.shape[0], 60), np.percentile(one, 1), np.uint8)
    write_image(tmp_path / "roof.png", np.hstack([one, gap, (one * 0.8).astype(np.uint8)]))
    done = solarseg.inspect(tmp_path / "roof.png", tmp_path / "out", pdf=False, processes=1)
    assert (done.modules, done.failed) == (("roof-1", "roof-2"), {})
    assert_complete(tmp_path / "out", done.modules)
    lefts = [float(row["corners"].split(",")[0]) for row in done.rows()]
    assert lefts[1] - lefts[0] == pytest.approx(one.shape[1] + 60, abs=2)
    assert [(row["rows"], row["columns"]) for row in done.rows()] == [(6, 10)] * 2


# How it is stored


@pytest.mark.parametrize("orientation", TURNS)
def test_results_are_of_the_upright_photograph(tmp_path, upright, orientation):
    """Corners, cells and outlines are those of the same picture that a viewer shows, whatever way it is stored."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(GREY).transpose(TURNS[orientation]).save(tmp_path / "roof.png", exif=exif)
    done = solarseg.inspect(tmp_path / "roof.png", tmp_path / "out", **GIVEN)
    for name in ("cells.csv", "regions.geojson"):
        assert (done.folder / name).read_text() == (upright.folder / name).read_text()
    assert (
        read_image(done.folder / "roof/overlay.png") == read_image(upright.folder / "roof/overlay.png")
    ).all()


def as_deep_tiff(path):
    tifffile.imwrite(path.with_suffix(".tif"), GREY.astype(np.uint16) * 257)
    return path.with_suffix(".tif")


def as_float_tiff(path):
    tifffile.imwrite(path.with_suffix(".tif"), GREY.astype(np.float32) / 255)
    return path.with_suffix(".tif")


def as_palette(path):
    image = Image.fromarray(GREY).convert("P")
    order = np.random.default_rng(0).permutation(256).astype(np.uint8)  # ids are no grey levels
    shuffled = Image.fromarray(np.argsort(order).astype(np.uint8)[np.asarray(image.convert("L"))], "P")
    shuffled.putpalette(np.repeat(order, 3).tobytes())
    shuffled.save(path)
    return path


def as_grey_with_alpha(path):
    Image.fromarray(np.dstack([GREY, np.full_like(GREY, 255)])).save(path)
    return path


def as_deep_colours_with_alpha(path):
    deep = GREY.astype(np.uint16) * 257
    cv2.imwrite(str(path), np.dstack([deep, deep, deep, np.full_like(deep, 65535)]))
    return path


@pytest.mark.parametrize(
    "write", [as_deep_tiff, as_float_tiff, as_palette, as_grey_with_alpha, as_deep_colours_with_alpha]
)
def test_the_same_picture_in_another_kind_of_file_gives_the_same(tmp_path, upright, write):
    done = solarseg.inspect(write(tmp_path / "roof.png"), tmp_path / "out", **GIVEN)
    for found, expected in zip(done.cell_rows(), upright.cell_rows(), strict=True):
        assert found["inactive_share"] == pytest.approx(expected["inactive_share"], abs=0.002)
        assert found["light"] == pytest.approx(expected["light"], abs=0.01)


def test_a_picture_of_other_bands_or_levels_is_refused(tmp_path):
    bands = np.zeros((50, 60, 5), np.uint8)
    tifffile.imwrite(tmp_path / "bands.tif", bands, photometric="minisblack", planarconfig="contig")
    assert (
        refusal(tmp_path / "bands.tif", tmp_path / "out") == "has 5 bands; give a grey or an RGB photograph"
    )
    tifffile.imwrite(tmp_path / "counts.tif", np.full((50, 60), 900, np.float32))
    assert "scale them to 0 to 1" in refusal(tmp_path / "counts.tif", tmp_path / "out")


# What is damaged


def encoded(kind):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path, kind, share):
    content = encoded(kind)
    file = tmp_path / f"roof.{kind}"
    file.write_bytes(content[: int(share * len(content))])
    reason = refusal(file, tmp_path / "out", cells=(ROWS, COLUMNS), corners=CORNERS)
    assert re.search("replace or remove", reason)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"<html>404 Not Found</html>"])
def test_what_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "roof.png").write_bytes(content)
    assert "replace or remove" in refusal(tmp_path / "roof.png", tmp_path / "out")


def test_one_bad_file_of_three_costs_only_itself(tmp_path, capsys):
    for name in ("a.png", "c.png"):
        write_image(tmp_path / name, GREY)
    (tmp_path / "b.png").write_bytes(encoded("png")[:3000])
    done = solarseg.inspect([tmp_path / f"{name}.png" for name in "abc"], tmp_path / "out", **GIVEN)
    assert done.modules == ("a", "c")
    assert list(done.failed) == [str(tmp_path / "b.png")]
    assert_complete(tmp_path / "out", done.modules)
    assert "b.png" in (tmp_path / "out/index.html").read_text()


# Corners and cells


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([(9, 9), (300, 200), (300, 9), (9, 200)], "cross, are on a line or are not clockwise"),
        ([(9, 9), (100, 9), (200, 9), (300, 9)], "cross, are on a line or are not clockwise"),
        ([(9, 9), (9, 200), (300, 200), (300, 9)], "cross, are on a line or are not clockwise"),
        ([(9, 9), (100, 90), (300, 200), (9, 200)], "cross, are on a line or are not clockwise"),
        ([(9, 9)] * 4, "cross, are on a line or are not clockwise"),
        ([9, 9, 300, 9, 300, 200], "must be eight numbers"),
        ([9, 9, 300, 9, 300, 200, 9, float("nan")], "must be eight numbers"),
        ("corners", "must be eight numbers"),
    ],
)
def test_corners_that_are_no_module_are_refused_before_the_work(tmp_path, corners, message):
    write_image(tmp_path / "roof.png", GREY)
    with pytest.raises(ArgumentError, match=message):
        solarseg.inspect(tmp_path / "roof.png", tmp_path / "out", cells=(2, 3), corners=corners)
    assert not (tmp_path / "out").exists()


def test_corners_and_cells_that_do_not_fit_are_noted(tmp_path):
    write_image(tmp_path / "roof.png", GREY)
    options = {"corners": CORNERS, "pdf": False}
    right = solarseg.inspect(tmp_path / "roof.png", tmp_path / "right", cells=(2, 3), **options)
    wrong = solarseg.inspect(tmp_path / "roof.png", tmp_path / "wrong", cells=(3, 3), **options)
    (right,), (wrong,) = right.rows(), wrong.rows()
    assert right["confidence"] > 0.7
    assert wrong["confidence"] < 0.6
    note = "The given corners or the given 3 x 3 cells do not fit the photograph"
    assert note in wrong["notes"]
    assert "do not fit" not in (right["notes"] or "")
    assert note in (tmp_path / "wrong" / "roof" / "report.html").read_text()


def test_corners_outside_a_photograph_cost_only_that_photograph(tmp_path):
    write_image(tmp_path / "a.png", GREY[:100, :150])
    write_image(tmp_path / "b.png", GREY)
    done = solarseg.inspect([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out", **GIVEN)
    assert done.modules == ("b",)
    (reason,) = done.failed.values()
    assert re.match(r"has 150 x 100 pixels, and `corners` has \d.*; give corners inside of it$", reason)
    assert_complete(tmp_path / "out", done.modules)


def test_corners_that_make_tiny_cells_are_refused(tmp_path):
    write_image(tmp_path / "roof.png", GREY)
    reason = refusal(tmp_path / "roof.png", tmp_path / "out", cells=(24, 24), corners=CORNERS)
    assert re.match(r"with these `corners`, cells have \d+ pixels, below 24; check `corners`", reason)


@pytest.mark.parametrize("cells", ["6by10", "0x10", "-6x10", "6x", "6x10x2", "99999x1", "1e3x2", ""])
def test_cells_that_are_no_grid_are_refused(tmp_path, capsys, cells):
    write_image(tmp_path / "roof.png", GREY)
    assert (
        main(["inspect", str(tmp_path / "roof.png"), "--out", str(tmp_path / "out"), f"--cells={cells}"]) == 2
    )
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--cells" in error
    assert not (tmp_path / "out").exists()


# Names and folders


def test_the_same_file_twice_is_inspected_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_image(Path("roof.png"), GREY)
    done = solarseg.inspect(["roof.png", "./roof.png", tmp_path / "roof.png", "*.png"], "out", **GIVEN)
    assert done.modules == ("roof",)


def test_files_of_one_name_have_folders_of_their_own(tmp_path):
    images = [tmp_path / "south/roof.png", tmp_path / "north/roof.png", tmp_path / "north/roof.jpg"]
    for image in images:
        image.parent.mkdir(exist_ok=True)
        write_image(image, GREY)
    done = solarseg.inspect(images, tmp_path / "out", **GIVEN)
    assert len(set(done.modules)) == 3
    assert_complete(tmp_path / "out", done.modules)
    assert [Path(row["image"]).parts[-2:] for row in done.rows()] == [image.parts[-2:] for image in images]


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>&'",
        "n" * 200,
        "n" * 251,
        "屋根 Süd",
        "屋" * 80,
        "100% #1 ?a=b",
        " roof ",
        "-roof",
        "index.html",
        "modules.csv",
        "a\nb",
    ],
)
@pytest.mark.posix
def test_any_name_of_a_file_gives_a_module_and_links_that_lead_to_it(tmp_path, name):
    image = tmp_path / f"{name}.png"
    write_image(tmp_path / "photo.png", GREY)
    (tmp_path / "photo.png").rename(image)
    done = solarseg.inspect(image, tmp_path / "out", **GIVEN)
    assert done.failed == {}
    (module,) = done.modules
    assert_complete(tmp_path / "out", [module])
    page = (tmp_path / "out/index.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert f'href="./{quote(module)}/report.html"' in page
    assert done.rows()[0]["module"] == module
    assert "<img src=x" not in ModulePaths(tmp_path / "out" / module).report.read_text(encoding="utf-8")


def test_an_empty_folder_and_a_missing_file_are_refused(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for source in ("photos", "nothing.png", "*.jpg"):
        assert main(["inspect", str(tmp_path / source), "--out", str(tmp_path / "out")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_is_searched(tmp_path):
    (tmp_path / "photos/a").mkdir(parents=True)
    write_image(tmp_path / "photos/a/roof.png", GREY)
    (tmp_path / "photos/notes.txt").write_text("no picture")
    done = solarseg.inspect(tmp_path / "photos", tmp_path / "out", **GIVEN)
    assert done.modules == ("a_roof",)


# Pictures that an inspection wrote


@pytest.fixture
def inspected(tmp_path, upright):
    """A folder of photographs which also contains an inspection of another one."""
    write_image(tmp_path / "photos/garage.png", GREY)
    shutil.copytree(upright.folder, tmp_path / "photos/earlier")
    return tmp_path / "photos"


PICTURES = 2 + 2 * ROWS * COLUMNS  # rectified and overlay; cells and masks


def test_pictures_of_another_inspection_are_left_out_and_counted(tmp_path, inspected, caplog):
    write_image(inspected / "earlier/shed.png", GREY)  # next to index.html: a photograph as others
    done = solarseg.inspect(inspected, tmp_path / "out", **GIVEN)
    assert (done.modules, done.failed) == (("earlier_shed", "garage"), {})
    folder = inspected / "earlier/roof"
    assert f"left out: {PICTURES} pictures that an inspection wrote, in {folder}" in caplog.messages


def test_pictures_of_several_modules_are_counted_together(tmp_path, inspected, caplog):
    shutil.copytree(inspected / "earlier/roof", inspected / "earlier/roof-2")
    record = inspected / "earlier/roof-2/module.json"
    record.write_text("{")  # still a folder that an inspection wrote
    solarseg.inspect(inspected, tmp_path / "out", **GIVEN)
    where = f"2 folders, such as {inspected / 'earlier/roof'}"
    assert [line for line in caplog.messages if "left out" in line] == [
        f"left out: {2 * PICTURES} pictures that an inspection wrote, in {where}"
    ]


@pytest.mark.parametrize("source", ["earlier", "earlier/roof", "earlier/roof/cells", "earlier/*/*.png"])
def test_nothing_but_pictures_of_an_inspection_is_refused(tmp_path, inspected, source):
    with pytest.raises(
        ArgumentError, match=r"contains no photographs; left out: \d+ pictures that an inspection"
    ):
        solarseg.inspect(inspected / source, tmp_path / "out", **GIVEN)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("picture", ["rectified.png", "cells/r01c02.png"])
def test_a_picture_of_an_inspection_given_by_name_is_refused(tmp_path, inspected, monkeypatch, picture):
    monkeypatch.chdir(inspected / "earlier/roof")
    with pytest.raises(
        ArgumentError, match=f"^{picture}: is a picture that an inspection wrote; give the photo"
    ):
        solarseg.inspect([inspected / "garage.png", picture], tmp_path / "out", **GIVEN)
    (tmp_path / "link").symlink_to(inspected / "earlier/roof/cells")
    with pytest.raises(ArgumentError, match=r"link/r01c01\.png: is a picture that an inspection wrote"):
        solarseg.inspect(tmp_path / "link/r01c01.png", tmp_path / "out", **GIVEN)
    assert not (tmp_path / "out").exists()


def test_photographs_next_to_a_record_of_another_program_are_inspected(tmp_path, caplog):
    write_image(tmp_path / "photos/roof.png", GREY)
    (tmp_path / "photos/module.json").write_text('{"version": 1, "name": "a JavaScript module"}')
    assert solarseg.inspect(tmp_path / "photos", tmp_path / "out", **GIVEN).modules == ("roof",)
    assert caplog.messages == []


def test_no_images_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="`images`: is empty"):
        solarseg.inspect([], tmp_path / "out", **GIVEN)


def test_an_output_that_is_a_file_is_refused(tmp_path):
    write_image(tmp_path / "roof.png", GREY)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ArgumentError, match="is a file; give a folder") as refused:
        solarseg.inspect(tmp_path / "roof.png", tmp_path / "out", **GIVEN)
    assert "\n" not in str(refused.value)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path):
    write_image(tmp_path / "roof.png", GREY)
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        solarseg.inspect(tmp_path / "roof.png", tmp_path / "locked" / "out", **GIVEN)


@pytest.mark.posix
def test_a_folder_that_the_system_refuses_is_named_in_one_line(tmp_path, capsys):
    """/proc takes no files, not even those of root."""
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc")
    write_image(tmp_path / "roof.png", GREY)
    corners = ",".join(f"{value:.0f}" for value in CORNERS.ravel())
    options = ["--cells", f"{ROWS}x{COLUMNS}", "--corners", corners, "--no-pdf", "--quiet"]
    assert main(["inspect", str(tmp_path / "roof.png"), "--out", "/proc/out", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "/proc/out" in error


def test_a_folder_of_something_else_stays(tmp_path):
    (tmp_path / "out" / "roof").mkdir(parents=True)
    (tmp_path / "out" / "roof" / "mine.txt").write_text("mine")
    write_image(tmp_path / "roof.png", GREY)
    with pytest.raises(ExistsError):
        solarseg.inspect(tmp_path / "roof.png", tmp_path / "out", overwrite=True, **GIVEN)
    assert [file.name for file in tmp_path.joinpath("out").rglob("*")] == ["roof", "mine.txt"]


# Size


@pytest.mark.slow
@pytest.mark.posix
def test_a_photograph_of_100_megapixels_is_inspected(tmp_path):
    whole = photograph(21, 900, 6, 10)
    factor = 9600 / whole.image.shape[1]
    large = cv2.resize(whole.image[..., 0], None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    picture = np.full((10_000, 10_000), np.percentile(large[::9, ::9], 1), np.uint8)
    picture[1000 : 1000 + large.shape[0], 200 : 200 + large.shape[1]] = large
    cv2.imwrite(str(tmp_path / "roof.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    code = (
        "import pathlib, sys\n"
        "from solarseg.cli.main import main\n"
        "code = main(['inspect', 'roof.png', '--out', 'out', '--no-pdf', '--quiet'])\n"
        "status = pathlib.Path('/proc/self/status')\n"  # getrusage would count what this process had before exec
        "print(status.read_text() if status.exists() else '')\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "roof: 6 x 10 cells" in done.stdout
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is None or int(peak[1]) * 1024 < 2.5e9
