"""Seconds from the command to the mask of one image: solarseg, against a script that does the same with PyTorch.

    python benchmarks/cold_start.py MODEL [IMAGE] [--repeats 5]

Both are started as processes of their own, in turns, with the files' caches warm: ``solarseg predict`` (mask, overlay
and table), and a script of a dozen lines that imports torch and segmentation-models-pytorch, loads weights of the
model's encoder, reads the image and writes a mask. Without IMAGE, one of noise is made.
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
    """Give seconds and peak memory in MiB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ended with {process.returncode}")
    return seconds, used.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    encoder = load_model(options.model).info.encoder
    program = shutil.which("solarseg") or str(Path(sys.executable).with_name("solarseg"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = options.image or folder / "noise.jpg"
        if options.image is None:
            noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
            Image.fromarray(noise).save(image)
        weights = str(folder / "weights.pt")
        subprocess.run([sys.executable, "-c", SAVE, encoder, weights], check=True)
        ours = [
            program,
            "predict",
            str(options.model),
            str(image),
            "--overwrite",
            "--quiet",
            "--out",
            name + "/out",
        ]
        script = [sys.executable, "-c", SCRIPT, encoder, weights, str(image), name + "/mask.png"]
        commands = {"solarseg predict": ours, "script with PyTorch": script}
        taken: dict[str, list[tuple[float, float]]] = {peer: [] for peer in commands}
        for number in range(options.repeats + 1):
            for peer, command in commands.items():
                found = run(command)
                if number:  # the first warms the caches
                    taken[peer].append(found)
    seconds = {peer: statistics.median(times for times, _ in found) for peer, found in taken.items()}
    for peer, found in taken.items():
        spread = f"{min(found)[0]:.2f} to {max(found)[0]:.2f}"
        print(f"{peer:<20} {seconds[peer]:6.2f} s ({spread}), {max(memory for _, memory in found):.0f} MiB")
    print(f"{seconds['script with PyTorch'] / seconds['solarseg predict']:.1f} times as quick")


if __name__ == "__main__":
    main()
