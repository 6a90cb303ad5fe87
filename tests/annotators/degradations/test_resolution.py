from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from annotators.degradations import replay
from annotators.degradations.resolution import LEVELS, cubic_taps, pixelate, shrink

FACTORS = [("sr_x2", 2), ("sr_x4", 4)]


def pillow_down_and_up(image: np.ndarray, factor: int) -> np.ndarray:
    height, width = image.shape[:2]
    full = Image.fromarray(image)
    small = full.resize((width // factor, height // factor), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("name", "factor"), FACTORS)
@pytest.mark.parametrize("size", [(64, 64), (128, 160), (1024, 2048)])
def test_sr_is_bicubic_down_and_up(name, factor, size, photo_of, psnr) -> None:
    image = photo_of(*size)
    degraded = replay(image, name, {"factor": factor})
    assert psnr(degraded, pillow_down_and_up(image, factor), border=8) > 40


@pytest.mark.parametrize(("name", "factor"), FACTORS)
def test_shrinking_is_pillows_to_a_grey_level(name, factor, photo, psnr) -> None:
    height, width = photo.shape[:2]
    plain = Image.fromarray(photo).resize((width // factor, height // factor), Image.Resampling.BICUBIC)
    assert psnr(shrink(photo, factor), np.asarray(plain), border=2) > 50


@pytest.mark.parametrize(("name", "factor"), FACTORS)
def test_detail_finer_than_the_small_image_becomes_grey_and_no_pattern(name, factor) -> None:
    stripes = np.zeros((96, 99, 3), np.uint8)
    stripes[:, ::2] = 255
    inside = replay(stripes, name, {"factor": factor})[16:-16, 16:-16].astype(float)
    assert inside.std() < 6
    assert inside.mean() == pytest.approx(127.5, abs=2)


@pytest.mark.parametrize(("name", "factor"), FACTORS)
def test_the_picture_stays_where_it_is(name, factor, sized_photo) -> None:
    degraded = replay(sized_photo, name, {"factor": factor}).astype(float)
    original = sized_photo.astype(float)
    error = [np.abs(np.roll(degraded, shift, axis=1) - original)[:, 8:-8].mean() for shift in (-1, 0, 1)]
    assert error[1] == min(error)


def test_the_taps_sum_to_one_and_are_symmetric() -> None:
    for factor in (2, 3, 4):
        assert cubic_taps(factor).sum() == pytest.approx(1)
        assert np.allclose(cubic_taps(factor), cubic_taps(factor)[::-1])


@pytest.mark.parametrize("fraction", [0.5, 0.25])
def test_pixelate_shows_the_means_of_boxes(fraction, photo) -> None:
    cell = round(1 / fraction)
    height, width = photo.shape[0] // cell, photo.shape[1] // cell
    means = photo.reshape(height, cell, width, cell, 3).astype(float).mean(axis=(1, 3))
    plain = np.repeat(np.repeat(means, cell, axis=0), cell, axis=1)
    assert np.abs(pixelate(photo, fraction=fraction) - plain).max() <= 0.5


@pytest.mark.parametrize("fraction", [0.4, 0.3, 0.2])
def test_pixelate_is_pillows_box_at_every_fraction(fraction, photo_of, psnr) -> None:
    image = photo_of(200, 300)
    small = Image.fromarray(image).resize((round(300 * fraction), round(200 * fraction)), Image.Resampling.BOX)
    plain = np.asarray(small.resize((300, 200), Image.Resampling.NEAREST))
    # Pillow takes a pixel into a box whole or not at all, an area mean takes its part.
    assert psnr(pixelate(image, fraction=fraction), plain) > (40 if 1 / fraction == round(1 / fraction) else 30)


def test_pixelate_leaves_as_many_blocks_as_it_says(sized_photo) -> None:
    for arguments in LEVELS["pixelate"]:
        blocks = pixelate(sized_photo, **arguments)
        changes = (blocks[:, 1:] != blocks[:, :-1]).any(axis=(0, 2)).sum() + 1
        assert changes <= round(sized_photo.shape[1] * arguments["fraction"])
        assert changes > 0.9 * round(sized_photo.shape[1] * arguments["fraction"])
