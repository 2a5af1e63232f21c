"""A cell as an EL camera sees it. Nothing here touches the mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.defects import Defect
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import Chance, Range
from solarseg.synthesis.silicon import silicon

__all__ = ["Camera", "Depth", "take_picture"]

Light = NDArray[np.float32]
Depth = Literal["uint8", "uint16"]

BRIGHTNESS = Range(
    0.06, 0.95, "range", "of a cell, share of the camera's: from dim field images to saturated ones", "high"
)
CELL_BRIGHTNESS = Range(0.85, 1.15, "share", "of its module's: cells of one module never match exactly")
BLACK = Range(0.0, 0.08, "range", "dark level and stray light", "low")
SURROUND = Range(
    0.05, 0.6, "light", "silicon glows into the gap between cells, and the backsheet reflects it"
)
NEIGHBOUR = Range(0.5, 1.2, "light", "of the cells beside")
GRADIENT = Range(
    -0.06, 0.06, "light", "from the middle of the image to a side, along x and along y, times 0 to 1"
)
VIGNETTING = Range(0.0, 0.05, "light", "lost at the corners of the image", "low")
HALO = Range(0.0, 0.25, "share", "of light that lenses and silicon sensors scatter far", "low")
HALO_REACH = Range(0.02, 0.08, "image", "how far, as a standard deviation")
BLUR = Range(0.4, 1.5, "pixels of 256", "standard deviation of the point spread")
DEFOCUS = Range(1.5, 3.5, "pixels of 256", "likewise, in images out of focus")
ELECTRONS = Range(
    500,
    300_000,
    "electrons",
    "that a full pixel holds, or several pictures: shot noise of 4.5 to 0.18 % of the range",
    "log",
)
READ_NOISE = Range(3, 15, "electrons", "of cooled and uncooled cameras")
RESAMPLED = Range(0.4, 1.2, "pixels", "blur, noise included, of pictures that were straightened")
COARSE = Chance(0.12, "of a field image with fewer pixels a cell, resized to as many as the image has")
COARSE_PIXELS = Range(
    80, 180, "pixels of 256", "that it had: a module of 6 by 10 cells in one or two megapixels"
)
JPEG_QUALITY = Range(50, 97, "percent", "of pictures that came by mail or from drones")
OUT_OF_FOCUS = Chance(0.12, "of a module out of focus")
STRAIGHTENED = Chance(0.7, "of pictures that were straightened, as those cut out of modules are")
COMPRESSED = Chance(0.3, "of JPEG, where pictures have 8 bits")


@dataclass(frozen=True)
class Camera:
    """What the pictures of one module's cells share, in the units of this file's ranges."""

    brightness: float
    black: float
    surround: float
    gradient: tuple[float, float]
    vignetting: float
    halo: float
    halo_reach: float
    blur: float
    electrons: float
    read_noise: float
    resampled: float
    coarse: float | None
    quality: int | None

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw a camera at random."""
        return cls(
            brightness=BRIGHTNESS.draw(rng),
            black=BLACK.draw(rng),
            surround=SURROUND.draw(rng),
            gradient=(GRADIENT.draw(rng) * rng.random(), GRADIENT.draw(rng) * rng.random()),
            vignetting=VIGNETTING.draw(rng),
            halo=HALO.draw(rng),
            halo_reach=HALO_REACH.draw(rng),
            blur=(DEFOCUS if OUT_OF_FOCUS.draw(rng) else BLUR).draw(rng),
            electrons=ELECTRONS.draw(rng),
            read_noise=READ_NOISE.draw(rng),
            resampled=RESAMPLED.draw(rng) if STRAIGHTENED.draw(rng) else 0.0,
            coarse=COARSE_PIXELS.draw(rng) if COARSE.draw(rng) else None,
            quality=JPEG_QUALITY.draw_int(rng) if COMPRESSED.draw(rng) else None,
        )


