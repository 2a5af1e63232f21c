import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from solarseg.datasets import open_dataset
from solarseg.datasets.image_files import find_images
from solarseg.datasets.left_out import LeftOut
from solarseg.datasets.walk import MAX_LINKS, walk, walk_folders, walk_images
from solarseg.errors import ArgumentError
from solarseg.formats import open_source


def touch(*files: Path) -> None:
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.eye(6, dtype=np.uint8) * 255).save(file, "PNG")


def found(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    left_out = LeftOut()
    files = [file.relative_to(folder).as_posix() for file in walk_images(folder, left_out)]
    named = {
        why: [Path(each).relative_to(folder).as_posix() for each in what]
        for why, what in left_out.items().items()
    }
    return files, named


def test_linked_folders_are_followed_wherever_they_lead(tmp_path):
    touch(tmp_path / "photos/a/1.png", tmp_path / "share/siteB/2.png", tmp_path / "share/siteB/deep/3.png")
    (tmp_path / "photos/siteB").symlink_to("../share/siteB")
    (tmp_path / "photos/z").symlink_to(tmp_path / "share/siteB")
    files = ["a/1.png", "siteB/2.png", "siteB/deep/3.png", "z/2.png", "z/deep/3.png"]
    assert found(tmp_path / "photos") == (files, {})
    assert [each.name for each in walk_folders(tmp_path / "photos")] == ["a", "siteB", "deep", "z", "deep"]


def test_a_link_to_a_folder_above_ends_and_is_named(tmp_path):
    touch(tmp_path / "data/a/1.png")
    (tmp_path / "data/a/up").symlink_to("..")
    (tmp_path / "data/here").symlink_to("here")
    (tmp_path / "data/same").symlink_to(".")
    assert found(tmp_path / "data") == (
        ["a/1.png"],
        {
            "cannot be read (Too many levels of symbolic links)": ["here"],
            "link to a folder that contains it": ["a/up", "same"],
        },
    )


def test_folders_that_link_to_one_another_end(tmp_path):
    names = "abcdefgh"
    for name in names:
        touch(tmp_path / name / "1.png")
        for other in names:
            if other != name:
                (tmp_path / name / other).symlink_to(f"../{other}")
    files, left_out = found(tmp_path / "a")
    assert len(files) == 1 + sum(7 * 6 * 5 * 4 // divisor for divisor in (120, 20, 4, 1))
    assert max(file.count("/") for file in files) == MAX_LINKS
    assert set(left_out) == {f"link within {MAX_LINKS} linked folders", "link to a folder that contains it"}


def test_what_is_no_visible_image_is_named(tmp_path):
    touch(tmp_path / "1.png", tmp_path / ".2.png", tmp_path / ".cache/3.png", tmp_path / "4.psd")
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "5.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "6.png")
    assert found(tmp_path) == (
        ["1.png"],
        {
            "hidden file": [".2.png"],
            "hidden folder with images": [".cache"],
            "link to nothing": ["5.png"],
            "not a regular file": ["6.png"],
            "picture in a format that is not read (.psd)": ["4.psd"],
        },
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all folders")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    touch(tmp_path / "1.png", tmp_path / "secret/2.png")
    (tmp_path / "secret").chmod(0)
    try:
        assert found(tmp_path) == (["1.png"], {"folder that cannot be read (Permission denied)": ["secret"]})
    finally:
        (tmp_path / "secret").chmod(0o700)


def test_folders_deeper_than_the_stack_of_python(tmp_path):
    depth, here = 1500, os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("1.png", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        depths = [len(file.relative_to(tmp_path).parts) for file in walk(tmp_path)]
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # as deep for `shutil.rmtree`
    assert depths == [depth + 1]


def test_a_dataset_has_the_images_of_its_linked_folders(tmp_path):
    for kind in ("images", "masks"):
        touch(tmp_path / "ds" / kind / "a/1.png", tmp_path / "share" / kind / "2.png")
        (tmp_path / "ds" / kind / "b").symlink_to(f"../../share/{kind}")
    (tmp_path / "ds/masks/a/notes.txt").write_text("")
    (tmp_path / "ds/images/a/1.tfw").write_text("")
    data = open_dataset(tmp_path / "ds")
    assert data.names == ["a/1", "b/2"]
    assert data["b/2"].mask.sum() == 6
    assert data.left_out == {"not an image (.txt)": (str(tmp_path / "ds/masks/a/notes.txt"),)}
    assert [sample.name for sample in open_source(tmp_path / "ds")] == data.names


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(
        Path("photos [2024]/a [1].png"), Path("photos [2024]/b.png"), Path("x/y/c.png"), Path("x/y/z/.d.png")
    )
    Path("x/up").symlink_to("..")


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("photos [2024]/*.png", "photos [2024]/a [1].png photos [2024]/b.png"),
        ("photos [2024]/a [1]*", "photos [2024]/a [1].png"),
        ("photos [2024]/[ab]*", "photos [2024]/a [1].png photos [2024]/b.png"),
        ("photos [2]*/b.png", ""),
        ("p*/b.png", "photos [2024]/b.png"),
        ("./x/*/c.png", "x/y/c.png"),
        ("x/y/**/*.png", "x/y/c.png"),
        ("**/c.png", "x/y/c.png"),
        ("**", "photos [2024]/a [1].png photos [2024]/b.png x/y/c.png"),
        ("x/**/b.png", "x/up/photos [2024]/b.png"),
    ],
)
def test_patterns(pattern, files, photos):
    expected = files.replace(".png ", ".png|").split("|") if files else []
    for each in (pattern, str(Path.cwd() / pattern)):
        if not files:
            with pytest.raises(ArgumentError, match="no such image, folder or pattern"):
                find_images([each])
        else:
            matches = [file for file, _ in find_images([each])]
            assert [os.path.relpath(file) for file in matches] == expected


def test_a_folder_without_images_says_what_it_has(tmp_path):
    touch(tmp_path / "a.psd", tmp_path / ".b.png")
    with pytest.raises(
        ArgumentError, match=r"contains no images; looked for \.bmp.*; left out: hidden file: "
    ):
        find_images([tmp_path])
