from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import pytest


@lru_cache(maxsize=16)
def _drawn(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with what photographs have: shading, flat areas, edges, saturated colours, dark and bright, texture."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shading = np.stack([60 + 130 * columns, 90 + 90 * rows, 150 - 90 * columns * rows], axis=-1)
    image = np.ascontiguousarray(shading.astype(np.uint8))
    side = (height * width) ** 0.5
    for _ in range(12):
        center = int(rng.integers(width)), int(rng.integers(height))
        cv2.circle(image, center, int(side * rng.uniform(0.03, 0.12)), rng.integers(0, 256, 3).tolist(), -1)
    cv2.rectangle(image, (width // 3, height // 3), (width // 2, height // 2), (250, 245, 240), -1)
    cv2.rectangle(image, (width // 8, height // 2), (width // 4, height * 3 // 4), (8, 6, 10), -1)
    texture = cv2.GaussianBlur(rng.normal(0, 30, (height, width, 3)), (0, 0), 1.2)
    return np.clip(image + texture, 0, 255).astype(np.uint8)


def draw_photo(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    return _drawn(height, width, seed).copy()


def measure_psnr(first: np.ndarray, second: np.ndarray, *, border: int = 0) -> float:
    height, width = first.shape[:2]
    inside = np.s_[border : height - border, border : width - border]
    error = np.mean((first[inside].astype(np.float64) - second[inside].astype(np.float64)) ** 2)
    return 100.0 if error == 0 else 10 * np.log10(255**2 / error)


@pytest.fixture
def photo() -> np.ndarray:
    return draw_photo(128, 160)


@pytest.fixture
def photo_of() -> Callable[..., np.ndarray]:
    return draw_photo


@pytest.fixture
def psnr() -> Callable[..., float]:
    return measure_psnr


@pytest.fixture
def white_noise() -> np.ndarray:
    """Grey levels far from both ends, independent: what a linear filter does to it shows in its variance."""
    return np.random.default_rng(5).integers(78, 179, (160, 200, 3)).astype(np.uint8)


@pytest.fixture(
    params=[(64, 64), (96, 160), (161, 97), (333, 500), (2048, 2048)], ids=lambda size: "{}x{}".format(*size)
)
def sized_photo(request: pytest.FixtureRequest) -> np.ndarray:
    return draw_photo(*request.param)
