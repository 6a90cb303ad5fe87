from __future__ import annotations

import colorsys

import numpy as np
import pytest

from annotators.degradations import degradations, replay
from annotators.degradations.color import STRONGER, WEAKER, chroma, saturation
from annotators.degradations.curves import max_of_channels, min_of_channels


@pytest.mark.parametrize("arguments", [*STRONGER["saturation"], *WEAKER["saturation"]])
def test_saturation_is_that_of_colorsys(arguments, photo, psnr) -> None:
    small = photo[40:70, 10:60]
    plain = np.zeros(small.shape)
    for index in np.ndindex(small.shape[:2]):
        hue, saturated, value = colorsys.rgb_to_hsv(*(float(level) / 255 for level in small[index]))
        plain[index] = colorsys.hsv_to_rgb(hue, min(1.0, saturated * arguments["factor"]), value)
    assert psnr(saturation(small, **arguments), plain * 255) > 45


@pytest.mark.parametrize("arguments", [*STRONGER["chroma"], *WEAKER["chroma"]])
def test_chroma_scales_the_distance_from_the_luma(arguments, photo, psnr) -> None:
    exact = photo.astype(np.float64)
    luma = (exact @ [0.299, 0.587, 0.114])[..., None]
    plain = np.clip(luma + arguments["factor"] * (exact - luma), 0, 255)
    assert psnr(chroma(photo, **arguments), plain) > 50


def spread(image: np.ndarray) -> float:
    return float((max_of_channels(image) - min_of_channels(image)).mean())


@pytest.mark.parametrize(("name", "sign"), [("saturate_strengthen", 1), ("saturate_weaken", -1)])
def test_every_level_moves_the_saturation_its_way(name, sign, sized_photo) -> None:
    for kind, levels in degradations[name]().levels.items():
        spreads = [spread(sized_photo)]
        for severity, arguments in enumerate(levels, start=1):
            spreads.append(spread(replay(sized_photo, name, {"kind": kind, "severity": severity, **arguments})))
        assert (np.diff(spreads) * sign > 0).all(), kind


def test_grey_has_no_saturation_to_strengthen() -> None:
    grey = np.full((32, 32, 3), 90, np.uint8)
    assert np.array_equal(saturation(grey, factor=64.0), grey)
    assert np.array_equal(chroma(grey, factor=16.0), grey)


def test_gray_is_the_luma_three_times(sized_photo) -> None:
    grey = replay(sized_photo, "gray", {})
    assert np.ptp(grey, axis=2).max() == 0
    assert np.abs(grey[..., 0] - sized_photo @ np.array([0.299, 0.587, 0.114])).max() < 0.6


def test_color_distortion_permutes_half_the_time_and_never_to_the_same_order() -> None:
    rng = np.random.default_rng(0)
    drawn = [degradations["color_distortion"]().draw(rng) for _ in range(1200)]
    orders = [tuple(params["order"]) for params in drawn if params["kind"] == "permute"]
    assert len(set(orders)) == 5
    assert (0, 1, 2) not in orders
    assert len(orders) / len(drawn) == pytest.approx(0.5, abs=0.04)


def test_a_permutation_moves_whole_channels(sized_photo) -> None:
    permuted = replay(sized_photo, "color_distortion", {"kind": "permute", "severity": 4, "order": [1, 2, 0]})
    assert np.array_equal(permuted, sized_photo[..., [1, 2, 0]])


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("value", [0, 255])
def test_a_flood_sets_one_channel_and_leaves_two(channel, value, photo) -> None:
    params = {"kind": "flood", "severity": 1, "channel": channel, "value": value}
    flooded = replay(photo, "color_distortion", params)
    others = [other for other in range(3) if other != channel]
    assert (flooded[..., channel] == value).all()
    assert np.array_equal(flooded[..., others], photo[..., others])
