from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data as photographs

from annotators import pose_detection
from annotators.base import AnnotateFunction
from annotators.pose import Network, OpenPose, find_landmarks, find_people, joints_within, load_network
from annotators.pose_drawing import COLOURS
from annotators.pose_landmarks import OPENPOSE_JOINTS
from annotators.pose_region import Region, ShrunkImage
from annotators.weights import load_path
from graph200k.codecs import is_blank
from graph200k.errors import MissingWeightsError

ASTRONAUT = {
    "nose": (216, 122), "right eye": (199, 103), "left eye": (243, 106),
    "right shoulder": (100, 244), "left shoulder": (302, 248), "right elbow": (66, 418),
}  # fmt: skip
"""(x, y) of joints in scikit-image's 512×512 portrait, read off by eye."""

FACE = {name: place for name, place in ASTRONAUT.items() if name == "nose" or "eye" in name}
"""Where the picture is changed so that it ends below the chest, the network thinks the person smaller than she is."""


@pytest.fixture(scope="module")
def annotate(weights_folder: Path) -> AnnotateFunction:
    return OpenPose().load(weights_folder)


@pytest.fixture(scope="module")
def networks(weights_folder: Path) -> tuple[Network, Network]:
    return (
        load_network(load_path("blazepose_detector", weights_folder)),
        load_network(load_path("blazepose_landmarks_full", weights_folder)),
    )


def draw(annotate: AnnotateFunction, image: np.ndarray) -> np.ndarray:
    (annotation,) = annotate({"target": image}, np.random.default_rng(0))
    assert (annotation.node, annotation.role, annotation.variant) == ("openpose", "", None)
    assert annotation.image.dtype == np.uint8
    return annotation.image


def find_joints(image: np.ndarray, networks: tuple[Network, Network]) -> list[np.ndarray]:
    """Return the joints (18×2) of each person in an image."""
    detector, landmarks = networks
    picture = ShrunkImage(image)
    regions = find_people(picture, detector, pose_detection.make_anchors(), 0.5)
    people = [find_landmarks(picture, region, landmarks) for region in regions]
    return [joints_within(one, *image.shape[:2], 0.3) for one in people]


