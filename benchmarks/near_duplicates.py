"""What the search for duplicates finds, misses and mistakes, and how its time grows.

    python benchmarks/near_duplicates.py ../shared/data [--sheet pairs.png]

Four tables, on the real cells and tiles of the folder:

1. the images as they are: pairs proposed and confirmed, to be looked at (``--sheet`` draws them);
2. altered copies of every third cell and of every tile, each looked for among all images as they are: how many are
   found, at which step the others are lost, and how many pairs are confirmed that are no copies;
3. seconds to search up to 100,000 hashes with two threads: random ones, which hardly ever agree, and ones that are
   as alike as those of the real cells;
4. the same place in several years, on stand-ins: fields drawn at random and lit, sown and shifted anew each year.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.duplicates.perceptual_hash import SYMMETRIES, Fingerprint, fingerprint, propose, reduce, turn
from solarseg.duplicates.registration import CONFIRMED, confirm
from solarseg.duplicates.same_place import find_same_places
from solarseg.duplicates.search import Pair, find_duplicates
from solarseg.images import as_rgb, read_image

Image = NDArray[Any]
Alteration = Callable[[Image, np.random.Generator], Image]
SETS = {"elpv-cells": "cells", "pv01-tiles": "tiles"}
WORKERS = 2


@dataclass
class Real:
    """The images of all sets, one after another."""

    names: list[str]
    kinds: list[str]
    images: list[Image]

    @classmethod
    def read(cls, folder: Path) -> "Real":
        files = [
            (kind, file) for name, kind in SETS.items() for file in sorted(folder.glob(f"{name}/images/*"))
        ]
        with ThreadPoolExecutor(WORKERS) as pool:
            images = list(pool.map(lambda item: read_image(item[1]), files))
        return cls([file.stem for _, file in files], [kind for kind, _ in files], images)


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
    return lambda image, _: np.ascontiguousarray(turn(image, symmetry))


ALTERATIONS: dict[str, Alteration] = {
    **{SYMMETRIES[symmetry]: turned(symmetry) for symmetry in range(1, 8)},
    **{f"JPEG, quality {quality}": jpeg(quality) for quality in (95, 90, 70, 50, 30)},
    **{f"{pixels} pixels cropped on one side": crop(0, 0, pixels, 0) for pixels in (2, 4, 8, 16)},
    **{f"{pixels} pixels cropped at one corner": crop(pixels, 0, pixels, 0) for pixels in (2, 4, 8, 16)},
    **{f"{pixels} pixels cropped all round": crop(*4 * [pixels]) for pixels in (2, 4, 8, 16)},
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
    "turned 90° left, cropped by 2 to 5, JPEG 70": chain(turned(1), crop(4, 2, 3, 5), jpeg(70)),
    "mirrored, cropped by 0 to 8, 90%, brighter, JPEG 50": chain(
        turned(4), crop(6, 2, 8, 0), resize(0.9), tone(lambda values: 1.1 * values - 10), jpeg(50)
    ),
    "turned 180°, cropped by 8 all round, noise, JPEG 60": chain(
        turned(2), crop(8, 8, 8, 8), noise(4), jpeg(60)
    ),
}


def as_they_are(real: Real, sheet: Path | None) -> list[Fingerprint]:
    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        prints = list(pool.map(fingerprint, real.images))
    taken = time.perf_counter() - began
    kinds, by_name = (
        dict(zip(real.names, real.kinds, strict=True)),
        dict(zip(real.names, real.images, strict=True)),
    )
    began = time.perf_counter()
    found = find_duplicates(
        real.names,
        by_name.__getitem__,
        fingerprints=dict(zip(real.names, prints, strict=True)),
        workers=WORKERS,
    )
    searched = time.perf_counter() - began
    count = len(real.names)
    print("## The images as they are\n\n| | images | pairs | confirmed |\n| --- | ---: | ---: | ---: |")
    for kind in SETS.values():
        size = real.kinds.count(kind)
        both = sum(kinds[pair.first] == kinds[pair.second] == kind for pair in found.pairs)
        print(f"| {kind} | {size} | {size * (size - 1) // 2:,} | {both} |")
    print(f"| both | {count} | {count * (count - 1) // 2:,} | {len(found.pairs)} |\n")
    print(
        f"{found.proposed} pairs were proposed by their hashes. Fingerprints took {1000 * taken / count:.1f} ms an"
    )
    print(f"image (decoding apart), the search and {found.proposed} confirmations {searched:.1f} s.\n")
    for pair in found.pairs:
        print(
            f"- {pair.first}, {pair.second}: {pair.kind}, {SYMMETRIES[pair.symmetry]}, {pair.correlation:.4f}"
        )
    if sheet and found.pairs:
        draw(sheet, found.pairs, by_name)
    return prints


def draw(file: Path, pairs: tuple[Pair, ...], images: dict[str, Image]) -> None:
    rows = []
    for pair in pairs:
        shown = (turn(images[pair.first], pair.symmetry), images[pair.second])
        rows.append(np.hstack([cv2.resize(as_rgb(image), (400, 400)) for image in shown])[..., ::-1].copy())
        cv2.putText(
            rows[-1], f"{pair.first} {pair.second} {pair.correlation:.4f}", (5, 20), 0, 0.6, (0, 0, 255), 1
        )
    cv2.imwrite(str(file), np.vstack(rows))


@dataclass
class Outcome:
    """What became of the altered copies of some images."""

    copies: int = 0
    found: int = 0
    proposed: int = 0
    mistaken: int = 0

    def row(self) -> str:
        if not self.copies:
            return "0 | | | "
        lost = f"{self.copies - self.proposed} | {self.proposed - self.found}"
        return f"{self.found / self.copies:.1%} of {self.copies} | {lost} | {self.mistaken}"


def altered_copies(real: Real, prints: list[Fingerprint]) -> None:
    chosen = [i for i, kind in enumerate(real.kinds) if kind == "tiles" or i % 3 == 0]
    small = [reduce(image) for image in real.images]
    print("\n## Altered copies\n")
    print(f"Of {len(chosen)} images, each among all {len(real.names)} as they are.\n")
    columns = "found | not proposed | not confirmed | mistaken"
    print(f"| alteration | cells: {columns} | tiles: {columns} |")
    print("| --- |" + 8 * " ---: |")
    totals = {kind: Outcome() for kind in SETS.values()}
    for name, alter in ALTERATIONS.items():
        rng = np.random.default_rng(0)
        copies = [np.ascontiguousarray(alter(real.images[i], rng)) for i in chosen]
        outcomes = look_for(real, prints, small, chosen, copies)
        print(f"| {name} | " + " | ".join(outcome.row() for outcome in outcomes.values()) + " |", flush=True)
        for kind, outcome in outcomes.items():
            for field in vars(outcome):
                setattr(totals[kind], field, getattr(totals[kind], field) + getattr(outcome, field))
    print("| all | " + " | ".join(outcome.row() for outcome in totals.values()) + " |\n")
    for kind, total in totals.items():
        precision = total.found / max(1, total.found + total.mistaken)
        print(f"- {kind}: recall {total.found / total.copies:.4f}, precision {precision:.4f}")


def look_for(
    real: Real, prints: list[Fingerprint], small: list[Image], chosen: list[int], copies: list[Image]
) -> dict[str, Outcome]:
    outcomes = {kind: Outcome() for kind in SETS.values()}
    for i in chosen:
        outcomes[real.kinds[i]].copies += 1
    reduced = [reduce(copy) for copy in copies]
    pairs: dict[tuple[int, int], list[int]] = {}
    for rows in propose(prints + [fingerprint(copy) for copy in copies], workers=WORKERS):
        for i, j, symmetry in rows.tolist():
            if i < len(prints) <= j:
                pairs.setdefault((i, j - len(prints)), []).append(symmetry)

    def agree(pair: tuple[int, int]) -> bool:
        return any(
            confirm(small[pair[0]], reduced[pair[1]], symmetry) >= CONFIRMED for symmetry in pairs[pair]
        )

    with ThreadPoolExecutor(WORKERS) as pool:
        for (i, copy), agrees in zip(pairs, pool.map(agree, pairs), strict=True):
            outcome, own = outcomes[real.kinds[chosen[copy]]], i == chosen[copy]
            outcome.proposed += own
            outcome.found += own and agrees
            outcome.mistaken += agrees and not own
    return outcomes


def growth(prints: list[Fingerprint]) -> None:
    print("\n## Time to search\n\nSeconds with two threads, decoding and confirmation apart.\n")
    print("| images | random hashes | pairs proposed | hashes as alike as the cells' | pairs proposed |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    rng = np.random.default_rng(0)
    real = np.stack([one.coefficients for one in prints])
    for count in (1_000, 3_000, 10_000, 30_000, 100_000):
        cells = []
        # Enough noise that a hundred images made of one are no more alike than the cells of a set.
        likenesses = real[rng.integers(0, len(real), count)] + rng.normal(0, 0.06, (count, 64))
        for coefficients in (rng.normal(size=(count, 64)), likenesses):
            unit = coefficients / np.linalg.norm(coefficients, axis=1, keepdims=True)
            made = [Fingerprint("", row) for row in unit.astype(np.float32)]
            began = time.perf_counter()
            pairs = sum(len(rows) for rows in propose(made, workers=WORKERS))
            cells += [f"{time.perf_counter() - began:.2f}", f"{pairs:,}"]
        print(f"| {count:,} | " + " | ".join(cells) + " |", flush=True)


def places(count: int = 300) -> None:
    print("\n## The same place in two years, on stand-ins\n")
    print("| fields | tiles apart by up to | places found | mistaken pairs |\n| --- | ---: | ---: | ---: |")
    for name, sown in (("keep seven tenths of their brightness", 0.3), ("are sown anew", 1.0)):
        for shift in (0, 3, 6):
            tiles = dict(tile for place in range(count) for tile in both_years(place, sown, shift))
            found = find_same_places(list(tiles), tiles.__getitem__, workers=WORKERS).pairs
            right = sum(pair.first.split("-")[0] == pair.second.split("-")[0] for pair in found)
            print(f"| {name} | {shift} pixels | {right} of {count} | {len(found) - right} |", flush=True)


def both_years(place: int, sown: float, shift: int) -> Iterator[tuple[str, tuple[Image, Image]]]:
    """A landscape of fields, of which some may hold panels, seen twice."""
    rng = np.random.default_rng(place)
    side, bands = 288, 13
    angle, count = rng.uniform(0, np.pi), int(rng.integers(15, 60))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pixels = np.stack(np.mgrid[:side, :side], axis=-1) @ rotation
    away = np.abs(pixels[:, :, None] - rng.uniform(0, side, (count, 2)) @ rotation) * (1, 1.7)
    fields = away.max(axis=-1).argmin(axis=-1)
    soil = smooth(rng, side, 3, -0.08, 0.08)
    panels = np.isin(fields, rng.choice(count, 3)) if rng.random() < 0.5 else np.zeros_like(fields, bool)
    usual = spectra(rng, count, bands)
    for year in ("2021", "2023"):
        image = (sown * spectra(rng, count, bands) + (1 - sown) * usual)[fields] * (1 + soil[..., None])
        image[panels] = np.linspace(900, 1600, bands)
        image *= smooth(rng, side, 60, 0.85, 1.15)[..., None] * rng.uniform(0.8, 1.2, bands)
        image = cv2.GaussianBlur(image + rng.uniform(-100, 200, bands), (0, 0), 0.7) + rng.normal(
            0, 30, image.shape
        )
        y, x = 16 + rng.integers(-shift, shift + 1, 2)
        cut = np.s_[y : y + 256, x : x + 256]
        yield f"{place}-{year}", (image[cut].clip(0, 10_000).astype(np.uint16), panels[cut].astype(np.uint8))


def spectra(rng: np.random.Generator, count: int, bands: int) -> Image:
    """Each field's brightness in each band: visible and infrared differ, neighbouring bands hardly."""
    ends, share = rng.uniform(600, 3000, (2, count, 1)), np.linspace(0, 1, bands)
    return 0.3 * rng.uniform(600, 3000, (count, bands)) + 0.7 * (ends[0] * (1 - share) + ends[1] * share)


def smooth(rng: np.random.Generator, side: int, deviation: float, low: float, high: float) -> Image:
    values = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), deviation)
    return low + (high - low) * (values - values.min()) / (values.max() - values.min())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sheet", type=Path, help="PNG of the pairs confirmed among the images as they are")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    real = Real.read(options.data)
    prints = as_they_are(real, options.sheet)
    altered_copies(real, prints)
    growth(prints)
    places()


if __name__ == "__main__":
    main()
