"""What the degradations are timed beside: operators of albumentations, and plain versions of what it does not have.

``Downscale`` of albumentations (0.44 ms) is no rival for sr_x2 and sr_x4: it reduces without a low-pass, a PSNR of
27 dB to bicubic reduction at ×4. Pillow's is the same operator.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

Operator = Callable[[np.ndarray], object]
Transforms = dict[tuple[str, str], Any]
"""Transforms of albumentations by name and kind of ours."""


def plain_rivals() -> dict[tuple[str, str], tuple[str, Operator]]:
    """Return the same mathematics as one writes it without thinking of time, for what albumentations does not have."""

    def bicubic(factor: int) -> Operator:
        def down_and_up(image: np.ndarray) -> np.ndarray:
            small = Image.fromarray(image).resize((512 // factor, 512 // factor), Image.Resampling.BICUBIC)
            return np.asarray(small.resize((512, 512), Image.Resampling.BICUBIC))

        return down_and_up

    def mosaic(image: np.ndarray) -> np.ndarray:
        rows, columns = np.indices(image.shape[:2])
        channel = rows % 2 + columns % 2
        return np.where(channel[..., None] == np.arange(3), image, 0)

    def smooth_frost(image: np.ndarray) -> np.ndarray:
        ice = ndimage.gaussian_filter(np.random.default_rng(0).random(image.shape[:2]), 3)
        return np.clip(0.65 * image + 0.7 * 255 * ice[..., None], 0, 255).astype(np.uint8)

    def median_cut(image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).quantize(10, Image.Quantize.MEDIANCUT).convert("RGB"))

    def lines(image: np.ndarray) -> np.ndarray:
        y, x = np.indices(image.shape[:2])
        hidden = image.copy()
        for x0, y0, x1, y1 in np.random.default_rng(0).integers(0, 512, (35, 4)):
            along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
            nearest = np.clip(along, 0, 1)
            hidden[np.hypot(x - x0 - nearest * (x1 - x0), y - y0 - nearest * (y1 - y0)) < 7.5] = 0
        return hidden

    return {
        ("inpainting", ""): ("numpy", lines),
        ("sr_x2", ""): ("Pillow", bicubic(2)),
        ("sr_x4", ""): ("Pillow", bicubic(4)),
        ("mosaic", ""): ("numpy", mosaic),
        ("frost", ""): ("scipy, no crystals", smooth_frost),
        ("quantization", "median_cut"): ("Pillow", median_cut),
    }


def albumentations_rivals() -> dict[tuple[str, str], tuple[str, Operator]]:
    """Return the closest operators of albumentations at like settings; none if it is not installed."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version on import
    try:
        import albumentations as A
    except ImportError:
        return {}

    transforms = {**pixel_transforms(A), **tone_transforms(A), **geometry_transforms(A)}
    return {
        key: (f"A.{type(transform).__name__}", lambda image, transform=transform: transform(image=image)["image"])
        for key, transform in transforms.items()
    }


def pixel_transforms(A: Any) -> Transforms:
    """Return the rivals of blurs, codecs, blocks and noise."""
    blocks = {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_NEAREST}
    jpeg = A.ImageCompression("jpeg", (18, 18), p=1)
    return {
        ("blur", "gaussian"): A.GaussianBlur(0, (3, 3), p=1),
        ("blur", "motion"): A.MotionBlur((31, 31), p=1),
        ("blur", "glass"): A.GlassBlur(1.2, 2, 2, p=1),
        ("blur", "lens"): A.Defocus((4, 4), (0.1, 0.1), p=1),
        ("blur", "zoom"): A.ZoomBlur((1.1, 1.1), (0.02, 0.02), p=1),
        ("defocus", ""): A.Defocus((3, 3), (0.2, 0.2), p=1),
        ("gaussian_blur", ""): A.GaussianBlur((15, 15), (3, 3), p=1),
        ("compression", "jpeg"): jpeg,
        ("jpeg", ""): jpeg,
        ("pixelate", "pixelate"): A.Downscale((0.3, 0.3), blocks, p=1),
        ("oversharpen", "unsharp_mask"): A.UnsharpMask((5, 5), (1.1, 1.1), (1, 1), 0, p=1),
        ("gaussian_noise", ""): A.GaussNoise((0.12, 0.12), p=1),
        ("poisson_noise", ""): A.ShotNoise((0.1, 0.1), p=1),
        ("sp_noise", ""): A.SaltAndPepper((0.05, 0.05), (0.5, 0.5), p=1),
    }


def tone_transforms(A: Any) -> Transforms:
    """Return the rivals of brightness, contrast and colour."""

    def contrast(factor: float) -> Any:  # about the mean; RandomBrightnessContrast scales about black
        return A.ColorJitter((1, 1), (factor, factor), (1, 1), (0, 0), p=1)

    def brightness(amount: float) -> Any:
        return A.RandomBrightnessContrast((amount, amount), (0, 0), p=1)

    def value(amount: int) -> Any:
        return A.HueSaturationValue((0, 0), (0, 0), (amount, amount), p=1)

    def saturation(amount: int) -> Any:
        return A.HueSaturationValue((0, 0), (amount, amount), (0, 0), p=1)

    def jitter(amount: float) -> Any:
        return A.ColorJitter((1, 1), (1, 1), (amount, amount), (0, 0), p=1)

    return {
        ("contrast_strengthen", "scale"): contrast(2.1),
        ("contrast_weaken", "scale"): contrast(0.45),
        ("brighten", "shift_rgb"): brightness(0.2),
        ("brighten", "shift_value"): value(76),
        ("brighten", "gamma_rgb"): A.RandomGamma((60, 60), p=1),
        ("darken", "shift_rgb"): brightness(-0.2),
        ("darken", "shift_value"): value(-76),
        ("darken", "gamma_rgb"): A.RandomGamma((210, 210), p=1),
        ("low_light", ""): A.RandomBrightnessContrast((0, 0), (-0.65, -0.65), p=1),
        ("saturate_strengthen", "saturation"): saturation(100),
        ("saturate_strengthen", "chroma"): jitter(5.0),
        ("saturate_weaken", "saturation"): saturation(-100),
        ("saturate_weaken", "chroma"): jitter(0.2),
        ("gray", ""): A.ToGray(p=1),
        ("color_distortion", "permute"): A.ChannelShuffle(p=1),
        ("color_distortion", "flood"): A.ChannelDropout((1, 1), p=1),
    }


def geometry_transforms(A: Any) -> Transforms:
    """Return the rivals of geometry and weather."""
    bend = A.OpticalDistortion((0.1, 0.1), p=1)
    turn = A.RandomRotate90(p=1)
    return {
        ("rotate90", ""): turn,
        ("rotate180", ""): turn,
        ("rotate270", ""): turn,
        ("barrel", ""): bend,
        ("pincushion", ""): bend,
        ("elastic", ""): A.ElasticTransform(36, 5.12, p=1),
        ("rain", ""): A.RandomRain(p=1),
    }
