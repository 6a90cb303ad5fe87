from __future__ import annotations

import colorsys

import numpy as np
import pytest

from annotators.degradations import degradations, replay
from annotators.degradations.brightness import BRIGHTER, DARKER, gamma_rgb, gamma_value, shift_rgb, shift_value

CURVES = {
    "shift": lambda level, arguments: min(1.0, max(0.0, level + arguments["amount"])),
    "gamma": lambda level, arguments: level ** arguments["gamma"],
}
BOTH = [(kind, arguments) for table in (BRIGHTER, DARKER) for kind, levels in table.items() for arguments in levels]


def pixel_by_pixel(image: np.ndarray, kind: str, arguments: dict) -> np.ndarray:
    operation, space = kind.split("_")
    tone = CURVES[operation]
    result = np.zeros(image.shape)
    for index in np.ndindex(image.shape[:2]):
        red, green, blue = (float(level) / 255 for level in image[index])
        if space == "rgb":
            result[index] = [tone(level, arguments) for level in (red, green, blue)]
        else:
            hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
            result[index] = colorsys.hsv_to_rgb(hue, saturation, tone(value, arguments))
    return result * 255


@pytest.mark.parametrize(("kind", "arguments"), BOTH)
def test_each_kind_is_that_of_colorsys(kind, arguments, photo, psnr) -> None:
    small = photo[40:70, 10:60].copy()
    small[0, :3] = 0
    function = {"shift_rgb": shift_rgb, "shift_value": shift_value, "gamma_rgb": gamma_rgb, "gamma_value": gamma_value}
    assert psnr(function[kind](small, **arguments), pixel_by_pixel(small, kind, arguments)) > 50


@pytest.mark.parametrize(("name", "sign"), [("brighten", 1), ("darken", -1)])
def test_every_level_moves_the_mean_its_way_and_the_next_one_further(name, sign, sized_photo) -> None:
    for kind, levels in degradations[name]().levels.items():
        means = [float(sized_photo.mean())]
        for severity, arguments in enumerate(levels, start=1):
            params = {"kind": kind, "severity": severity, **arguments}
            means.append(float(replay(sized_photo, name, params).mean()))
        assert (np.diff(means) * sign > 0).all(), kind


def test_value_changes_keep_hue_and_saturation() -> None:
    orange = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    red, green, blue = (int(level) for level in gamma_value(orange, gamma=2.0)[0, 0])
    assert green / red == pytest.approx(120 / 200, abs=0.01)
    assert blue / red == pytest.approx(40 / 200, abs=0.01)


def test_low_light_multiplies_every_pixel_by_a_third(sized_photo) -> None:
    params = degradations["low_light"]().draw(np.random.default_rng(0))
    assert 0.3 <= params["factor"] <= 0.4
    dark = replay(sized_photo, "low_light", params)
    assert np.abs(dark - sized_photo * params["factor"]).max() <= 0.5 + 1e-9
