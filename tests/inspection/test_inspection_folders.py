"""The folders of modules from one call to the next: none that is a result is lost, none of a failure stays."""

import csv
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from generated_photograph import photograph
from generated_photograph import write as write_photograph

import solarseg
from solarseg.errors import ExistsError
from solarseg.files import remove_folder
from solarseg.inspection import run as run_module
from solarseg.inspection import task as task_module
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.record import read_record

SMALL = {"size": 300, "rows": 1, "columns": 2}
CORNERS = photograph(**SMALL).modules[0].corners
GIVEN = {"cells": (1, 2), "corners": CORNERS, "pdf": False, "processes": 1}


def write(path, seed=21):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_photograph(path, seed=seed, **SMALL)


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A folder with the photographs a, b and c and what was found in them."""
    home = tmp_path_factory.mktemp("once")
    for name in "abc":
        write(home / "photos" / f"{name}.png")
    solarseg.inspect(home / "photos", home / "out", **GIVEN)
    return home


@pytest.fixture
def home(once, tmp_path):
    shutil.copytree(once, tmp_path / "home", copy_function=shutil.copy2)
    return tmp_path / "home"


@pytest.fixture
def two_modules(monkeypatch):
    """Photographs of these names show two modules."""
    names = {"b.png"}

    def read(file, *arguments):
        found = read_photograph(file, *arguments)
        return replace(found, modules=found.modules * 2) if file.name in names else found

    read_photograph = task_module.read_photograph
    monkeypatch.setattr(task_module, "read_photograph", read)
    return names


def listed(out):
    with (out / "modules.csv").open(newline="") as file:
        return {row["module"]: row["image"] for row in csv.DictReader(file)}


def modules(out):
    return sorted(folder.parent.name for folder in out.glob("*/module.json"))


def files(out):
    return [file for file in InspectionPaths(out).files if file.exists()]


# Folders that change their photograph


def test_a_folder_that_another_photograph_needs_is_not_removed(two_modules, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    write(photos / "b.png")
    assert solarseg.inspect(photos, out, **GIVEN).modules == ("b-1", "b-2")
    write(photos / "b-1.png", seed=22)
    with pytest.raises(ExistsError, match=r"b-1: exists already; give .*`overwrite=True`"):
        solarseg.inspect(photos, out, **GIVEN)
    done = solarseg.inspect(photos, out, overwrite=True, **GIVEN)
    assert (done.modules, done.failed) == (("b-1", "b-2", "b-3"), {})
    assert listed(out) == {f"b-{i}": f"../photos/{'b-1' if i == 1 else 'b'}.png" for i in (1, 2, 3)}
    assert modules(out) == ["b-1", "b-2", "b-3"]
    assert solarseg.inspect(photos, out, **GIVEN).skipped == 2


def test_a_name_that_a_photograph_lost_to_another_one_is_not_removed(tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    write(photos / "x" / "y.png")
    assert solarseg.inspect(photos, out, **GIVEN).modules == ("x_y",)
    new = write(photos / "x_y.png", seed=22)
    done = solarseg.inspect([new, photos], out, overwrite=True, **GIVEN)
    assert (done.modules, done.failed) == (("x_y", "x_y-1"), {})
    assert listed(out) == {"x_y": "../photos/x_y.png", "x_y-1": "../photos/x/y.png"}
    assert modules(out) == ["x_y", "x_y-1"]


def test_a_failed_photograph_does_not_take_the_folder_of_another_one_with_it(two_modules, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    write(photos / "b.png")
    solarseg.inspect(photos, out, **GIVEN)
    write(photos / "b-1.png", seed=22)
    (photos / "b.png").write_bytes(b"no picture")
    done = solarseg.inspect(photos, out, overwrite=True, **GIVEN)
    assert (done.modules, list(done.failed)) == (("b-1",), [str(photos / "b.png")])
    assert modules(out) == ["b-1"]
    assert listed(out) == {"b-1": "../photos/b-1.png"}


# Removal


def test_an_interrupted_removal_leaves_no_part_of_a_folder(home, monkeypatch):
    def interrupted(folder, **options):
        if (folder / "module.json").exists():
            (folder / "module.json").unlink()
            raise KeyboardInterrupt
        removed(folder, **options)

    removed = shutil.rmtree
    (home / "photos" / "b.png").write_bytes(b"no picture")
    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solarseg.inspect(home / "photos", home / "out", **GIVEN)
    monkeypatch.undo()
    assert sorted(each.name for each in (home / "out").iterdir()) == ["a", "c"]
    write(home / "photos" / "b.png", seed=22)
    assert solarseg.inspect(home / "photos", home / "out", **GIVEN).modules == ("a", "b", "c")


@pytest.mark.posix
def test_of_a_linked_folder_the_link_is_removed(home):
    (home / "out" / "b").rename(home / "elsewhere")
    (home / "out" / "b").symlink_to(home / "elsewhere", target_is_directory=True)
    (home / "photos" / "b.png").write_bytes(b"no picture")
    solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert not os.path.lexists(home / "out" / "b")
    assert read_record(home / "elsewhere").name == "b"
    assert list(listed(home / "out")) == ["a", "c"]


def test_a_folder_that_cannot_be_renamed_stays_whole(tmp_path, monkeypatch):
    def refused(*arguments):
        raise PermissionError("in use")

    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "module.json").touch()
    monkeypatch.setattr(Path, "rename", refused)
    remove_folder(tmp_path / "b")
    assert (tmp_path / "b" / "module.json").exists()


@pytest.mark.parametrize("stopped", ["plot_series", "write_summary"])
def test_an_index_never_links_reports_that_were_removed(home, monkeypatch, stopped):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    (home / "photos" / "b.png").write_bytes(b"no picture")
    monkeypatch.setattr(run_module, stopped, interrupted)
    with pytest.raises(KeyboardInterrupt):
        solarseg.inspect(home / "photos", home / "out", **GIVEN)
    monkeypatch.undo()
    assert (modules(home / "out"), files(home / "out")) == (["a", "c"], [])
    assert solarseg.inspect(home / "photos", home / "out", **GIVEN).skipped == 2
    assert list(listed(home / "out")) == ["a", "c"]


# Failures


@pytest.mark.parametrize("error", [MemoryError(), KeyError("unexpected"), KeyboardInterrupt()])
def test_a_photograph_of_several_modules_is_written_completely_or_not(two_modules, home, monkeypatch, error):
    def failing(photo, placement, name, *arguments):
        if name == "d-2":
            raise error
        return inspect_module(photo, placement, name, *arguments)

    two_modules.clear()
    two_modules.add("d.png")
    write(home / "photos" / "d.png")
    inspect_module = task_module.inspect_module
    monkeypatch.setattr(task_module, "inspect_module", failing)
    if isinstance(error, KeyboardInterrupt):
        with pytest.raises(KeyboardInterrupt):
            solarseg.inspect(home / "photos", home / "out", **GIVEN)
    else:
        done = solarseg.inspect(home / "photos", home / "out", **GIVEN)
        assert list(done.failed) == [str(home / "photos" / "d.png")]
    assert modules(home / "out") == ["a", "b", "c"]
    assert not list((home / "out").glob(".*"))
    monkeypatch.setattr(task_module, "inspect_module", inspect_module)
    assert solarseg.inspect(home / "photos", home / "out", **GIVEN).modules == ("a", "b", "c", "d-1", "d-2")


def test_rows_are_those_of_the_call_and_not_of_the_one_before(home):
    done = solarseg.inspect(home / "photos", home / "out", **{**GIVEN, "cells": (26, 26)})
    assert (done.modules, done.rows(), done.cell_rows()) == ((), [], [])
    for file in files(home / "out"):
        file.unlink()
    assert (done.rows(), done.cell_rows()) == ([], [])


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_reason_names_what_stays(home, monkeypatch, overwrite):
    def failing(file, *arguments):
        if file.name == "b.png":
            raise MemoryError
        return read_photograph(file, *arguments)

    read_photograph = task_module.read_photograph
    monkeypatch.setattr(task_module, "read_photograph", failing)
    options = {**GIVEN, "overwrite": overwrite, "cell_mm": None if overwrite else 156}
    done = solarseg.inspect(home / "photos", home / "out", **options)
    assert done.failed == {
        str(
            home / "photos" / "b.png"
        ): "needs more memory than there is; use fewer `processes`; what a previous run found in it stays: b"
    }
    assert modules(home / "out") == ["a", "b", "c"]
    assert list(listed(home / "out")) == ["a", "c"]


def test_a_record_with_nothing_usable_but_its_origin_is_written_again(home):
    record = home / "out" / "b" / "module.json"
    content = json.loads(record.read_text())
    content["module"]["cells"].pop()
    record.write_text(json.dumps(content))
    again = solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert (again.skipped, again.modules, again.failed) == (2, ("a", "b", "c"), {})
    assert len(read_record(home / "out" / "b").cells) == 2


def test_a_damaged_folder_of_a_series_costs_only_its_plots(home, tmp_path):
    def inspect(names):
        lines = [f"{name},m1,{number}\n" for number, name in enumerate(names)]
        (tmp_path / "load.csv").write_text("image,module,load\n" + "".join(lines))
        return solarseg.inspect(home / "photos", home / "series", series=tmp_path / "load.csv", **GIVEN)

    assert inspect("abc").failed == {}
    report = (home / "series" / "b" / "report.html").read_bytes()
    shutil.rmtree(home / "series" / "b" / "cells")
    write(home / "photos" / "d.png", seed=22)
    done = inspect("abcd")
    assert done.modules == ("a", "b", "c", "d")
    (reason,) = done.failed.values()
    assert list(done.failed) == [str(home / "photos" / "b.png")]
    assert reason.startswith("the plots in the report of b are not updated: ")
    assert "cells" in reason
    assert (home / "series" / "b" / "report.html").read_bytes() == report
    assert list(listed(home / "series")) == ["a", "b", "c", "d"]
    assert "the plots in the report of b are not updated" in (home / "series" / "index.html").read_text()


# Names


@pytest.mark.posix
def test_a_folder_whose_name_is_not_utf_8_is_named_in_the_reason(tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"S\xfcd")
    try:
        write_photograph(tmp_path / "a.png", **SMALL)
        folder.mkdir()
    except OSError:  # a file system that takes only UTF-8
        pytest.skip("the file system allows no such name")
    shutil.move(tmp_path / "a.png", folder / "a.png")
    monkeypatch.chdir(folder)
    done = solarseg.inspect("a.png", tmp_path / "out", **GIVEN)
    (reason,) = done.failed.values()
    assert reason.endswith("/a.png: its path is not valid UTF-8; rename the file or its folder")
    assert "\udcfcd" in reason
    # Results in the same folder do not name it.
    assert solarseg.inspect("a.png", "out", **GIVEN).modules == ("a",)
