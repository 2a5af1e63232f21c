"""Seconds from the start of a training to its first step, and how often each file is read and decoded until then.

    python benchmarks/startup.py [--tiles 5000] [--side 256] [--rounds 3] [--source NAME=CHECKOUT ...]

The script generates a dataset folder of RGB tiles with masks and trains on it with the default settings. The time
runs from the start of the training process, imports included, to the moment when the first batch enters the
network. Then the process ends. Wall seconds and processor seconds are printed; processor seconds depend less on
other work on the machine. --source compares checkouts of solarseg, which take turns; without it, the installed one
runs. File caches are warm. A last run of each, which is not timed, counts how often each file is opened and decoded.

Most of the time goes into the search for copies, which depends on how similar the images are: the hashes propose 3 of
1,000 pairs of these tiles for a closer look, and 3 to 4 of the real cells and tiles in docs/results/duplicates.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

GROUP = 10  # tiles of one site


def write_tile(folder: Path, number: int, side: int) -> None:
    """Write a tile like an aerial photograph: uneven ground, grain, and up to three dark panels."""
    rng = np.random.default_rng(number)
    ground = cv2.resize(rng.integers(60, 200, (8, 8, 3), dtype=np.uint8), (side, side))
    image = cv2.add(ground, rng.integers(0, 12, (side, side, 3), dtype=np.uint8))
    mask = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        place = (
            tuple(rng.uniform(0, side, 2)),
            tuple(rng.uniform(side / 10, side / 3, 2)),
            rng.uniform(0, 90),
        )
        corners = cv2.boxPoints(place).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255)
        cv2.fillPoly(image, [corners], rng.integers(10, 60, 3).tolist())
    cv2.imwrite(str(folder / "images" / f"tile{number:05}.png"), image)
    cv2.imwrite(str(folder / "masks" / f"tile{number:05}.png"), mask)


def write_dataset(folder: Path, tiles: int, side: int) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda number: write_tile(folder, number, side), range(tiles)))
    lines = [f"tile{number:05},place{number // GROUP}" for number in range(tiles)]
    (folder / "groups.csv").write_text("\n".join(["name,group", *lines]) + "\n", encoding="utf-8")


class Counts:
    """Counts how often this process opens and decodes each file of a folder."""

    def __init__(self, folder: Path) -> None:
        self.opened: Counter[Path] = Counter()
        self.decoded: Counter[Path] = Counter()
        self._files = {str(file): file for file in folder.rglob("*.png")}
        self._contents = {zlib.crc32(file.read_bytes()): file for file in self._files.values()}
        self._lock = Lock()
        sys.addaudithook(self._see)
        self._watch_pillow()
        self._watch_opencv()

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]) in self._files:
            with self._lock:
                self.opened[self._files[str(arguments[0])]] += 1

    def _decode(self, content: bytes) -> None:
        file = self._contents.get(zlib.crc32(content))
        if file is not None:
            with self._lock:
                self.decoded[file] += 1

    def _watch_pillow(self) -> None:
        from PIL.ImageFile import ImageFile

        load = ImageFile.load

        def watched(picture: ImageFile) -> Any:
            if picture.tile and picture.fp is not None:  # a decoded picture has neither
                place = picture.fp.tell()
                picture.fp.seek(0)
                self._decode(picture.fp.read())
                picture.fp.seek(place)
            return load(picture)

        ImageFile.load = watched  # type: ignore[method-assign]

    def _watch_opencv(self) -> None:
        decode = cv2.imdecode

        def watched(content: Any, *options: Any) -> Any:
            self._decode(bytes(content))
            return decode(content, *options)

        cv2.imdecode = watched

    def to_dict(self) -> dict[str, dict[str, float]]:
        return {
            f"{kind} {what}": _spread(
                [counts[file] for file in self._files.values() if file.parent.name == kind]
            )
            for kind in ("images", "masks")
            for what, counts in (("opened", self.opened), ("decoded", self.decoded))
        }


def _spread(values: list[int]) -> dict[str, float]:
    return {"least": min(values), "mean": round(statistics.mean(values), 3), "most": max(values)}


def start(dataset: Path, out: Path, begin: float, count: bool) -> None:
    """Train up to the first step, print when it was reached, and exit."""
    counts = Counts(dataset) if count else None
    from lightning.pytorch.callbacks import Callback

    import solarseg
    from solarseg.training.config import Machine

    class Stop(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            found = {"clock": time.time() - begin, "processor": time.process_time()}
            source = {"source": str(Path(solarseg.__file__).parent)}
            print(json.dumps(found | source | (counts.to_dict() if counts else {})), flush=True)
            os._exit(0)

    solarseg.train(dataset, out, encoder_weights="none", machine=Machine(progress=False), callbacks=[Stop()])


def measure(checkout: Path | None, dataset: Path, *, count: bool = False) -> dict[str, Any]:
    environment = dict(os.environ)
    if checkout is not None:
        environment["PYTHONPATH"] = str(checkout / "src")
    with tempfile.TemporaryDirectory() as name:
        options = ["--inside", str(dataset), "--out", str(Path(name) / "run"), "--begin", str(time.time())]
        command = [sys.executable, __file__, *options, *(["--count"] if count else [])]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiles", type=int, default=5000, help="number of tiles")
    parser.add_argument("--side", type=int, default=256, help="of a tile, pixels")
    parser.add_argument("--rounds", type=int, default=3, help="timed turns of each source")
    parser.add_argument("--source", action="append", default=[], metavar="NAME=CHECKOUT")
    parser.add_argument("--dataset", type=Path, help="folder of the tiles; an existing one is used again")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        start(options.inside, options.out, options.begin, options.count)
        return
    pairs = [source.partition("=") for source in options.source]
    sources = {name: Path(checkout) for name, _, checkout in pairs} or {"installed": None}
    with tempfile.TemporaryDirectory() as temporary:
        dataset = options.dataset or Path(temporary) / "tiles"
        if not dataset.exists():
            write_dataset(dataset, options.tiles, options.side)
        compare(sources, dataset, options.rounds)


def compare(sources: dict[str, Path | None], dataset: Path, rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sources}
    for number in range(rounds):
        for name, checkout in sources.items():
            one = measure(checkout, dataset)
            found[name].append((one["clock"], one["processor"]))
            print(f"round {number + 1}, {name}: {_shown(one['clock'], one['processor'])}", flush=True)
    for name, checkout in sources.items():
        if found[name]:
            print(f"{name}: median {_shown(*map(statistics.median, zip(*found[name], strict=True)))}")
        for what, spread in measure(checkout, dataset, count=True).items():
            print(f"  {what}: {spread}", flush=True)


def _shown(clock: float, processor: float) -> str:
    return f"{clock:.1f} s, {processor:.1f} s of processor time"


if __name__ == "__main__":
    main()
