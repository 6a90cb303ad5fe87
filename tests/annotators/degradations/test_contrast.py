from __future__ import annotations

import numpy as np
import pytest

from annotators.degradations import degradations, replay
from annotators.degradations.contrast import STRONGER, WEAKER, scale, stretch


@pytest.mark.parametrize("arguments", [*STRONGER["scale"], *WEAKER["scale"]])
def test_scale_is_the_formula_in_float(arguments, photo, psnr) -> None:
    exact = photo.astype(np.float64)
    plain = np.clip(exact.mean() + arguments["factor"] * (exact - exact.mean()), 0, 255)
    assert psnr(scale(photo, **arguments), plain) > 50


@pytest.mark.parametrize("arguments", [*STRONGER["stretch"], *WEAKER["stretch"]])
def test_stretch_is_the_formula_in_float(arguments, photo, psnr) -> None:
    exact = np.maximum(photo / 255, 1e-9)
    mean, exponent = photo.mean() / 255, arguments["exponent"]
    plain = 1 / (1 + (mean / exact) ** exponent)
    if exponent > 1:
        plain *= 1 + mean**exponent
    assert psnr(stretch(photo, **arguments), plain * 255) > 50


def test_scale_multiplies_the_deviation_and_keeps_the_mean(white_noise) -> None:
    for factor in (0.2, 0.6, 1.7):
        scaled = scale(white_noise, factor=factor).astype(float)
        assert scaled.std() == pytest.approx(factor * white_noise.std(), rel=0.01)
        assert scaled.mean() == pytest.approx(white_noise.mean(), abs=0.5)


@pytest.mark.parametrize(("name", "sign"), [("contrast_strengthen", 1), ("contrast_weaken", -1)])
def test_every_level_moves_the_deviation_its_way(name, sign, sized_photo) -> None:
    for kind, levels in degradations[name]().levels.items():
        for severity, arguments in enumerate(levels, start=1):
            changed = replay(sized_photo, name, {"kind": kind, "severity": severity, **arguments})
            assert (changed.std() - sized_photo.std()) * sign > 1, (kind, arguments)


@pytest.mark.parametrize("level", [0, 255])
def test_a_picture_of_one_colour_survives(level) -> None:
    flat = np.full((32, 32, 3), level, np.uint8)
    for name in ("contrast_strengthen", "contrast_weaken"):
        for seed in range(8):
            degradation = degradations[name]()
            changed = degradation.apply(flat, degradation.draw(np.random.default_rng(seed)))
            assert np.ptp(changed) == 0


def test_grey_levels_keep_their_order() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 32, axis=0).repeat(3, axis=2)
    for table in (STRONGER, WEAKER):
        for arguments in table["stretch"]:
            assert (np.diff(stretch(ramp, **arguments)[0, :, 0].astype(int)) >= 0).all()
