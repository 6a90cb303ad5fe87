import cv2
import numpy as np
import pytest

from annotators.scale import resize, resize_edges, working_size


@pytest.mark.parametrize("size", [(64, 64), (480, 640), (2000, 1500), (300, 1200)])
def test_short_side_is_the_one_asked_for(size: tuple[int, int]) -> None:
    assert min(working_size(*size, 512)) == 512


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (10, 3000)])
def test_long_side_of_a_strip_is_bounded(size: tuple[int, int]) -> None:
    assert max(working_size(*size, 512)) == 2048
    assert min(working_size(*size, 512, multiple=64)) >= 64


def test_resize_does_not_write_into_its_argument() -> None:
    image = np.full((8, 8, 3), 7, np.uint8)
    resize(image, 4, 4)[:] = 0
    assert (image == 7).all()


@pytest.mark.parametrize("size", [(64, 64), (500, 700), (512, 512), (2000, 1500), (64, 900)])
def test_resized_edges_are_binary_and_a_closed_line_stays_closed(size: tuple[int, int]) -> None:
    circle = cv2.circle(np.zeros((512, 512), np.uint8), (256, 256), 200, 255, 1)
    edges = resize_edges(circle, *size)
    assert edges.shape == size
    assert np.unique(edges).tolist() == [0, 255]
    # Black falls apart into what is outside and what is inside of the line, which itself counts as a third region.
    assert cv2.connectedComponents(255 - edges, connectivity=4)[0] == 3


def test_edges_made_smaller_stay_thin() -> None:
    circle = cv2.circle(np.zeros((512, 512), np.uint8), (256, 256), 200, 255, 1)
    drawn_small = cv2.circle(np.zeros((128, 128), np.uint8), (64, 64), 50, 255, 1)
    assert np.count_nonzero(resize_edges(circle, 128, 128)) < 1.5 * np.count_nonzero(drawn_small)


def test_edges_made_larger_come_back_unchanged() -> None:
    edges = (np.random.default_rng(0).random((96, 64)) < 0.1).astype(np.uint8) * 255
    assert (resize_edges(resize_edges(edges, 960, 150), 96, 64) == edges).all()
