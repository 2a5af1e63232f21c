import csv
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.cli import main
from solarseg.datasets.image_files import find_images, name_outputs
from solarseg.errors import ArgumentError, OutputError
from solarseg.inference.model import load_model
from solarseg.inference.options import PredictOptions
from solarseg.masks import read_mask_values
from solarseg.prediction.predict import predict


def test_masks_overlays_and_summary(trained, tmp_path):
    run, dataset = trained
    done = predict(run.path, dataset / "images", tmp_path / "out")
    assert done.failed == {}
    with (tmp_path / "out" / "summary.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["image"] for row in table] == [f"im{i:02}" for i in range(12)]
    for row in table:
        mask = read_mask_values(tmp_path / "out" / "masks" / f"{row['image']}.png")
        assert mask.shape == (64, 64)
        assert int(row["foreground_pixels"]) == (mask == 1).sum()
        assert float(row["background_share"]) == pytest.approx((mask == 0).mean(), abs=1e-6)
        assert (tmp_path / "out" / "overlays" / f"{row['image']}.jpg").exists()


def test_masks_have_the_images_own_size(trained, tmp_path):
    run, _ = trained
    Image.new("RGB", (150, 90)).save(tmp_path / "wide.jpg")
    predict(run.path, tmp_path / "wide.jpg", tmp_path / "out")
    assert read_mask_values(tmp_path / "out" / "masks" / "wide.png").shape == (90, 150)


def test_one_bad_image_costs_only_itself(trained, tmp_path):
    run, _ = trained
    for name in ("a", "c"):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{name}.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    done = predict(run.path, tmp_path, tmp_path / "out")
    assert list(done.pixels) == ["a", "c"]
    assert list(done.failed) == [tmp_path / "b.png"]
    assert "b.png" in done.failed[tmp_path / "b.png"]


def test_the_exit_code_says_that_some_failed(trained, tmp_path, capsys):
    run, _ = trained
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    assert main(["predict", str(run.path), str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "b.png" in capsys.readouterr().err
    (tmp_path / "a.png").unlink()
    assert main(["predict", str(run.path), str(tmp_path / "b.png"), "--out", str(tmp_path / "out2")]) == 2


def written(folder):
    return {file: file.stat().st_mtime_ns for file in (folder / "masks").rglob("*.png")}


def test_a_second_start_does_what_is_left(trained, tmp_path):
    run, dataset = trained
    images = tmp_path / "images"
    shutil.copytree(dataset / "images", images)
    out = tmp_path / "out"
    first = predict(run.path, images, out)
    summary, before = (out / "summary.csv").read_text(), written(out)
    (out / "masks" / "im03.png").unlink()
    (out / "overlays" / "im04.jpg").unlink()
    (out / "masks" / ".0123456789ab.png").touch()  # of a process that was killed
    Image.new("RGB", (64, 64), "white").save(images / "im05.png")  # changed since
    os.utime(images / "im06.png")  # only touched
    Image.new("RGB", (64, 64)).save(images / "new.png")
    second = predict(run.path, images, out)
    assert second.skipped == 9
    assert second.pixels == first.pixels | {name: second.pixels[name] for name in ("im05", "new")}
    assert (out / "summary.csv").read_text().startswith(summary[: summary.index("im05")])
    after = written(out)
    assert sorted(file.stem for file in after if after[file] != before.get(file)) == [
        "im03",
        "im04",
        "im05",
        "new",
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"options": PredictOptions(tta=True)},
        {"options": PredictOptions(thresholds={"foreground": 0.4})},
        {"probabilities": True},
        {"images": "im01.png"},
    ],
)
def test_what_was_made_otherwise_is_not_mixed(trained, tmp_path, change):
    run, dataset = trained
    images = dataset / "images"
    predict(run.path, images / "im00.png", tmp_path / "out")
    options = {name: value for name, value in change.items() if name != "images"}
    other = images / change.get("images", "im00.png")
    [what] = change["options"].changed() if "options" in change else change
    with pytest.raises(
        OutputError, match=f"another value of {what}; give another `out`, or `overwrite=True`"
    ):
        predict(run.path, other, tmp_path / "out", **options)
    predict(run.path, other, tmp_path / "out", **options, overwrite=True)


def test_what_others_wrote_is_not_replaced_unless_asked(trained, tmp_path):
    run, dataset = trained
    image = dataset / "images" / "im00.png"
    predict(run.path, image, tmp_path / "out")
    (tmp_path / "out" / "prediction.json").unlink()
    with pytest.raises(OutputError, match=r"exists already; give another `out`, or `overwrite=True`"):
        predict(run.path, image, tmp_path / "out")
    predict(run.path, image, tmp_path / "out", overwrite=True)


KILLED = """
import signal, sys
from pathlib import Path
from solarseg.prediction.predict import predict
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without
predict(*map(Path, sys.argv[1:]), overlays=True)
"""


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_kill_leaves_whole_files_and_the_rest_is_done_later(trained, tmp_path, how):
    run, dataset = trained
    (tmp_path / "images").mkdir()
    for copy, image in itertools.product(range(30), sorted((dataset / "images").iterdir())):
        shutil.copy(image, tmp_path / "images" / f"{copy:02}_{image.name}")
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", KILLED, run.path, tmp_path / "images", out])
    while not len(list(out.glob("masks/[0-9]*.png"))) >= 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.Signals[how])
    process.wait(60)
    done = list(out.glob("masks/[0-9]*.png"))
    assert 20 <= len(done) < 360
    for file in [*done, *out.glob("overlays/[0-9]*.jpg")]:
        with Image.open(file) as picture:
            picture.load()
    second = predict(run.path, tmp_path / "images", out)
    assert len(second.pixels) == 360
    assert 20 <= second.skipped <= len(done)
    assert list(second.pixels) == sorted(second.pixels)
    assert not list(out.rglob(".*"))


