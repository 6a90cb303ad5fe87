import warnings

import numpy as np
import pytest

from annotators.pose_drawing import COLOURS, LIMBS, draw_poses
from annotators.pose_landmarks import OPENPOSE_JOINTS


def person(**known: tuple[float, float]) -> np.ndarray:
    joints = np.full((18, 2), np.nan)
    for name, place in known.items():
        joints[OPENPOSE_JOINTS.index(name.replace("_", " "))] = place
    return joints


def spread() -> np.ndarray:
    """Return joints far from each other, so that no limb hides the middle of another."""
    turns = np.arange(18) * 2 * np.pi / 18
    return np.column_stack([256 + 200 * np.cos(turns), 256 + 200 * np.sin(turns)])


def test_drawing_is_that_of_controlnet_aux_at_its_size() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that it never uses
        from controlnet_aux.open_pose.body import Keypoint
        from controlnet_aux.open_pose.util import draw_bodypose

    rng = np.random.default_rng(0)
    for missing in range(5):
        joints = rng.uniform(10, 500, (18, 2))
        joints[rng.permutation(18)[:missing]] = np.nan
        keypoints = [None if np.isnan(x) else Keypoint(x / 512, y / 512) for x, y in joints]
        theirs = draw_bodypose(np.zeros((512, 512, 3), np.uint8), keypoints)
        ours = draw_poses([joints], 512, 512)
        # They go through shares of the picture and back, which can move a point by a pixel.
        assert (ours != theirs).any(axis=2).mean() < 0.002


def test_there_are_seventeen_limbs_and_a_colour_for_each_joint() -> None:
    assert len(LIMBS) == 17
    assert len(COLOURS) == len(OPENPOSE_JOINTS) == 18
    assert {joint for limb in LIMBS for joint in limb} == set(range(18))


@pytest.mark.parametrize("joint", range(18))
def test_joints_have_their_full_colour(joint: int) -> None:
    joints = spread()
    x, y = joints[joint].astype(int)
    assert tuple(draw_poses([joints], 512, 512)[y, x]) == COLOURS[joint]


@pytest.mark.parametrize("limb", range(17))
def test_limbs_have_their_own_colours_darkened(limb: int) -> None:
    joints = np.full((18, 2), np.nan)
    joints[list(LIMBS[limb])] = (100, 256), (400, 256)
    assert tuple(draw_poses([joints], 512, 512)[256, 250]) == tuple(int(value * 0.6) for value in COLOURS[limb])


def test_the_right_arm_is_orange_to_yellow_and_the_neck_to_nose_blue() -> None:
    drawn = draw_poses(
        [person(right_shoulder=(50, 50), right_elbow=(50, 150), nose=(200, 50), neck=(200, 150))], 256, 256
    )
    assert drawn[100, 50].tolist() == [153, 102, 0]
    assert drawn[100, 200].tolist() == [0, 0, 153]


def test_a_limb_needs_both_of_its_joints() -> None:
    drawn = draw_poses([person(nose=(100, 100))], 256, 256)
    assert np.unique(drawn.reshape(-1, 3), axis=0).tolist() == [[0, 0, 0], [255, 0, 0]]


@pytest.mark.parametrize(("side", "radius"), [(64, 1), (128, 1), (512, 4), (1024, 8), (2048, 16)])
def test_widths_grow_with_the_picture(side: int, radius: int) -> None:
    drawn = draw_poses([person(nose=(side / 2, side / 2))], side, side)
    assert np.count_nonzero(drawn.any(axis=(0, 2))) == 2 * radius + 1


def test_joints_in_a_corner_stay_within_the_canvas() -> None:
    drawn = draw_poses([person(nose=(0, 0), neck=(63.9, 47.9))], 48, 64)
    assert drawn.shape == (48, 64, 3)
    assert drawn[0, 0].tolist() == [255, 0, 0]


def test_nobody_is_black() -> None:
    assert not draw_poses([], 48, 64).any()
    assert not draw_poses([np.full((18, 2), np.nan)], 48, 64).any()
