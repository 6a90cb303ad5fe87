from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from annotators.degradations.shifts import average_shifts, disk_average, line_taps


@pytest.mark.parametrize("angle_deg", [-90.0, -45.0, -10.0, 0.0, 33.0, 60.0, 135.0])
def test_taps_sum_to_one_are_centred_and_lie_on_the_line(angle_deg) -> None:
    taps = line_taps(12, 6.0, angle_deg)
    weights = np.array([weight for *_, weight in taps])
    x, y = (np.array(values, float) for values in list(zip(*taps, strict=True))[:2])
    assert weights.sum() == pytest.approx(1)
    assert (weights @ x, weights @ y) == pytest.approx((0, 0), abs=1e-6)
    across = x * math.sin(math.radians(angle_deg)) - y * math.cos(math.radians(angle_deg))
    assert np.abs(across).max() < 1
    assert np.hypot(x, y).max() < 13.5


def test_an_average_of_shifts_is_a_correlation(photo) -> None:
    kernel = np.random.default_rng(0).random((5, 5))
    kernel /= kernel.sum()
    taps = [(x - 2, y - 2, float(kernel[y, x])) for y in range(5) for x in range(5)]
    plain = cv2.filter2D(photo.astype(np.float64), -1, kernel)
    assert np.abs(average_shifts(photo, taps) - plain).max() < 0.01


@pytest.mark.parametrize("radius", range(1, 12))
def test_the_disk_of_rectangles_is_the_disk(radius) -> None:
    image = np.random.default_rng(radius).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    kernel = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    plain = cv2.filter2D(image.astype(np.float64), -1, kernel / kernel.sum())
    assert np.abs(disk_average(image, radius) - plain).max() <= 0.5 + 1e-6
