"""Speed of the generator, and how far generated EL cells cover the range of real ones.

    python benchmarks/generator.py
    solarseg data download elpv --out downloads/elpv
    python benchmarks/generator.py --data downloads/elpv [--sheets DIR]

Without --data, only the speed is measured. Real cells are the development half of ELPV (see
benchmarks/elpv.py). For each measure the table has the 5th, 50th and 95th percentile of real and of generated
cells, and the share of the real ones within the range of the generated. --sheets writes pictures of both. Do
not publish those of real cells without the licence of ELPV (CC BY-NC-SA 4.0).
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from elpv import halves, read_labels
from machine import describe

from solarseg.images import read_image
from solarseg.synthesis import Module, generate_cell, generate_photograph

COUNT = 400
SHEET = (8, 5)  # cells across and down
BANDS = ((1, 4), (4, 12), (12, 32), (32, 64), (64, 128))  # cycles per image


def measures(image):
    """Measure brightness, contrast, power spectrum and the deepest busbar of an image ``(H, W) uint8``."""
    grey = cv2.resize(image.astype(np.float32) / 255, (256, 256), interpolation=cv2.INTER_AREA)
    found = {"mean brightness": grey.mean(), "contrast (deviation by mean)": grey.std() / grey.mean()}
    window = np.hanning(256)[:, None] * np.hanning(256)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / grey.mean() ** 2
    across = np.fft.fftfreq(256) * 256
    cycles = np.hypot(across[:, None], across)
    for low, high in BANDS:
        found[f"power, {low} to {high} cycles (log10)"] = np.log10(
            power[(cycles >= low) & (cycles < high)].mean()
        )
    found["busbar depth"] = max(busbar_depth(grey), busbar_depth(grey.T))
    found["busbar width, pixels of 256"] = busbar_width(
        grey if busbar_depth(grey) > busbar_depth(grey.T) else grey.T
    )
    return found


def profile(grey):
    """Return the brightness of each row as a share of the rows around it, without the edges."""
    rows = np.median(grey[:, 20:-20], axis=1)
    around = cv2.blur(rows[:, None], (1, 41))[:, 0]
    return (rows / around)[12:-12]


def busbar_depth(grey):
    """Return how much darker the darkest row is, as a share."""
    return 1 - profile(grey).min()


def busbar_width(grey):
    """Count the rows around the darkest that are darker than half its depth."""
    rows = profile(grey)
    lowest, bound = int(rows.argmin()), 1 - busbar_depth(grey) / 2
    left = lowest - next((i for i in range(lowest + 1) if rows[lowest - i] > bound), lowest)
    right = lowest + next(
        (i for i in range(len(rows) - lowest) if rows[lowest + i] > bound), len(rows) - lowest
    )
    return right - left - 1


def table(kind, real, generated):
    """Print rows of percentiles."""
    for name in real[0]:
        theirs, ours = (np.array([one[name] for one in cells]) for cells in (real, generated))
        low, high = np.percentile(ours, [5, 95])
        within = ((theirs >= low) & (theirs <= high)).mean()
        spans = [
            "  ".join(f"{value:.2f}" for value in np.percentile(cells, [5, 50, 95]))
            for cells in (theirs, ours)
        ]
        covers = np.percentile(theirs, 5) >= low and np.percentile(theirs, 95) <= high
        print(f"| {kind} | {name} | {spans[0]} | {spans[1]} | {within:.0%} | {'yes' if covers else 'no'} |")


def speed():
    """Return the number of cells of 256 pixels that one core generates in a second."""
    cv2.setNumThreads(1)
    start = time.process_time()
    for seed in range(200):
        generate_cell(np.random.default_rng(seed))
    return 200 / (time.process_time() - start)


def seconds_per_photograph():
    """Return the seconds that one core needs for a photograph of 2,000 pixels."""
    cv2.setNumThreads(1)
    start = time.process_time()
    for seed in range(20):
        generate_photograph(np.random.default_rng(seed), 2000)
    return (time.process_time() - start) / 20


def sheet(path, images):
    """Write cells side by side."""
    across, down = SHEET
    small = [cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA) for image in images[: across * down]]
    cv2.imwrite(
        str(path), np.vstack([np.hstack(small[i : i + across]) for i in range(0, across * down, across)])
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the download of ELPV")
    parser.add_argument("--count", type=int, default=COUNT, help="number of generated cells of each kind")
    parser.add_argument("--sheets", type=Path, help="folder for pictures")
    options = parser.parse_args()
    print(describe("numpy", "opencv-python-headless"))
    print(f"{speed():.0f} cells of 256 pixels a second, on one core")
    print(f"{seconds_per_photograph():.1f} s per photograph of 2,000 pixels, on one core\n")
    if options.data:
        compare(options.data, options.count, options.sheets)


def compare(data, count, sheets):
    """Print the table of percentiles of real and generated cells, and write the sheets if asked."""
    print("| cells | measure | real: 5%  50%  95% | generated: 5%  50%  95% | real within | covered |")
    print("| --- | --- | --- | --- | ---: | --- |")
    rng = np.random.default_rng(1)
    for kind in ("mono", "poly"):
        rows = [row for row in halves(read_labels(data))["development"] if row["cell_type"] == kind]
        real = [read_image(row["path"])[..., 0] for row in rows]
        generated = []
        for seed in range(count):
            each = np.random.default_rng([5, seed])
            generated.append(generate_cell(each, 300, Module.draw(each, kind))[0][..., 0])
        table(kind, [measures(image) for image in real], [measures(image) for image in generated])
        if sheets:
            sheets.mkdir(parents=True, exist_ok=True)
            sheet(sheets / f"real-{kind}.png", [real[i] for i in rng.permutation(len(real))])
            sheet(sheets / f"generated-{kind}.png", generated)


if __name__ == "__main__":
    main()
