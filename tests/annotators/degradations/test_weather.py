from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from annotators.degradations import degradations, replay
from annotators.degradations.ice import covered, haze, ice_layer
from annotators.degradations.randomness import random_field
from annotators.degradations.weather import fit, rain_layer

RAIN = {"density": 120.0, "length": 35.0, "slant_deg": 20.0, "seed": 6}
FROST = {"image_weight": 0.65, "ice_weight": 0.70, "seed": 6}


def test_rain_only_adds_light_and_the_same_to_all_channels(sized_photo) -> None:
    added = replay(sized_photo, "rain", RAIN).astype(int) - sized_photo
    assert added.min() >= 0
    assert added.max() > 60
    free = (sized_photo < 100).all(axis=2) & (added < 150).all(axis=2)
    assert np.ptp(added[free], axis=1).max() == 0


def test_the_rain_layer_is_each_drop_drawn_out_along_a_line(psnr) -> None:
    layer = rain_layer((128, 160), **RAIN)
    fallen = np.argwhere(random_field(RAIN["seed"], (128, 160)) < round(120 / 25600 * 65536))
    angle = math.radians(90 + RAIN["slant_deg"])
    reach = round(17.5 * math.sin(angle))
    plain = np.zeros((128, 160))
    for row, column in fallen.tolist():
        for step in range(-reach, reach + 1):
            y = row + round(step * 17.5 / reach * math.sin(angle))
            x = column + round(step * 17.5 / reach * math.cos(angle))
            if 0 <= y < 128 and 0 <= x < 160:
                plain[y, x] += 1
    for axis in (0, 1):
        plain = ndimage.correlate1d(plain, [0.25, 0.5, 0.25], axis, mode="mirror")
    assert psnr(layer, plain / plain.max() * 255) > 45


@pytest.mark.parametrize("slant_deg", [-45.0, 0.0, 30.0])
def test_streaks_lean_as_drawn(slant_deg) -> None:
    layer = rain_layer((256, 256), **RAIN | {"slant_deg": slant_deg}).astype(float)
    dy, dx = np.gradient(ndimage.gaussian_filter(layer, 1))
    across = 0.5 * math.atan2(2 * (dx * dy).sum(), (dx**2 - dy**2).sum())
    assert (math.degrees(across) - slant_deg + 90) % 180 - 90 == pytest.approx(0, abs=3)


def test_streaks_are_as_long_as_drawn() -> None:
    one = rain_layer((64, 64), density=6.0, length=35.0, slant_deg=0.0, seed=19)
    rows = np.flatnonzero(one.max(axis=1) > 40)
    longest = max(len(run) for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1))
    assert 33 <= longest <= 39


def test_denser_rain_covers_more() -> None:
    covered = [(rain_layer((512, 512), **RAIN | {"density": density}) > 8).mean() for density in (40.0, 120.0, 200.0)]
    assert covered == sorted(covered)
    assert covered[2] > 2 * covered[0]


def test_rain_draws_from_its_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [degradations["rain"]().draw(rng) for _ in range(300)]
    for name, low, high in (("density", 40, 200), ("length", 30, 40), ("slant_deg", -45, 45)):
        values = [params[name] for params in drawn]
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high


def test_frost_is_the_weighted_sum_of_picture_and_ice(photo, psnr) -> None:
    shape = (round(128 / 160 * 572.4334), round(572.4334))
    ice = fit(ice_layer(shape, FROST["seed"]), photo)
    plain = np.clip(0.65 * photo + 0.70 * ice, 0, 255)
    assert psnr(replay(photo, "frost", FROST), plain) > 50


def test_ice_is_different_each_time_and_similar_in_amount() -> None:
    layers = [ice_layer((512, 512), seed).astype(float) for seed in range(6)]
    means = [layer.mean() for layer in layers]
    assert max(means) < 1.5 * min(means)
    for first, second in pairwise(layers):
        assert np.abs(first - second).mean() > 10


def test_ice_is_bluish_has_fine_needles_and_lies_thicker_at_the_rim() -> None:
    layer = np.mean([ice_layer((512, 512), seed) for seed in range(8)], axis=0)
    assert layer[..., 2].mean() > layer[..., 1].mean() > layer[..., 0].mean()
    middle = layer[128:384, 128:384].mean()
    assert (layer.mean() - middle * 0.25) / 0.75 > 1.2 * middle
    one = ice_layer((512, 512), 0)[..., 1].astype(float)
    assert np.abs(one - ndimage.gaussian_filter(one, 2)).mean() > 2


@pytest.mark.parametrize("shape", [(300, 874), (874, 300), (32, 64)])
def test_ice_fits_every_aspect(shape) -> None:
    assert ice_layer(shape, 0).shape == (*shape, 3)
    assert haze(shape, 0).shape == shape


def test_frost_veils_dark_pictures_and_hides_detail(sized_photo) -> None:
    frosted = replay(sized_photo, "frost", FROST).astype(float)
    dark = (sized_photo < 40).all(axis=2)
    assert frosted[dark].mean() > sized_photo[dark].mean() + 10


def test_a_stroke_covers_the_pixels_it_passes_and_stays_on_the_pane() -> None:
    stroke = np.float32([[5.5, 8.5]]), np.float32([0.0]), np.float32([4.0])
    assert covered((20, 30), stroke).tolist() == [8 * 30 + column for column in (5, 6, 7, 8)]
    leaving = np.float32([[28.5, 8.5]]), np.float32([0.0]), np.float32([9.0])
    assert set(covered((20, 30), leaving).tolist()) == {8 * 30 + 28, 8 * 30 + 29}
