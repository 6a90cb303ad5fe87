"""The subject of a record: which box it is, which area, and what is pasted there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.subject import box_region, find_subject, is_about, mask_region, paste
from graph200k.record import Box

CUP = Box(name="red cup", box=[10, 10, 20, 20], color=[255, 0, 0])
CUPS = Box(name="cups", box=[0, 0, 5, 5], color=[0, 0, 255])
TABLE = Box(name="a table", box=[0, 0, 60, 40], color=[0, 255, 0])


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ("A red cup", CUP), ("the cups", CUPS), ("Table", TABLE), ("a giraffe", TABLE), (None, TABLE), ("", TABLE),
        ("the on a", TABLE),
    ],
)  # fmt: skip
def test_the_subject_is_the_box_the_text_is_about_else_the_largest(item: str | None, found: Box) -> None:
    assert find_subject([CUP, CUPS, TABLE], item) == found


def test_no_box_no_subject() -> None:
    assert find_subject([], "a cup") is None
    assert not is_about(TABLE, "a cup") and is_about(CUP, "cup")


def test_a_mask_is_grown_all_around_and_a_hidden_object_has_none() -> None:
    mask = np.zeros((100, 200, 3), np.uint8)
    mask[40:60, 50:90] = CUP.color
    mask[10:20, 10:20] = TABLE.color
    region = mask_region(mask, CUP, 0.05)
    rows, columns = np.nonzero(region)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (35, 64, 45, 94)
    assert not region[10:20, 10:20].any()
    assert not mask_region(mask, CUPS, 0.05).any()


def test_a_box_covers_every_pixel_it_touches_and_none_outside() -> None:
    region = box_region(Box(name="x", box=[1.5, -0.4, 3.2, 99.0], color=[1, 2, 3]), 4, 6)
    assert np.nonzero(region.any(axis=0))[0].tolist() == [1, 2, 3]
    assert region[:, 1:4].all()


@given(st.integers(0, 2**32), st.floats(0, 20))
def test_outside_the_region_every_pixel_is_the_original_s_and_deep_inside_the_new_one_s(
    seed: int, feather: float
) -> None:
    rng = np.random.default_rng(seed)
    original, painted = rng.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    region = np.zeros((24, 32), bool)
    y, x = rng.integers(0, 20), rng.integers(0, 28)
    region[y : y + rng.integers(0, 24), x : x + rng.integers(0, 32)] = True
    made = paste(original, painted, region, feather)
    assert (made[~region] == original[~region]).all()
    if feather <= 1:
        assert (made[region] == painted[region]).all()


def test_a_region_that_is_everything_has_no_seam() -> None:
    original, painted = np.zeros((4, 6, 3), np.uint8), np.full((4, 6, 3), 200, np.uint8)
    assert (paste(original, painted, np.ones((4, 6), bool), 3) == painted).all()