def test_probabilities_are_written_as_bands_that_add_up(trained, tmp_path):
    run, dataset = trained
    predict(run.path, dataset / "images" / "im00.png", tmp_path / "out", probabilities=True)
    values = tifffile.imread(tmp_path / "out" / "probabilities" / "im00.tif")
    assert values.dtype == np.float32
    assert values.shape == (2, 64, 64)
    assert np.allclose(values.sum(axis=0), 1, atol=1e-5)
    mask = read_mask_values(tmp_path / "out" / "masks" / "im00.png")
    assert np.array_equal(mask, values.argmax(axis=0))


def test_overlays_are_drawn_for_a_hundred_images_unless_asked(trained, tmp_path, monkeypatch):
    run, dataset = trained
    monkeypatch.setattr("solarseg.prediction.predict._MOST_OVERLAYS", 11)
    done = predict(run.path, dataset / "images", tmp_path / "out")
    assert not done.overlays
    assert not (tmp_path / "out" / "overlays").exists()
    done = predict(run.path, dataset / "images", tmp_path / "out", overlays=True)
    assert done.overlays
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 12


def test_of_a_dataset_folder_the_images_are_taken(trained, tmp_path):
    run, dataset = trained
    assert list(predict(run.path, dataset, tmp_path / "out").pixels) == [f"im{i:02}" for i in range(12)]


