"""The camera that takes photographs of whole modules: illumination, scatter, colour, noise and compression."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg.synthesis.camera import (
    DARK_LEVEL,
    FULL_WELL,
    JPEG_QUALITY,
    READ_NOISE,
    IntegerDepth,
    draw_noise,
)
from solarseg.synthesis.parameters import Chance, Choice, Range

__all__ = ["PhotographCamera", "expose"]

Brightness = NDArray[np.float32]

EXPOSURE = Range(
    0.1, 1.05, "camera range", "brightness of a sound cell: underexposed to slightly saturated", "high"
)
LENS_VIGNETTING = Range(0.0, 0.5, "share", "loss at the corners of the picture", "low")
UNEVEN = Range(-0.15, 0.15, "share", "change from the centre of the picture to a side, along x and along y")
SHARPNESS = Range(0.4, 1.6, "pixels", "standard deviation of the point spread in focus", "low")
PHOTOGRAPH_DEFOCUSED = Chance(0.1, "the photograph is out of focus")
PHOTOGRAPH_DEFOCUS = Range(1.5, 3.0, "pixels at 2000", "standard deviation of the point spread out of focus")
STRAY_LIGHT = Range(
    0.0, 0.2, "share", "light that the lens and the sensor scatter: a halo around the module", "low"
)
STRAY_REACH = Range(0.01, 0.1, "picture", "standard deviation of that scatter", "low")
HOT_PIXELS = Range(0.0, 1e-4, "share", "pixels that are bright without light", "low")
COLOURS = Choice(
    {"grey": 0.66, "grey as RGB": 0.04, "magenta": 0.15, "purple": 0.08, "red": 0.07},
    "colour of the photograph: cameras without infrared filter see infrared light with all their colours",
)
COLOUR_GAINS = {
    "magenta": (1.0, 0.42, 0.8),
    "purple": (0.75, 0.4, 1.0),
    "red": (1.0, 0.25, 0.35),
}  # of red, green and blue
GAIN_SPREAD = Range(-0.1, 0.1, "share", "difference between cameras in the sensitivity of each colour")
DEMOSAIC_BLUR = Range(0.3, 0.8, "pixels", "blur of the noise where colours are interpolated")
PHOTOGRAPH_JPEG = Chance(0.4, "an 8-bit photograph was compressed as JPEG")
TONE_CURVE = Chance(0.4, "grey levels follow a tone curve, as those of most cameras that write JPEG files")
GAMMA = Range(1.4, 2.4, "exponent", "gamma of that curve, which makes dim things brighter")
PHOTOGRAPH_DEPTH = Choice({"uint8": 0.75, "uint16": 0.25}, "type of the samples of grey photographs")


@dataclass(frozen=True)
class PhotographCamera:
    """Camera settings of one photograph. Units are those of the parameters in this file.

    Attributes:
        exposure: brightness of a sound cell, share of the camera's range.
        dark_level: grey level without light, share of the camera's range.
        vignetting: loss at the corners of the picture.
        uneven: change from the centre to a side, along x and y.
        blur: standard deviation of the point spread, pixels.
        stray_light: share of light that is scattered over a long distance.
        stray_reach: standard deviation of that scatter, share of the longer side.
        hot_pixels: share of pixels that are bright without light.
        gains: brightness of each channel relative to the exposure: one for grey photographs, or three for RGB.
        full_well: electrons in a saturated pixel.
        read_noise: standard deviation, electrons.
        noise_blur: standard deviation of the blur of the noise, pixels; 0 for none.
        depth: dtype of the photograph.
        jpeg_quality: 1 to 100; ``None`` if the photograph is not compressed. Only for 8 bits.
        gamma: exponent of the light in a grey level, inverted: 1 for a camera with linear grey levels.
    """

    exposure: float
    dark_level: float
    vignetting: float
    uneven: tuple[float, float]
    blur: float
    stray_light: float
    stray_reach: float
    hot_pixels: float
    gains: tuple[float, ...]
    full_well: float
    read_noise: float
    noise_blur: float
    depth: IntegerDepth
    jpeg_quality: int | None
    gamma: float = 1.0

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> Self:
        """Draw a random camera for photographs with a longer side of ``size`` pixels."""
        defocus = PHOTOGRAPH_DEFOCUS.draw(rng) * size / 2000
        colour = COLOURS.draw(rng)
        gains = COLOUR_GAINS.get(colour)
        depth = PHOTOGRAPH_DEPTH.draw(rng)
        return cls(
            exposure=EXPOSURE.draw(rng),
            dark_level=DARK_LEVEL.draw(rng),
            vignetting=LENS_VIGNETTING.draw(rng),
            uneven=(UNEVEN.draw(rng) * rng.random(), UNEVEN.draw(rng) * rng.random()),
            blur=defocus if PHOTOGRAPH_DEFOCUSED.draw(rng) else SHARPNESS.draw(rng),
            stray_light=STRAY_LIGHT.draw(rng),
            stray_reach=STRAY_REACH.draw(rng),
            hot_pixels=HOT_PIXELS.draw(rng),
            gains=(
                tuple(gain * (1 + GAIN_SPREAD.draw(rng)) for gain in gains)
                if gains
                else (1.0,) * (3 if colour == "grey as RGB" else 1)
            ),
            full_well=FULL_WELL.draw(rng),
            read_noise=READ_NOISE.draw(rng),
            noise_blur=DEMOSAIC_BLUR.draw(rng) if gains else 0.0,
            depth="uint16" if depth == "uint16" and colour == "grey" else "uint8",
            jpeg_quality=JPEG_QUALITY.draw_int(rng) if PHOTOGRAPH_JPEG.draw(rng) else None,
            gamma=GAMMA.draw(rng) if TONE_CURVE.draw(rng) else 1.0,
        )


def expose(
    rng: np.random.Generator, light: Brightness, camera: PhotographCamera
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Take a photograph.

    Args:
        rng: random numbers for the noise.
        light: ``(height, width)``, 1 for a sound cell.
        camera: the camera.

    Returns:
        ``(height, width, channels)``, channels in the order of ``camera.gains``.
    """
    light = _scatter(light * _illumination(light.shape, camera), camera) * np.float32(camera.exposure)
    if len(set(camera.gains)) == 1:  # all channels are copies
        channels = [_sense(rng, light, camera)] * len(camera.gains)
    else:
        channels = [_sense(rng, light * np.float32(gain), camera) for gain in camera.gains]
    signal = np.stack(channels, axis=-1)
    if camera.gamma != 1:
        signal **= np.float32(1 / camera.gamma)
    if camera.depth == "uint16":
        return np.rint(signal * 65535).astype(np.uint16)
    image = np.rint(signal * 255).astype(np.uint8)
    return image if camera.jpeg_quality is None else _compress(image, camera.jpeg_quality)


