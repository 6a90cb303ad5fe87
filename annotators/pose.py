"""The pose of every person, found by BlazePose's two networks and drawn as OpenPose draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from annotators import pose_detection, pose_landmarks
from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Annotator, Resources
from annotators.pose_drawing import draw_poses
from annotators.pose_landmarks import Landmarks, drop_doubles, openpose_joints
from annotators.pose_region import Region, ShrunkImage, region_of_person, whole_image
from annotators.weights import load_path
from graph200k.errors import MissingWeightsError

Network: TypeAlias = Callable[[np.ndarray], list[np.ndarray]]
"""From an input (float32, H×W×3) to the outputs, in the order of the file."""

_WORTH_A_SECOND_LOOK = 0.5
"""Score under which a region shows no person, so that its alignment points mean nothing."""

_MIN_DISTANCE = 0.15
"""Between the landmarks of two people, in radii of the body's circle; closer, it is one person found twice."""


@ANNOTATORS.register("openpose")
@dataclass(frozen=True, kw_only=True)
class OpenPose(Annotator):
    """Body poses by BlazePose in OpenPose's 18 joints and colours; OpenPose itself in the preset `paper`."""

    name = "openpose"
    produces = ("openpose",)
    version = 2
    weights = ("blazepose_detector", "blazepose_landmarks_full")
    resources = Resources(memory_mb=400, time_limit_s=60.0)

    min_score: float = 0.5
    """How sure both networks must be of a person, 0 to 1."""
    min_certainty: float = 0.3
    """How sure the network must be that a joint is in the picture and can be seen, 0 to 1."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws poses."""
        cv2.setNumThreads(1)
        detector, landmarks = (load_network(load_path(name, weights_folder)) for name in self.weights)
        anchors = pose_detection.make_anchors()

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            image = ShrunkImage(images["target"])
            regions = find_people(image, detector, anchors, self.min_score)
            people = [find_landmarks(image, region, landmarks) for region in regions]
            sure = drop_doubles([one for one in people if one.score >= self.min_score], _MIN_DISTANCE)
            height, width = images["target"].shape[:2]
            poses = [joints_within(one, height, width, self.min_certainty) for one in sure]
            return [Annotation("openpose", draw_poses(poses, height, width))]

        return annotate


def load_network(path: Path) -> Network:
    """Return the network in a tflite file, run on one CPU thread by LiteRT.

    Raises
    ------
    MissingWeightsError
        If the file is damaged.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise MissingWeightsError(
            f"{path} cannot be read as a tflite model ({error}); expected a file of BlazePose; "
            "delete it and run `graph200k weights`"
        ) from error
    entry = interpreter.get_input_details()[0]["index"]
    exits = [detail["index"] for detail in interpreter.get_output_details()]

    def run(seen: np.ndarray) -> list[np.ndarray]:
        interpreter.set_tensor(entry, seen[None].astype(np.float32, copy=False))
        interpreter.invoke()
        return [interpreter.get_tensor(index)[0] for index in exits]

    return run


def find_people(image: ShrunkImage, detector: Network, anchors: np.ndarray, min_score: float) -> list[Region]:
    """Return the region of each person in an image, the surest first."""
    frame = whole_image(*image.image.shape[:2])
    seen = frame.crop(image, pose_detection.SIZE, cv2.BORDER_CONSTANT)
    offsets, logits = detector(seen / np.float32(127.5) - 1)
    found = pose_detection.merge(pose_detection.decode(logits[:, 0], offsets, anchors, min_score))
    aligned = [frame.to_image(detection.points[:2]) for detection in found]
    return [region_of_person(centre, top) for centre, top in aligned]


def find_landmarks(image: ShrunkImage, region: Region, network: Network) -> Landmarks:
    """Return the landmarks, in pixels of the image, of the person in a region of an image.

    The network looks twice: its first answer has alignment points too, better than the detector's. On a real record
    that brought the median distance to OpenPose's joints from 22 to 17 px of 1,024.
    """
    seen = _look(image, region, network)
    centre, top = seen.alignment
    return _look(image, region_of_person(centre, top), network) if seen.score >= _WORTH_A_SECOND_LOOK else seen


def _look(image: ShrunkImage, region: Region, network: Network) -> Landmarks:
    values, score, _, heatmap, _ = network(region.crop(image, pose_landmarks.SIZE) / np.float32(255))
    seen = pose_landmarks.decode(values, float(score[0]), heatmap)
    return Landmarks(seen.score, region.to_image(seen.points), seen.certainty, region.to_image(seen.alignment))


def joints_within(person: Landmarks, height: int, width: int, min_certainty: float) -> np.ndarray:
    """Return a person's joints in OpenPose's order (18×2), NaN for those that are unsure or outside of the image."""
    joints = openpose_joints(person.points, person.certainty, min_certainty)
    inside = np.all((joints >= 0) & (joints < (width, height)), axis=1)
    return np.where(inside[:, None], joints, np.nan)
