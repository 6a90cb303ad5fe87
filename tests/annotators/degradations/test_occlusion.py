from __future__ import annotations

import cv2
import numpy as np
import pytest

from annotators.degradations import degradations, replay

PARAMS = {"lines": 30, "thickness": [10, 20], "value": 255, "seed": 8}


@pytest.mark.parametrize("value", [0, 255])
def test_what_is_hidden_has_one_colour_and_the_rest_is_untouched(value, sized_photo) -> None:
    hidden = replay(sized_photo, "inpainting", PARAMS | {"value": value})
    changed = (hidden != sized_photo).any(axis=2)
    assert (hidden[changed] == value).all()
    assert 0.1 < changed.mean() < 0.75


def test_the_lines_are_in_the_same_place_at_every_size() -> None:
    masks = []
    for side in (384, 1024):
        image = replay(np.zeros((side, side, 3), np.uint8), "inpainting", PARAMS)[..., 0]
        masks.append(cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA) > 127)
    assert (masks[0] == masks[1]).mean() > 0.97


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_a_line_is_10_to_20_px_thick_at_512(side) -> None:
    for seed in range(6):
        image = replay(np.zeros((side, side, 3), np.uint8), "inpainting", PARAMS | {"lines": 1, "seed": seed})
        thickness = 2 * cv2.distanceTransform(image[..., 0], cv2.DIST_L2, 5).max()
        assert 8 <= thickness * 512 / side <= 23


def test_lines_are_straight_and_as_many_as_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = [degradations["inpainting"]().draw(rng) for _ in range(1500)]
    assert {params["lines"] for params in drawn} == set(range(20, 51))
    assert {params["value"] for params in drawn} == {0, 255}


def test_more_lines_hide_more(photo) -> None:
    shares = [(replay(photo * 0, "inpainting", PARAMS | {"lines": lines}) > 0).mean() for lines in (5, 20, 50)]
    assert shares == sorted(shares)
