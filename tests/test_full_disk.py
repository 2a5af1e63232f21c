"""A disk that fills while a file is written: the file is complete under its final name, or it is absent.

The limit on the size of a file (``RLIMIT_FSIZE``) does what a full disk does: the write that crosses it is short, and
the next one fails. Libraries that take no notice of a short write would leave a truncated file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_model import write_tiny

from solarseg.cli import main

PAGE = 4096  # bytes, the least that tmpfs gives a file

pytest.importorskip("resource", reason="Windows limits no file sizes")

WRITERS = """
import json, resource, sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from solarseg import files, images, masks
from solarseg.classes import ClassMap
from solarseg.errors import OutputError
from solarseg.formats.voc.write import _write_palette

rng = np.random.default_rng(0)
noise = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
ids = rng.integers(0, 2, (300, 400), dtype=np.uint8)
classes = ClassMap(("background", "crack"))
figure = Figure(figsize=(1, 1), dpi=80)
figure.subplots().imshow(noise)
rows = [(number, number**2) for number in range(2000)]

WRITERS = {
    "note.txt": lambda path: files.write_text(path, "text " * 3000),
    "note.json": lambda path: files.write_json(path, rows),
    "note.csv": lambda path: files.write_table(path, ("a", "b"), rows),
    "figure.png": lambda path: files.write_figure(path, figure),
    "figure.jpg": lambda path: files.write_figure(path, figure),
    "image.png": lambda path: images.write_image(path, noise),
    "image.jpg": lambda path: images.write_image(path, noise),
    "mask.png": lambda path: masks.write_mask(path, ids, classes),
    "bands.tif": lambda path: images.write_bands(path, noise),
    "voc.png": lambda path: _write_palette(path, ids, [(0, 0, 0)]),
}
"""

SWEEP = (
    WRITERS
    + """
folder, found = Path(sys.argv[1]), {}
for name, write in WRITERS.items():
    write(folder / name)
    complete = (folder / name).read_bytes()
    (folder / name).unlink()
    left, size = set(), len(complete)
    for limit in (0, 1, size // 2, size - 99, size - 3, size - 2, size - 1, size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write(folder / name)
            outcome = "written"
        except OutputError as error:
            outcome = "refused" if "could not be written (" in str(error) else str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        content = (folder / name).read_bytes() if (folder / name).exists() else None
        (folder / name).unlink(missing_ok=True)
        kind = {None: "absent", complete: "complete"}.get(content, f"truncated at {limit} of {size}")
        left.add((outcome, kind, limit == size))
    found[name] = sorted(left)
print(json.dumps({"found": found, "folder": [each.name for each in folder.iterdir()]}))
"""
)


@pytest.mark.posix
def test_every_writer_leaves_a_complete_file_or_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["folder"] == []  # no temporary file is left either
    assert len(result["found"]) == 10
    for name, outcomes in result["found"].items():
        assert outcomes == [["refused", "absent", False], ["written", "complete", True]], name


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "small", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root mounts file systems")
@pytest.mark.parametrize("missing", [1, 2, 3, 20, 100])
def test_predictions_on_a_full_disk_are_complete_or_absent(
    small_disk: Path, tmp_path: Path, missing: int
) -> None:
    """The disk has some pages too few for the overlay, which is written before the mask."""
    model, photo = write_tiny(tmp_path / "model.onnx"), tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)).save(photo)
    command = ["predict", str(model), str(photo), "--quiet", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 0
    whole = tmp_path / "out" / "overlays" / "photo.jpg"
    pages = -(-whole.stat().st_size // PAGE) + 1  # and one for prediction.json
    (small_disk / "other").write_bytes(bytes(3 * 2**20 - PAGE * (pages - missing)))
    assert main([*command, str(small_disk / "out")]) == 2
    files = [file.name for file in (small_disk / "out").rglob("*") if file.is_file()]
    assert files == ["prediction.json"]
