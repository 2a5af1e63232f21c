"""Make the pictures of reports in the docs: a generated module, its defects, and its report in Chromium.

python scripts/report_pictures.py [--out docs/images]

Chromium must be installed on the system.
"""

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import sync_playwright

from solarseg.images import write_image
from solarseg.painting import draw_text, stack_horizontally, stack_vertically
from solarseg.reports import ModuleView, ReportStyle, write_module_report
from solarseg.reports.pictures import crop, painted, stretch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/reports"))
from generated_module import inspected  # noqa: E402

SIDE = 220
SHOWN = {"r02c06": "no defects", "r06c04": "cracks", "r01c02": "inactive area", "r05c08": "all kinds"}


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images", help="folder for the pictures")
    folder = parser.parse_args().out
    module, view = inspected()
    module = replace(module, notes=())
    cells = {cell.name: view.box(cell) for cell in module.cells}
    write_image(
        folder / "report-cells.png",
        stack_horizontally([draw_cell(view, cells[name], text) for name, text in SHOWN.items()], 12),
    )
    with tempfile.TemporaryDirectory() as temporary:
        style = ReportStyle(company="Example Solar", title="EL inspection")
        page = Path(temporary) / "report.html"
        write_module_report(page, module, view, style)
        photograph(page, folder)


def draw_cell(view: ModuleView, box: tuple[int, int, int, int], text: str) -> NDArray[np.uint8]:
    """Draw a cell as photographed, above the same with its defects."""
    image, mask = stretch(crop(view.image, box)), crop(view.mask, box)
    plain = painted(image, np.zeros_like(mask), view.classes, SIDE)
    marked = painted(image, mask, view.classes, SIDE)
    return stack_vertically([draw_text(text, plain.shape[1], 16), plain, marked], 6)


def photograph(page: Path, folder: Path) -> None:
    """Take pictures of the summary and the map of a report."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
        tab.set_default_timeout(300_000)
        tab.goto(page.as_uri())
        tab.locator("#map-r04c07").focus()
        for name in ("summary", "map"):
            file = folder / f"report-{name}.png"
            tab.locator(f"#{name}").screenshot(path=file)
            with Image.open(
                file
            ) as picture:  # a palette is a third of the size; the octree keeps rare colours
                small = picture.convert("RGB").quantize(
                    256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
                )
            small.save(file, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
