"""The EL image of a cell as a camera takes it. The mask does not depend on this module."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.defects import Defect
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import Chance, Range
from solarseg.synthesis.silicon import draw_silicon

__all__ = ["Camera", "IntegerDepth", "add_defects_and_metal", "draw_noise", "render_image"]

Brightness = NDArray[np.float32]
IntegerDepth = Literal["uint8", "uint16"]

CAMERA_BRIGHTNESS = Range(
    0.06,
    0.95,
    "camera range",
    "brightness of undisturbed silicon, from dim field images to saturated ones",
    "high",
)
CELL_BRIGHTNESS = Range(
    0.85,
    1.15,
    "share",
    "brightness of a cell, relative to its module: cells of one module never match exactly",
)
DARK_LEVEL = Range(0.0, 0.08, "camera range", "dark level and stray light", "low")
GAP_BRIGHTNESS = Range(
    0.05, 0.6, "brightness", "of the gap between cells: silicon glows into it, and the backsheet reflects"
)
NEIGHBOUR = Range(0.5, 1.2, "brightness", "of the neighbouring cells")
GRADIENT = Range(
    -0.06,
    0.06,
    "brightness",
    "change from the centre of the image to a side, along x and along y, times a number from 0 to 1",
)
VIGNETTING = Range(0.0, 0.05, "brightness", "loss at the corners of the image", "low")
HALO = Range(0.0, 0.25, "share", "light that lenses and silicon sensors scatter over a long distance", "low")
HALO_REACH = Range(0.02, 0.08, "image", "standard deviation of that scatter")
BLUR = Range(0.4, 1.5, "pixels at 256", "standard deviation of the point spread in focus")
DEFOCUS = Range(1.5, 3.5, "pixels at 256", "standard deviation of the point spread out of focus")
FULL_WELL = Range(
    500,
    300_000,
    "electrons",
    "in a saturated pixel, summed over exposures: shot noise of 4.5 to 0.18 % of the range",
    "log",
)
READ_NOISE = Range(3, 15, "electrons", "read noise of cooled and uncooled cameras")
RESAMPLING_BLUR = Range(0.4, 1.2, "pixels", "blur of rectified images, which also blurs the noise")
COARSE = Chance(0.12, "a field image with fewer pixels per cell, which is enlarged")
COARSE_SIZE = Range(
    80, 180, "pixels at 256", "size before enlarging: 6 by 10 cells in an image of one or two megapixels"
)
JPEG_QUALITY = Range(50, 97, "percent", "JPEG quality of images that were sent by mail or taken by drones")
OUT_OF_FOCUS = Chance(0.12, "the images of a module are out of focus")
RECTIFIED = Chance(0.7, "the image was rectified, as usual for cells cropped from modules")
COMPRESSED = Chance(0.3, "an 8-bit image was compressed as JPEG")


@dataclass(frozen=True)
class Camera:
    """Camera settings that the images of one module share. Units are those of the parameters in this file.

    Attributes:
        brightness: brightness of undisturbed silicon, share of the camera's range.
        dark_level: grey level without light, share of the camera's range.
        gap_brightness: brightness of the gap between cells.
        gradient: change of brightness from the centre of the image to a side, along x and y.
        vignetting: loss of brightness at the corners.
        halo: share of light that is scattered over a long distance.
        halo_reach: standard deviation of that scatter, share of the image's side.
        blur: standard deviation of the point spread, pixels of an image of 256 pixels.
        full_well: electrons in a saturated pixel.
        read_noise: standard deviation, electrons.
        resampling_blur: standard deviation of the blur after noise, pixels; 0 for none.
        coarse_size: size before enlarging, pixels of an image of 256 pixels; ``None`` if the image is not enlarged.
        jpeg_quality: 1 to 100; ``None`` if the image is not compressed.
    """

    brightness: float
    dark_level: float
    gap_brightness: float
    gradient: tuple[float, float]
    vignetting: float
    halo: float
    halo_reach: float
    blur: float
    full_well: float
    read_noise: float
    resampling_blur: float
    coarse_size: float | None
    jpeg_quality: int | None

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a random camera."""
        return cls(
            brightness=CAMERA_BRIGHTNESS.draw(rng),
            dark_level=DARK_LEVEL.draw(rng),
            gap_brightness=GAP_BRIGHTNESS.draw(rng),
            gradient=(GRADIENT.draw(rng) * rng.random(), GRADIENT.draw(rng) * rng.random()),
            vignetting=VIGNETTING.draw(rng),
            halo=HALO.draw(rng),
            halo_reach=HALO_REACH.draw(rng),
            blur=(DEFOCUS if OUT_OF_FOCUS.draw(rng) else BLUR).draw(rng),
            full_well=FULL_WELL.draw(rng),
            read_noise=READ_NOISE.draw(rng),
            resampling_blur=RESAMPLING_BLUR.draw(rng) if RECTIFIED.draw(rng) else 0.0,
            coarse_size=COARSE_SIZE.draw(rng) if COARSE.draw(rng) else None,
            jpeg_quality=JPEG_QUALITY.draw_int(rng) if COMPRESSED.draw(rng) else None,
        )


