"""Generated cells against real ones: how quickly they are drawn, and whether they cover what real ones look like.

    python benchmarks/generator.py ../shared/data/elpv-cells [--sheets DIR]

Real cells are the development half of ELPV (see benchmarks/elpv.py). For each measure the table gives the 5th, 50th and
95th percentile of real and of generated cells, and which share of the real ones lies within the range of the generated.
Sheets of both are for looking at; those of real cells must not go into the repository (CC BY-NC-SA 4.0).
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from elpv import halves

from solarseg.images import read_image
from solarseg.synthesis import Module, generate_cell

COUNT = 400
SHEET = (8, 5)  # cells across and down
BANDS = ((1, 4), (4, 12), (12, 32), (32, 64), (64, 128))  # cycles per image


def measures(image):
    """Brightness, contrast, power spectrum and the deepest busbar of ``(H, W)`` grey levels of 8 bits."""
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
    """Brightness row by row as a share of what is around, the edges left out."""
    rows = np.median(grey[:, 20:-20], axis=1)
    around = cv2.blur(rows[:, None], (1, 41))[:, 0]
    return (rows / around)[12:-12]


def busbar_depth(grey):
    """How much darker the darkest row is."""
    return 1 - profile(grey).min()


def busbar_width(grey):
    """Rows around the darkest that are darker than half its depth."""
    rows = profile(grey)
    lowest, bound = int(rows.argmin()), 1 - busbar_depth(grey) / 2
    left = lowest - next((i for i in range(lowest + 1) if rows[lowest - i] > bound), lowest)
    right = lowest + next(
        (i for i in range(len(rows) - lowest) if rows[lowest + i] > bound), len(rows) - lowest
    )
    return right - left - 1


def table(kind, real, generated):
    """Rows of percentiles."""
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
    """Cells of 256 pixels a second, of one core."""
    cv2.setNumThreads(1)
    start = time.process_time()
    for seed in range(200):
        generate_cell(np.random.default_rng(seed))
    return 200 / (time.process_time() - start)


def sheet(path, images):
    """Cells side by side."""
    across, down = SHEET
    small = [cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA) for image in images[: across * down]]
    cv2.imwrite(
        str(path), np.vstack([np.hstack(small[i : i + across]) for i in range(0, across * down, across)])
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()
    print(f"{speed():.0f} cells a second a core\n")
    print("| cells | measure | real: 5%  50%  95% | generated: 5%  50%  95% | real within | covered |")
    print("| --- | --- | --- | --- | ---: | --- |")
    rng = np.random.default_rng(1)
    for kind in ("mono", "poly"):
        rows = [row for row in halves(asked.data)["development"] if row["cell_type"] == kind]
        real = [read_image(asked.data / "images" / row["image"])[..., 0] for row in rows]
        generated = []
        for seed in range(COUNT):
            each = np.random.default_rng([5, seed])
            generated.append(generate_cell(each, 300, Module.draw(each, kind))[0][..., 0])
        table(kind, [measures(image) for image in real], [measures(image) for image in generated])
        if asked.sheets:
            asked.sheets.mkdir(parents=True, exist_ok=True)
            sheet(asked.sheets / f"real-{kind}.png", [real[i] for i in rng.permutation(len(real))])
            sheet(asked.sheets / f"generated-{kind}.png", generated)


if __name__ == "__main__":
    main()
