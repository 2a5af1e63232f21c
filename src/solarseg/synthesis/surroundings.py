"""What a photograph shows around its modules: a wall or the ground, structures and reflections."""

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.noise import smooth_noise
from solarseg.synthesis.parameters import COIN_FLIP, Choice, Range
from solarseg.synthesis.shapes import rectangle

__all__ = ["draw_surroundings"]

Brightness = NDArray[np.float32]

SURROUNDINGS = Choice(
    {"dark": 0.35, "wall": 0.4, "ground": 0.25},
    "what is around the modules: nothing, a smooth or a rough surface",
)
AMBIENT = Range(0.0, 0.12, "brightness", "light that does not come from the modules", "low")
LIT = Range(0.0, 0.35, "share", "light of the modules that their surroundings reflect", "low")
LIT_REACH = Range(0.04, 0.2, "picture", "standard deviation of that light around the modules")
ROUGHNESS = Range(0.05, 0.5, "share", "deviation of the brightness of a rough surface")
STONES = Range(60, 400, "per picture", "spots of a rough surface: gravel, grass")
STRUCTURES = Range(0, 10, "count", "beams, cables and edges around the modules", "low")
STRUCTURE_WIDTH = Range(0.002, 0.05, "picture", "width of such a structure", "low")
STRUCTURE_REFLECTANCE = Range(0.1, 5.0, "share", "light that it reflects, relative to the rest", "log")
REFLECTIONS = Range(0, 8, "count", "reflections in clamps, screws and glass around the modules", "low")
REFLECTION_SIZE = Range(0.001, 0.008, "picture", "half width of such a reflection", "low")
REFLECTION_BRIGHTNESS = Range(0.05, 1.0, "brightness", "of such a reflection", "low")
NEAR_TRIES = 8  # places; the closest to a module is used
NEAR_SIZE, NEAR_REACH = 64, 0.05  # pixels and picture: of the map of what is close to a module
_LIT_SCALE = 16  # a wide blur of a small picture is as good and faster


def draw_surroundings(rng: np.random.Generator, modules: Brightness, covered: Brightness) -> Brightness:
    """Draw the light of everything around the modules.

    Args:
        rng: random numbers.
        modules: ``(height, width)``, light of the modules in front of black.
        covered: ``(height, width)``, share of each pixel that the modules cover.

    Returns:
        ``(height, width) float32``, light in the same unit.
    """
    height, width = modules.shape
    size = max(height, width)
    kind = SURROUNDINGS.draw(rng)
    small = cv2.resize(
        modules, (max(1, width // _LIT_SCALE), max(1, height // _LIT_SCALE)), interpolation=cv2.INTER_AREA
    )
    spread = cv2.GaussianBlur(
        small, (0, 0), LIT_REACH.draw(rng) * size / _LIT_SCALE, borderType=cv2.BORDER_CONSTANT
    )
    lit, ambient = LIT.draw(rng), AMBIENT.draw(rng)
    if kind == "dark":
        lit, ambient = lit / 8, ambient / 8
    light = np.float32(ambient) + np.float32(lit) * cv2.resize(spread, (width, height))
    light *= _reflectance(rng, height, width, rough=kind == "ground")
    _add_reflections(rng, light, covered)
    return light


def _reflectance(rng: np.random.Generator, height: int, width: int, rough: bool) -> Brightness:
    size = max(height, width)
    reflectance = np.ones((height, width), np.float32)
    if rough:
        noise = smooth_noise(rng, size, STONES.draw(rng))[:height, :width]
        reflectance = np.maximum(1 + np.float32(ROUGHNESS.draw(rng)) * noise, 0).astype(np.float32)
    for _ in range(round(STRUCTURES.draw(rng))):
        layer = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(layer, _beam(rng, size), 255, cv2.LINE_AA)
        change = np.float32(STRUCTURE_REFLECTANCE.draw(rng) - 1)
        reflectance *= 1 + change * (layer * np.float32(1 / 255))
    return reflectance


def _beam(rng: np.random.Generator, size: int) -> NDArray[np.int32]:
    """Draw a long bar, mostly upright or level."""
    half = STRUCTURE_WIDTH.draw(rng) / 2
    bar = rectangle(-rng.random(), -half, rng.random(), half)
    angle = 0.08 * rng.standard_normal() + (np.pi / 2 if COIN_FLIP.draw(rng) else 0.0)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    return np.rint((bar @ turn + rng.random(2)) * size).astype(np.int32)


def _add_reflections(rng: np.random.Generator, light: Brightness, covered: Brightness) -> None:
    """Add reflections, most of them close to the modules."""
    height, width = light.shape
    near = cv2.resize(covered, (NEAR_SIZE, NEAR_SIZE), interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(near, (0, 0), NEAR_REACH * NEAR_SIZE)
    for _ in range(round(REFLECTIONS.draw(rng))):
        radius = max(1, round(REFLECTION_SIZE.draw(rng) * max(height, width)))
        brightness = REFLECTION_BRIGHTNESS.draw(rng)
        tries = rng.random((NEAR_TRIES, 2))
        columns, rows = (tries * NEAR_SIZE).astype(int).T
        free = covered[(tries[:, 1] * height).astype(int), (tries[:, 0] * width).astype(int)] == 0
        x, y = tries[np.argmax(near[rows, columns] * free)] * (width, height)
        axes = (radius, max(1, round(radius * (0.3 + 0.7 * rng.random()))))
        layer = np.zeros(light.shape, np.uint8)
        cv2.ellipse(layer, (int(x), int(y)), axes, float(rng.random() * 180), 0, 360, 255, -1, cv2.LINE_AA)
        np.maximum(light, layer * np.float32(brightness / 255), out=light)
