from pathlib import Path

import numpy as np
import pytest

from annotators.models import local_model
from annotators.openpose_body import OpenposeBody
from annotators.tiny.controlnet_aux import save_openpose

NOISE = np.random.default_rng(0).integers(0, 256, (128, 192, 3), dtype=np.uint8)
JOINTS = np.array([[255, 0, 0], [255, 85, 0], [255, 170, 0], [255, 255, 0], [170, 255, 0], [85, 255, 0], [0, 255, 0],
                   [0, 255, 85], [0, 255, 170], [0, 255, 255], [0, 170, 255], [0, 85, 255], [0, 0, 255], [85, 0, 255],
                   [170, 0, 255], [255, 0, 255], [255, 0, 170], [255, 0, 85]])  # fmt: skip
"""OpenPose's colours, by joint."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_openpose(tmp_path_factory.mktemp("openpose"), scale=0.0)


def test_nobody_in_the_picture_gives_an_empty_map(folder: Path) -> None:
    annotator = OpenposeBody(local=local_model("openpose", folder), short_side=128)
    (made,) = annotator.load(folder)({"target": NOISE}, np.random.default_rng(0))
    assert (made.node, made.image.shape) == ("openpose", NOISE.shape)
    assert not made.image.any()


def test_bodies_are_drawn_in_openposes_colours_which_resizing_keeps(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_one(_: object, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stand in for the network, which finds nothing with random weights: a person with joints on a zigzag."""
        points = [[10 + 6 * joint, 30 + 40 * (joint % 2), 1.0, joint] for joint in range(18)]
        return np.array(points, float), np.array([[*range(18), 18.0, 18.0]])

    monkeypatch.setattr("controlnet_aux.open_pose.Body.__call__", find_one)
    annotator = OpenposeBody(local=local_model("openpose", folder), short_side=128)
    (made,) = annotator.load(folder)({"target": NOISE.repeat(3, axis=0).repeat(3, axis=1)}, np.random.default_rng(0))
    found = {tuple(map(int, color)) for color in made.image.reshape(-1, 3)} - {(0, 0, 0)}
    limbs = (JOINTS * 0.6).astype(int)
    assert {tuple(color) for color in JOINTS.tolist()} <= found
    assert found <= {tuple(color) for color in [*JOINTS.tolist(), *limbs.tolist()]}
    assert made.image[30 * 3, 10 * 3].tolist() == [255, 0, 0]
