"""Images a second of `predict` over a folder of JPEG files, and of the network alone.

    python benchmarks/pipeline.py [MODEL] [--images DIR] [--count 1000] [--size 640x512] [--backend NAME] [--overlays]

The folder has the images of DIR, or smoothed noise, resized to SIZE and repeated until there are COUNT. Each
image is resized as a whole, so that there is one input an image. The network alone computes inputs that are
in memory. It is measured before and after `predict`, and the mean counts.
"""

import argparse
import itertools
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from machine import describe, peak_memory

from solarseg.datasets.image_files import find_images
from solarseg.images import as_rgb, read_image
from solarseg.inference.model import Model, load_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.timing import generate_inputs
from solarseg.prediction.predict import predict


def smoothed_noise(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        cv2.GaussianBlur(rng.integers(0, 256, (512, 640, 3), dtype=np.uint8), (0, 0), 2) for _ in range(count)
    ]


def write_folder(folder: Path, source: Path | None, count: int, size: tuple[int, int]) -> None:
    """Write each image once, and link it under further names until there are enough."""
    images = (
        smoothed_noise(20)
        if source is None
        else [as_rgb(read_image(file)) for file, _ in find_images([source])[:200]]
    )
    folder.mkdir()
    for number, image in zip(range(count), itertools.cycle(images), strict=False):
        file = folder / f"{number:05}.jpg"
        if number < len(images):
            cv2.imwrite(str(file), cv2.resize(image, size)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        else:
            os.link(folder / f"{number % len(images):05}.jpg", file)


def alone(model: Model, count: int) -> float:
    inputs = generate_inputs(model, model.pipeline.batch_size)
    model.probabilities(inputs)
    start = time.perf_counter()
    for _ in range(count):
        model.probabilities(inputs)
    return count * len(inputs) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="el-cell", help="model file, run folder or shipped model")
    parser.add_argument("--images", type=Path, help="folder of images (default: smoothed noise)")
    parser.add_argument("--count", type=int, default=1000, help="number of files")
    parser.add_argument("--size", default="640x512", help="WIDTHxHEIGHT of each file, pixels")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--overlays", action="store_true", help="write overlays too")
    options = parser.parse_args()
    print(describe("onnxruntime"))
    width, height = map(int, options.size.split("x"))
    model = load_model(options.model, backend=options.backend, options=PredictOptions(tile=0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder / "images", options.images, options.count, (width, height))
        before = alone(model, min(100, options.count))
        start = time.perf_counter()
        done = predict(model, folder / "images", folder / "out", overlays=options.overlays)
        rate = len(done.pixels) / (time.perf_counter() - start)
        after = alone(model, min(100, options.count))
    bare = (before + after) / 2
    print(
        f"{options.model}, {model.info.precision}, {model.backend}: {len(done.pixels)} JPEGs of {options.size}"
    )
    print(
        f"network alone {before:.1f} and {after:.1f} images a second; predict {rate:.1f}, {rate / bare:.1%} of it"
    )
    if memory := peak_memory():
        print(f"peak memory {memory:.0f} MiB")


if __name__ == "__main__":
    main()
