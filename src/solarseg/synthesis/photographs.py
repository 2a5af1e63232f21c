"""Generate photographs of whole modules with exact corners, brightness and masks."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.errors import ArgumentError
from solarseg.synthesis.layout import CellKind
from solarseg.synthesis.lens import Lens, Window, plane_map
from solarseg.synthesis.module_brightness import draw_cell_brightness
from solarseg.synthesis.module_light import ModuleLight, draw_module
from solarseg.synthesis.photograph_camera import PhotographCamera, expose
from solarseg.synthesis.scene import Place, Scene
from solarseg.synthesis.surroundings import draw_surroundings

__all__ = ["ModulePhotograph", "PlacedModule", "generate_photograph"]

PHOTOGRAPH_SIZES = (
    200,
    8000,
)  # pixels: in smaller photographs cells are too small, larger ones need over 3 GB
_OVERSAMPLING = 2  # subpixels along each side of a pixel
_BLOCK = 256  # rows of the photograph that are drawn at once
_VISIBLE_MARGIN = 8  # pixels: light of cells this far outside the picture gets into it


@dataclass(frozen=True)
class PlacedModule:
    """A module in a photograph.

    Coordinates are x and y in pixels of the photograph, as in OpenCV: (0, 0) is the centre of the upper left pixel.
    They include the distortion of the lens. Of modules that are partly outside, some are outside the photograph.

    Attributes:
        rows: number of rows of cells, as seen in the photograph.
        columns: number of columns of cells.
        corners: ``(4, 2) float64``, corners of the area of the cells, clockwise from the upper left: the outer corners
            of the four cells in the corners, without bevels.
        cell_corners: ``(rows, columns, 4, 2) float64``, corners of each cell, clockwise from the upper left, without
            bevels.
        brightness: ``(rows, columns) float64``, light of each cell relative to a sound one; 0 for cells without
            current.
        whole: whether all cells are completely in the photograph.
        half_cut: whether the cells are halves of wafers, with a wider gap in the middle of the module.
        upright: whether strings and busbars run from top to bottom.
        busbars: number of busbars; 0 for cells that have all their metal on the back.
        cell: ``"mono"`` or ``"poly"``.
    """

    rows: int
    columns: int
    corners: NDArray[np.float64]
    cell_corners: NDArray[np.float64]
    brightness: NDArray[np.float64]
    whole: bool
    half_cut: bool
    upright: bool
    busbars: int
    cell: CellKind

    @property
    def lit(self) -> bool:
        """Whether any cell emits light; a module that is not connected does not."""
        return bool(self.brightness.any())


@dataclass(frozen=True)
class ModulePhotograph:
    """A photograph of modules, and what it shows.

    Attributes:
        image: ``(height, width, 1)`` grey or ``(height, width, 3)`` RGB, ``uint8`` or ``uint16``.
        mask: ``(height, width) uint8``, class ids of `CELL_CLASSES`; the class at the centre of each pixel. Defects of
            cells that are nearly black are not drawn and not in the mask.
        modules: all modules in the photograph, those that are whole and lit first, from the upper left to the lower
            right.
        lens: focal length and distortion.
        camera: exposure, colour, sharpness and noise.
    """

    image: NDArray[np.uint8] | NDArray[np.uint16]
    mask: NDArray[np.uint8]
    modules: tuple[PlacedModule, ...]
    lens: Lens
    camera: PhotographCamera


def generate_photograph(
    rng: np.random.Generator,
    size: int = 2000,
    rows: int | None = None,
    columns: int | None = None,
    cell: CellKind | None = None,
    camera: PhotographCamera | None = None,
    straight: bool = False,
) -> ModulePhotograph:
    """Generate an EL photograph of one or more whole modules.

    A seed gives the same photograph each time on one machine. Other machines may differ by a grey level, and a mask in
    single pixels along edges.

    Args:
        rng: random numbers.
        size: longer side of the photograph, pixels, 200 to 8000.
        rows: number of rows of cells, 1 to 30, together with ``columns``; by default random. Strings run along the
            longer side. 20 or 24 cells in a string are half-cut.
        columns: number of columns of cells, 1 to 30.
        cell: kind of cells, ``"mono"`` or ``"poly"``; by default random.
        camera: camera settings; by default random.
        straight: one module that fills the photograph, seen from the front without distortion. By default there is
            perspective, rotation and distortion, some photographs show several modules, and some modules are partly
            outside.

    Raises:
        ArgumentError: ``size``, ``rows`` or ``columns`` is out of range.

    Examples:
        >>> photograph = generate_photograph(np.random.default_rng(0), size=400, rows=6, columns=10, straight=True)
        >>> photograph.mask.shape == photograph.image.shape[:2]
        True
        >>> module = photograph.modules[0]
        >>> module.cell_corners.shape, module.brightness.shape, module.whole
        ((6, 10, 4, 2), (6, 10), True)
    """
    _check_arguments(size, rows, columns)
    grid = None if rows is None or columns is None else (min(rows, columns), max(rows, columns))
    landscape = None if rows is None or columns is None else columns >= rows
    camera = camera or PhotographCamera.draw(rng, size)
    scene = (Scene.straight if straight else Scene.draw)(rng, size, grid, landscape, cell)
    light = np.zeros((scene.height, scene.width), np.float32)
    covered, mask = np.zeros_like(light), np.zeros(light.shape, np.uint8)
    modules = []
    for place in scene.places:
        corners = scene.to_pixels(scene.plan.cell_corners, place)
        visible = _visible_cells(scene, corners)
        brightness = draw_cell_brightness(rng, scene.plan) * place.lit
        if visible.any():
            modules.append(_placed(scene, corners, brightness))
            drawn = draw_module(rng, scene.plan, brightness, visible)
            _add_to_photograph(scene, place, drawn, light, covered, mask)
    light += (1 - covered) * draw_surroundings(rng, light, covered)
    modules.sort(key=lambda module: not (module.whole and module.lit))
    return ModulePhotograph(expose(rng, light, camera), mask, tuple(modules), scene.lens, camera)


def _check_arguments(size: int, rows: int | None, columns: int | None) -> None:
    low, high = PHOTOGRAPH_SIZES
    if not low <= size <= high:
        raise ArgumentError(f"`size={size}`: must be {low} to {high} pixels")
    if (rows is None) != (columns is None):
        raise ArgumentError("`rows` and `columns`: give both or neither")
    for name, count in (("rows", rows), ("columns", columns)):
        if count is not None and not 1 <= count <= 30:
            raise ArgumentError(f"`{name}={count}`: must be 1 to 30")


def _visible_cells(scene: Scene, corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which cells may be in the picture, at least partly."""
    low, high = corners.min(axis=2), corners.max(axis=2)
    picture = np.array([scene.width, scene.height])
    return np.asarray(((high > -_VISIBLE_MARGIN) & (low < picture + _VISIBLE_MARGIN)).all(axis=-1))


