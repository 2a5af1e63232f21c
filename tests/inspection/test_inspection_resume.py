"""Many photographs: a second start does what is left, and whatever happens to one does not harm the others."""

import csv
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from generated_photograph import photograph
from generated_photograph import write as write_photograph

import solarseg
from solarseg.errors import ArgumentError, ExistsError, ImageError, ModelFileError, OutputError
from solarseg.inspection import run as run_module
from solarseg.inspection import summary as summary_module
from solarseg.inspection import task as task_module
from solarseg.inspection import workers as workers_module
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.module_folder import _boxes
from solarseg.inspection.names import ModuleNames
from solarseg.inspection.record import read_full_record, read_record
from solarseg.modules import ModulePlacement
from solarseg.reports import ReportStyle

SMALL = {"size": 300, "rows": 1, "columns": 2}
ROWS, COLUMNS = 1, 2
CORNERS = photograph(**SMALL).modules[0].corners
GIVEN = {"cells": (ROWS, COLUMNS), "corners": CORNERS, "pdf": False, "processes": 1}


def write(path, seed=21):
    return write_photograph(path, seed=seed, **SMALL)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    return write(tmp_path_factory.mktemp("photograph") / "roof.png")


@pytest.fixture
def images(image, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in "abc":
        shutil.copy(image, folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def once(image, tmp_path_factory):
    """A folder with the photographs a, b and c and what was found in them."""
    home = tmp_path_factory.mktemp("once")
    (home / "photos").mkdir()
    for name in "abc":
        shutil.copy(image, home / "photos" / f"{name}.png")
    solarseg.inspect(home / "photos", home / "out", **GIVEN)
    return home


@pytest.fixture
def home(once, tmp_path):
    shutil.copytree(once, tmp_path / "home", copy_function=shutil.copy2)
    return tmp_path / "home"


def written(out):
    return {folder.parent.name: folder.stat().st_mtime_ns for folder in out.glob("*/module.json")}


def changed(before, after):
    return sorted(name for name in after if after[name] != before.get(name))


def modules_in_table(out):
    with (out / "modules.csv").open(newline="") as file:
        return [row["module"] for row in csv.DictReader(file)]


def test_a_second_start_inspects_nothing_and_writes_the_same(home):
    out = home / "out"
    tables = {file: file.read_bytes() for file in InspectionPaths(out).files}
    before = written(out)
    for file in list(tables)[:3]:
        file.unlink()
    again = solarseg.inspect(home / "photos", out, **GIVEN)
    assert (again.skipped, again.modules) == (3, ("a", "b", "c"))
    assert written(out) == before
    assert {file: file.read_bytes() for file in InspectionPaths(out).files} == tables
    assert not list(out.rglob(".*"))


def test_only_what_was_replaced_or_added_is_inspected_again(home):
    before = written(home / "out")
    write(home / "photos" / "b.png", seed=22)
    os.utime(home / "photos" / "c.png")  # only touched
    write(home / "photos" / "d.png", seed=22)
    (home / "photos" / "broken.png").write_bytes(b"no image")
    again = solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert changed(before, written(home / "out")) == ["b", "d"]
    assert again.skipped == 2
    assert modules_in_table(home / "out") == ["a", "b", "c", "d"]
    one, other = (read_record(home / "out" / name) for name in "bd")
    assert one.cells == other.cells
    assert one.cells != read_record(home / "out" / "a").cells
    assert list(again.failed) == [str(home / "photos" / "broken.png")]
    assert "broken.png" in (home / "out" / "index.html").read_text()
    # A photograph that failed is tried again.
    write(home / "photos" / "broken.png", seed=23)
    last = solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert (last.skipped, last.failed) == (4, {})
    assert modules_in_table(home / "out") == ["a", "b", "broken", "c", "d"]


@pytest.mark.parametrize(
    "change",
    [
        {"cell_mm": 156},
        {"corners": CORNERS + 1},
        {"config": ReportStyle(company="Sun Ltd")},
        {"overwrite": True},
    ],
)
def test_other_options_inspect_again(home, change):
    before = written(home / "out")
    again = solarseg.inspect(home / "photos", home / "out", **{**GIVEN, **change})
    assert again.skipped == 0
    assert changed(before, written(home / "out")) == ["a", "b", "c"]


def test_the_minimum_severity_of_the_config_is_used(home):
    style = ReportStyle(min_severity=0.4)
    again = solarseg.inspect(home / "photos", home / "out", **{**GIVEN, "config": style})
    assert again.skipped == 0
    assert {row["min_severity"] for row in again.rows()} == {0.4}


def test_another_model_inspects_again(home):
    record = home / "out" / "b" / "module.json"
    content = json.loads(record.read_text())
    content["origin"]["options"]["model"] = "of another network"
    record.write_text(json.dumps(content))
    before = written(home / "out")
    assert solarseg.inspect(home / "photos", home / "out", **GIVEN).skipped == 2
    assert changed(before, written(home / "out")) == ["b"]


def test_a_folder_that_moves_with_its_photographs_is_resumed(home, tmp_path, monkeypatch):
    home.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")
    assert solarseg.inspect("photos", "out", **GIVEN).skipped == 3


def test_modules_of_other_photographs_are_not_replaced_unasked(home, image):
    tables = (home / "out" / "modules.csv").read_bytes()
    with pytest.raises(OutputError, match=r"has modules of other photographs, such as \.\./photos/a\.png"):
        solarseg.inspect(image, home / "out", **GIVEN)
    assert (home / "out" / "modules.csv").read_bytes() == tables
    done = solarseg.inspect(image, home / "out", overwrite=True, **GIVEN)
    assert done.modules == ("roof",)
    assert modules_in_table(home / "out") == ["roof"]


def test_what_was_overwritten_is_resumed_without_it(home, image):
    solarseg.inspect(image, home / "out", overwrite=True, **GIVEN)
    again = solarseg.inspect(image, home / "out", **GIVEN)
    assert (again.modules, again.skipped) == (("roof",), 1)
    assert modules_in_table(home / "out") == ["roof"]
    assert InspectionPaths(home / "out").module("a").exists  # and a whole folder, which no table lists


def test_an_interrupted_call_with_overwrite_is_resumed_without_it(home, image, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    for name in "de":
        shutil.copy(image, other / f"{name}.png")
    inspect_one = run_module.do_task

    def interrupted(job, model, names, task):
        if task.name == "e":
            raise KeyboardInterrupt
        return inspect_one(job, model, names, task)

    monkeypatch.setattr(run_module, "do_task", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solarseg.inspect(other, home / "out", overwrite=True, **GIVEN)
    monkeypatch.undo()
    assert not any(file.exists() for file in InspectionPaths(home / "out").files)
    again = solarseg.inspect(other, home / "out", **GIVEN)
    assert (again.modules, again.skipped) == (("d", "e"), 1)
    assert modules_in_table(home / "out") == ["d", "e"]


@pytest.mark.parametrize("written_modules", [0, 1])
def test_tables_are_never_older_than_modules(home, monkeypatch, written_modules):
    """They are gone before the first module is replaced, and stay if the call ends before that."""
    out = home / "out"
    remove = task_module.remove_summary
    removals = []

    def interrupted(paths):
        if len(removals) == written_modules:
            raise KeyboardInterrupt
        removals.append(paths)
        remove(paths)

    for name in "ab":
        write(home / "photos" / f"{name}.png", seed=22)
    before = written(out)
    monkeypatch.setattr(task_module, "remove_summary", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solarseg.inspect(home / "photos", out, **GIVEN)
    assert changed(before, written(out)) == ["a", "b"][:written_modules]
    assert {file.exists() for file in InspectionPaths(out).files} == {written_modules == 0}
    monkeypatch.undo()
    again = solarseg.inspect(home / "photos", out, **GIVEN)
    assert (again.modules, again.skipped) == (("a", "b", "c"), 1 + written_modules)
    assert modules_in_table(out) == ["a", "b", "c"]


def test_a_table_that_cannot_be_removed_stops_all(home, monkeypatch):
    def refused(path, **_):
        raise PermissionError(13, "Permission denied")

    before = written(home / "out")
    write(home / "photos" / "b.png", seed=22)
    monkeypatch.setattr(summary_module.Path, "unlink", refused)
    with pytest.raises(
        OutputError, match=r"index\.html: could not be removed \(Permission denied\); close the"
    ):
        solarseg.inspect(home / "photos", home / "out", **GIVEN)
    monkeypatch.undo()
    assert written(home / "out") == before


def test_an_interrupted_call_of_other_photographs_is_not_replaced_unasked(home, image):
    for file in InspectionPaths(home / "out").files:
        file.unlink()
    with pytest.raises(OutputError, match="has modules of other photographs"):
        solarseg.inspect(image, home / "out", **GIVEN)


def test_what_was_found_before_a_photograph_failed_is_removed(home):
    out = home / "out"
    (home / "photos" / "b.png").write_bytes(b"no picture")
    done = solarseg.inspect(home / "photos", out, **GIVEN)
    assert (done.modules, list(done.failed)) == (("a", "c"), [str(home / "photos" / "b.png")])
    assert not (out / "b").exists()
    assert modules_in_table(out) == ["a", "c"]
    for name in "ac":
        (home / "photos" / f"{name}.png").write_bytes(b"no picture")
    assert solarseg.inspect(home / "photos", out, **GIVEN).modules == ()
    assert not out.exists()  # neither modules nor tables that list them


def test_what_was_found_stays_if_only_the_options_make_a_photograph_fail(home):
    out = home / "out"
    tables = {file: file.read_bytes() for file in InspectionPaths(out).files}
    before = written(out)
    failed = solarseg.inspect(home / "photos", out, **{**GIVEN, "cells": (26, 26)}).failed
    assert [reason.partition("; what a")[2] for reason in failed.values()] == [
        f" previous run found in it stays: {name}" for name in "abc"
    ]
    assert written(out) == before
    assert {file: file.read_bytes() for file in InspectionPaths(out).files} == tables
    assert solarseg.inspect(home / "photos", out, **GIVEN).skipped == 3


def test_tables_that_no_inspection_wrote_are_not_replaced_unasked(image, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("mine")
    with pytest.raises(ExistsError, match=r"index\.html: exists already"):
        solarseg.inspect(image, tmp_path / "out", **GIVEN)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["index.html"]
    assert (tmp_path / "out" / "index.html").read_text() == "mine"


def test_a_damaged_record_needs_overwrite(home):
    (home / "out" / "b" / "module.json").write_text("{")
    with pytest.raises(ExistsError, match="b: exists already"):
        solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert solarseg.inspect(home / "photos", home / "out", overwrite=True, **GIVEN).modules == ("a", "b", "c")


def test_modules_that_a_photograph_no_longer_has_are_removed(home):
    out = home / "out"
    for number in (1, 2):  # as if two modules had been found before
        shutil.copytree(out / "a", out / f"a-{number}")
        content = json.loads((out / "a" / "module.json").read_text())
        content["origin"] |= {"number": number, "modules": 2}
        (out / f"a-{number}" / "module.json").write_text(json.dumps(content))
    shutil.rmtree(out / "a")
    assert solarseg.inspect(home / "photos", out, **GIVEN).modules == ("a-1", "a-2", "b", "c")
    write(home / "photos" / "a.png", seed=22)
    assert solarseg.inspect(home / "photos", out, **GIVEN).modules == ("a", "b", "c")
    assert not (out / "a-1").exists()
    assert not (out / "a-2").exists()


def test_half_of_the_modules_of_a_photograph_are_not_enough(home):
    record = home / "out" / "a" / "module.json"
    content = json.loads(record.read_text())
    content["origin"] |= {"number": 1, "modules": 2}
    record.unlink()
    (home / "out" / "a").rename(home / "out" / "a-1")
    (home / "out" / "a-1" / "module.json").write_text(json.dumps(content))
    again = solarseg.inspect(home / "photos", home / "out", **GIVEN)
    assert (again.skipped, again.modules) == (2, ("a", "b", "c"))
    assert not (home / "out" / "a-1").exists()


def test_names_do_not_depend_on_how_many_modules_others_have():
    names = ModuleNames(["b", "b-1", "x/y", "x_y", "X_Y"], InspectionPaths(Path("found")))
    assert names.of("b", 3) == names.of("b", 3) == ["b-2", "b-3", "b-4"]
    assert [names.of(each, 1)[0] for each in ("b-1", "x/y", "x_y", "X_Y")] == ["b-1", "x_y", "x_y-1", "X_Y-2"]
    several = [name for each in ("b", "b-1", "x/y", "x_y", "X_Y") for name in names.of(each, 3)]
    assert len({name.casefold() for name in several}) == 15


def test_nothing_of_a_module_is_kept(images, tmp_path, monkeypatch):
    """Memory does not grow with the number of photographs: when one is read, all of the one before is gone."""
    alive = []

    def read(file, *arguments):
        gc.collect()
        assert [one for one in alive if one() is not None] == []
        found = photographs(file, *arguments)
        alive.append(weakref.ref(found))
        return found

    def look(*arguments):
        result = inspected(*arguments)
        alive.append(weakref.ref(result))
        return result

    photographs, inspected = task_module.read_photograph, task_module.inspect_module
    monkeypatch.setattr(task_module, "read_photograph", read)
    monkeypatch.setattr(task_module, "inspect_module", look)
    done = solarseg.inspect(images, tmp_path / "out", **GIVEN)
    assert done.failed == {}
    assert len(alive) == 6
    gc.collect()
    assert not any(one() for one in alive)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("unexpected"), "an error in solarseg (KeyError: 'unexpected'); please report it"),
        (MemoryError(), "needs more memory than there is; use fewer `processes`"),
        (ArgumentError("`corners`: cross"), "`corners`: cross"),
        (ImageError("no cells"), "no cells"),
    ],
)
def test_an_error_costs_one_photograph(images, tmp_path, monkeypatch, error, reason):
    def inspect_module(photo, *arguments):
        if photo.file.name == "b.png":
            raise error
        return inspected(photo, *arguments)

    inspected = task_module.inspect_module
    monkeypatch.setattr(task_module, "inspect_module", inspect_module)
    done = solarseg.inspect(images, tmp_path / "out", **GIVEN)
    assert done.modules == ("a", "c")
    assert done.failed == {str(images / "b.png"): reason}


@pytest.mark.parametrize("gap", [(-0.1, 0.02), (0.02, -0.1)])
def test_boxes_are_inside_the_module_whatever_gap_was_fitted(gap):
    place = ModulePlacement(2, 3, np.eye(3), 0.0, (9, 9), gap)
    boxes = _boxes(place, 256)
    assert (boxes[..., :2] >= 0).all()
    assert (boxes[..., 2:] <= (768, 512)).all()
    assert (boxes[..., 2:] > boxes[..., :2]).all()


def test_a_full_disk_stops_all_and_leaves_whole_modules(images, tmp_path, monkeypatch):
    def write_module(folder, result, *arguments):
        if result.module.name == "b":
            raise OutputError(f"{folder}: could not be written (No space left on device); free space")
        wrote(folder, result, *arguments)

    wrote = task_module.write_module
    monkeypatch.setattr(task_module, "write_module", write_module)
    with pytest.raises(OutputError, match="No space left"):
        solarseg.inspect(images, tmp_path / "out", **GIVEN)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["a"]
    monkeypatch.undo()
    assert solarseg.inspect(images, tmp_path / "out", **GIVEN).skipped == 1


# Processes

SCRIPT = """
import signal, sys, numpy as np, solarseg
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what is in the background without
images, out, processes = sys.argv[1:4]
corners = np.array(list(map(float, sys.argv[4:]))).reshape(4, 2)
done = solarseg.inspect(images, out, cells=(1, 2), corners=corners, pdf=False, processes=int(processes))
print(done.modules, done.failed)
"""


def start(images, out, processes, **options):
    """Start a script of a user, without ``if __name__ == "__main__"``."""
    script = out.parent / "script.py"
    script.write_text(SCRIPT)
    corners = [str(value) for value in CORNERS.ravel()]
    return subprocess.Popen([sys.executable, script, images, out, str(processes), *corners], **options)


def same(folder, other):
    """Whether two folders of inspections have the same files; records name no process."""
    names = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
    assert names == {file.relative_to(other) for file in other.rglob("*") if file.is_file()}
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_processes_write_the_same_as_one(home, tmp_path):
    with start(home / "photos", home / "again", 2, stdout=subprocess.PIPE, text=True) as process:
        printed, _ = process.communicate(timeout=300)
    assert printed == "('a', 'b', 'c') {}\n"
    assert same(home / "out", home / "again")


@pytest.mark.slow
@pytest.mark.posix
@pytest.mark.parametrize(("how", "processes"), [("SIGKILL", 2), ("SIGINT", 2), ("SIGINT", 1)])
def test_a_kill_leaves_whole_modules_and_the_rest_is_done_later(image, tmp_path, how, processes):
    images, out = tmp_path / "photos", tmp_path / "out"
    images.mkdir()
    for number in range(12):
        shutil.copy(image, images / f"p{number:02}.png")
    process = start(images, out, processes, stderr=subprocess.DEVNULL)
    while len(list(out.glob("p*/module.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.Signals[how])
    process.wait(60)
    done = sorted(folder.name for folder in out.glob("p*"))
    assert 2 <= len(done) < 12
    for name in done:
        assert read_full_record(out / name).module.name == name
        assert len(list((out / name / "masks").iterdir())) == ROWS * COLUMNS
    if how == "SIGINT":
        assert sorted(file.name for file in out.iterdir()) == done  # nothing temporary
    again = solarseg.inspect(images, out, **GIVEN)
    assert len(again.modules) == 12
    assert again.skipped >= len(done)
    assert len(modules_in_table(out)) == 12
    assert not list(out.rglob(".*"))


@pytest.mark.posix
@pytest.mark.parametrize(
    ("end", "failure"),
    [
        (
            "os.kill(os.getpid(), 9)",
            "was ended with signal 9 (SIGKILL), most likely because memory ran out; use fewer `processes`",
        ),
        (
            "os.kill(os.getpid(), 11)",
            "crashed with signal 11 (SIGSEGV); please report this with what was printed",
        ),
        ("os.kill(os.getpid(), 15)", "was ended from outside with signal 15 (SIGTERM); inspect again"),
        ("os._exit(3)", "ended with exit code 3; please report this with what was printed"),
    ],
)
def test_a_process_that_dies_costs_its_photograph(images, tmp_path, monkeypatch, capfd, end, failure):
    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'solarseg.inspection.worker' in sys.orig_argv:\n"
        "    from solarseg.inspection import task\n"
        "    read = task.read_photograph\n"
        "    def dying(file, *arguments):\n"
        "        if file.name == 'b.png':\n"
        f"            {end}\n"
        "        return read(file, *arguments)\n"
        "    task.read_photograph = dying\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    done = solarseg.inspect(images, tmp_path / "out", **{**GIVEN, "processes": 2})
    assert done.modules == ("a", "c")
    assert done.failed == {str(images / "b.png"): f"the process that worked on it {failure}"}
    assert ("Segmentation fault" in capfd.readouterr().err) == ("SIGSEGV" in failure)


@pytest.mark.posix
def test_a_process_that_cannot_open_the_model_is_closed(images, tmp_path, monkeypatch):
    started = []
    start_process = subprocess.Popen

    def noted(*arguments, **options):
        started.append(start_process(*arguments, **options))
        return started[-1]

    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'solarseg.inspection.worker' in sys.orig_argv:\n"
        "    from solarseg.errors import ModelFileError\n"
        "    from solarseg.inspection.job import ModelChoice\n"
        "    def damaged(*arguments):\n"
        "        raise ModelFileError('model: is damaged')\n"
        "    ModelChoice.open = damaged\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(workers_module.subprocess, "Popen", noted)
    with pytest.raises(ModelFileError, match="model: is damaged"):
        solarseg.inspect(images, tmp_path / "out", **{**GIVEN, "processes": 2})
    assert started
    assert all(process.returncode is not None for process in started)
    assert all(process.stdin.closed and process.stdout.closed for process in started)


@pytest.mark.posix
def test_an_output_that_a_process_cannot_write_stops_all(images, tmp_path, monkeypatch):
    folder = tmp_path / "hook"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'solarseg.inspection.worker' in sys.orig_argv:\n"
        "    from solarseg.errors import OutputError\n"
        "    from solarseg.inspection import task\n"
        "    def full(*arguments):\n"
        "        raise OutputError('out: could not be written')\n"
        "    task.write_module = full\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    with pytest.raises(OutputError, match="out: could not be written"):
        solarseg.inspect(images, tmp_path / "out", **{**GIVEN, "processes": 2})
    assert not (tmp_path / "out").exists()


def test_two_commands_do_not_write_to_one_folder(home, monkeypatch):
    def second(*arguments):
        with pytest.raises(OutputError, match="another command writes to it"):
            solarseg.inspect(home / "photos", home / "out", **GIVEN)
        return inner(*arguments)

    inner = run_module.write_summary
    monkeypatch.setattr(run_module, "write_summary", second)
    assert solarseg.inspect(home / "photos", home / "out", **GIVEN).skipped == 3
