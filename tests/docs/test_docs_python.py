"""Every Python block of the docs and the README runs, page by page, in a folder that contains the files it names."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from tiny_runs import TINY, quiet, write_squares

import solarseg
from solarseg.images import write_image

pytestmark = pytest.mark.usefixtures("shared_graphs")

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """First line and code of each block."""
    text = page.read_text(encoding="utf-8")
    return [(text[: found.start(1)].count("\n"), found[1]) for found in FENCE.finditer(text)]


def short(train):
    """The same function, but a training takes seconds; the options of the page are checked all the same."""
    return lambda *places, **options: train(*places, **{**options, **TINY, "epochs": 1}, machine=quiet())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """What the pages call my-cells, my-photos, photo.jpg, module.png, cell.png, orthomosaic.tif and runs."""
    folder, rng = tmp_path_factory.mktemp("docs"), np.random.default_rng(0)
    write_squares(folder / "my-cells")
    shutil.copytree(folder / "my-cells/images", folder / "my-photos")
    short(solarseg.train)(folder / "my-cells", folder / "runs/first")
    shutil.copytree(folder / "runs/first", folder / "runs/roofs")
    write_image(folder / "photo.jpg", rng.integers(0, 255, (96, 128, 3), dtype=np.uint8))
    module = solarseg.generate_photograph(np.random.default_rng(21), 700, 3, 4, straight=True)
    write_image(folder / "module.png", module.image[:, :, 0])
    write_image(folder / "cell.png", solarseg.generate_cell(rng)[0][:, :, 0])
    options = {"width": 96, "height": 80, "count": 3, "dtype": "uint8", "crs": "EPSG:32633"}
    transform = from_origin(500_000, 5_400_000, 0.1, 0.1)
    with rasterio.open(folder / "orthomosaic.tif", "w", transform=transform, **options) as raster:
        raster.write(rng.integers(1, 255, (3, 80, 96), dtype=np.uint8))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES if blocks(page)]
)
def test_the_python_blocks_of_a_page_run(page, files, tmp_path, monkeypatch):
    folder = tmp_path / "scratch"
    shutil.copytree(files, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(solarseg, "train", short(solarseg.train))
    monkeypatch.setattr("solarseg.evaluation.benchmark.SECONDS", 0.0)
    names = {"__name__": "__main__"}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, page, "exec"), names)


def test_python_is_always_in_a_fence_that_is_run():
    odd = re.compile(
        r"^(```(py|python3|pycon)\b|``` *python .|[ >]+```python|~~~| {4,}(import|from) \w+)", re.MULTILINE
    )
    assert {
        page.name: odd.findall(page.read_text(encoding="utf-8"))
        for page in PAGES
        if odd.search(page.read_text())
    } == {}
