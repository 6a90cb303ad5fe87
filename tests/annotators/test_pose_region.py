import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.pose_region import Region, region_of_person, whole_image

regions = st.builds(
    Region,
    x=st.floats(-500, 2500),
    y=st.floats(-500, 2500),
    side=st.floats(1, 4000),
    angle=st.floats(-math.pi, math.pi),
)
points = st.lists(st.tuples(st.floats(-2, 3), st.floats(-2, 3)), min_size=1, max_size=5).map(np.array)


@given(regions, points)
def test_points_come_back_from_the_image_unchanged(region: Region, shares: np.ndarray) -> None:
    np.testing.assert_allclose(region.from_image(region.to_image(shares)), shares, atol=1e-8)


@given(regions)
def test_corners_are_a_side_apart(region: Region) -> None:
    corners = region.to_image(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]))
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    np.testing.assert_allclose(sides, region.side)


@given(
    x=st.floats(140, 180),
    y=st.floats(100, 140),
    side=st.floats(120, 400),
    angle=st.floats(-math.pi, math.pi),
    size=st.sampled_from([64, 100, 256]),
)
def test_a_dot_is_seen_where_the_transform_says(x: float, y: float, side: float, angle: float, size: int) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[118:124, 171:177] = 255
    region = Region(x=x, y=y, side=side, angle=angle)
    seen = region.crop(image, size, cv2.BORDER_CONSTANT)[:, :, 0].astype(np.float64)
    row, column = (np.indices(seen.shape) + 0.5) * seen / seen.sum() @ np.ones(size) @ np.ones(size)
    expected = region.from_image(np.array([[174.0, 121.0]]))[0] * size
    assert np.hypot(*(expected - (column, row))) < 0.5


def test_a_region_of_the_whole_square_picture_is_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (whole_image(64, 64).crop(image, 64) == image).all()


def test_a_quarter_turn_turns_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    turned = Region(x=32, y=32, side=64, angle=math.pi / 2).crop(image, 64)
    # Up in the region is to the right in the image.
    assert (turned == np.rot90(image, 1)).all()


def test_letterboxing_puts_black_bars_around() -> None:
    seen = whole_image(100, 200).crop(np.full((100, 200, 3), 255, np.uint8), 224, cv2.BORDER_CONSTANT)
    assert (seen[58:166, 1:-1] == 255).all()
    assert not seen[:54].any()
    assert not seen[170:].any()


def test_a_region_beyond_the_image_repeats_its_border() -> None:
    seen = Region(x=0, y=0, side=100).crop(np.full((50, 50, 3), 90, np.uint8), 32)
    assert (seen == 90).all()


def test_shrinking_averages() -> None:
    stripes = np.zeros((2000, 2000, 3), np.uint8)
    stripes[:, ::2] = 255
    seen = whole_image(2000, 2000).crop(stripes, 250)
    assert 120 < seen.min()
    assert seen.max() < 135


@pytest.mark.parametrize(
    ("top", "degrees"), [((50, 0), 0), ((100, 50), 90), ((50, 100), 180), ((0, 50), -90), ((75, 25), 45)], ids=str
)
def test_a_region_turns_with_the_person(top: tuple[int, int], degrees: int) -> None:
    region = region_of_person(np.array([50.0, 50.0]), np.array(top, dtype=float))
    assert math.degrees(region.angle) == pytest.approx(degrees)
    # In the region the point above the head is straight up, at 1 / 1.25 of the way to its border.
    np.testing.assert_allclose(region.from_image(np.array([top]))[0], [0.5, 0.1], atol=1e-9)
