import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.errors import ArgumentError, OutputError
from solarseg.images import read_mask_values
from solarseg.outputs.predictions import find_images, name_outputs, predict


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
        assert (tmp_path / "out" / "overlays" / f"{row['image']}.png").exists()


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
    from solarseg.cli import main

    run, _ = trained
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"not an image")
    assert main(["predict", str(run.path), str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "b.png" in capsys.readouterr().err
    (tmp_path / "a.png").unlink()
    assert main(["predict", str(run.path), str(tmp_path / "b.png"), "--out", str(tmp_path / "out2")]) == 2


def test_nothing_is_replaced_unless_asked(trained, tmp_path):
    run, dataset = trained
    image = dataset / "images" / "im00.png"
    predict(run.path, image, tmp_path / "out")
    with pytest.raises(OutputError, match=r"exists already; give another --out, or --overwrite"):
        predict(run.path, image, tmp_path / "out")
    predict(run.path, image, tmp_path / "out", overwrite=True)


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
    with pytest.raises(ArgumentError, match="holds no images"):
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
    assert len(list((tmp_path / "deep" / "out" / "overlays").rglob("*.png"))) == 2


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
    (tmp_path / "out" / "overlays" / "a.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"overlays/a\.png: exists already"):
        predict(run.path, tmp_path / "a.png", tmp_path / "out")