def _placed(scene: Scene, corners: NDArray[np.float64], brightness: NDArray[np.float64]) -> PlacedModule:
    plan = scene.plan
    outer = [corners[0, 0, 0], corners[0, -1, 1], corners[-1, -1, 2], corners[-1, 0, 3]]
    return PlacedModule(
        rows=plan.rows,
        columns=plan.columns,
        corners=np.stack(outer),
        cell_corners=corners,
        brightness=brightness,
        whole=bool(scene.contains(corners).all()),
        half_cut=plan.module.half,
        upright=plan.module.upright,
        busbars=0 if plan.module.back_contacts else plan.module.busbars,
        cell=plan.module.cell,
    )


def _add_to_photograph(
    scene: Scene,
    place: Place,
    module: ModuleLight,
    light: NDArray[np.float32],
    covered: NDArray[np.float32],
    mask: NDArray[np.uint8],
) -> None:
    """Draw a module where it is in the picture."""
    solid = np.ones_like(module.light)
    for window in _windows(scene, place):
        left, top, right, bottom = window
        area, size = (slice(top, bottom), slice(left, right)), (right - left, bottom - top)
        x, y = _plan_map(scene, place, window, _OVERSAMPLING)
        fine = cv2.remap(module.light, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        light[area] += cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        x, y = _plan_map(scene, place, window, 1)
        covered[area] += cv2.remap(solid, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        classes = cv2.remap(module.mask, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
        np.maximum(mask[area], classes, out=mask[area])


def _plan_map(
    scene: Scene, place: Place, window: Window, oversampling: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where each subpixel is in the plan of a module, in pixels with their centres at integers."""
    x, y = plane_map(scene.lens, scene.pose, window, oversampling)
    return x - np.float32(place.offset[0] + 0.5), y - np.float32(place.offset[1] + 0.5)


def _windows(scene: Scene, place: Place) -> Iterator[Window]:
    """Return the pixels that a module may cover, in blocks of rows, so that little memory is used."""
    along = np.linspace(0, 1, 33)[:, None]
    corners = scene.plan.outline
    sides = [
        start + (end - start) * along
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)
    ]
    seen = scene.to_pixels(np.concatenate(sides), place)
    left, top = np.maximum(np.floor(seen.min(axis=0)).astype(int) - 2, 0).tolist()
    right, bottom = np.minimum(
        np.ceil(seen.max(axis=0)).astype(int) + 3, (scene.width, scene.height)
    ).tolist()
    if left < right:
        for start in range(top, bottom, _BLOCK):
            yield left, start, right, min(start + _BLOCK, bottom)