def render_image(
    rng: np.random.Generator,
    layout: Layout,
    defects: Sequence[Defect],
    camera: Camera,
    depth: IntegerDepth = "uint8",
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Render the image of a cell.

    Args:
        rng: random numbers for silicon and noise.
        layout: where the parts of the cell are.
        defects: defects and blemishes of the cell.
        camera: brightness, sharpness and noise of the image.
        depth: dtype of the image.

    Returns:
        ``(size, size, 1)`` EL intensity, from 0 to the maximum of ``depth``.
    """
    light = add_defects_and_metal(draw_silicon(rng, layout), layout, defects)
    surroundings = _surroundings(rng, layout, camera)
    light = surroundings + (light - surroundings) * layout.cell_coverage
    light *= _illumination(layout.size, camera)
    light = _scatter(light, layout.size, camera)
    level = np.float32(camera.brightness * CELL_BRIGHTNESS.draw(rng))
    return _expose(rng, light * level, camera, depth)[..., None]


def add_defects_and_metal(light: Brightness, layout: Layout, defects: Sequence[Defect]) -> Brightness:
    """Draw defects and busbars on the brightness of sound silicon, in place, and return it."""
    for defect in defects:
        _apply(light, defect)
    light *= 1 - layout.busbar_coverage * np.float32(1 - layout.module.busbar_brightness)
    return light


def _apply(light: Brightness, defect: Defect) -> None:
    coverage = defect.patch.coverage
    if defect.softness > 0.3:  # a smaller blur is not visible
        coverage = cv2.GaussianBlur(coverage, (0, 0), defect.softness)
    light[defect.patch.window] *= 1 - coverage * (1 - defect.brightness)


def _surroundings(rng: np.random.Generator, layout: Layout, camera: Camera) -> Brightness:
    """Draw the gap around the cell and the neighbouring cells."""
    u, v = layout.uv
    beyond = np.maximum(np.abs(u - np.float32(0.5)), np.abs(v - np.float32(0.5))) - np.float32(0.5)
    neighbour = np.float32(NEIGHBOUR.draw(rng))
    return np.where(beyond > layout.module.gap, neighbour, np.float32(camera.gap_brightness))


def _illumination(size: int, camera: Camera) -> Brightness:
    """Return a gradient, caused by the uneven current, times the vignetting of the lens."""
    along = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = along[None], along[:, None]
    across, down = map(np.float32, camera.gradient)
    return (1 + across * x + down * y) * (1 - np.float32(camera.vignetting / 2) * (x**2 + y**2))


def _scatter(light: Brightness, size: int, camera: Camera) -> Brightness:
    sharp = cv2.GaussianBlur(light, (0, 0), camera.blur * size / 256)
    small = max(size // 8, 8)  # for a wide blur, a small image is as good and faster
    wide = cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(wide, (0, 0), camera.halo_reach * small)
    halo = cv2.resize(wide, (size, size), interpolation=cv2.INTER_LINEAR)
    return sharp + np.float32(camera.halo) * (halo - sharp)


def _expose(
    rng: np.random.Generator, light: Brightness, camera: Camera, depth: IntegerDepth
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Convert brightness, as a share of the camera's range, to grey levels with noise."""
    light = np.float32(camera.dark_level) + np.float32(1 - camera.dark_level) * light
    size = light.shape
    if camera.coarse_size:
        coarse = max(1, round(size[0] * camera.coarse_size / 256))
        light = cv2.resize(light, (coarse, coarse), interpolation=cv2.INTER_AREA)
    signal = light + draw_noise(rng, light, camera.full_well, camera.read_noise)
    if camera.coarse_size:
        signal = cv2.resize(signal, size, interpolation=cv2.INTER_LINEAR)
    if camera.resampling_blur:
        signal = cv2.GaussianBlur(signal, (0, 0), camera.resampling_blur)
    signal = signal.clip(0, 1)
    if depth == "uint16":
        return np.rint(signal * 65535).astype(np.uint16)
    image = np.rint(signal * 255).astype(np.uint8)
    if camera.jpeg_quality is None:
        return image
    _, file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg_quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.uint8)


def draw_noise(
    rng: np.random.Generator, light: Brightness, full_well: float, read_noise: float
) -> Brightness:
    """Draw shot noise and read noise of an exposure, in shares of the camera's range.

    With this many electrons shot noise is close to normal, which is several times faster to draw than Poisson's
    distribution.

    Args:
        rng: random numbers.
        light: ``float32`` of any shape, 0 or more, share of the camera's range.
        full_well: electrons in a saturated pixel.
        read_noise: standard deviation, electrons.
    """
    noise = rng.standard_normal(light.shape, np.float32)
    noise *= np.sqrt(light / np.float32(full_well) + np.float32((read_noise / full_well) ** 2))
    return noise
