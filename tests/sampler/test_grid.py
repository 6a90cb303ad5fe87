"""Sizes of cells, and what a grid is."""

import numpy as np
import pytest

from sampler.grid import ASPECTS, SIDE_MULTIPLE_PX, SQUARE, Grid, aspect_buckets, cell_size


@pytest.mark.parametrize("area_px", [384**2, 512**2])
@pytest.mark.parametrize("bucket", range(len(ASPECTS)))
def test_cells_have_about_the_area_and_the_aspect_asked_for(bucket: int, area_px: int) -> None:
    height, width = cell_size(bucket, area_px)
    assert height % SIDE_MULTIPLE_PX == width % SIDE_MULTIPLE_PX == 0
    assert abs(height * width / area_px - 1) < 0.05
    assert abs(np.log(width / height) - np.log(ASPECTS[bucket][0] / ASPECTS[bucket][1])) < 0.1


def test_every_bucket_is_the_nearest_one_of_its_own_cells() -> None:
    sizes = np.array([cell_size(bucket, 512**2)[::-1] for bucket in range(len(ASPECTS))])
    assert aspect_buckets(sizes).tolist() == list(range(len(ASPECTS)))


def test_extreme_pictures_fall_into_the_outermost_buckets() -> None:
    assert aspect_buckets(np.array([[100, 3000], [3000, 100]])).tolist() == [0, len(ASPECTS) - 1]


def test_the_pixel_mask_covers_exactly_the_masked_cells() -> None:
    masked = np.array([[False, False], [True, False]])
    grid = Grid((np.zeros((32, 96, 3), np.uint8), np.zeros((48, 64, 3), np.uint8)), masked)
    assert grid.shape == (2, ((32, 48), (48, 32)))
    assert not grid.pixel_mask(0).any()
    assert grid.pixel_mask(1)[:, :32].all() and not grid.pixel_mask(1)[:, 32:].any()


def test_rows_that_do_not_split_into_the_masks_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fill a mask"):
        Grid((np.zeros((32, 95, 3), np.uint8),), np.array([[False, True]]))


def test_a_square_picture_is_in_the_square_bucket() -> None:
    assert aspect_buckets(np.array([[640, 640]])).tolist() == [SQUARE]
