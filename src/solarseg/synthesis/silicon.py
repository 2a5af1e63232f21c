"""Brightness of the sound silicon of a cell, including the shadows of its fingers.

Grains and dislocations of multicrystalline cells look like defects but are not.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.layout import Layout
from solarseg.synthesis.noise import MIN_BRIGHTNESS, smooth_noise
from solarseg.synthesis.parameters import Chance, Range

__all__ = ["draw_shading", "draw_silicon", "draw_specks", "draw_wafer"]

Brightness = NDArray[np.float32]

SAG = Range(
    0.0, 0.14, "brightness", "loss halfway between busbars, caused by the resistance of the fingers", "low"
)
STRIP_STEP = Range(
    0.0, 0.1, "brightness", "difference between strips, as some ribbons carry more current than others", "low"
)
EDGE_DEPTH = Range(0.0, 0.38, "brightness", "loss at the edges, where carriers recombine", "low")
EDGE_WIDTH = Range(0.008, 0.04, "cell", "distance in which that loss decays")
DARK_EDGE = Chance(0.12, "the wafer comes from the rim of the ingot")
DARK_CORNER = Chance(0.3, "such a wafer is dark towards a corner, and not towards an edge")
DARK_EDGE_DEPTH = Range(0.1, 0.75, "brightness", "loss at the dark edge or corner of such a wafer", "low")
DARK_EDGE_WIDTH = Range(0.03, 0.3, "cell", "distance in which that loss decays")
CLOUDS = Range(0.0, 0.03, "brightness", "deviation of brightness between large parts of a cell", "low")
CLOUD_SIZE = Range(2, 5, "per image", "such parts along a side")
MONO_GRAIN = Range(0.0, 0.015, "brightness", "deviation of fine noise in mono cells, which are smooth", "low")
RINGED = Chance(0.3, "a mono cell has growth rings")
RING_DEPTH = Range(0.0, 0.06, "brightness", "amplitude of growth rings around the axis of the ingot", "low")
RING_AT = Range(0.2, 0.8, "cell", "position of the centre of the rings along either side")
RINGS = Range(3, 25, "per cell", "rings along a side")
STREAKED = Chance(0.6, "a mono cell has streaks")
STREAKED_ALONG = Chance(0.7, "streaks run from left to right")
STREAK_DEPTH = Range(
    0.0, 0.06, "brightness", "amplitude of streaks, from sawing, conveyor belts and camera rows", "low"
)
STREAKS_LONG = 2  # per image: a streak is half as long as the image
STREAKS = Range(8, 80, "per image", "streaks along a side")
PRINTED = Chance(0.1, "a mono cell has a regular pattern")
PRINT_DEPTH = Range(0.01, 0.1, "brightness", "amplitude of a regular pattern, left by a wafer carrier")
PRINTS = Range(6, 20, "per cell", "repeats of that pattern along a side")
PRINT_SLANT = 3  # radians, shift of the repeats from one edge of the cell to the other
POLY_GRAIN = Range(0.0, 0.07, "brightness", "deviation of fine noise in poly cells", "low")
POLY_GRAINS = Range(50, 170, "per image", "spots of fine noise along a side")
CRYSTAL_STEP = Range(0.0, 0.035, "brightness", "deviation of brightness between crystals", "low")
CRYSTALS = Range(3, 12, "per image", "crystals along a side")
CLUSTER_DEPTH = Range(0.0, 0.48, "brightness", "loss in the middle of a cluster of dislocations", "low")
CRYSTAL_SHADES = 4  # different levels of brightness of crystals
CLUSTER_LAYERS = 2  # of different sizes, drawn on top of each other
FRAYS = (
    (3, 1.0),
    (8, 0.5),
)  # of cluster outlines: frequency relative to the clusters, and weight of the noise
CLUSTERS = Range(3, 14, "per image", "clusters along a side")
CLUSTER_THRESHOLD = Range(0.5, 2.0, "deviations", "noise above this threshold is a cluster")
CLUSTER_LENGTH = Range(
    1.0, 3.0, "share", "length of a cluster, relative to its width: they follow slip lines"
)
CLUSTER_FRAY = Range(0.3, 1.1, "share", "weight of the finer noise that frays the outlines of clusters")
CLUSTER_SOFT = Range(
    0.7, 2.5, "deviations", "increase of the noise from the outline of a cluster to its full depth"
)
SPECKS = Range(100, 2500, "count", "single dislocations, drawn twice per poly cell", "low")
SPECK_SIZE = Range(0.0025, 0.008, "image", "standard deviation of a speck across its length", "low")
SPECK_LENGTH = Range(
    1.0, 2.5, "share", "length of specks, relative to their width; one direction for all specks of a cell"
)
SPECK_DEPTH = Range(0.0, 0.75, "brightness", "loss in the middle of the deepest specks", "low")
SPECK_SPREAD = Range(
    0.0, 0.6, "share", "depth of specks far from clusters, relative to those in clusters", "low"
)
MAX_SPECK_LOSS = 0.6  # brightness, where many specks overlap
NETWORK_DEPTH = Range(0.0, 0.35, "brightness", "loss along lines of dislocations and grain boundaries", "low")
NETWORKS = Range(4, 20, "per image", "meshes of such lines along a side")
NETWORK_WIDTH = Range(0.02, 0.12, "deviations", "half width of such lines, which are the zeros of a noise")


def draw_silicon(rng: np.random.Generator, layout: Layout) -> Brightness:
    """Draw the brightness of a cell without defects.

    Returns:
        ``(size, size) float32``, about 1.
    """
    light = draw_wafer(rng, layout) * draw_shading(rng, layout)
    return np.maximum(light, MIN_BRIGHTNESS)


def draw_wafer(rng: np.random.Generator, layout: Layout) -> Brightness:
    """Draw the brightness of a wafer: grains, dislocations, rings and streaks.

    Returns:
        ``(size, size) float32``, about 1; may be below 0.
    """
    light = 1 + CLOUDS.draw(rng) * smooth_noise(rng, layout.size, CLOUD_SIZE.draw(rng))
    light += _mono(rng, layout) if layout.module.cell == "mono" else _poly(rng, layout)
    return light


def draw_shading(rng: np.random.Generator, layout: Layout, rim: bool = True) -> Brightness:
    """Draw the losses along the edges, between busbars and below fingers, as a share of the brightness of the wafer.

    Args:
        rng: random numbers.
        layout: where the parts of the cell are.
        rim: whether the wafer may come from the rim of the ingot, which makes one of its sides dark.

    Returns:
        ``(size, size) float32``, about 1.
    """
    light = _sag(rng, layout) * _edges(rng, layout, rim)
    return light if layout.module.back_contacts else light * _fingers(layout)


def _mono(rng: np.random.Generator, layout: Layout) -> Brightness:
    u, v = layout.uv
    light = MONO_GRAIN.draw(rng) * smooth_noise(rng, layout.size, POLY_GRAINS.draw(rng))
    if RINGED.draw(rng):
        centre = RING_AT.draw_many(rng, 2)
        radius = np.sqrt((u - np.float32(centre[0])) ** 2 + (v - np.float32(centre[1])) ** 2)
        light += RING_DEPTH.draw(rng) * np.cos(radius * np.float32(RINGS.draw(rng) * 2 * np.pi))
    if STREAKED.draw(rng):
        light += STREAK_DEPTH.draw(rng) * smooth_noise(
            rng, layout.size, STREAKS.draw(rng), STREAKS_LONG, swap_axes=STREAKED_ALONG.draw(rng)
        )
    if PRINTED.draw(rng):
        across, down = (np.float32(PRINTS.draw(rng) * 2 * np.pi) for _ in range(2))
        pattern = np.maximum(np.cos(u * across + v * PRINT_SLANT) + np.cos(v * down) - 1, 0)
        light -= np.float32(PRINT_DEPTH.draw(rng)) * pattern
    return light


def _poly(rng: np.random.Generator, layout: Layout) -> Brightness:
    size = layout.size
    fine = smooth_noise(rng, size, POLY_GRAINS.draw(rng))
    light = POLY_GRAIN.draw(rng) * fine + _crystals(rng, size)
    lines = np.abs(smooth_noise(rng, size, NETWORKS.draw(rng)))
    thin = np.maximum(1 - lines / np.float32(NETWORK_WIDTH.draw(rng)), 0)
    light -= NETWORK_DEPTH.draw(rng) * thin * _smoothstep(smooth_noise(rng, size, CLOUD_SIZE.draw(rng)))
    for _ in range(CLUSTER_LAYERS):
        count = CLUSTERS.draw(rng)
        density = smooth_noise(rng, size, count, count / CLUSTER_LENGTH.draw(rng), rotate=True)
        fray = np.float32(CLUSTER_FRAY.draw(rng))
        for frequency, weight in FRAYS:
            density += fray * np.float32(weight) * smooth_noise(rng, size, frequency * count)
        above = density - np.float32(CLUSTER_THRESHOLD.draw(rng))
        cluster = _smoothstep(above / np.float32(CLUSTER_SOFT.draw(rng)))
        light -= CLUSTER_DEPTH.draw(rng) * cluster + draw_specks(rng, density)
    return light


def draw_specks(rng: np.random.Generator, density: NDArray[np.float32]) -> Brightness:
    """Draw the loss of brightness in small dots, which are deeper where a noise is higher.

    Args:
        rng: random numbers.
        density: ``(size, size) float32`` noise. Dots have their full depth where it is above 2, and a share of it
            where it is below 0.

    Returns:
        ``(size, size) float32``, 0 to `MAX_SPECK_LOSS`.
    """
    size, count = len(density), round(SPECKS.draw(rng))
    rows, columns = rng.integers(0, size, (2, count))
    spread = np.float32(SPECK_SPREAD.draw(rng))
    weights = spread + (1 - spread) * _smoothstep(density[rows, columns] / 2)
    dots = np.zeros_like(density)
    np.add.at(dots, (rows, columns), SPECK_DEPTH.draw(rng) * rng.random(count, np.float32) * weights)
    speck = _gaussian(SPECK_SIZE.draw(rng) * size, SPECK_LENGTH.draw(rng), rng.random() * np.pi)
    return np.minimum(
        cv2.filter2D(dots, -1, speck, borderType=cv2.BORDER_CONSTANT), np.float32(MAX_SPECK_LOSS)
    )


def _gaussian(deviation: float, length: float, angle: float) -> Brightness:
    """Return a rotated Gaussian with a maximum of 1, ``length`` times as long as wide."""
    reach = int(np.ceil(2.5 * deviation * length))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.exp(-((along / length) ** 2 + across**2) / (2 * deviation**2)).astype(np.float32)


def _crystals(rng: np.random.Generator, size: int) -> Brightness:
    """Draw steps between crystals: of several smooth noises, the largest decides the shade of a pixel."""
    count = CRYSTALS.draw(rng)
    fields = np.stack([smooth_noise(rng, size, count) for _ in range(CRYSTAL_SHADES)])
    levels = rng.standard_normal(len(fields)).astype(np.float32)
    return np.float32(CRYSTAL_STEP.draw(rng)) * levels[np.argmax(fields, axis=0)]


def _sag(rng: np.random.Generator, layout: Layout) -> Brightness:
    """Draw the loss with the square of the distance from the nearest busbar, and the steps between strips."""
    v = layout.uv[1]
    centres = [(top + bottom) / 2 for top, bottom in layout.busbar_intervals]
    if not centres:
        return np.ones_like(v)  # contacts on the back are everywhere
    distance = np.min([np.abs(v - np.float32(centre)) for centre in centres], axis=0)
    light = 1 - np.float32(SAG.draw(rng)) * (distance * np.float32(2 * len(centres))) ** 2
    steps = 1 + STRIP_STEP.draw(rng) * (2 * rng.random(len(centres) + 1) - 1)
    return light * steps.astype(np.float32)[np.searchsorted(centres, v)]


def _edges(rng: np.random.Generator, layout: Layout, rim: bool) -> Brightness:
    u, v = layout.uv
    sides = np.stack([u, 1 - u, v, 1 - v])
    nearest = np.maximum(sides.min(axis=0), 0)
    light = 1 - EDGE_DEPTH.draw(rng) * np.exp(-nearest / np.float32(EDGE_WIDTH.draw(rng)))
    if rim and DARK_EDGE.draw(rng):
        side = sides[rng.integers(4)]
        if DARK_CORNER.draw(rng):
            side = np.hypot(sides[rng.integers(2)], sides[2 + rng.integers(2)])
        fade = np.exp(-((np.maximum(side, 0) / np.float32(DARK_EDGE_WIDTH.draw(rng))) ** 2))
        light *= 1 - DARK_EDGE_DEPTH.draw(rng) * fade
    return light.astype(np.float32)


def _fingers(layout: Layout) -> Brightness:
    """Draw the shadows of fingers as a cosine, with the contrast that is left at this pixel size."""
    fingers = layout.module.fingers
    contrast = max(0.0, np.sinc(fingers / layout.to_pixels(1.0)))
    depth = np.float32((1 - layout.module.finger_brightness) * contrast)
    return 1 - depth * (0.5 + 0.5 * np.cos(layout.uv[0] * np.float32(fingers * 2 * np.pi)))


def _smoothstep(values: Brightness) -> Brightness:
    """Return 0 below 0, 1 above 1, and a smooth step in between."""
    clipped = np.clip(values, 0, 1)
    return clipped * clipped * (3 - 2 * clipped)
