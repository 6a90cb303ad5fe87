from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from scipy import ndimage

from annotators.degradations import degradations, replay
from annotators.degradations.geometry import Elastic, smooth_field
from annotators.degradations.randomness import random_field

TURNS = [("rotate90", 1), ("rotate180", 2), ("rotate270", 3)]
LENSES = [("barrel", 0.1, 0.05), ("pincushion", -0.1, -0.05)]
ELASTIC = {"sigma": 0.01, "amplitude": 0.00467, "seed": 4}


@pytest.mark.parametrize(("name", "quarters"), TURNS)
def test_rotations_are_exact_and_counter_clockwise(name, quarters, sized_photo) -> None:
    assert np.array_equal(replay(sized_photo, name, {}), np.rot90(sized_photo, quarters))


@pytest.mark.parametrize(("name", "quarters"), TURNS)
def test_four_turns_are_none(name, quarters, sized_photo) -> None:
    turned = sized_photo
    for _ in range(4):
        turned = replay(turned, name, {})
    assert np.array_equal(turned, sized_photo)


def sample(image: np.ndarray, rows: np.ndarray, columns: np.ndarray, mode: str) -> np.ndarray:
    exact = image.astype(np.float64)
    return np.stack(
        [ndimage.map_coordinates(exact[..., c], [rows, columns], order=1, mode=mode, cval=0) for c in range(3)], -1
    )


def radial_source(shape: tuple[int, int], k1: float, k2: float) -> tuple[np.ndarray, np.ndarray]:
    height, width = shape
    rows, columns = np.indices(shape) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    r2 = (rows**2 + columns**2) / (math.hypot(height, width) / 2) ** 2
    factor = 1 + k1 * r2 + k2 * r2**2
    return rows * factor + (height - 1) / 2, columns * factor + (width - 1) / 2


@pytest.mark.parametrize(("name", "k1", "k2"), LENSES)
def test_lenses_sample_where_the_radial_model_says(name, k1, k2, photo, psnr) -> None:
    plain = sample(photo, *radial_source(photo.shape[:2], k1, k2), mode="grid-constant")
    assert psnr(replay(photo, name, {"k1": k1, "k2": k2}), plain) > 40


@pytest.mark.parametrize(("name", "k1", "k2"), LENSES)
def test_a_lens_and_then_its_inverse_gives_back_the_picture(name, k1, k2, sized_photo, psnr) -> None:
    smooth = cv2.GaussianBlur(sized_photo, (0, 0), 2)
    bent = replay(smooth, name, {"k1": k1, "k2": k2})
    height, width = smooth.shape[:2]
    rows, columns = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    radius = np.hypot(rows, columns) / (math.hypot(height, width) / 2)
    table = np.linspace(0, 1.2, 2000)
    inverse = np.interp(radius, table + k1 * table**3 + k2 * table**5, table) / np.maximum(radius, 1e-9)
    maps = [
        (axis * inverse + (length - 1) / 2).astype(np.float32) for axis, length in ((columns, width), (rows, height))
    ]
    straight = cv2.remap(bent, *maps, cv2.INTER_LINEAR)
    center = np.s_[height // 5 : -height // 5, width // 5 : -width // 5]
    assert psnr(straight[center], smooth[center]) > 35


def test_barrel_shows_black_corners_and_pincushion_none(photo) -> None:
    bright = np.maximum(photo, 1)
    assert not replay(bright, "barrel", {"k1": 0.1, "k2": 0.05})[0, 0].any()
    assert replay(bright, "pincushion", {"k1": -0.1, "k2": -0.05}).min() > 0


def test_barrel_bends_a_line_outwards_and_pincushion_inwards() -> None:
    line = np.zeros((201, 201, 3), np.uint8)
    line[40] = 255

    def height_at(image: np.ndarray, column: int) -> float:
        return float(np.average(np.arange(201), weights=image[:, column, 0]))

    barrel = replay(line, "barrel", {"k1": 0.1, "k2": 0.05})
    pincushion = replay(line, "pincushion", {"k1": -0.1, "k2": -0.05})
    assert height_at(barrel, 40) > height_at(barrel, 100) + 1
    assert height_at(pincushion, 40) < height_at(pincushion, 100) - 1


def test_elastic_is_a_smoothed_field_sampled_point_by_point(photo, psnr) -> None:
    height, width = photo.shape[:2]
    side = math.sqrt(height * width)
    shape = (round(height / (side * 0.005)), round(width / (side * 0.005)))
    uniform = random_field(ELASTIC["seed"], (*shape, 2)) / 32768 - 1
    smooth = ndimage.gaussian_filter(uniform, (2, 2, 0), mode="mirror") * ELASTIC["amplitude"] * side
    smooth *= math.sqrt(3) * 2 * math.sqrt(math.pi) * 2
    rows = (np.arange(height) + 0.5) * shape[0] / height - 0.5
    columns = (np.arange(width) + 0.5) * shape[1] / width - 0.5
    grid = np.meshgrid(rows, columns, indexing="ij")
    dx, dy = (ndimage.map_coordinates(smooth[..., axis], grid, order=3, mode="nearest") for axis in (0, 1))
    own_rows, own_columns = np.indices((height, width))
    plain = sample(photo, own_rows + dy, own_columns + dx, mode="mirror")
    assert psnr(replay(photo, "elastic", ELASTIC), plain) > 40


@pytest.mark.parametrize("size", [(96, 160), (161, 97), (512, 512)])
def test_elastic_moves_by_its_amplitude_whatever_the_size(size) -> None:
    side = math.sqrt(size[0] * size[1])
    deviations = [Elastic.displacement(size, ELASTIC | {"seed": seed}).std() / side for seed in range(3)]
    assert np.mean(deviations) == pytest.approx(0.00467, rel=0.1)


def test_elastic_is_smooth_over_one_percent_of_the_side() -> None:
    field = Elastic.displacement((512, 512), ELASTIC)[..., 0].astype(float)

    def correlation(lag: int) -> float:
        return float(np.corrcoef(field[:, lag:].ravel(), field[:, :-lag].ravel())[0, 1])

    # A Gaussian of σ leaves the autocorrelation exp(−lag² / 4σ²); σ is 5.12 px.
    for lag in (3, 6, 10):
        assert correlation(lag) == pytest.approx(math.exp(-(lag**2) / (4 * 5.12**2)), abs=0.06)


def test_elastic_is_the_same_deformation_at_two_sizes() -> None:
    small, large = (Elastic.displacement((side, side), ELASTIC) for side in (384, 1024))
    shrunk = cv2.resize(large, (384, 384), interpolation=cv2.INTER_AREA) * 384 / 1024
    assert np.abs(shrunk - small)[4:-4, 4:-4].mean() < 0.05 * small.std()


def test_the_smooth_field_has_unit_variance() -> None:
    assert smooth_field(0, (400, 400)).std() == pytest.approx(1, rel=0.03)


def test_lens_coefficients_come_from_the_fields() -> None:
    lens = degradations["barrel"](k1=0.3, k2=0.0)
    assert lens.draw(np.random.default_rng(0)) == {"k1": 0.3, "k2": 0.0}