def take_picture(
    rng: np.random.Generator,
    layout: Layout,
    defects: Sequence[Defect],
    camera: Camera,
    depth: Depth = "uint8",
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Take the picture of a cell.

    Args:
        rng: draws silicon and noise.
        layout: where the parts of the cell lie.
        defects: what is wrong with it.
        camera: how bright, sharp and noisy pictures are.
        depth: of the picture.

    Returns:
        ``(size, size, 1)``, EL intensity from 0 to the camera's full range.
    """
    light = silicon(rng, layout)
    for defect in defects:
        _darken(light, defect)
    light *= 1 - layout.busbars * np.float32(1 - layout.module.busbar_light)
    around = _surround(rng, layout, camera)
    light = around + (light - around) * layout.cell
    light *= _illumination(layout.size, camera)
    light = _scatter(light, layout.size, camera)
    level = np.float32(camera.brightness * CELL_BRIGHTNESS.draw(rng))
    return _expose(rng, light * level, camera, depth)[..., None]


def _darken(light: Light, defect: Defect) -> None:
    coverage = defect.patch.coverage
    if defect.softness > 0.3:  # less is not seen
        coverage = cv2.GaussianBlur(coverage, (0, 0), defect.softness)
    light[defect.patch.window] *= 1 - coverage * (1 - defect.light)


def _surround(rng: np.random.Generator, layout: Layout, camera: Camera) -> Light:
    """The gap, and the cells beyond it."""
    u, v = layout.uv
    beyond = np.maximum(np.abs(u - np.float32(0.5)), np.abs(v - np.float32(0.5))) - np.float32(0.5)
    neighbour = np.float32(NEIGHBOUR.draw(rng))
    return np.where(beyond > layout.module.gap, neighbour, np.float32(camera.surround))


def _illumination(size: int, camera: Camera) -> Light:
    """A gradient, as current does not spread evenly, and the vignetting of the lens."""
    along = ((np.arange(size) + 0.5) / size * 2 - 1).astype(np.float32)
    x, y = along[None], along[:, None]
    across, down = map(np.float32, camera.gradient)
    return (1 + across * x + down * y) * (1 - np.float32(camera.vignetting / 2) * (x**2 + y**2))


def _scatter(light: Light, size: int, camera: Camera) -> Light:
    sharp = cv2.GaussianBlur(light, (0, 0), camera.blur * size / 256)
    small = max(size // 8, 8)  # a wide blur of a small image is as wide, and quicker
    wide = cv2.resize(light, (small, small), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(wide, (0, 0), camera.halo_reach * small)
    halo = cv2.resize(wide, (size, size), interpolation=cv2.INTER_LINEAR)
    return sharp + np.float32(camera.halo) * (halo - sharp)


def _expose(
    rng: np.random.Generator, light: Light, camera: Camera, depth: Depth
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Turn light, a share of the camera's range, into grey levels with noise.

    At such numbers of electrons shot noise is all but normal, which is several times quicker to draw than Poisson's
    distribution.
    """
    light = np.float32(camera.black) + np.float32(1 - camera.black) * light
    size = light.shape
    if camera.coarse:
        fewer = max(1, round(size[0] * camera.coarse / 256))
        light = cv2.resize(light, (fewer, fewer), interpolation=cv2.INTER_AREA)
    noise = rng.standard_normal(light.shape, np.float32)
    noise *= np.sqrt(
        light / np.float32(camera.electrons) + np.float32((camera.read_noise / camera.electrons) ** 2)
    )
    seen = light + noise
    if camera.coarse:
        seen = cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR)
    if camera.resampled:
        seen = cv2.GaussianBlur(seen, (0, 0), camera.resampled)
    seen = seen.clip(0, 1)
    if depth == "uint16":
        return np.rint(seen * 65535).astype(np.uint16)
    picture = np.rint(seen * 255).astype(np.uint8)
    if camera.quality is None:
        return picture
    _, file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, camera.quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), np.uint8)
