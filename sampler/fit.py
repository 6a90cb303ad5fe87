"""Fit an image to a cell: where it is cut or padded, and how its pixels are averaged."""

from __future__ import annotations

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


def fit_image(
    image: np.ndarray,
    size: tuple[int, int],
    fit: Fit,
    *,
    pixels: Pixels = Pixels.TONES,
    extent: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return ``image`` resized to a cell, a new array of the same number of channels.

    What is cut off depends on the aspect ratio alone: maps of a photograph are cut like the photograph.

    Parameters
    ----------
    image
        uint8, H×W×3 or H×W.
    size
        Height and width of the cell.
    fit
        ``crop``, ``pad`` or ``stretch``.
    pixels
        What the pixels mean, and so how they are averaged.
    extent
        Height and width of the part of ``image`` that counts, from the top left corner, all of it by default; the last
        row and column of a JPEG decoded at half size may be half outside the picture.

    Examples
    --------
    >>> cell = fit_image(np.full((100, 200, 3), 7, np.uint8), (50, 60), "pad")
    >>> cell.shape, cell[:, 0, 0].tolist() == 10 * [0] + 30 * [7] + 10 * [0]
    ((50, 60, 3), True)
    """
    extent = extent or (float(image.shape[0]), float(image.shape[1]))
    if image.shape[:2] == size and extent[0] == size[0] and extent[1] == size[1]:
        return image.copy()
    shown = shown_size(extent, size, fit)
    picture = Image.fromarray(image)
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
) -> np.ndarray:
    reduction = max((box[2] - box[0]) / size[1], (box[3] - box[1]) / size[0])
    resized = picture.resize((size[1], size[0]), _filter(pixels, smaller=reduction > 1), box=box)
    if pixels is Pixels.LINES and reduction > 1:
        # A line one pixel wide keeps 1/reduction of its brightness: at 384² the edges of 1024² would be dark grey.
        resized = resized.point([min(255, round(level * reduction)) for level in range(256)] * len(resized.getbands()))
    return np.array(resized)


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    cell = np.full((*size, *image.shape[2:]), PAD_FILL, np.uint8)
    top, left = (size[0] - image.shape[0]) // 2, (size[1] - image.shape[1]) // 2
    cell[top : top + image.shape[0], left : left + image.shape[1]] = image
    return cell
