import errno
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from solarseg.errors import ArgumentError, OutputError
from solarseg.files import (
    LOCK_NAME,
    atomic_folder,
    atomic_path,
    check_file,
    check_folder,
    digest,
    folder_lock,
    is_empty,
    remove_empty_folder,
    remove_temporary,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "note.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["note.txt"]


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "note.txt"
    with pytest.raises(OutputError, match=r"note\.txt: could not be written \(No space left"):  # noqa: SIM117
        with atomic_path(path):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        write_text(tmp_path / "file" / "note.txt", "x")


def test_folders_are_made(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"µ": 1})
    assert (tmp_path / "a" / "b.json").read_text(encoding="utf-8") == '{\n  "µ": 1\n}\n'


def test_digests_of_different_contents_differ(tmp_path):
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    assert len(digest(tmp_path / "a")) == 16


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    for name in (".0123456789ab.tif", "sub/.0123456789ab", ".git", ".conversion.json", "a.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    remove_temporary(tmp_path)
    assert sorted(file.name for file in tmp_path.rglob("*")) == [".conversion.json", ".git", "a.tif", "sub"]


def test_names_that_are_not_utf_8_are_an_error_that_names_them(tmp_path):
    with pytest.raises(
        OutputError, match=r"note\.txt: could not be written \(.*is not UTF-8\); rename that file"
    ):
        write_text(tmp_path / "note.txt", "b\udce9")


def test_an_error_that_the_file_system_delayed_is_reported(tmp_path, monkeypatch):
    """Network file systems say only when a file is flushed that the disk was full."""

    def refuse(descriptor):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("solarseg.files.os.fsync", refuse)
    with pytest.raises(OutputError, match=r"note\.txt: could not be written \(Disk quota exceeded\)"):
        write_text(tmp_path / "note.txt", "x")
    assert not list(tmp_path.iterdir())


HOLD = """
import sys, time
from pathlib import Path
from solarseg.files import folder_lock
with folder_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_locked_folder_refuses_others_until_the_holder_dies(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(OutputError, match="another command writes to it"), folder_lock(tmp_path):
            pass
    finally:
        holder.kill()
        holder.wait()
    with folder_lock(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [LOCK_NAME]
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_written_without_and_another_error_is_reported(tmp_path, monkeypatch):
    def refuse(number):
        def acquire(self):
            raise OSError(number, "refused")

        monkeypatch.setattr(filelock.FileLock, "acquire", acquire)

    refuse(errno.ENOLCK)
    with folder_lock(tmp_path):
        (tmp_path / "done").touch()
    refuse(errno.EROFS)
    with pytest.raises(OutputError, match=r"could not be written \(refused\)"), folder_lock(tmp_path):
        (tmp_path / "not done").touch()
    assert [file.name for file in tmp_path.iterdir()] == ["done"]


def test_the_lock_file_is_nothing_and_everything_else_is_something(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with folder_lock(folder):
        assert is_empty(folder)
        (folder / "mine").touch()
        remove_empty_folder(folder)
        assert not is_empty(folder)
        (folder / "mine").unlink()
        remove_empty_folder(folder)
    assert not folder.exists()


def test_places_for_results_are_checked_before_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("")
    (tmp_path / "link").symlink_to("nowhere")
    for path in ("new", "new/deep/er", ".", str(tmp_path / "new")):
        check_folder(Path(path))
    check_file(Path("new/note.csv"))
    check_file(Path("note.txt"))
    for check, path, match in (
        (check_folder, "note.txt", r"note\.txt: is a file; give a folder"),
        (check_folder, "note.txt/in", r"note\.txt: is a file; give a folder"),
        (check_folder, "link/in", "link: is a link to nothing; give a folder"),
        (check_file, ".", "is a folder; give a file"),
        (check_file, "note.txt/in", r"note\.txt: is a file; give a folder"),
    ):
        with pytest.raises(ArgumentError, match=match):
            check(Path(path))
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write anywhere
    with pytest.raises(OutputError, match="may not be written to"):
        check_folder(Path("new"))


def make_folder(path, *names):
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def names_in(folder):
    return sorted(file.name for file in folder.iterdir())


def test_a_folder_is_replaced_only_if_asked(tmp_path):
    there = make_folder(tmp_path / "there", "old")
    with pytest.raises(OutputError, match="could not be written"), atomic_folder(there) as temporary:
        (temporary / "new").touch()
    assert names_in(there) == ["old"]
    with atomic_folder(there, replace=True) as temporary:
        (temporary / "new").touch()
    assert names_in(there) == ["new"]
    assert names_in(tmp_path) == ["there"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_replaced_folder_keeps_the_link_that_leads_to_it(tmp_path):
    real, link = make_folder(tmp_path / "real", "old"), tmp_path / "link"
    link.symlink_to(real)
    with atomic_folder(link, replace=True) as temporary:
        (temporary / "new").touch()
    assert link.is_symlink()
    assert names_in(real) == names_in(link) == ["new"]


@pytest.mark.parametrize("failing", ["block", "rename"])
def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch, failing):
    there, rename = make_folder(tmp_path / "there", "old"), Path.rename

    def refuse(path, target):
        if failing == "rename" and (path / "new").exists():
            raise OSError("no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises((OutputError, ValueError)), atomic_folder(there, replace=True) as temporary:
        (temporary / "new").touch()
        if failing == "block":
            raise ValueError
    assert names_in(there) == ["old"]
    assert names_in(tmp_path) == ["there"]
