"""Make the pictures of the tutorial about modules, with its own commands.

python scripts/first_module_pictures.py [--out docs/images]
"""

import argparse
import re
import shlex
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from solarseg.cli.main import main as run_command
from solarseg.images import as_rgb, read_image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/tutorials/module.md"
PHOTOGRAPH, OVERLAY = 800, 1000  # pixels


def main() -> None:
    """Run the commands and write all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images", help="folder for the pictures")
    folder = parser.parse_args().out.resolve()
    with tempfile.TemporaryDirectory() as temporary, chdir(temporary):
        for line in re.findall(r"^solarseg .+$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
            if "my-photos" not in line and run_command(shlex.split(line)[1:]) != 0:
                sys.exit(f"{line}: failed")
        save(read_image("module.png"), PHOTOGRAPH, folder / "first-module-photograph.jpg")
        save(read_image("inspected/module/overlay.png"), OVERLAY, folder / "first-module-overlay.jpg")


def save(image: NDArray[np.generic], side: int, file: Path) -> None:
    """Shrink a picture and write it."""
    picture = Image.fromarray(as_rgb(image))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    picture.save(file, quality=85, optimize=True)


if __name__ == "__main__":
    main()
