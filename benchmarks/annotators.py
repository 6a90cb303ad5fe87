"""What each annotator of the preset `default` takes beside the bare library call on the same pixels.

Run ``python -m benchmarks annotators`` (about two minutes; it needs ``graph200k weights``). One photograph of 512² with
one person, one thread, time of this process on the processor, both calls in turns. Pose and foreground use all cores by
a worker a core, as a run does: the last rows have the rate of that many workers beside that of one.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from skimage import data

from annotators import pose
from annotators.base import ANNOTATORS
from annotators.edges_hed import convert_weights, load_detector
from annotators.foreground import open_session
from annotators.pose_detection import SIZE as DETECTOR_SIZE
from annotators.pose_detection import make_anchors
from annotators.pose_landmarks import SIZE as LANDMARKS_SIZE
from annotators.pose_region import WARP, ShrunkImage, whole_image
from annotators.threads import one_thread
from annotators.weights import default_weights_folder, find, load_path
from benchmarks.rows import row
from pipelines.annotate.config import PRESETS

Call = Callable[[], object]

LEAST_RATIO = 0.95
SECONDS = 8.0
"""For each pair of calls."""
IN_WORKERS = ("foreground", "openpose")
IMAGES_A_WORKER = 24


def run() -> list[dict[str, Any]]:
    """Return images/s and ratio of each annotator whose weights are here, and how two grow with workers."""
    # As in a worker of a run: its environment says the same.
    cv2.setNumThreads(1)
    weights = default_weights_folder(os.environ)
    rows = []
    for name in PRESETS["default"]:
        if all(find(file, weights) for file in ANNOTATORS[name].weights):
            ours, bare = time_in_turns(loaded(name), BARE[name](data.astronaut(), weights))
            rows.append(row(name, 1 / ours, "images/s"))
            rows.append(row(f"{name} beside {LIBRARY[name]}", bare / ours, "×", LEAST_RATIO))
            if name in IN_WORKERS:
                rows.extend(rows_of_workers(name))
    return rows


def loaded(name: str) -> Call:
    """Return a call of an annotator on the photograph."""
    function, image = ANNOTATORS[name]().load(default_weights_folder(os.environ)), data.astronaut()
    rng = np.random.default_rng(0)  # made ahead: 0.1 ms, and none of them draws
    return lambda: function({"target": image}, rng)


def time_in_turns(*calls: Call) -> list[float]:
    """Return the median processor time of each call in seconds; a busy moment of the machine hits all of them."""
    taken: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(taken[0]) < 5:
        for times, call in zip(taken, calls, strict=True):
            begin = time.process_time()
            call()
            times.append(time.process_time() - begin)
    return [statistics.median(times) for times in taken]


def bare_canny(image: np.ndarray, weights: Path) -> Call:
    """Return OpenCV's Canny."""
    return lambda: cv2.Canny(image, 100, 200)


def bare_segments(image: np.ndarray, weights: Path) -> Call:
    """Return OpenCV's line segment detector with its own drawing."""

    def call() -> np.ndarray:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        detector = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD)
        return detector.drawSegments(np.zeros_like(grey), detector.detect(grey)[0])

    return call


def bare_hed(image: np.ndarray, weights: Path) -> Call:
    """Return the detector of controlnet_aux."""
    detector = load_detector(convert_weights(load_path("hed_bsds500", weights)))

    def call() -> object:
        with one_thread():
            return detector(image, detect_resolution=512, image_resolution=512, output_type="np")

    return call


def bare_matte(image: np.ndarray, weights: Path) -> Call:
    """Return rembg's prediction."""
    session = open_session("u2netp", load_path("u2netp", weights))
    picture = Image.fromarray(image)
    return lambda: session.predict(picture)


def bare_pose(image: np.ndarray, weights: Path) -> Call:
    """Return OpenCV and LiteRT on the pixels that ours looks at: where the person is was found out ahead."""
    detector, landmarks = (pose.load_network(load_path(name, weights)) for name in pose.OpenPose.weights)
    frame = whole_image(*image.shape[:2])
    (person,) = pose.find_people(ShrunkImage(image), detector, make_anchors(), 0.5)
    looks = [(detector, frame, DETECTOR_SIZE), *[(landmarks, person, LANDMARKS_SIZE)] * 2]
    shrinks = [max(int(region.side / size), 1) for _, region, size in looks]
    matrices = [region.matrix(size, shrink) for (_, region, size), shrink in zip(looks, shrinks, strict=True)]

    def call() -> None:
        for (network, _, size), shrink, matrix in zip(looks, shrinks, matrices, strict=True):
            small = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
            seen = cv2.warpAffine(small, matrix, (size, size), flags=WARP, borderMode=cv2.BORDER_REPLICATE)
            network(seen / np.float32(255))

    return call


BARE: dict[str, Callable[[np.ndarray, Path], Call]] = {
    "canny": bare_canny,
    "mlsd": bare_segments,
    "hed": bare_hed,
    "foreground": bare_matte,
    "openpose": bare_pose,
}
LIBRARY = {
    "canny": "cv2.Canny",
    "mlsd": "OpenCV's LSD",
    "hed": "controlnet_aux's detector",
    "foreground": "rembg",
    "openpose": "OpenCV and LiteRT",
}


def rows_of_workers(name: str) -> Iterator[dict[str, Any]]:
    """Yield the rate of a worker a core, by the clock, and its ratio to that of one."""
    cores = os.cpu_count() or 1
    alone, together = (rate_of_workers(name, workers) for workers in (1, cores))
    yield row(f"{name} in {cores} workers", together, "images/s")
    yield row(f"{name} in {cores} workers beside one", together / alone, "×")


def rate_of_workers(name: str, workers: int) -> float:
    """Return the images a second that so many processes make, from the moment that all have loaded."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(workers + 1)
    processes = [context.Process(target=_work, args=(name, start)) for _ in range(workers)]
    for process in processes:
        process.start()
    start.wait()
    begin = time.perf_counter()
    for process in processes:
        process.join()
    return workers * IMAGES_A_WORKER / (time.perf_counter() - begin)


def _work(name: str, start: Any) -> None:
    call = loaded(name)
    call()
    start.wait()
    for _ in range(IMAGES_A_WORKER):
        call()
