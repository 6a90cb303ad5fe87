"""Fit an image to a cell: where it is cut or padded, and how its pixels are averaged."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from graph200k.catalogue import Pixels

Fit: TypeAlias = Literal["crop", "pad", "stretch"]
"""What is done to an image of another aspect ratio than its cell.

``crop`` cuts off what overhangs, equally at both ends; ``pad`` shows all of it between bars of :data:`PAD_FILL`;
``stretch`` changes its aspect ratio.
"""

PAD_FILL = 0
"""Grey level of the bars beside a padded image: black, as the empty parts of maps are."""


def _filter(pixels: Pixels, *, smaller: bool) -> Image.Resampling:
    """Return the filter for what pixels mean; Pillow widens it with the reduction, so that nothing aliases.

    The public release reduces with the bicubic filter. Hamming's has half its support: the same sharpness to the eye in
    two thirds of the time, which is most of what a sample costs. It is made for reduction alone, and dims thin lines.
    """
    if pixels is Pixels.REGIONS:
        return Image.Resampling.NEAREST
    return Image.Resampling.HAMMING if smaller and pixels is Pixels.TONES else Image.Resampling.BICUBIC


def shown_size(extent: tuple[float, float], size: tuple[int, int], fit: Fit) -> tuple[float, float]:
    """Return height and width that a whole image is resized to, what is cropped included.

    Parameters
    ----------
    extent
        Height and width of the image.
    size
        Height and width of the cell.
    fit
        ``crop``, ``pad`` or ``stretch``.

    Raises
    ------
    ValueError
        For another ``fit``.

    Examples
    --------
    >>> [shown_size((100, 200), (50, 50), fit) for fit in ("crop", "pad", "stretch")]
    [(50.0, 100.0), (25.0, 50.0), (50, 50)]
    """
    if fit not in get_args(Fit):
        raise ValueError(f"fit is {fit!r}; expected {', '.join(get_args(Fit))}")
    if fit == "stretch":
        return size
    ratios = (size[0] / extent[0], size[1] / extent[1])
    ratio = max(ratios) if fit == "crop" else min(ratios)
    return extent[0] * ratio, extent[1] * ratio


def fit_image(image: np.ndarray, size: tuple[int, int], fit: Fit, *, pixels: Pixels = Pixels.TONES) -> np.ndarray:
    """Return an image as :func:`fit_picture` fits it to a cell; uint8, H×W×3 or H×W, a new array.

    Examples
    --------
    >>> cell = fit_image(np.full((100, 200, 3), 7, np.uint8), (50, 60), "pad")
    >>> cell.shape, cell[:, 0, 0].tolist() == 10 * [0] + 30 * [7] + 10 * [0]
    ((50, 60, 3), True)
    """
    return np.array(fit_picture(Image.fromarray(image), size, fit, pixels=pixels))


def fit_picture(
    picture: Image.Image,
    size: tuple[int, int],
    fit: Fit,
    *,
    pixels: Pixels = Pixels.TONES,
    extent: tuple[float, float] | None = None,
) -> Image.Image:
    """Return a picture resized to a cell, or the same one if it has that size.

    What is cut off depends on the aspect ratio alone: maps of a photograph are cut like the photograph.

    Parameters
    ----------
    picture
        Of mode ``RGB`` or ``L``.
    size
        Height and width of the cell.
    fit
        ``crop``, ``pad`` or ``stretch``.
    pixels
        What the pixels mean, and so how they are averaged.
    extent
        Height and width of the part of ``picture`` that counts, from the top left corner, all of it by default; the
        last row and column of a JPEG decoded at half size may be half outside the picture.
    """
    extent = extent or (float(picture.height), float(picture.width))
    if (picture.height, picture.width) == size and extent == (float(size[0]), float(size[1])):
        return picture
    shown = shown_size(extent, size, fit)
    if fit == "pad":
        inner = max(1, round(shown[0])), max(1, round(shown[1]))
        return _padded(_resized(picture, inner, (0.0, 0.0, extent[1], extent[0]), pixels), size)
    return _resized(picture, size, _crop_box(extent, shown, size), pixels)


def _crop_box(
    extent: tuple[float, float], shown: tuple[float, float], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the middle part that fills the cell, in pixels of the image."""
    kept = [length * min(1.0, side / whole) for length, whole, side in zip(extent, shown, size, strict=True)]
    top, left = ((length - part) / 2 for length, part in zip(extent, kept, strict=True))
    return left, top, left + kept[1], top + kept[0]


def _resized(
    picture: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float], pixels: Pixels
) -> Image.Image:
    reduction = max((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0])
    resized = picture.resize((size[1], size[0]), _filter(pixels, smaller=reduction > 1), box=box)
    if pixels is Pixels.LINES and reduction > 1:
        # A line one pixel wide keeps 1/reduction of its brightness: at 384² the edges of 1024² would be dark grey.
        return resized.point(_brighter(reduction) * len(resized.getbands()))
    return resized


@lru_cache(maxsize=64)
def _brighter(factor: float) -> list[int]:
    """Return what becomes of each grey level under a factor."""
    return [min(255, round(level * factor)) for level in range(256)]


def _padded(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    cell = Image.new(picture.mode, (size[1], size[0]), (PAD_FILL,) * len(picture.getbands()))
    cell.paste(picture, ((size[1] - picture.width) // 2, (size[0] - picture.height) // 2))
    return cell
