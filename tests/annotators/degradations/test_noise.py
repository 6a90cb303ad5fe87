from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from annotators.degradations import degrade, replay
from annotators.degradations.noise import poisson_quantiles
from annotators.degradations.randomness import grain_px, random_field, random_grains

SIZES = [(64, 64), (301, 200), (512, 512), (1024, 1024), (2048, 1500)]


def grey(height: int, width: int, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def of_grains(image: np.ndarray) -> np.ndarray:
    grain = grain_px(image)
    return image[::grain, ::grain]


@pytest.mark.parametrize("sigma", [10.0, 30.0])
@pytest.mark.parametrize("size", SIZES)
def test_gaussian_noise_has_its_sigma_at_every_size(size, sigma) -> None:
    noise = of_grains(replay(grey(*size), "gaussian_noise", {"sigma": sigma, "seed": 1})).astype(float) - 128
    tolerance = 4 / np.sqrt(2 * noise.size)
    assert noise.std() == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=tolerance + 0.002)
    assert abs(noise.mean()) < 4 * sigma / np.sqrt(noise.size)


def test_gaussian_noise_is_distributed_as_numpys() -> None:
    noise = replay(grey(512, 512), "gaussian_noise", {"sigma": 20.0, "seed": 2}).astype(float).ravel() - 128
    plain = np.rint(np.random.default_rng(0).normal(0, 20, noise.size))
    assert stats.ks_2samp(noise, plain).statistic < 0.004


def test_gaussian_noise_is_independent_of_its_neighbours_and_channels() -> None:
    noise = replay(grey(512, 512), "gaussian_noise", {"sigma": 20.0, "seed": 2}).astype(float) - 128
    pairs = [(noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1]), (noise[..., 0], noise[..., 1])]
    for first, second in pairs:
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.01


def test_gaussian_noise_is_clipped_and_does_not_wrap() -> None:
    params = {"sigma": 50.0, "seed": 0}
    assert replay(grey(64, 64, 250), "gaussian_noise", params).min() > 20
    assert replay(grey(64, 64, 5), "gaussian_noise", params).max() < 235


def test_gaussian_noise_draws_its_sigma_from_its_range(photo) -> None:
    sigmas = [degrade(photo, "gaussian_noise", np.random.default_rng(seed))[1]["sigma"] for seed in range(60)]
    assert 10 <= min(sigmas) < 15
    assert 45 < max(sigmas) <= 50


@pytest.mark.parametrize("level", [0, 13, 51, 128, 180])
def test_poisson_noise_has_the_mean_and_variance_of_photons(level) -> None:
    noisy = replay(grey(512, 512, level), "poisson_noise", {"photons": 100.0, "seed": 3}).astype(float)
    assert noisy.mean() == pytest.approx(level, abs=0.2)
    # Whole counts shown in whole grey levels: 2.55 levels a photon, rounded, is what moves the variance of dark areas.
    assert noisy.var() == pytest.approx(level * 255 / 100, rel=0.025)


@pytest.mark.parametrize("level", [20, 128, 255])
def test_poisson_noise_is_distributed_as_numpys(level) -> None:
    noisy = replay(grey(512, 512, level), "poisson_noise", {"photons": 100.0, "seed": 3}).ravel()
    counts = np.random.default_rng(0).poisson(level * 100 / 255, noisy.size)
    plain = np.minimum(np.rint(counts * 2.55), 255)
    assert stats.ks_2samp(noisy, plain).statistic < 0.005


@pytest.mark.parametrize("size", SIZES)
def test_poisson_noise_holds_at_every_size(size) -> None:
    noisy = of_grains(replay(grey(*size), "poisson_noise", {"photons": 100.0, "seed": 4})).astype(float)
    assert noisy.var() == pytest.approx(128 * 2.55, rel=0.01 + 6 / np.sqrt(noisy.size))


def test_poisson_tables_rise_with_the_light() -> None:
    means = poisson_quantiles(100.0).reshape(256, -1).mean(axis=1)
    assert (np.diff(means) > 0).all()


@pytest.mark.parametrize("size", SIZES)
def test_sp_noise_hits_five_percent_half_white_half_black(size) -> None:
    noisy = of_grains(replay(grey(*size), "sp_noise", {"amount": 0.05, "seed": 5}))
    count = noisy.shape[0] * noisy.shape[1]
    salt, pepper = (noisy == 255).all(axis=2).mean(), (noisy == 0).all(axis=2).mean()
    tolerance = 5 * np.sqrt(0.025 / count)
    assert salt == pytest.approx(0.025, abs=tolerance)
    assert pepper == pytest.approx(0.025, abs=tolerance)
    assert (noisy == 128).all(axis=2).mean() == pytest.approx(1 - salt - pepper)


def test_sp_noise_leaves_the_other_pixels_alone(photo) -> None:
    noisy = replay(photo, "sp_noise", {"amount": 0.05, "seed": 5})
    changed = (noisy != photo).any(axis=2)
    assert np.isin(noisy[changed], (0, 255)).all()
    assert np.ptp(noisy[changed], axis=1).max() == 0


@pytest.mark.parametrize("name", ["gaussian_noise", "poisson_noise", "sp_noise"])
def test_grains_are_squares_that_grow_with_the_image(name) -> None:
    noisy, _ = degrade(grey(1025, 1022), name, np.random.default_rng(0))
    assert np.array_equal(noisy[0:1024:2, 0:1022:2], noisy[1:1024:2, 1:1022:2])


def test_random_fields_are_uniform_and_the_same_forever() -> None:
    field = random_field(123, (1000, 100))
    assert stats.kstest(field.ravel() / 65536, "uniform").statistic < 0.01
    # Pinned: recorded parameters of old datasets must replay.
    assert random_field(123, (4,)).tolist() == [22659, 35529, 54618, 52165]


def test_grains_of_one_channel_are_a_map() -> None:
    assert random_grains(0, grey(33, 40), channels=1).shape == (33, 40)