def _illumination(shape: tuple[int, ...], camera: PhotographCamera) -> Brightness:
    height, width = shape
    half = np.float32(np.hypot(height, width) / 2)
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[None]
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, None]
    across, down = camera.uneven
    slope = 1 + x * np.float32(across / width * 2) + y * np.float32(down / height * 2)
    return slope * (1 - np.float32(camera.vignetting) * ((x / half) ** 2 + (y / half) ** 2))


def _scatter(light: Brightness, camera: PhotographCamera) -> Brightness:
    sharp = cv2.GaussianBlur(light, (0, 0), camera.blur) if camera.blur else light
    if not camera.stray_light:
        return sharp
    height, width = light.shape
    size = (max(1, width // 16), max(1, height // 16))  # for a wide blur, a small image is as good and faster
    small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(
        small, (0, 0), camera.stray_reach * max(small.shape), borderType=cv2.BORDER_CONSTANT
    )
    halo = cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
    return sharp + np.float32(camera.stray_light) * (halo - sharp)


def _sense(rng: np.random.Generator, light: Brightness, camera: PhotographCamera) -> Brightness:
    """Add the dark level, noise and hot pixels; 0 to 1."""
    light = np.float32(camera.dark_level) + np.float32(1 - camera.dark_level) * light
    noise = draw_noise(rng, light, camera.full_well, camera.read_noise)
    if camera.noise_blur:
        noise = cv2.GaussianBlur(noise, (0, 0), camera.noise_blur)
    light = light + noise
    count = round(camera.hot_pixels * light.size)
    light.flat[rng.integers(light.size, size=count)] += rng.random(count, np.float32)
    return light.clip(0, 1)


def _compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    colour = image.shape[2] == 3
    ordered = image[..., ::-1] if colour else image  # OpenCV takes blue first
    _, file = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1]) if colour else decoded[..., None]
