import json
import shutil

import numpy as np
import pytest
from PIL import Image

from solarseg.cli.main import main
from solarseg.datasets import open_dataset
from solarseg.download.catalogue import CATALOGUE
from solarseg.formats import READERS, WRITERS


def test_list_says_all_that_is_known_of_each_set(capsys):
    assert main(["data", "list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for entry in CATALOGUE:
        for value in (
            entry.name,
            entry.title,
            entry.shows,
            entry.licence,
            entry.citation,
            entry.page,
            entry.note,
        ):
            assert " ".join(value.split()) in shown
    assert "docs/guides/labels.md" in shown


def test_help_names_every_format(capsys):
    for command, names in (("convert", READERS), ("export", WRITERS)):
        assert main(["data", command, "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert [name for name in names if name not in shown] == []


def test_there_and_back_again(squares, tmp_path, capsys):
    exported, again = tmp_path / "exported", tmp_path / "again"
    assert main(["data", "export", str(squares), "--format", "voc", "--out", str(exported), "--quiet"]) == 0
    assert main(["data", "convert", str(exported), str(again), "--quiet"]) == 0
    assert f"12 samples: {again}" in capsys.readouterr().out
    before, after = open_dataset(squares), open_dataset(again)
    assert after.names == before.names
    for name in before.names:
        assert np.array_equal(after[name].mask, before[name].mask)
        assert np.array_equal(after[name].image, before[name].image)


def test_predictions_go_to_a_labelling_tool(trained, tmp_path, capsys):
    run, dataset = trained
    found, out = tmp_path / "found", tmp_path / "for-tool"
    assert main(["predict", str(run.path), str(dataset / "images"), "--out", str(found), "--quiet"]) == 0
    assert main(["data", "export", str(found), "--format", "coco", "--out", str(out), "--quiet"]) == 2
    assert "contains masks but no images; give their folder as --images" in capsys.readouterr().err
    images = ["--images", str(dataset / "images")]
    assert (
        main(["data", "export", str(found), *images, "--format", "coco", "--out", str(out), "--quiet"]) == 0
    )
    content = json.loads((out / "annotations" / "instances_default.json").read_text())
    assert [category["name"] for category in content["categories"]] == ["foreground"]
    assert len(content["images"]) == 12
    area = sum(annotation["area"] for annotation in content["annotations"])
    masks = [np.array(Image.open(file)) for file in (found / "masks").iterdir()]
    assert area == sum((mask == 1).sum() for mask in masks)


def test_check_leaves_with_1_where_something_must_be_fixed(squares, tmp_path, capsys):
    assert main(["data", "check", str(squares), "--quiet"]) == 0
    assert "no problems found" in capsys.readouterr().out
    (squares / "masks" / "im03.png").unlink()
    assert main(["data", "check", str(squares), "--quiet", "--out", str(tmp_path / "problems.csv")]) == 1
    assert (
        f"error: no mask (1)\n  {squares / 'images' / 'im03.png'}: add masks/im03.png"
        in capsys.readouterr().out
    )
    assert (tmp_path / "problems.csv").read_text().splitlines() == [
        "kind,error,where,what", f"no mask,yes,{squares / 'images' / 'im03.png'},add masks/im03.png",
    ]  # fmt: skip


def test_check_says_what_it_did_not_look_for_and_what_to_do_about_copies(squares, capsys):
    shutil.copy(squares / "images" / "im00.png", squares / "images" / "im01.png")
    shutil.copy(squares / "masks" / "im00.png", squares / "masks" / "im01.png")
    assert main(["data", "check", str(squares)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "12 samples can be read, 0 with only background\n\nnote: copy (1); data split and train keep"
    )
    assert main(["data", "check", str(squares), "--no-search"]) == 0
    assert capsys.readouterr().out == (
        "12 samples can be read, 0 with only background\n"
        "duplicates and near-duplicates were not searched for (--no-search)\nno problems found\n"
    )
    for kind in ("images", "masks"):
        for file in sorted((squares / kind).iterdir())[1:]:
            file.unlink()
    assert main(["data", "check", str(squares)]) == 0
    assert capsys.readouterr().out.startswith("1 sample can be read, 0 with")


def test_no_command_that_looks_at_data_leaves_blank_lines_in_a_pipe(squares, tmp_path, capsys):
    for command, *others in (
        ["check"],
        ["split"],
        ["stats", "--out", str(tmp_path / "stats")],
        ["export", "--format", "coco", "--out", str(tmp_path / "coco")],
        ["convert", str(tmp_path / "again")],
    ):
        assert main(["data", command, str(squares), *others]) == 0
        shown = capsys.readouterr().out
        assert shown == f"{shown.strip()}\n"
        assert "━" not in shown


def test_split_and_stats_print_what_they_did(squares, tmp_path, capsys):
    assert main(["data", "split", str(squares), "--stratify", "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        f"6 groups kept in one split, the largest g0 with 2 images\n\n{squares / 'split.csv'}\n"
        "  train        8 images, 66.7%, foreground on 8\n  val          2 images, 16.7%, foreground on 2\n"
    )
    assert main(["data", "stats", str(squares), "--out", str(tmp_path / "stats"), "--quiet"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("12 images, 6 groups; 64x64 (12); uint8; 3 bands\n")
    assert (tmp_path / "stats" / "statistics.json").exists()


def test_a_conversion_in_part_leaves_with_1_and_lists_what_failed(squares, tmp_path, capsys):
    (squares / "images" / "im03.png").write_bytes(b"nonsense")
    assert main(["data", "convert", str(squares), str(tmp_path / "out"), "--quiet"]) == 1
    shown = capsys.readouterr()
    assert "11 samples" in shown.out
    assert shown.err.count("im03.png") == 1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["convert", "nowhere", "out"], "nowhere: no such file or folder; check the path"),
        (["convert", ".", "out", "--format", "dicom"], "--format dicom: must be one of coco,"),
        (
            ["convert", ".", "out", "--format", "coco", "--bands", "B4"],
            "--bands: has no effect on the format coco; leave it out, or give another --format",
        ),
        (["export", ".", "--format", "dicom"], "--format dicom: must be one of coco,"),
        (["download", "nothing", "--out", "out"], "nothing: must be one of glosofarid,"),
        (["check", ".", "--out", "."], ".: is a folder; give a file"),
        (
            ["split", ".", "--val", "15"],
            "--val 15 and --test 0.15: must be 0 or more and together less than 1",
        ),
        (["split", "nowhere"], "nowhere: no such folder; check the path"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments, match, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert match in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