def test_where_nothing_can_be_done_nothing_is_left(trained, tmp_path, capsys):
    run, _ = trained
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for name in "abc":
        bands = np.zeros((5, 64, 64), np.uint8)
        tifffile.imwrite(images / f"{name}.tif", bands, photometric="minisblack", planarconfig="separate")
    assert main(["predict", str(run.path), str(images), "--out", str(out)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("image has 5 bands, the model takes 3") == 1
    assert "a.tif and 2 others" in found.err
    assert not out.exists()


def test_a_large_image_is_split_into_tiles_and_said(trained, tmp_path, capsys):
    run, dataset = trained
    square = np.asarray(Image.open(dataset / "images" / "im00.png"))
    Image.fromarray(np.tile(square, (1, 5, 1))).save(tmp_path / "wide.png")
    arguments = ["predict", str(run.path), str(tmp_path / "wide.png"), "--out"]
    assert main([*arguments, str(tmp_path / "out")]) == 0
    assert "1 image done, 1 split into tiles" in capsys.readouterr().out
    assert main([*arguments, str(tmp_path / "whole"), "--tile", "0"]) == 0
    assert "tiles" not in capsys.readouterr().out
    tiled, whole = (read_mask_values(tmp_path / out / "masks" / "wide.png") for out in ("out", "whole"))
    assert tiled.shape == whole.shape == (64, 320)
    expected = np.tile(load_model(run.path).predict(square), (1, 5))
    assert (tiled == expected).mean() > 0.97 > (whole == expected).mean()


@pytest.mark.parametrize(
    ("option", "match"),
    [
        ("crack", "--threshold crack: must be CLASS=NUMBER"),
        ("crack=0.4", "--threshold: the model has no class 'crack'; it has background, foreground"),
        ("foreground=1.4", "--threshold foreground=1.4: must be from 0 to 1"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(trained, tmp_path, capsys, option, match):
    run, dataset = trained
    arguments = [
        "predict",
        str(run.path),
        str(dataset),
        "--out",
        str(tmp_path / "out"),
        "--threshold",
        option,
    ]
    assert main(arguments) == 2
    assert match in capsys.readouterr().err


def test_equal_stems_in_two_folders_do_not_collide(trained, tmp_path):
    run, _ = trained
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / folder / "x.png")
    done = predict(run.path, [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert list(done.pixels) == ["a/x", "b/x"]
    assert (tmp_path / "out" / "masks" / "b" / "x.png").exists()


def test_folders_files_and_patterns(tmp_path):
    for name in ("a/1.png", "a/deep/2.jpg", "b/3.tif", "b/notes.txt", "a/.hidden.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def names(*sources):
        return list(name_outputs(find_images(sources)).values())

    assert names(tmp_path / "a") == ["1", "deep/2"]
    assert names(tmp_path / "b" / "*") == ["3"]
    assert names(tmp_path / "**" / "*.jpg") == ["2"]
    assert names(tmp_path / "a", tmp_path / "a" / "1.png") == ["1", "deep/2"]
    with pytest.raises(ArgumentError, match="no such image"):
        names(tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(ArgumentError, match="contains no images"):
        names(tmp_path / "c")


PARTS = st.lists(st.sampled_from("aAb"), min_size=1, max_size=4)


@given(st.sets(st.tuples(PARTS.map("/".join), st.sampled_from([".png", ".jpg"])), min_size=1, max_size=12))
def test_every_file_gets_a_name_of_its_own(drawn):
    files = [Path(f"/data/{stem}{suffix}") for stem, suffix in sorted(drawn)]
    files = list({str(file).casefold(): file for file in files}.values())
    names = name_outputs([(file, file.parent) for file in files])
    assert len({name.casefold() for name in names.values()}) == len(files)
    assert not any(Path(name).is_absolute() or ".." in Path(name).parts for name in names.values())


def test_real_cells_of_another_kind(trained, real_data, tmp_path):
    run, _ = trained
    cells = sorted((real_data / "elpv-cells" / "images").glob("*.png"))[:3]
    done = predict(run.path, cells, tmp_path / "out")
    assert [sum(pixels) for pixels in done.pixels.values()] == [300 * 300] * 3


def test_files_above_the_working_folder_stay_in_their_places(trained, tmp_path, monkeypatch):
    run, _ = trained
    (tmp_path / "deep").mkdir()
    for file in ("x.png", "deep/x.png"):
        Image.new("RGB", (64, 64)).save(tmp_path / file)
    monkeypatch.chdir(tmp_path / "deep")
    done = predict(run.path, ["x.png", "../x.png", str(tmp_path / "x.png")], "out")
    assert len(done.pixels) == 2
    assert not any(".." in name for name in done.pixels)
    assert len(list((tmp_path / "deep" / "out" / "masks").rglob("*.png"))) == 2
    assert len(list((tmp_path / "deep" / "out" / "overlays").rglob("*.jpg"))) == 2


def test_pairs_of_one_folder_keep_their_suffix(tmp_path):
    files = [(tmp_path / name, tmp_path) for name in ("DJI_1.jpg", "DJI_1.tif", "DJI_2.jpg", "DJI_1_jpg.png")]
    assert list(name_outputs(files).values()) == ["DJI_1_jpg_2", "DJI_1_tif", "DJI_2", "DJI_1_jpg"]


def test_own_outputs_are_not_predicted(trained, tmp_path):
    run, _ = trained
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    for _ in range(2):
        done = predict(run.path, tmp_path, tmp_path / "found", overwrite=True)
        assert list(done.pixels) == ["a"]
    before = (tmp_path / "found" / "summary.csv").read_text()
    with pytest.raises(ArgumentError, match=r"was written by an earlier call"):
        predict(run.path, tmp_path / "found" / "masks", tmp_path / "found", overwrite=True)
    assert (tmp_path / "found" / "summary.csv").read_text() == before


def test_an_overlay_in_the_way_is_not_overwritten(trained, tmp_path):
    run, _ = trained
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "out" / "overlays").mkdir(parents=True)
    (tmp_path / "out" / "overlays" / "a.jpg").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"overlays/a\.jpg: exists already"):
        predict(run.path, tmp_path / "a.png", tmp_path / "out")


def write_raster(path, squares):
    """A georeferenced mosaic of the dataset's images, a metre a pixel."""
    pixels = np.tile(squares, (3, 4, 1))
    shape = {"height": len(pixels), "width": pixels.shape[1], "count": 3, "dtype": "uint8"}
    transform = rasterio.transform.from_origin(500_000, 5_000_000, 1, 1)
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", transform=transform, **shape) as file:
        file.write(np.moveaxis(pixels, -1, 0))


def test_rasters_and_images_in_one_folder(trained, tmp_path, capsys):
    run, dataset = trained
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    shutil.copy(dataset / "images" / "im00.png", images)
    write_raster(images / "roofs.tif", np.asarray(Image.open(images / "im00.png")))
    (images / "broken.tif").write_bytes((images / "roofs.tif").read_bytes()[:9000])
    assert main(["predict", str(run.path), str(images), "--out", str(out)]) == 1
    found = capsys.readouterr()
    assert "2 images done, 1 split into tiles" in found.out
    assert f"{out}/polygons" in found.out
    assert "broken.tif" in found.err
    with rasterio.open(out / "masks" / "roofs.tif") as file:
        mask = file.read(1)
        assert file.crs.to_epsg() == 32633
    with (out / "summary.csv").open() as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["im00"]["foreground_m2"] == ""
    area = float(rows["roofs"]["foreground_m2"])
    assert area == pytest.approx(
        (mask == 1).sum() * 1.0008, rel=1e-4
    )  # on the central meridian maps are too small
    polygons = json.loads((out / "polygons" / "roofs.geojson").read_text())["features"]
    assert sum(one["properties"]["area_m2"] for one in polygons) == pytest.approx(area, abs=0.01)
    assert Image.open(out / "overlays" / "roofs.jpg").width > 200

    (out / "masks" / "im00.png").unlink()
    (images / "broken.tif").unlink()
    again = predict(run.path, images, out)
    assert again.skipped == 1
    assert again.areas["roofs"][1] == pytest.approx(area, abs=0.01)
    os.utime(images / "roofs.tif")  # only touched
    assert predict(run.path, images, out).skipped == 2


def test_a_file_whose_name_is_not_utf8_costs_only_itself(trained, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    picture.save(photos / "a.png")
    odd = photos / os.fsdecode(b"S\xfcd.png")
    shutil.copy(photos / "a.png", odd)
    done = predict(trained[0].path, photos, tmp_path / "out")
    assert list(done.pixels) == ["a"]
    assert list(done.failed) == [odd]
    assert "not valid UTF-8; rename the file" in done.failed[odd]
    assert (tmp_path / "out/summary.csv").read_text().count("\n") == 2


@pytest.mark.parametrize("change", ["content", "older", "size", "touched"])
def test_an_image_that_was_replaced_is_predicted_again(trained, tmp_path, change):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(photos / f"{name}.bmp")
    predict(trained[0].path, photos, out)
    before = (photos / "a.bmp").stat()
    if change != "touched":
        size = (52, 40, 3) if change == "size" else (40, 40, 3)
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(photos / "a.bmp")
    time = {
        "content": before.st_mtime_ns,
        "older": 1_500_000_000 * 10**9,
        "size": 10**18,
        "touched": 2 * 10**18,
    }
    os.utime(photos / "a.bmp", ns=(time[change], time[change]))
    again = predict(trained[0].path, photos, out)
    assert again.skipped == (2 if change == "touched" else 1)
    fresh = predict(trained[0].path, photos, tmp_path / "fresh")
    assert again.pixels == fresh.pixels
    for name in "ab":
        assert (out / f"masks/{name}.png").read_bytes() == (tmp_path / f"fresh/masks/{name}.png").read_bytes()
