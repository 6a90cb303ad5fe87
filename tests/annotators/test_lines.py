from pathlib import Path

import cv2
import numpy as np
import pytest

from annotators.base import ANNOTATORS
from annotators.lines import canny_edges, line_segments

SIZES = [(480, 640), (640, 480), (512, 512), (64, 64), (2000, 1500), (1, 1), (1, 900)]


def draw_squares(height: int, width: int) -> np.ndarray:
    """Return a light tilted square on a dark ground, with a small one in a corner."""
    image = np.full((height, width, 3), (40, 60, 90), np.uint8)
    side = min(height, width)
    corners = cv2.boxPoints(((width / 2, height / 2), (side * 0.5, side * 0.5), 20))
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], (220, 200, 180))
    cv2.rectangle(image, (5, 5), (5 + side // 64, 5 + side // 64), (255, 255, 255), -1)
    return image


@pytest.mark.parametrize("name", ["canny", "mlsd"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_map_is_binary_of_the_size_of_the_target_and_the_same_twice(name: str, size: tuple[int, int]) -> None:
    image = draw_squares(*size)
    before = image.copy()
    annotate = ANNOTATORS[name]().load(Path("unused"))
    (first,), (second,) = (annotate({"target": image}, np.random.default_rng(seed)) for seed in (0, 1))
    assert (first.node, first.role, first.variant) == (name, "", None)
    assert first.image.shape == size
    assert first.image.dtype == np.uint8
    assert set(np.unique(first.image)) <= {0, 255}
    assert first.image.tobytes() == second.image.tobytes()
    assert (image == before).all()


def test_canny_at_512_pixels_is_plain_canny() -> None:
    image = draw_squares(512, 700)
    assert (canny_edges(image) == cv2.Canny(image, 100, 200)).all()


def test_canny_of_an_enlarged_picture_is_the_enlarged_map() -> None:
    image = draw_squares(512, 512)
    enlarged = canny_edges(image.repeat(3, axis=0).repeat(3, axis=1))
    assert (enlarged[1::3, 1::3] == canny_edges(image)).all()


def test_canny_sees_edges_that_only_colour_has() -> None:
    image = np.zeros((512, 512, 3), np.uint8)
    image[:, :256, 0], image[:, 256:, 2] = 114, 255  # both sides have about the same grey
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert abs(int(grey[0, 0]) - int(grey[0, -1])) < 10
    assert canny_edges(image).any()


def test_canny_keeps_fewer_edges_at_higher_thresholds() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert canny_edges(image, low=600, high=900).sum() < canny_edges(image).sum()


def test_lines_lie_on_the_sides_of_a_square() -> None:
    lines = line_segments(draw_squares(512, 512))
    border = cv2.boxPoints(((256, 256), (256, 256), 20))
    near = cv2.polylines(np.zeros((512, 512), np.uint8), [np.rint(border).astype(np.int32)], True, 255, 9)
    assert not lines[near == 0].any()
    assert np.count_nonzero(lines) > 0.8 * 4 * 256


def test_lines_shorter_than_the_least_length_are_left_out() -> None:
    image = draw_squares(512, 512)
    assert line_segments(image, min_length=2)[:24, :24].any()
    assert not line_segments(image, min_length=24)[:24, :24].any()


def test_lines_of_an_enlarged_picture_are_the_enlarged_map() -> None:
    image = draw_squares(512, 512)
    enlarged = line_segments(image.repeat(3, axis=0).repeat(3, axis=1))
    assert (enlarged[1::3, 1::3] == line_segments(image)).all()


def test_a_flat_picture_has_no_lines() -> None:
    assert not line_segments(np.full((300, 200, 3), 128, np.uint8)).any()
