"""Memory and time of `predict` for rasters larger than memory, and the ratio to the network alone.

    python benchmarks/rasters.py [--sides 5000 10000 20000] [--model el-cell]

The rasters are generated: three bands of smooth spots of a hundred pixels with grain, a tenth of them nodata,
as compressed GeoTIFF files of blocks of 256. Without --model, the network is a single 3 x 3 convolution on
tiles of 256 pixels, so that everything but the network is measured. Each side runs in a process of its own.
Its peak resident memory includes Python and all libraries. With --model, the network alone then computes the
same number of tiles in the same process, before and after, and the ratio of the times is printed. The side of
20,000 pixels needs 2 GB of free disk space.
"""

import argparse
import multiprocessing
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import rasterio
from machine import describe, peak_memory
from onnx import TensorProto, helper, numpy_helper

from solarseg import __version__
from solarseg.inference.model import Model, load_model
from solarseg.inference.model_file import METADATA_KEY, ModelInfo, graph_digest
from solarseg.inference.timing import generate_inputs
from solarseg.prediction.rasters.predict import predict_raster

SPOT = 100
ROWS = 1000


def write_model(path: Path) -> None:
    """Write a blur and a threshold as a model file of solarseg."""
    kernel = np.full((1, 3, 3, 3), 20 / 27 / 255, np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["bands"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["bands", "kernel", "bias"], ["logits"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["logits"], ["found"]),
        helper.make_node("Sub", ["one", "found"], ["rest"]),
        helper.make_node("Concat", ["rest", "found"], ["both"], axis=1),
        helper.make_node("Transpose", ["both"], ["probabilities"], perm=[0, 2, 3, 1]),
    ]
    constants = {"kernel": kernel, "bias": np.array([-10], np.float32), "one": np.ones(1, np.float32)}
    graph = helper.make_graph(
        nodes,
        "blur",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", "h", "w", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    info = ModelInfo(
        solarseg_version=__version__,
        class_names=("background", "spot"),
        class_colours=((0, 0, 0), (238, 102, 119)),
        image_size=256,
        bands=3,
        depth="uint8",
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        trained_size=(256, 256),
        fingerprint=graph_digest(path),
        encoder="none",
        loss="none",
        parameters=kernel.size + 1,
        gmacs=256 * 256 * kernel.size / 1e9,
        epochs=0,
        dataset="none",
        dataset_fingerprint="",
    )
    helper.set_model_props(model, {METADATA_KEY: info.model_dump_json()})
    onnx.save(model, path)


def write_raster(path: Path, side: int) -> None:
    """Write spots and grain, a block of rows at a time."""
    rng = np.random.default_rng(0)
    spots = rng.integers(0, 256, (side // SPOT + 2, side // SPOT + 2, 3), dtype=np.uint8)
    grain = rng.integers(0, 24, (ROWS, side, 3), dtype=np.uint8)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "nodata": 0}
    place = {"crs": "EPSG:32633", "transform": rasterio.transform.from_origin(5e5, 5e6, 0.1, 0.1)}
    layout = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "zlevel": 1}
    with rasterio.Env(GDAL_CACHEMAX=64 << 20), rasterio.open(path, "w", **profile, **place, **layout) as file:
        for top in range(0, side, ROWS):
            first = top // SPOT
            rows = cv2.resize(spots[first : first + ROWS // SPOT + 1, : side // SPOT + 1], (side, ROWS))
            rows = np.maximum(cv2.add(rows, grain), 1)[: side - top]
            rows[:, : side // 10] = 0
            file.write(np.moveaxis(rows, -1, 0), window=((top, top + len(rows)), (0, side)))


def network_alone(model: Model, tiles: int) -> float:
    """Return the seconds of the network for a number of tiles, from the time of at most 100 calls."""
    inputs = generate_inputs(model, model.pipeline.batch_size)
    model.probabilities(inputs)
    calls = min(100, -(-tiles // model.pipeline.batch_size))
    start = time.perf_counter()
    for _ in range(calls):
        model.probabilities(inputs)
    return (time.perf_counter() - start) * tiles / (calls * model.pipeline.batch_size)


def measure(folder: Path, side: int, path: str, compared: bool) -> None:
    """Predict one raster and print its line."""
    model, counted = load_model(path), Counted()
    model = counted.around(model)
    before = network_alone(model, 1000) / 1000 if compared else 0.0
    counted.tiles = 0
    start = time.perf_counter()
    done = predict_raster(model, folder / f"{side}.tif", folder / "out", name=str(side), overwrite=True)
    seconds = time.perf_counter() - start
    memory = (peak_memory() or float("nan")) / 1024
    tiles = counted.tiles
    line = (
        f"| {side} | {tiles} | {done.polygons} | {seconds:.1f} | {1e9 * seconds / side**2:.1f} | "
        f"{memory:.2f} | {memory * 2**30 / side**2:.1f} |"
    )
    if compared:
        seconds_alone = tiles * (before + network_alone(model, 1000) / 1000) / 2
        line += f" {seconds_alone:.1f} | {seconds / seconds_alone:.3f} |"
    print(line, flush=True)


class Counted:
    """Counts the tiles that a model computes."""

    def __init__(self) -> None:
        self.tiles = 0

    def around(self, model: Model) -> Model:
        compute = model.compute

        def counting(inputs: np.ndarray) -> np.ndarray:
            self.tiles += len(inputs)
            return compute(inputs)

        return replace(model, compute=counting)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[5000, 10000, 20000], help="pixels")
    parser.add_argument("--model", help="model file, run folder or shipped model")
    parser.add_argument("--folder", type=Path, help="folder for the rasters (default: a temporary one)")
    options = parser.parse_args()
    compared = options.model is not None
    print(describe("onnxruntime", "rasterio"))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        path = options.model or str(folder / "model.onnx")
        if not compared:
            write_model(Path(path))
        print(
            "| side, pixels | tiles | polygons | s | ns a pixel | memory, GiB | bytes a pixel |"
            + " network alone, s | ratio |" * compared
        )
        print("| ---" * (7 + 2 * compared) + " |", flush=True)
        context = multiprocessing.get_context("spawn")
        for side in options.sides:
            for target, arguments in (
                (write_raster, (folder / f"{side}.tif", side)),
                (measure, (folder, side, path, compared)),
            ):
                process = context.Process(target=target, args=arguments)
                process.start()
                process.join()
                if process.exitcode:
                    raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
