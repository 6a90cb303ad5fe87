"""Boxes: from units to pixels, clipped, told apart, drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from annotators.answers import NamedBox
from annotators.boxes import draw_boxes, overlap, paint_box_masks, place_boxes
from annotators.palette import region_palette
from graph200k.record import Box

numbers = st.floats(-2000, 3000, allow_nan=False)
stated = st.lists(st.builds(NamedBox, name=st.sampled_from(["cat", "Cat", "dog"]), box=st.tuples(*[numbers] * 4)))


def place(*found: NamedBox, frame: tuple[float, float] = (100, 100), max_overlap: float = 0.8) -> list[Box]:
    return place_boxes(found, frame, (100, 100), max_overlap=max_overlap, min_side=2)


@given(stated, st.integers(1, 300), st.integers(1, 300))
def test_whatever_is_stated_lies_on_the_image_the_largest_first(found: list[NamedBox], height: int, width: int) -> None:
    boxes = place_boxes(found, (1000, 1000), (height, width), max_overlap=0.8, min_side=2)
    for box in boxes:
        x0, y0, x1, y1 = box.box
        assert 0 <= x0 <= x1 - 2 <= width - 2
        assert 0 <= y0 <= y1 - 2 <= height - 2
    areas = [(box.box[2] - box.box[0]) * (box.box[3] - box.box[1]) for box in boxes]
    assert areas == sorted(areas, reverse=True)
    assert [tuple(box.color) for box in boxes] == [tuple(color) for color in region_palette(len(boxes))]


@given(stated)
def test_boxes_of_one_name_do_not_cover_each_other(found: list[NamedBox]) -> None:
    boxes = place(*found, frame=(1000, 1000), max_overlap=0.5)
    for index, box in enumerate(boxes):
        for other in boxes[:index]:
            differ = box.name.casefold() != other.name.casefold()
            assert differ or overlap(np.array(box.box), np.array(other.box)) <= 0.5


def test_units_of_both_models_mean_the_same_place() -> None:
    relative = place_boxes(
        [NamedBox("cat", (250, 500, 750, 1000))], (1000, 1000), (480, 640), max_overlap=1, min_side=1
    )
    pixels = place_boxes([NamedBox("cat", (161, 238, 483, 476))], (644, 476), (480, 640), max_overlap=1, min_side=1)
    assert relative[0].box == pixels[0].box == [160, 240, 480, 480]


def test_corners_in_the_other_order_are_the_same_box() -> None:
    assert place(NamedBox("cat", (60, 70, 10, 20))) == place(NamedBox("cat", (10, 20, 60, 70)))


def test_what_is_too_thin_or_outside_is_dropped() -> None:
    assert (
        place(NamedBox("line", (5, 5, 6, 90)), NamedBox("far", (200, 0, 300, 50)), NamedBox("dot", (7, 7, 7, 7))) == []
    )


def test_of_repetitions_the_first_one_stays_and_another_name_is_another_object() -> None:
    first, again, other = (10, 10, 60, 60), (11, 10, 60, 60), (10, 10, 60, 60)
    found = place(NamedBox("Cat", first), NamedBox("cat", again), NamedBox("dog", other))
    assert [(box.name, tuple(box.box)) for box in found] == [("Cat", first), ("dog", other)]


def test_a_score_stays_with_its_box() -> None:
    small, large = NamedBox("cup", (0, 0, 9, 9), 0.25), NamedBox("table", (0, 0, 90, 90), 0.75)
    assert [(box.name, box.score) for box in place(small, large)] == [("table", 0.75), ("cup", 0.25)]


def test_outlines_lie_inside_their_boxes_and_the_smaller_one_on_top() -> None:
    boxes = place(NamedBox("table", (10, 10, 90, 90)), NamedBox("cup", (10, 10, 40, 40)))
    image = draw_boxes(boxes, 100, 100)
    table, cup = (np.array(box.color) for box in boxes)
    assert (image[10, 10:40] == cup).all()
    assert (image[89, 10:90] == table).all()
    assert not image[90:].any()
    assert not image[:10].any()
    assert not image[50:80, 50:80].any()
    assert (image != 0).any(axis=2).sum() == 2 * 80 + 2 * 78 + 29 + 28


def test_a_line_is_wider_on_a_larger_image() -> None:
    (box,) = place(NamedBox("cat", (0, 0, 100, 100)))
    large = box.model_copy(update={"box": [0, 0, 1024, 1024]})
    assert draw_boxes([large], 1024, 1024)[500].any(axis=1).sum() == 16


def test_no_boxes_are_a_black_image() -> None:
    assert draw_boxes([], 3, 4).tolist() == np.zeros((3, 4, 3)).tolist()


def test_masks_have_the_colours_of_their_boxes_small_over_large() -> None:
    boxes = [Box(name=name, box=[0, 0, 1, 1], color=color) for name, color in (("a", [9, 0, 0]), ("b", [0, 9, 0]))]
    masks = np.array([[[True, True, False]], [[True, True, True]]])
    assert paint_box_masks(masks, boxes)[0].tolist() == [[9, 0, 0], [9, 0, 0], [0, 9, 0]]
