"""Milliseconds a sample to read GloSoFarID: solarseg, tf.data, and decompression alone.

    python benchmarks/tfrecord.py [FILE] [--repeats 5]

Without FILE, a file in the format of GloSoFarID is generated: landscapes of 13 bands and masks of solar
panels. The real files come from `solarseg data download glosofarid --files '*us*' --out
downloads/glosofarid`, which is several GB. The samples of FILE are repeated to at least 200, as consecutive
gzip members, so that the start does not count. Each peer reads that file once without measurement. Then the
peers take turns in one process. Ratios are medians over the rounds.

TensorFlow is measured if it is installed; solarseg does not depend on it. It reads in four ways, and
the fastest one counts. It stops at the float32 values of each feature. solarseg also checks the values and makes a
uint16 image and a mask.
"""

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from generated import write_glosofarid
from isal import igzip
from machine import describe

from solarseg.formats import open_source
from solarseg.formats.glosofarid.read import BANDS
from solarseg.threads import count_cores, fan_out

SAMPLES = 200
PIECE = 1 << 17  # bytes, which fit into the processor's cache

OURS, OURS_IN_THREADS = "solarseg", "solarseg, loaded in threads as convert does"
FLOOR, PYTHON = "ISA-L's gunzip alone", "Python's gzip alone"
TENSORFLOW = "tf.data"

# Another process runs this, for its peak memory; getrusage could give that of its parent, which is higher.
STATUS = Path("/proc/self/status")
PEAK = """
import sys
from solarseg.formats import open_source
for sample in open_source(sys.argv[1]):
    pass
print(*(line.split()[1] for line in open("/proc/self/status", encoding="utf-8") if line.startswith("VmHWM")))
"""


def repeat(file: Path, folder: Path, samples: int) -> Path:
    longer = folder / f"{samples}_{file.name}"
    content = file.read_bytes()
    with longer.open("wb") as opened:
        for _ in range(-(-samples // count(file))):
            opened.write(content)
    return longer


def count(file: Path) -> int:
    return sum(1 for _ in open_source(file))


def count_in_threads(file: Path, times: int = 1) -> int:
    parts = [part.entries for part in open_source(file).parts] * times
    return sum(1 for _ in fan_out(parts, lambda entry: entry.load(), count_cores()))


def decompress(opened: Any) -> None:
    with opened as file:
        while file.read(PIECE):
            pass


def our_peers(file: Path) -> dict[str, Callable[[], object]]:
    return {
        OURS: lambda: count(file),
        OURS_IN_THREADS: lambda: count_in_threads(file),
        FLOOR: lambda: decompress(igzip.open(file)),
        PYTHON: lambda: decompress(gzip.open(file)),
    }


def tensorflow_peers(file: Path) -> dict[str, Callable[[], object]]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf  # type: ignore[import-not-found]

    print(f"tensorflow {tf.__version__}")
    wanted = {name: tf.io.FixedLenFeature([256 * 256], tf.float32) for name in (*BANDS, "solar_panel")}

    def data(parallel: int | None = None, buffer: int | None = None) -> Any:
        records = tf.data.TFRecordDataset(str(file), compression_type="GZIP", buffer_size=buffer)
        return records.map(
            lambda record: tf.io.parse_single_example(record, wanted), num_parallel_calls=parallel
        )

    check_equal(file, data())
    auto = tf.data.AUTOTUNE
    ways = {
        TENSORFLOW: data(),
        f"{TENSORFLOW}, prefetch": data().prefetch(auto),
        f"{TENSORFLOW}, parallel map, prefetch": data(auto).prefetch(auto),
        f"{TENSORFLOW}, parallel map, prefetch, buffer of 8 MB": data(auto, 1 << 23).prefetch(auto),
    }
    return {name: lambda way=way: sum(1 for _ in way) for name, way in ways.items()}


def check_equal(file: Path, data: Any) -> None:
    """Check that both readers give the same numbers."""
    for ours, theirs in zip(open_source(file), data, strict=True):
        bands = np.stack([theirs[band].numpy() for band in BANDS], axis=-1)
        assert np.array_equal(ours.image.reshape(-1, len(BANDS)), bands)
        assert np.array_equal(ours.mask.ravel(), theirs["solar_panel"].numpy() != 0)


def take_turns(peers: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each round for each peer."""
    taken: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(1 + repeats):
        for name, read in peers.items():
            start = time.perf_counter()
            read()
            if number:
                taken[name].append(time.perf_counter() - start)
    return taken


def ratio(taken: dict[str, list[float]], slower: str, faster: str) -> float:
    return statistics.median(a / b for a, b in zip(taken[slower], taken[faster], strict=True))


def report(taken: dict[str, list[float]], samples: int) -> None:
    for name, seconds in taken.items():
        each = 1000 * statistics.median(seconds) / samples
        print(f"{name}: {each:.2f} ms a sample, {1000 / each:.0f} samples a second")
    ways = [name for name in taken if name.startswith(TENSORFLOW)]
    best = min(ways, key=lambda name: statistics.median(taken[name]), default=None)
    for ours in (OURS, OURS_IN_THREADS):
        print(f"{ours}: {ratio(taken, ours, FLOOR):.2f} times the time of {FLOOR}")
        if best:
            print(f"{ours}: {ratio(taken, best, ours):.2f} times the samples a second of {best}")


def report_two_files(file: Path, samples: int, repeats: int) -> None:
    """Print how much faster two files are read at once than one after the other."""
    peers = {"one": lambda: count_in_threads(file), "two": lambda: count_in_threads(file, 2)}
    taken = take_turns(peers, repeats)
    print(f"two files at once: {2 * ratio(taken, 'one', 'two'):.2f} times the samples a second of one")


def report_memory(file: Path, folder: Path) -> None:
    for samples in (SAMPLES, 4 * SAMPLES):
        longer = repeat(file, folder, samples)
        command = [sys.executable, "-c", PEAK, str(longer)]
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"peak memory of solarseg: {int(ran.stdout) / 1024:.0f} MiB for {count(longer)} samples")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, nargs="?", help="solar_*.tfrecord.gz (default: generated)")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds")
    options = parser.parse_args()
    print(describe("numpy", "isal", "google-crc32c"))
    with tempfile.TemporaryDirectory() as folder:
        source = options.file or Path(folder) / "solar_2023_us.tfrecord.gz"
        if options.file is None:
            write_glosofarid(source)
        file = repeat(source, Path(folder), SAMPLES)
        samples = count(file)
        peers = our_peers(file) | (tensorflow_peers(file) if find_spec("tensorflow") else {})
        print(f"{samples} samples, {options.repeats} rounds")
        report(take_turns(peers, options.repeats), samples)
        report_two_files(file, samples, options.repeats)
        if STATUS.exists():
            report_memory(source, Path(folder))


if __name__ == "__main__":
    main()
