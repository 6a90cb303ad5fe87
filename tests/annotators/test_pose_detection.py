import math

import numpy as np
import pytest

from annotators.pose_detection import SIZE, Detection, decode, make_anchors, merge, overlaps


def found(score: float, left: float, top: float, side: float = 0.2) -> Detection:
    box = np.array([left, top, left + side, top + side])
    return Detection(score, box, np.tile([left, top], (4, 1)))


def test_anchors_are_the_cells_centres_of_three_grids() -> None:
    anchors = make_anchors()
    assert anchors.shape == (28 * 28 * 2 + 14 * 14 * 2 + 7 * 7 * 6, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2, 56]], np.array([[0.5, 0.5], [0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]) / 28)
    np.testing.assert_allclose(anchors[1568:1571], np.array([[0.5, 0.5], [0.5, 0.5], [1.5, 0.5]]) / 14)
    np.testing.assert_allclose(anchors[1960:1967], np.array([[0.5, 0.5]] * 6 + [[1.5, 0.5]]) / 7)
    np.testing.assert_allclose(anchors[-1], [6.5 / 7, 6.5 / 7])


def test_offsets_are_pixels_from_the_anchor() -> None:
    offsets = np.array([[22.4, -11.2, 44.8, 67.2, 0, 0, 22.4, 0, 0, -22.4, 224, 224]], np.float32)
    (detection,) = decode(np.array([math.log(3)]), offsets, np.array([[0.5, 0.5]]), 0.5)
    assert detection.score == pytest.approx(0.75)
    np.testing.assert_allclose(detection.box, [0.5, 0.3, 0.7, 0.6], atol=1e-6)
    np.testing.assert_allclose(detection.points, [[0.5, 0.5], [0.6, 0.5], [0.5, 0.4], [1.5, 1.5]], atol=1e-6)


def test_only_sure_detections_are_kept_best_first() -> None:
    logits = np.array([0.1, -0.1, 5.0, -1000, 1000], np.float32)
    detections = decode(logits, np.zeros((5, 12)), np.arange(10.0).reshape(5, 2), 0.5)
    assert [detection.points[0, 0] for detection in detections] == [8, 4, 0]
    assert detections[0].score == 1.0


def test_an_offset_of_the_whole_picture_is_one() -> None:
    (detection,) = decode(np.array([9.0]), np.full((1, 12), SIZE), np.zeros((1, 2)), 0.5)
    assert (detection.points == 1).all()


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 2, 2), 1.0), ((2, 0, 4, 2), 0.0), ((5, 5, 6, 6), 0.0), ((0, 0, 1, 2), 0.5), ((1, 1, 1, 1), 0.0)],
    ids=str,
)
def test_overlap(other: tuple[int, ...], expected: float) -> None:
    assert overlaps(np.array([0, 0, 2, 2]), np.array([other])).tolist() == [expected]


def test_boxes_without_area_do_not_overlap() -> None:
    assert overlaps(np.array([1, 1, 0, 0]), np.array([[1, 1, 0, 0]])).tolist() == [0.0]


def test_overlapping_detections_become_their_mean_by_score() -> None:
    (merged,) = merge([found(0.9, 0.10, 0.1), found(0.6, 0.15, 0.1)])
    assert merged.score == 0.9
    np.testing.assert_allclose(merged.box, [0.12, 0.1, 0.32, 0.3])
    np.testing.assert_allclose(merged.points, [[0.12, 0.1]] * 4)


def test_two_people_stay_two() -> None:
    merged = merge([found(0.9, 0.1, 0.1), found(0.8, 0.6, 0.1), found(0.7, 0.62, 0.1), found(0.6, 0.1, 0.12)])
    assert [detection.score for detection in merged] == [0.9, 0.8]


def test_detections_without_area_do_not_go_round_for_ever() -> None:
    assert len(merge([found(0.9, 0.1, 0.1, 0.0), found(0.8, 0.1, 0.1, 0.0)])) == 2


def test_nothing_found_is_nobody() -> None:
    assert merge(decode(np.full(3, -9.0), np.zeros((3, 12)), np.zeros((3, 2)), 0.5)) == []
