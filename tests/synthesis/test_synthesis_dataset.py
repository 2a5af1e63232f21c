import numpy as np
import pytest

from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError, ExistsError
from solarseg.synthesis import CELL_CLASSES, write_cells


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "nine"
    write_cells(path, count=9, size=64, seed=3)
    return path


def contents(folder):
    return {
        file.relative_to(folder): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
    }


def test_the_folder_opens_as_a_dataset(folder):
    data = open_dataset(folder)
    assert data.classes == CELL_CLASSES
    assert data.description.licence == "generated; no rights reserved"
    assert data.names == [f"cell_{i:05}" for i in range(9)]
    assert data.groups == ["module_0000"] * 4 + ["module_0001"] * 4 + ["module_0002"]
    for sample in data:
        assert (sample.image.shape, sample.image.dtype) == ((64, 64, 1), np.uint8)
        assert sample.mask.shape == (64, 64)


def test_a_larger_count_does_not_change_the_first_cells(folder, tmp_path):
    write_cells(tmp_path / "two", count=2, size=64, seed=3)
    few, many = contents(tmp_path / "two"), contents(folder)
    shared = [name for name in few if name.suffix == ".png"]
    assert len(shared) == 4
    assert all(few[name] == many[name] for name in shared)


def test_cells_of_a_module_share_only_its_busbars(folder):
    data = open_dataset(folder)
    assert len({data[name].image.tobytes() for name in data.names}) == 9
    busbars = [(data[name].mask == 2).mean(axis=1) for name in data.names]
    same = [np.corrcoef(busbars[a], busbars[b])[0, 1] for a, b in ((0, 1), (0, 2), (4, 5), (6, 7))]
    assert min(same) > 0.4


def test_another_seed_gives_other_cells(folder, tmp_path):
    write_cells(tmp_path / "other", count=1, size=64, seed=4)
    image = next((tmp_path / "other" / "images").iterdir()).read_bytes()
    assert image not in contents(folder).values()


def test_sixteen_bits_are_the_same_cells_in_finer_steps(tmp_path):
    for depth in ("uint8", "uint16"):
        write_cells(tmp_path / depth, count=12, size=64, seed=5, depth=depth)
    coarse, fine = open_dataset(tmp_path / "uint8"), open_dataset(tmp_path / "uint16")
    near = 0
    for name in coarse.names:
        assert np.array_equal(coarse[name].mask, fine[name].mask)
        assert fine[name].image.dtype == np.uint16
        near += bool(np.abs(fine[name].image / 257 - coarse[name].image).max() <= 0.51)
    assert near >= 6  # the others are JPEGs


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"count": 0}, "count"),
        ({"size": 31}, "size"),
        ({"size": 5000}, "size"),
        ({"seed": -1}, "seed"),
        ({"cell": "thin-film"}, "mono, poly or both"),
        ({"depth": "float32"}, "uint8 or uint16"),
    ],
)
def test_arguments_out_of_range(tmp_path, arguments, named):
    with pytest.raises(ArgumentError, match=named):
        write_cells(tmp_path / "none", **{"count": 1, **arguments})
    assert not (tmp_path / "none").exists()


def test_existing_files_are_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExistsError, match="exists already; give another `out`"):
        write_cells(tmp_path, count=1, size=32)
    with pytest.raises(ArgumentError, match=r"notes\.txt: is a file"):
        write_cells(tmp_path / "notes.txt", count=1, size=32)
    (tmp_path / "empty").mkdir()
    write_cells(tmp_path / "empty", count=1, size=32)
    assert len(open_dataset(tmp_path / "empty")) == 1


def test_only_generated_cells_are_overwritten(tmp_path):
    folder = tmp_path / "cells"
    write_cells(folder, count=3, size=32)
    (folder / "split.csv").write_text("name,split\n")
    with pytest.raises(ExistsError, match="`overwrite=True` to replace it"):
        write_cells(folder, count=1, size=32)
    assert len(open_dataset(folder)) == 3
    write_cells(folder, count=2, size=32, seed=1, overwrite=True)
    assert len(open_dataset(folder)) == 2
    assert not (folder / "split.csv").exists()
    description = folder / "dataset.yaml"
    for text in (description.read_text().replace("generated", "mine"), "licence: [", ""):
        description.write_text(text)
        with pytest.raises(ExistsError, match="because it contains no generated cells"):
            write_cells(folder, count=1, size=32, overwrite=True)
        assert len(list((folder / "images").iterdir())) == 2
