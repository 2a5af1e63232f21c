"""How bright the sound silicon of a cell is from place to place, its fingers' shadows included.

Grains and dislocations of multicrystalline cells look like defects and are none.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.layout import Layout
from solarseg.synthesis.noise import DARKEST, smooth_noise
from solarseg.synthesis.parameters import Chance, Range

__all__ = ["silicon", "specks"]

Light = NDArray[np.float32]

SAG = Range(0.0, 0.14, "light", "lost halfway between busbars, by the resistance of the fingers", "low")
BAND_STEP = Range(
    0.0, 0.1, "light", "by which bands differ, as one ribbon carries more current than another", "low"
)
EDGE_DEPTH = Range(0.0, 0.38, "light", "lost at the edges, where carriers recombine", "low")
EDGE_WIDTH = Range(0.008, 0.04, "cell", "over which that fades")
DARK_EDGE = Chance(0.12, "of a wafer from the ingot's rim")
DARK_CORNER = Chance(0.3, "that it is darker towards a corner instead of an edge")
DARK_EDGE_DEPTH = Range(
    0.1, 0.75, "light", "lost at one edge or corner of wafers from the ingot's rim", "low"
)
DARK_EDGE_WIDTH = Range(0.03, 0.3, "cell", "over which that fades")
CLOUDS = Range(0.0, 0.03, "light", "deviation over large parts of a cell", "low")
CLOUD_SIZE = Range(2, 5, "per image", "of such parts along its side")
MONO_GRAIN = Range(0.0, 0.015, "light", "deviation from place to place: mono is smooth", "low")
RINGED = Chance(0.3, "of rings in mono")
RING_DEPTH = Range(0.0, 0.06, "light", "of growth rings around the ingot's axis", "low")
RING_AT = Range(0.2, 0.8, "cell", "middle of rings, along either side")
RINGS = Range(3, 25, "per cell", "along its side")
STREAKED = Chance(0.6, "of streaks in mono")
STREAKED_ALONG = Chance(0.7, "that they run from left to right")
STREAK_DEPTH = Range(
    0.0, 0.06, "light", "of streaks across or along, from sawing, belts and the camera's rows", "low"
)
STREAKS_LONG = 2  # per image: one is as long as half of it
STREAKS = Range(8, 80, "per image", "along its side")
PRINTED = Chance(0.1, "of a pattern in mono")
PRINT_DEPTH = Range(0.01, 0.1, "light", "of a regular pattern, from what carried the wafer")
PRINTS = Range(6, 20, "per cell", "of its repeats along the cell's side")
PRINT_SLANT = 3  # radians by which repeats are shifted from one edge of the cell to the other
POLY_GRAIN = Range(0.0, 0.07, "light", "deviation from place to place", "low")
POLY_GRAINS = Range(50, 170, "per image", "of such places along its side")
CRYSTAL_STEP = Range(0.0, 0.035, "light", "deviation between crystals", "low")
CRYSTALS = Range(3, 12, "per image", "along its side")
CLUSTER_DEPTH = Range(0.0, 0.48, "light", "lost in the middle of clusters of dislocations", "low")
CRYSTAL_SHADES = 4  # that crystals have
CLUSTER_LAYERS = 2  # drawn one over the other, of different sizes
FRAYS = ((3, 1.0), (8, 0.5))  # times as fine as clusters are, and share of noise that frays their outlines
CLUSTERS = Range(3, 14, "per image", "along its side")
CLUSTER_RARE = Range(0.5, 2.0, "deviations", "from the mean, beyond which noise is a cluster")
CLUSTER_LONG = Range(1.0, 3.0, "share", "length to width: they follow slip lines")
CLUSTER_FRAY = Range(0.3, 1.1, "share", "how much finer noise frays the outlines of clusters")
CLUSTER_SOFT = Range(0.7, 2.5, "deviations", "of that noise, from a cluster's outline to its middle")
SPECKS = Range(100, 2500, "count", "dislocations seen one by one, twice of each cell in poly", "low")
SPECK_SIZE = Range(
    0.0025, 0.008, "image", "from a speck's middle to where it has lost four tenths of its depth", "low"
)
SPECK_LONG = Range(1.0, 2.5, "share", "length to width, along a direction that those of a cell share")
SPECK_DEPTH = Range(0.0, 0.75, "light", "lost in the middle of the deepest", "low")
SPECK_SPREAD = Range(0.0, 0.6, "share", "of that depth far from clusters, which specks gather in", "low")
SPECKS_DEEPEST = 0.6  # light, where many meet
NETWORK_DEPTH = Range(0.0, 0.35, "light", "lost along lines of dislocations and boundaries of grains", "low")
NETWORKS = Range(4, 20, "per image", "meshes of such lines along its side")
NETWORK_WIDTH = Range(0.02, 0.12, "deviations", "of the noise whose zeros such lines are")


def silicon(rng: np.random.Generator, layout: Layout) -> Light:
    """Draw the brightness of a cell without defects, ``(size, size) float32``, about 1."""
    light = 1 + CLOUDS.draw(rng) * smooth_noise(rng, layout.size, CLOUD_SIZE.draw(rng))
    light += _mono(rng, layout) if layout.module.cell == "mono" else _poly(rng, layout)
    light *= _sag(rng, layout) * _edges(rng, layout)
    if not layout.module.back_contacts:
        light *= _fingers(layout)
    return np.maximum(light, DARKEST)


def _mono(rng: np.random.Generator, layout: Layout) -> Light:
    u, v = layout.uv
    light = MONO_GRAIN.draw(rng) * smooth_noise(rng, layout.size, POLY_GRAINS.draw(rng))
    if RINGED.draw(rng):
        middle = RING_AT.draw_many(rng, 2)
        radius = np.sqrt((u - np.float32(middle[0])) ** 2 + (v - np.float32(middle[1])) ** 2)
        light += RING_DEPTH.draw(rng) * np.cos(radius * np.float32(RINGS.draw(rng) * 2 * np.pi))
    if STREAKED.draw(rng):
        light += STREAK_DEPTH.draw(rng) * smooth_noise(
            rng, layout.size, STREAKS.draw(rng), STREAKS_LONG, along=STREAKED_ALONG.draw(rng)
        )
    if PRINTED.draw(rng):
        across, down = (np.float32(PRINTS.draw(rng) * 2 * np.pi) for _ in range(2))
        spots = np.maximum(np.cos(u * across + v * PRINT_SLANT) + np.cos(v * down) - 1, 0)
        light -= np.float32(PRINT_DEPTH.draw(rng)) * spots
    return light


def _poly(rng: np.random.Generator, layout: Layout) -> Light:
    size = layout.size
    fine = smooth_noise(rng, size, POLY_GRAINS.draw(rng))
    light = POLY_GRAIN.draw(rng) * fine + _crystals(rng, size)
    lines = np.abs(smooth_noise(rng, size, NETWORKS.draw(rng)))
    thin = np.maximum(1 - lines / np.float32(NETWORK_WIDTH.draw(rng)), 0)
    light -= NETWORK_DEPTH.draw(rng) * thin * _share(smooth_noise(rng, size, CLOUD_SIZE.draw(rng)))
    for _ in range(CLUSTER_LAYERS):
        wide = CLUSTERS.draw(rng)
        where = smooth_noise(rng, size, wide, wide / CLUSTER_LONG.draw(rng), turned=True)
        fray = np.float32(CLUSTER_FRAY.draw(rng))
        for finer, part in FRAYS:
            where += fray * np.float32(part) * smooth_noise(rng, size, finer * wide)
        cluster = _share((where - np.float32(CLUSTER_RARE.draw(rng))) / np.float32(CLUSTER_SOFT.draw(rng)))
        light -= CLUSTER_DEPTH.draw(rng) * cluster + specks(rng, where)
    return light


def specks(rng: np.random.Generator, where: Light) -> Light:
    """Draw the light lost in small dots, the deeper the higher a noise is.

    Args:
        rng: draws them.
        where: ``(size, size) float32`` noise: above 2, dots have their whole depth, below 0 a share of it.

    Returns:
        ``(size, size) float32``, 0 to `SPECKS_DEEPEST`.
    """
    size, count = len(where), round(SPECKS.draw(rng))
    rows, columns = rng.integers(0, size, (2, count))
    spread = np.float32(SPECK_SPREAD.draw(rng))
    near = spread + (1 - spread) * _share(where[rows, columns] / 2)
    dots = np.zeros_like(where)
    np.add.at(dots, (rows, columns), SPECK_DEPTH.draw(rng) * rng.random(count, np.float32) * near)
    spot = _spot(SPECK_SIZE.draw(rng) * size, SPECK_LONG.draw(rng), rng.random() * np.pi)
    return np.minimum(
        cv2.filter2D(dots, -1, spot, borderType=cv2.BORDER_CONSTANT), np.float32(SPECKS_DEEPEST)
    )


def _spot(deviation: float, length: float, angle: float) -> Light:
    """A Gaussian of two deviations, 1 in its middle, turned."""
    reach = int(np.ceil(2.5 * deviation * length))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, beside = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.exp(-((along / length) ** 2 + beside**2) / (2 * deviation**2)).astype(np.float32)


def _crystals(rng: np.random.Generator, size: int) -> Light:
    """Steps between crystals, whose outlines are where one smooth noise overtakes another."""
    wide = CRYSTALS.draw(rng)
    fields = np.stack([smooth_noise(rng, size, wide) for _ in range(CRYSTAL_SHADES)])
    levels = rng.standard_normal(len(fields)).astype(np.float32)
    return np.float32(CRYSTAL_STEP.draw(rng)) * levels[np.argmax(fields, axis=0)]


def _sag(rng: np.random.Generator, layout: Layout) -> Light:
    """Light lost with the square of the distance from the nearest busbar, and bands that differ."""
    v = layout.uv[1]
    middles = [(top + bottom) / 2 for top, bottom in layout.busbar_places]
    if not middles:
        return np.ones_like(v)  # metal behind lies everywhere
    distance = np.min([np.abs(v - np.float32(middle)) for middle in middles], axis=0)
    light = 1 - np.float32(SAG.draw(rng)) * (distance * np.float32(2 * len(middles))) ** 2
    steps = 1 + BAND_STEP.draw(rng) * (2 * rng.random(len(middles) + 1) - 1)
    return light * steps.astype(np.float32)[np.searchsorted(middles, v)]


def _edges(rng: np.random.Generator, layout: Layout) -> Light:
    u, v = layout.uv
    sides = np.stack([u, 1 - u, v, 1 - v])
    nearest = np.maximum(sides.min(axis=0), 0)
    light = 1 - EDGE_DEPTH.draw(rng) * np.exp(-nearest / np.float32(EDGE_WIDTH.draw(rng)))
    if DARK_EDGE.draw(rng):
        side = sides[rng.integers(4)]
        if DARK_CORNER.draw(rng):
            side = np.hypot(sides[rng.integers(2)], sides[2 + rng.integers(2)])
        fade = np.exp(-((np.maximum(side, 0) / np.float32(DARK_EDGE_WIDTH.draw(rng))) ** 2))
        light *= 1 - DARK_EDGE_DEPTH.draw(rng) * fade
    return light.astype(np.float32)


def _fingers(layout: Layout) -> Light:
    """Dark lines, a wave of which no more is left than pixels so large would show."""
    fingers = layout.module.fingers
    seen = max(0.0, np.sinc(fingers / layout.pixels(1.0)))
    depth = np.float32((1 - layout.module.finger_light) * seen)
    return 1 - depth * (0.5 + 0.5 * np.cos(layout.uv[0] * np.float32(fingers * 2 * np.pi)))


def _share(values: Light) -> Light:
    """0 below 0, 1 above 1, and smooth in between."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)
