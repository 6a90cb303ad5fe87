from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from annotators.degradations import degradations, replay
from annotators.degradations.blur import LEVELS, gaussian, glass, jitter, lens, motion, zoom
from annotators.degradations.randomness import random_field


def dot(side: int = 81) -> np.ndarray:
    image = np.zeros((side, side, 3), np.uint8)
    image[side // 2, side // 2] = 255
    return image


def moments(image: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Centre (x, y) and covariance of the brightness."""
    weights = image[..., 0].astype(np.float64)
    rows, columns = np.indices(weights.shape)
    points = np.stack([columns.ravel(), rows.ravel()])
    center = np.average(points, axis=1, weights=weights.ravel())
    return *center, np.cov(points, aweights=weights.ravel(), bias=True)


def disk_kernel(radius: int) -> np.ndarray:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    kernel = (rows**2 + columns**2 <= radius**2).astype(np.float64)
    return kernel / kernel.sum()


@pytest.mark.parametrize("arguments", LEVELS["gaussian"])
def test_gaussian_is_that_of_scipy(arguments, photo, psnr) -> None:
    sigma = arguments["sigma"]
    plain = ndimage.gaussian_filter(photo.astype(np.float64), (sigma, sigma, 0), mode="mirror")
    assert psnr(gaussian(photo, sigma=sigma), plain) > 45


@pytest.mark.parametrize("arguments", LEVELS["lens"])
def test_lens_is_a_convolution_with_a_disk(arguments, photo, psnr) -> None:
    kernel = disk_kernel(arguments["radius"])[:, :, None]
    plain = ndimage.convolve(photo.astype(np.float64), kernel, mode="mirror")
    assert psnr(lens(photo, **arguments), plain) > 55


@pytest.mark.parametrize("radius", [9, 12])
def test_lens_larger_than_16_bits_hold_is_exact_too(radius, photo, psnr) -> None:
    bright = np.maximum(photo, 250)
    plain = ndimage.convolve(bright.astype(np.float64), disk_kernel(radius)[:, :, None], mode="mirror")
    assert psnr(lens(bright, radius=radius), plain) > 55


@pytest.mark.parametrize("angle_deg", [-45.0, -17.0, 0.0, 8.5, 45.0])
def test_motion_is_a_weighted_mean_of_moved_images(angle_deg, photo, psnr) -> None:
    radius, sigma = 15, 7.0
    total, weights = np.zeros(photo.shape), 0.0
    for step in range(-radius, radius + 1):
        distance = step / math.cos(math.radians(angle_deg))
        if abs(distance) > radius + 1e-9:
            continue
        weight = math.exp(-(distance**2) / (2 * sigma**2))
        offset = (step * math.tan(math.radians(angle_deg)), step, 0)
        total += weight * ndimage.shift(photo.astype(np.float64), [-o for o in offset], order=1, mode="mirror")
        weights += weight
    assert psnr(motion(photo, radius=radius, sigma=sigma, angle_deg=angle_deg), total / weights) > 50


@pytest.mark.parametrize("angle_deg", [-40.0, 0.0, 25.0])
def test_motion_spreads_a_dot_along_its_angle_and_nowhere_else(angle_deg) -> None:
    spread = motion(dot(), radius=15, sigma=9.0, angle_deg=angle_deg)
    x, y, covariance = moments(spread)
    values, vectors = np.linalg.eigh(covariance)
    along = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
    assert (x, y) == pytest.approx((40, 40), abs=0.3)
    assert (along - angle_deg + 90) % 180 - 90 == pytest.approx(0, abs=2)
    assert values[1] > 30 * values[0]


def test_zoom_is_the_mean_of_magnified_crops(photo, psnr) -> None:
    height, width = photo.shape[:2]
    layers = []
    for index in range(8):  # 1.00, 1.02 … 1.14
        kept = (1 - 1 / (1 + 0.02 * index)) / 2
        top, left = round(height * kept), round(width * kept)
        rows = (np.arange(height) + 0.5) * (height - 2 * top) / height - 0.5
        columns = (np.arange(width) + 0.5) * (width - 2 * left) / width - 0.5
        crop = photo[top : height - top, left : width - left].astype(np.float64)
        grid = np.meshgrid(rows, columns, indexing="ij")
        layers.append(
            np.stack([ndimage.map_coordinates(crop[..., c], grid, order=1, mode="nearest") for c in range(3)], -1)
        )
    assert psnr(zoom(photo, largest=1.15, step=0.02), np.mean(layers, axis=0)) > 45


def test_zoom_leaves_the_centre_sharp_and_blurs_the_rim(white_noise) -> None:
    zoomed = zoom(white_noise, largest=1.21, step=0.02).astype(np.float64)
    height, width = zoomed.shape[:2]
    middle = zoomed[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4]
    assert middle.std() > 2 * zoomed[:16].std()


@pytest.mark.parametrize("shift", [1, 5])
def test_jitter_takes_each_pixel_from_a_place_within_reach(shift) -> None:
    rows, columns = np.indices((60, 70))
    coordinates = np.stack([rows, columns, rows], axis=-1).astype(np.uint8)
    scattered = jitter(coordinates, shift=shift, seed=3).astype(int)
    inside = np.s_[8:-8, 8:-8]
    for axis, own in enumerate((rows, columns)):
        moved = (scattered[..., axis] - own)[inside]
        assert set(np.unique(moved)) == set(range(-shift, shift + 1))
        assert moved.std() == pytest.approx(math.sqrt(shift * (shift + 1) / 3), rel=0.05)


def test_glass_is_blur_scatter_blur_pixel_by_pixel(photo, psnr) -> None:
    sigma, shift, iterations, seed = 1.2, 2, 2, 9
    height, width = photo.shape[:2]
    plain = ndimage.gaussian_filter(photo.astype(np.float64), (sigma, sigma, 0), mode="mirror")
    for iteration in range(iterations):
        moves = (random_field(seed + iteration, (height, width, 2)).astype(int) * (2 * shift + 1) >> 16) - shift
        scattered = plain.copy()
        for y in range(shift, height - shift):
            for x in range(shift, width - shift):
                scattered[y, x] = plain[y + moves[y, x, 1], x + moves[y, x, 0]]
        plain = scattered
    plain = ndimage.gaussian_filter(plain, (sigma, sigma, 0), mode="mirror")
    fast = glass(photo, sigma=sigma, shift=shift, iterations=iterations, seed=seed)
    assert psnr(fast, plain, border=10) > 45


@pytest.mark.parametrize("kind", ["gaussian", "motion", "glass", "lens", "zoom"])
def test_each_severity_takes_more_of_the_spectrum(kind, white_noise) -> None:
    left = []
    for severity, arguments in enumerate(LEVELS[kind], start=1):
        extra = {"motion": {"angle_deg": 20.0}, "glass": {"seed": 0}}.get(kind, {})
        params = {"kind": kind, "severity": severity, **arguments, **extra}
        left.append(float(replay(white_noise, "blur", params).std()))
    assert left[0] < 0.9 * white_noise.std()
    assert all(after < before for before, after in pairwise(left))


@pytest.mark.parametrize("name", ["blur", "defocus", "gaussian_blur"])
def test_blurs_keep_the_mean_and_lower_the_gradient(name, sized_photo) -> None:
    degradation = degradations[name]()
    rng = np.random.default_rng(0)
    for _ in range(8 if sized_photo.shape[0] < 2048 else 1):
        params = degradation.draw(rng)
        blurred = degradation.apply(sized_photo, params)
        assert abs(float(blurred.mean()) - float(sized_photo.mean())) < 6, params
        if params.get("kind") != "jitter":
            steps = [np.abs(np.diff(image.astype(int), axis=1)).mean() for image in (sized_photo, blurred)]
            assert steps[1] < steps[0], params


def test_defocus_spreads_a_dot_over_a_disk_of_29_pixels() -> None:
    blurred = replay(dot(), "defocus", {"radius": 3, "alias_sigma": 0.2})[..., 0]
    assert np.array_equal(blurred[37:44, 37:44] > 0, disk_kernel(3) > 0)
    assert set(blurred[blurred > 0].tolist()) == {round(255 / 29)}


@pytest.mark.parametrize("sigma", [2.0, 3.0, 4.0])
def test_gaussian_blur_has_its_width_and_its_window(sigma) -> None:
    image = np.where(dot(81) > 0, 255, 0).astype(np.uint8)
    image[37:44, 37:44] = 255  # 8 bits cannot hold a spread dot
    blurred = replay(image, "gaussian_blur", {"window": 15, "sigma": sigma})
    offsets = np.arange(-7, 8)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    expected = np.average(offsets**2, weights=weights) + (7**2 - 1) / 12
    assert moments(blurred)[2][0, 0] == pytest.approx(expected, rel=0.05)
    assert not blurred[:, : 37 - 7].any()


def test_gaussian_blur_draws_its_sigma_from_its_range() -> None:
    rng = np.random.default_rng(0)
    sigmas = [degradations["gaussian_blur"]().draw(rng)["sigma"] for _ in range(300)]
    assert min(sigmas) >= 2
    assert max(sigmas) <= 4
    assert max(sigmas) - min(sigmas) > 1.8