def far_off(joints: np.ndarray, expected: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return the distances, in pixels, of those joints that are missing or more than 20 px away."""
    distances = {
        name: float(np.hypot(*(joints[OPENPOSE_JOINTS.index(name)] - place))) for name, place in expected.items()
    }
    return {name: distance for name, distance in distances.items() if not distance <= 20}


def has_colour(drawn: np.ndarray, joint: str) -> bool:
    return bool((drawn == COLOURS[OPENPOSE_JOINTS.index(joint)]).all(axis=2).any())


def test_joints_of_a_person_are_where_they_are_seen(networks: tuple[Network, Network]) -> None:
    (joints,) = find_joints(photographs.astronaut(), networks)
    assert far_off(joints, ASTRONAUT) == {}


@pytest.mark.parametrize("degrees", [-40, 40])
def test_joints_turn_with_the_picture(degrees: int, networks: tuple[Network, Network]) -> None:
    matrix = cv2.getRotationMatrix2D((255.5, 255.5), degrees, 0.8)
    turned = cv2.warpAffine(photographs.astronaut(), matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (joints,) = find_joints(turned, networks)
    expected = {name: tuple(matrix @ (*place, 1)) for name, place in FACE.items()}
    assert far_off(joints, expected) == {}


def test_left_and_right_change_places_in_the_mirror(networks: tuple[Network, Network]) -> None:
    (joints,) = find_joints(np.ascontiguousarray(photographs.astronaut()[:, ::-1]), networks)
    other = {"left": "right", "right": "left"}
    expected = {}
    for name, (x, y) in ASTRONAUT.items():
        side, _, part = name.partition(" ")
        expected[f"{other[side]} {part}" if part else name] = (512 - x, y)
    assert far_off(joints, expected) == {}


def test_joints_out_of_the_picture_are_left_out(annotate: AnnotateFunction) -> None:
    drawn = draw(annotate, photographs.astronaut())
    assert has_colour(drawn, "nose")
    assert not any(has_colour(drawn, f"{side} {part}") for side in ("left", "right") for part in ("knee", "ankle"))


def test_two_people_side_by_side_have_a_pose_each(networks: tuple[Network, Network]) -> None:
    one = photographs.astronaut()[:, :400]
    both = np.pad(np.hstack([one, one[:, ::-1]]), ((0, 300), (0, 0), (0, 0)), mode="edge")
    joints = sorted(find_joints(both, networks), key=lambda found: found[0, 0])
    assert len(joints) == 2
    noses = [found[OPENPOSE_JOINTS.index("nose")] for found in joints]
    assert np.hypot(*(noses[0] - (216, 122))) < 20
    assert np.hypot(*(noses[1] - (800 - 216, 122))) < 20


@pytest.mark.parametrize("name", ["coffee", "chelsea", "rocket"])
def test_a_picture_without_anyone_gives_a_black_map_that_counts_as_unusable(
    name: str, annotate: AnnotateFunction
) -> None:
    drawn = draw(annotate, getattr(photographs, name)())
    assert not drawn.any()
    assert is_blank(drawn)


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (64, 64), (2000, 1500), (600, 2000), (1, 300)], ids=str)
def test_map_is_rgb_of_the_size_of_the_target(annotate: AnnotateFunction, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert draw(annotate, noise).shape == (*size, 3)


@pytest.mark.parametrize("side", [64, 256, 2000])
def test_a_person_is_found_at_every_size(side: int, annotate: AnnotateFunction) -> None:
    image = cv2.resize(photographs.astronaut(), (side, side), interpolation=cv2.INTER_AREA)
    drawn = draw(annotate, image)
    assert drawn.shape == image.shape
    y, x = np.nonzero((drawn == COLOURS[0]).all(axis=2))
    assert np.hypot(x.mean() / side * 512 - 216, y.mean() / side * 512 - 122) < 20


@pytest.mark.parametrize("pad", [((0, 0), (250, 250), (0, 0)), ((250, 250), (0, 0), (0, 0))], ids=["wide", "tall"])
def test_a_person_is_found_in_landscape_and_portrait(
    pad: tuple[tuple[int, int], ...], networks: tuple[Network, Network]
) -> None:
    (joints,) = find_joints(np.pad(photographs.astronaut(), pad, constant_values=120), networks)
    (top, _), (left, _), _ = pad
    expected = {name: (x + left, y + top) for name, (x, y) in FACE.items()}
    assert far_off(joints, expected) == {}


def test_same_picture_same_bytes_in_another_session_and_after_another_picture(
    annotate: AnnotateFunction, weights_folder: Path
) -> None:
    first = draw(annotate, photographs.astronaut())
    draw(annotate, photographs.coffee())
    assert draw(annotate, photographs.astronaut()).tobytes() == first.tobytes()
    assert draw(OpenPose().load(weights_folder), photographs.astronaut()).tobytes() == first.tobytes()


def test_the_picture_is_not_written_to(annotate: AnnotateFunction) -> None:
    image = photographs.astronaut()
    image.flags.writeable = False
    draw(annotate, image)


def test_thresholds_are_parameters(weights_folder: Path) -> None:
    never = OpenPose(min_score=1.0).load(weights_folder)
    assert not draw(never, photographs.astronaut()).any()
    assert not draw(OpenPose(min_certainty=1.0).load(weights_folder), photographs.astronaut()).any()
    assert OpenPose(min_score=0.9).fingerprint != OpenPose().fingerprint


def test_a_region_without_a_size_is_nobody(networks: tuple[Network, Network]) -> None:
    nothing = find_landmarks(ShrunkImage(photographs.astronaut()), Region(x=5, y=5, side=0), networks[1])
    assert nothing.score < 0.5


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"BlazePose detector .*graph200k weights"):
        OpenPose().load(tmp_path)


def test_a_damaged_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "pose_detection.tflite"
    path.write_bytes(b"no model" * 100)
    with pytest.raises(MissingWeightsError, match="cannot be read as a tflite model"):
        load_network(path)
