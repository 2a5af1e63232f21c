"""Make the picture of a real module on the front page: before a load and under it, and the defects found.

python scripts/front_page.py --data FOLDER [--out docs/images]

The photographs are not in this repository: CONTRIBUTING.md says where they are from. The picture is derived from them,
under the licence in docs/images/el-modules.LICENSE.txt.
"""

import argparse
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg import inspect
from solarseg.images import as_rgb, read_image
from solarseg.inspection.layout import InspectionPaths
from solarseg.painting import draw_text, stack_horizontally, stack_vertically

ROOT = Path(__file__).resolve().parents[1]
BEFORE, AFTER = "m408_0724132044", "m408_0724142628"
WIDTH, GAP, TEXT = 1000, 8, 18  # pixels
QUALITY = 82  # of the JPEG, which then has less than 300 kB


def main() -> None:
    """Inspect two photographs of a module and write the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("SOLARSEG_TEST_DATA")
    parser.add_argument("--data", type=Path, default=data, required=not data, help="folder with el-modules")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images", help="folder for the picture")
    options = parser.parse_args()
    photographs = [Path(options.data) / "el-modules/grey" / f"{name}.jpg" for name in (BEFORE, AFTER)]
    with tempfile.TemporaryDirectory() as temporary:
        done = inspect(photographs, Path(temporary) / "inspected", cell_mm=156, pdf=False)
        print(done, done.failed)
        paths = InspectionPaths(done.folder)
        Image.fromarray(draw(paths)).save(
            options.out / "module.jpg", quality=QUALITY, subsampling=0, optimize=True
        )


def draw(paths: InspectionPaths) -> NDArray[np.uint8]:
    """Draw the module before the load and under it, above its defects."""
    half = (WIDTH - GAP) // 2
    before, after = (paths.module(name) for name in (BEFORE, AFTER))
    return stack_vertically(
        [
            stack_horizontally(
                [
                    titled("before the load", read_image(before.rectified), half),
                    titled("under 2,400 Pa", read_image(after.rectified), half),
                ],
                GAP,
            ),
            titled("cracks, inactive area and finger interruptions found", read_image(after.overlay), WIDTH),
        ],
        GAP,
    )


def titled(text: str, image: NDArray[np.generic], width: int) -> NDArray[np.uint8]:
    """Shrink a picture to a width, and write a title above it."""
    height = round(image.shape[0] * width / image.shape[1])
    small = cv2.resize(as_rgb(image), (width, height), interpolation=cv2.INTER_AREA)
    return stack_vertically([draw_text(text, width, TEXT), np.asarray(small, np.uint8)], 2)


if __name__ == "__main__":
    main()
