"""What the search for duplicates finds, misses and confuses, and how its time grows.

    python benchmarks/near_duplicates.py [--cells DIR] [--tiles DIR] [--sheet pairs.png]

Without folders, EL cells and landscapes are generated, which have no copies among them. The published figures
are of cells of ELPV (`solarseg data download elpv --out downloads/elpv`, then --cells downloads/elpv) and of
the PV01 tiles (benchmarks/pv01.py, then --tiles pv01-tiles/images). Four tables:

1. The images as they are: pairs that are proposed and confirmed. Look at them: --sheet draws them.
2. Altered copies of every third cell and of every tile, each searched among all images as they are: how many are
   found, at which step the others are lost, and how many confirmed pairs are not copies.
3. Seconds to search up to 100,000 hashes with two threads: random ones, which hardly ever agree, and ones that are
   as similar as those of the cells.
4. The same place in two years: generated landscapes with other light, other crops and a shift.
"""

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from generated import landscape_in_two_years
from machine import describe
from numpy.typing import NDArray

from solarseg.datasets.image_files import find_images
from solarseg.duplicates.perceptual_hash import (
    SYMMETRIES,
    ImageHash,
    apply_symmetry,
    hash_image,
    propose_pairs,
    shrink_to_grey,
)
from solarseg.duplicates.registration import MIN_CORRELATION, aligned_correlation
from solarseg.duplicates.same_place import find_same_places
from solarseg.duplicates.search import DuplicatePair, ImageDescriptor, find_duplicates
from solarseg.images import as_rgb, read_image
from solarseg.synthesis.dataset import CELLS_PER_MODULE, generate_dataset_cell

Image = NDArray[Any]
Alteration = Callable[[Image, np.random.Generator], Image]
KINDS = ("cells", "tiles")
THREADS, SEED = 2, 11


@dataclass
class Images:
    """The images of both kinds, one after another."""

    names: list[str]
    kinds: list[str]
    images: list[Image]

    @classmethod
    def read(cls, folders: dict[str, Path | None], count: int) -> "Images":
        """Read the images of each kind from its folder, or generate some if no folder is given."""
        read = cls([], [], [])
        for kind, folder in folders.items():
            with ThreadPoolExecutor(THREADS) as pool:
                if folder is None:
                    names = [f"{kind}-{number:04}" for number in range(count)]
                    images = list(pool.map(GENERATORS[kind], range(count)))
                else:
                    files = [file for file, _ in find_images([folder])]
                    names, images = [file.stem for file in files], list(pool.map(read_image, files))
            read.names += names
            read.kinds += [kind] * len(names)
            read.images += images
        return read


def generated_cell(number: int) -> Image:
    """Draw a cell; each is of another module."""
    return generate_dataset_cell(SEED, number * CELLS_PER_MODULE, 300)[0]


def generated_tile(number: int) -> Image:
    """Draw a landscape in 8-bit RGB."""
    image, _ = next(landscape_in_two_years(number, bands=3))
    return (image / (4000 / 255)).clip(0, 255).astype(np.uint8)


GENERATORS = {"cells": generated_cell, "tiles": generated_tile}


def jpeg(quality: int) -> Alteration:
    def alter(image: Image, _: np.random.Generator) -> Image:
        _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(content, cv2.IMREAD_UNCHANGED).reshape(image.shape)

    return alter


def crop(top: int, bottom: int, left: int, right: int) -> Alteration:
    return lambda image, _: image[top : image.shape[0] - bottom, left : image.shape[1] - right]


def resize(factor: float) -> Alteration:
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return lambda image, _: as_bands(cv2.resize(image, None, fx=factor, fy=factor, interpolation=way))


def tone(change: Callable[[Image], Image]) -> Alteration:
    return lambda image, _: change(image.astype(np.float32)).clip(0, 255).round().astype(np.uint8)


def noise(deviation: float) -> Alteration:
    return lambda image, rng: tone(lambda values: values + rng.normal(0, deviation, image.shape))(image, rng)


def blur(deviation: float) -> Alteration:
    return lambda image, _: as_bands(cv2.GaussianBlur(image, (0, 0), deviation))


