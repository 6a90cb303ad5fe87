from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.base import RecordView
from annotators.box_masks import BoxMasks, load_box_segmenter
from annotators.models import local_model
from annotators.tiny.sam2 import save_sam2
from graph200k.record import Box

NOISE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
BOXES = [
    Box(name="all", box=[0, 0, 128, 96], color=[255, 0, 0]),
    Box(name="part", box=[10, 20, 60, 70], color=[0, 0, 255]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam2(tmp_path_factory.mktemp("sam2"))


def paint(folder: Path, image: np.ndarray, boxes: list[Box], **parameters: int) -> np.ndarray:
    annotate = BoxMasks(local=local_model("sam2", folder), **parameters).load(folder)
    (made,) = annotate(RecordView({"target": image}, boxes=boxes), np.random.default_rng(0))
    return made.image


def test_every_box_gives_one_mask_of_the_size_of_the_image(folder: Path) -> None:
    segment = load_box_segmenter("sam2", folder)
    boxes = np.random.default_rng(1).uniform(0, 60, (40, 4)) + np.array([0, 0, 60, 30])
    masks = segment(NOISE, boxes)
    assert (masks.dtype, masks.shape) == (bool, (40, 96, 128))
    assert (masks[35:] == segment(NOISE, boxes[35:])).mean() > 0.999


def test_masks_have_the_colours_of_the_boxes_and_nothing_else(folder: Path) -> None:
    found = {tuple(color) for color in paint(folder, NOISE, BOXES).reshape(-1, 3)}
    assert found <= {(0, 0, 0), (255, 0, 0), (0, 0, 255)}
    assert len(found) > 1


def test_the_box_decides_which_mask_comes_out(folder: Path) -> None:
    (first,), (second,) = (load_box_segmenter("sam2", folder)(NOISE, np.array([box.box])) for box in BOXES)
    assert (first != second).any()


def test_no_boxes_give_an_empty_map(folder: Path) -> None:
    made = paint(folder, NOISE, [])
    assert made.shape == NOISE.shape
    assert not made.any()


def test_a_picture_above_the_working_size_has_its_boxes_reduced_with_it(folder: Path) -> None:
    small = paint(folder, NOISE, BOXES)
    thrice = [box.model_copy(update={"box": [3 * value for value in box.box]}) for box in BOXES]
    large = paint(folder, NOISE.repeat(3, axis=0).repeat(3, axis=1), thrice, short_side=96)
    assert (large[1::3, 1::3] == small).mean() > 0.95


def test_half_precision_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Which side of zero its scores are is chance: they are some 1e-5, with random weights.
    monkeypatch.setattr("annotators.sam2_masks.placement", lambda: (torch.device("cpu"), torch.float16))
    masks = load_box_segmenter("sam2", folder)(NOISE, np.array([box.box for box in BOXES]))
    assert (masks.dtype, masks.shape) == (bool, (2, 96, 128))
    assert 0 < masks.mean() < 1
