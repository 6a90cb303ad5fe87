import numpy as np
import pytest

from annotators.pose_landmarks import (
    OPENPOSE_JOINTS,
    Landmarks,
    decode,
    drop_doubles,
    openpose_joints,
    refine,
)

COLD = np.full((64, 64, 39), -100.0)


def person(score: float, x: float) -> Landmarks:
    return Landmarks(score, np.full((33, 2), x), np.ones(33), np.array([[x, 100.0], [x, 0.0]]))


def test_values_are_pixels_of_the_region_and_logits() -> None:
    values = np.tile([64.0, 128.0, 7.0, 0.0, np.log(3)], (39, 1))
    values[33, :2], values[34, :2] = (128, 128), (128, 0)
    landmarks = decode(values.ravel(), 0.9, COLD)
    assert landmarks.score == 0.9
    np.testing.assert_allclose(landmarks.points, [[0.25, 0.5]] * 33)
    # The lower of visibility (0.5) and presence (0.75).
    np.testing.assert_allclose(landmarks.certainty, [0.5] * 33)
    np.testing.assert_allclose(landmarks.alignment, [[0.5, 0.5], [0.5, 0.0]])


def test_a_point_moves_to_the_heat_near_it() -> None:
    heat = np.full((64, 64, 1), -100.0)
    heat[20, 30] = heat[20, 32] = 5.0
    np.testing.assert_allclose(refine(np.array([[32.5, 21.5]]) / 64, heat), np.array([[31.0, 20.0]]) / 64)


@pytest.mark.parametrize("at", [(36.5, 20.5), (-1.0, 20.0), (30.0, 65.0)], ids=["too far", "left of it", "below it"])
def test_a_point_stays_where_there_is_no_heat_near_it(at: tuple[float, float]) -> None:
    heat = np.full((64, 64, 1), -100.0)
    heat[20, 32] = 5.0
    points = np.array([at]) / 64
    assert (refine(points, heat) == points).all()


def test_lukewarm_heat_moves_nothing() -> None:
    heat = np.full((64, 64, 1), -100.0)
    heat[20, 32] = -0.1
    points = np.array([[32.5, 21.5]]) / 64
    assert (refine(points, heat) == points).all()


def test_heat_at_the_border_is_found() -> None:
    heat = np.full((64, 64, 1), -100.0)
    heat[0, 63] = 5.0
    np.testing.assert_allclose(refine(np.array([[62.5, 1.5]]) / 64, heat), [[63 / 64, 0.0]], atol=1e-9)


@pytest.mark.parametrize(
    ("joint", "landmark"),
    [("nose", 0), ("right eye", 5), ("left eye", 2), ("right ear", 8), ("left ear", 7),
     ("right shoulder", 12), ("right elbow", 14), ("right wrist", 16),
     ("left shoulder", 11), ("left elbow", 13), ("left wrist", 15),
     ("right hip", 24), ("right knee", 26), ("right ankle", 28),
     ("left hip", 23), ("left knee", 25), ("left ankle", 27)],
)  # fmt: skip
def test_each_joint_is_the_landmark_of_its_name(joint: str, landmark: int) -> None:
    points = np.column_stack([np.arange(33.0), np.zeros(33)])
    joints = openpose_joints(points, np.ones(33), 0.5)
    assert joints[OPENPOSE_JOINTS.index(joint), 0] == landmark


def test_the_neck_is_the_middle_of_the_shoulders() -> None:
    points = np.zeros((33, 2))
    points[11], points[12] = (10, 20), (30, 24)
    assert openpose_joints(points, np.ones(33), 0.5)[1].tolist() == [20, 22]


def test_unsure_joints_are_left_out_and_the_neck_with_either_shoulder() -> None:
    certainty = np.ones(33)
    certainty[[0, 11]] = 0.49
    joints = openpose_joints(np.zeros((33, 2)), certainty, 0.5)
    missing = [OPENPOSE_JOINTS[index] for index in np.flatnonzero(np.isnan(joints[:, 0]))]
    assert missing == ["nose", "neck", "left shoulder"]


def test_one_person_found_twice_is_kept_once_and_the_better_time() -> None:
    kept = drop_doubles([person(0.7, 50), person(0.9, 55), person(0.8, 300)], 0.15)
    assert [one.score for one in kept] == [0.9, 0.8]
