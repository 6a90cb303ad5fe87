from pathlib import Path

import numpy as np
import pytest

from annotators.models import local_model
from annotators.palette import region_palette
from annotators.sam2_masks import Sam2Mask
from annotators.tiny.sam2 import save_sam2

NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
ALL = {"pred_iou_thresh": -9.0, "stability_score_thresh": -1.0, "nms_thresh": 1.0}
"""Thresholds that keep what a random network finds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


def paint(folder: Path, image: np.ndarray, **parameters: float) -> np.ndarray:
    annotator = Sam2Mask(local=local_model("sam2", folder), points_per_side=4, **parameters)
    (made,) = annotator.load(folder)({"target": image}, np.random.default_rng(0))
    return made.image


def test_every_pixel_is_black_or_has_a_colour_of_the_row(folder: Path) -> None:
    found = {tuple(color) for color in paint(folder, NOISE, **ALL).reshape(-1, 3)}
    assert len(found) > 2
    assert found <= {(0, 0, 0), *map(tuple, region_palette(1000))}


def test_no_mask_good_enough_gives_an_empty_map(folder: Path) -> None:
    made = paint(folder, NOISE, pred_iou_thresh=9.0)
    assert made.shape == NOISE.shape
    assert not made.any()


def test_a_picture_above_the_working_size_gets_flat_colours_too(folder: Path) -> None:
    small = paint(folder, NOISE, **ALL)
    large = paint(folder, NOISE.repeat(3, axis=0).repeat(3, axis=1), short_side=96, **ALL)
    assert (large[1::3, 1::3] == small).mean() > 0.95
    assert (large == large[1::3, 1::3].repeat(3, axis=0).repeat(3, axis=1)).all()