def change_bands(image: Image, _: np.random.Generator) -> Image:
    return as_rgb(image) if image.shape[-1] == 1 else as_bands(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def as_bands(image: Image) -> Image:
    return image if image.ndim == 3 else image[..., None]


def chain(*steps: Alteration) -> Alteration:
    def alter(image: Image, rng: np.random.Generator) -> Image:
        for step in steps:
            image = np.ascontiguousarray(step(image, rng))
        return image

    return alter


def turned(symmetry: int) -> Alteration:
    return lambda image, _: np.ascontiguousarray(apply_symmetry(image, symmetry))


ALTERATIONS: dict[str, Alteration] = {
    **{SYMMETRIES[symmetry]: turned(symmetry) for symmetry in range(1, 8)},
    **{f"JPEG, quality {quality}": jpeg(quality) for quality in (95, 90, 70, 50, 30)},
    **{f"{pixels} pixels cropped on one side": crop(0, 0, pixels, 0) for pixels in (2, 4, 8, 16)},
    **{f"{pixels} pixels cropped at one corner": crop(pixels, 0, pixels, 0) for pixels in (2, 4, 8, 16)},
    **{f"{pixels} pixels cropped on each side": crop(*4 * [pixels]) for pixels in (2, 4, 8, 16)},
    **{f"resized to {factor:.0%}": resize(factor) for factor in (0.5, 0.9, 1.1)},
    **{f"brightness {factor - 1:+.0%}": tone(lambda values, by=factor: values * by) for factor in (0.8, 1.2)},
    **{
        f"contrast {factor - 1:+.0%}": tone(
            lambda values, by=factor: (values - values.mean()) * by + values.mean()
        )
        for factor in (0.8, 1.2)
    },
    **{f"gamma {gamma}": tone(lambda values, by=gamma: 255 * (values / 255) ** by) for gamma in (0.7, 1.4)},
    **{f"noise, {levels / 255:.0%} of the range": noise(levels) for levels in (5, 10)},
    **{f"blur, {deviation} pixels": blur(deviation) for deviation in (1, 2)},
    "grey to RGB, RGB to grey": change_bands,
    "8 to 16 bits": lambda image, _: image.astype(np.uint16) * 257,
    "rotated 90° left, cropped by 2 to 5, JPEG 70": chain(turned(1), crop(4, 2, 3, 5), jpeg(70)),
    "mirrored, cropped by 0 to 8, 90%, brighter, JPEG 50": chain(
        turned(4), crop(6, 2, 8, 0), resize(0.9), tone(lambda values: 1.1 * values - 10), jpeg(50)
    ),
    "rotated 180°, cropped by 8 on each side, noise, JPEG 60": chain(
        turned(2), crop(8, 8, 8, 8), noise(4), jpeg(60)
    ),
}


def as_they_are(given: Images, sheet: Path | None) -> list[ImageHash]:
    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        prints = list(pool.map(hash_image, given.images))
    duration = time.perf_counter() - start
    kinds, by_name = (
        dict(zip(given.names, given.kinds, strict=True)),
        dict(zip(given.names, given.images, strict=True)),
    )
    start = time.perf_counter()
    found = find_duplicates(
        given.names,
        by_name.__getitem__,
        descriptors={name: ImageDescriptor(one) for name, one in zip(given.names, prints, strict=True)},
        threads=THREADS,
    )
    searched = time.perf_counter() - start
    count = len(given.names)
    print("## The images as they are\n\n| | images | pairs | confirmed |\n| --- | ---: | ---: | ---: |")
    for kind in KINDS:
        size = given.kinds.count(kind)
        both = sum(kinds[pair.first] == kinds[pair.second] == kind for pair in found.pairs)
        print(f"| {kind} | {size} | {size * (size - 1) // 2:,} | {both} |")
    print(f"| both | {count} | {count * (count - 1) // 2:,} | {len(found.pairs)} |\n")
    print(
        f"{found.proposed} pairs were proposed by their hashes. Hashes took {1000 * duration / count:.1f} ms an"
    )
    print(f"image (decoding apart), the search and {found.proposed} confirmations {searched:.1f} s.\n")
    for pair in found.pairs:
        print(
            f"- {pair.first}, {pair.second}: {pair.kind}, {SYMMETRIES[pair.symmetry]}, {pair.correlation:.4f}"
        )
    if sheet and found.pairs:
        draw(sheet, found.pairs, by_name)
    return prints


def draw(file: Path, pairs: tuple[DuplicatePair, ...], images: dict[str, Image]) -> None:
    rows = []
    for pair in pairs:
        shown = (apply_symmetry(images[pair.first], pair.symmetry), images[pair.second])
        rows.append(np.hstack([cv2.resize(as_rgb(image), (400, 400)) for image in shown])[..., ::-1].copy())
        cv2.putText(
            rows[-1], f"{pair.first} {pair.second} {pair.correlation:.4f}", (5, 20), 0, 0.6, (0, 0, 255), 1
        )
    cv2.imwrite(str(file), np.vstack(rows))


@dataclass
class Outcome:
    """Counts of the altered copies of some images."""

    copies: int = 0
    found: int = 0
    proposed: int = 0
    confused: int = 0

    def row(self) -> str:
        if not self.copies:
            return "0 | | | "
        lost = f"{self.copies - self.proposed} | {self.proposed - self.found}"
        return f"{self.found / self.copies:.1%} of {self.copies} | {lost} | {self.confused}"


def altered_copies(given: Images, prints: list[ImageHash]) -> None:
    chosen = [i for i, kind in enumerate(given.kinds) if kind == "tiles" or i % 3 == 0]
    small = [shrink_to_grey(image) for image in given.images]
    print("\n## Altered copies\n")
    print(f"Of {len(chosen)} images, each among all {len(given.names)} as they are.\n")
    columns = "found | not proposed | not confirmed | confused"
    print(f"| alteration | cells: {columns} | tiles: {columns} |")
    print("| --- |" + 8 * " ---: |")
    totals = {kind: Outcome() for kind in KINDS}
    for name, alter in ALTERATIONS.items():
        rng = np.random.default_rng(0)
        copies = [np.ascontiguousarray(alter(given.images[i], rng)) for i in chosen]
        outcomes = look_for(given, prints, small, chosen, copies)
        print(f"| {name} | " + " | ".join(outcome.row() for outcome in outcomes.values()) + " |", flush=True)
        for kind, outcome in outcomes.items():
            for field in vars(outcome):
                setattr(totals[kind], field, getattr(totals[kind], field) + getattr(outcome, field))
    print("| all | " + " | ".join(outcome.row() for outcome in totals.values()) + " |\n")
    for kind, total in totals.items():
        precision = total.found / max(1, total.found + total.confused)
        print(f"- {kind}: recall {total.found / total.copies:.4f}, precision {precision:.4f}")


def look_for(
    given: Images, prints: list[ImageHash], small: list[Image], chosen: list[int], copies: list[Image]
) -> dict[str, Outcome]:
    outcomes = {kind: Outcome() for kind in KINDS}
    for i in chosen:
        outcomes[given.kinds[i]].copies += 1
    reduced = [shrink_to_grey(copy) for copy in copies]
    pairs: dict[tuple[int, int], list[int]] = {}
    for rows in propose_pairs(prints + [hash_image(copy) for copy in copies], threads=THREADS):
        for i, j, symmetry in rows.tolist():
            if i < len(prints) <= j:
                pairs.setdefault((i, j - len(prints)), []).append(symmetry)

    def agree(pair: tuple[int, int]) -> bool:
        return any(
            aligned_correlation(small[pair[0]], reduced[pair[1]], symmetry) >= MIN_CORRELATION
            for symmetry in pairs[pair]
        )

    with ThreadPoolExecutor(THREADS) as pool:
        for (i, copy), agrees in zip(pairs, pool.map(agree, pairs), strict=True):
            outcome, own = outcomes[given.kinds[chosen[copy]]], i == chosen[copy]
            outcome.proposed += own
            outcome.found += own and agrees
            outcome.confused += agrees and not own
    return outcomes


def report_growth(prints: list[ImageHash], largest: int) -> None:
    print("\n## Time to search\n\nSeconds with two threads, without decoding and confirmation.\n")
    print("| images | random hashes | pairs proposed | hashes as similar as the cells' | pairs proposed |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    rng = np.random.default_rng(0)
    similar = np.stack([one.coefficients for one in prints])
    for count in (count for count in (1_000, 3_000, 10_000, 30_000, 100_000) if count <= largest):
        cells = []
        # With this noise, a hundred hashes made of one are no more similar than the cells of a set.
        likenesses = similar[rng.integers(0, len(similar), count)] + rng.normal(0, 0.06, (count, 64))
        for coefficients in (rng.normal(size=(count, 64)), likenesses):
            unit = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
            made = [ImageHash("", row) for row in unit.astype(np.float32)]
            start = time.perf_counter()
            pairs = sum(len(rows) for rows in propose_pairs(made, threads=THREADS))
            cells += [f"{time.perf_counter() - start:.2f}", f"{pairs:,}"]
        print(f"| {count:,} | " + " | ".join(cells) + " |", flush=True)


def report_places(count: int) -> None:
    print("\n## The same place in two years, on generated landscapes\n")
    print("| fields | tiles apart by up to | places found | confused pairs |\n| --- | ---: | ---: | ---: |")
    for name, sown in (("keep 70% of their brightness", 0.3), ("have other crops", 1.0)):
        for shift in (0, 3, 6):
            tiles = {
                f"{place}-{year}": tile
                for place in range(count)
                for year, tile in enumerate(landscape_in_two_years(place, sown, shift))
            }
            found = find_same_places(list(tiles), tiles.__getitem__, threads=THREADS).pairs
            right = sum(pair.first.split("-")[0] == pair.second.split("-")[0] for pair in found)
            print(f"| {name} | {shift} pixels | {right} of {count} | {len(found) - right} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=Path, help="folder of EL cells (default: generated)")
    parser.add_argument("--tiles", type=Path, help="folder of aerial images (default: generated)")
    parser.add_argument("--count", type=int, default=200, help="number of generated images of each kind")
    parser.add_argument("--hashes", type=int, default=100_000, help="largest number of hashes to search")
    parser.add_argument("--places", type=int, default=300, help="number of places in two years")
    parser.add_argument(
        "--sheet", type=Path, help="PNG file of the pairs confirmed among the images as they are"
    )
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print(describe("numpy", "opencv-python-headless"))
    given = Images.read({"cells": options.cells, "tiles": options.tiles}, options.count)
    prints = as_they_are(given, options.sheet)
    altered_copies(given, prints)
    report_growth(prints, options.hashes)
    report_places(options.places)


if __name__ == "__main__":
    main()
