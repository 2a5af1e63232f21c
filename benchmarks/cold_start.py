"""Seconds from the command to the mask of one image: `solarseg predict` and a script with PyTorch.

    python benchmarks/cold_start.py [MODEL] [--image FILE] [--repeats 5]

Both run as processes of their own, in turns, with warm file caches: `solarseg predict` (mask, overlay and
table), and a short script that imports torch and segmentation-models-pytorch, loads weights of the same
encoder, reads the image and writes a mask. Without --image, the image is noise.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe
from PIL import Image

from solarseg.inference.model import load_model

SCRIPT = """
import sys
import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image

encoder, weights, source, target = sys.argv[1:]
network = smp.Unet(encoder, encoder_weights=None, classes=1)
network.load_state_dict(torch.load(weights, weights_only=True))
network.eval()
image = Image.open(source).convert("RGB").resize((256, 256))
pixels = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255
with torch.inference_mode():
    mask = network(pixels)[0, 0] > 0
Image.fromarray(mask.numpy().astype(np.uint8) * 255).save(target)
"""
SAVE = """
import sys, torch, segmentation_models_pytorch as smp
torch.save(smp.Unet(sys.argv[1], encoder_weights=None, classes=1).state_dict(), sys.argv[2])
"""


def run(command: list[str]) -> tuple[float, float]:
    """Run a process and return its seconds and its peak memory in MiB, which is NaN on Windows."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory = float("nan")
    if hasattr(os, "wait4"):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        memory = used.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    else:
        process.wait()
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} exited with {process.returncode}")
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="el-cell", help="model file, run folder or shipped model")
    parser.add_argument("--image", type=Path, help="image file (default: noise)")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each")
    options = parser.parse_args()
    print(describe("torch", "segmentation-models-pytorch", "onnxruntime"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = options.image or folder / "noise.jpg"
        if options.image is None:
            shape = (256, 256) if load_model(options.model).info.bands == 1 else (256, 256, 3)
            noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(noise).save(image)
        measured: dict[str, list[tuple[float, float]]] = {}
        for number in range(options.repeats + 1):
            for peer, command in commands(options.model, image, folder).items():
                result = run(command)
                if number:  # the first round warms the caches
                    measured.setdefault(peer, []).append(result)
    report(measured)


def commands(model: str, image: Path, folder: Path) -> dict[str, list[str]]:
    """Return the command of each peer; the first call writes the weights that the script loads."""
    program = shutil.which("solarseg") or str(Path(sys.executable).with_name("solarseg"))
    encoder, weights = load_model(model).info.encoder, folder / "weights.pt"
    if not weights.exists():
        subprocess.run([sys.executable, "-c", SAVE, encoder, str(weights)], check=True)
    ours = [program, "predict", model, str(image), "--overwrite", "--quiet", "--out", str(folder / "out")]
    script = [sys.executable, "-c", SCRIPT, encoder, str(weights), str(image), str(folder / "mask.png")]
    return {"solarseg predict": ours, "script with PyTorch": script}


def report(measured: dict[str, list[tuple[float, float]]]) -> None:
    seconds = {peer: statistics.median(each for each, _ in runs) for peer, runs in measured.items()}
    for peer, runs in measured.items():
        spread = f"{min(runs)[0]:.2f} to {max(runs)[0]:.2f}"
        print(f"{peer:<20} {seconds[peer]:6.2f} s ({spread}), {max(memory for _, memory in runs):.0f} MiB")
    print(f"{seconds['script with PyTorch'] / seconds['solarseg predict']:.1f} times as fast")


if __name__ == "__main__":
    main()
