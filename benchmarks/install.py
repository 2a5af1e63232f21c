"""Size and time of an install in a new environment: solarseg without extras and a training stack.

    python benchmarks/install.py [--without-peer]

pip installs each into an environment of its own in a temporary folder: `pip install .` of this checkout, and
`pip install segmentation-models-pytorch lightning`, which on Linux includes torch with its CUDA libraries
(over 6 GB). Sizes are those on disk, without pip. Files in pip's cache are not downloaded again, so run it
twice to compare times.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from machine import describe

HERE = Path(__file__).resolve().parents[1]
PEER = ("segmentation-models-pytorch", "lightning")


def size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def install(packages: list[str]) -> tuple[float, float, str]:
    """Install packages and return size in GB, seconds, and the largest packages."""
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        before = size(Path(name))
        python = Path(name, "Scripts" if sys.platform == "win32" else "bin", "python")
        start = time.perf_counter()
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        seconds = time.perf_counter() - start
        (home,) = Path(name).rglob("site-packages")
        parts = sorted(((size(part), part.name) for part in home.iterdir()), reverse=True)[:8]
        largest = ", ".join(f"{part} {of / 1e6:.0f}" for of, part in parts)
        return (size(Path(name)) - before) / 1e9, seconds, largest


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-peer", action="store_true", help="install solarseg only")
    options = parser.parse_args()
    print(describe("pip"))
    peers = {"solarseg": [str(HERE)]}
    if not options.without_peer:
        peers["training stack"] = list(PEER)
    sizes = {}
    for peer, packages in peers.items():
        sizes[peer], seconds, largest = install(packages)
        print(f"{peer:<15} {sizes[peer]:.2f} GB, {seconds:.0f} s (MB: {largest})")
    if len(sizes) > 1:
        print(f"1/{sizes['training stack'] / sizes['solarseg']:.1f} of the size")


if __name__ == "__main__":
    main()
