"""How well our annotators agree with annotations made elsewhere, as a Markdown table.

Run ``python -m benchmarks.agreement RECORDS_FOLDER``: one folder a record, with ``target.jpg`` and annotations named
for their node types (``canny.png``, ``hed.jpg``, ``foreground_mask.png``). Of the preset `default`, what the folder has
and whose weights are there is compared; about 5 s a record. ``--ours FOLDER`` names a folder of the same kind with maps
made before, on a machine with GPUs say, and compares those. ``make bench`` does not run this.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction
from annotators.pose_drawing import COLOURS
from annotators.scale import resize
from annotators.weights import default_weights_folder, find
from graph200k.catalogue import GRAPH200K
from graph200k.errors import Graph200KError
from graph200k.photographs import read_map, read_photograph
from pipelines.annotate.config import PRESETS
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.names import parse_annotation

Scores = dict[str, float]
Ours = Callable[[Path, list[str]], dict[str, np.ndarray]]
"""From a record's folder and the node types wanted to our maps (uint8) of those that we have."""

EDGE_TOLERANCES_PX = (0, 1, 2)
JOINT_TOLERANCES = (0.025, 0.05, 0.1)
"""In shares of the short side of the image."""

NEAR_NORMAL_DEGREES = 11.25

_JOINT_BRIGHTNESS = 200
"""Joints are drawn at full brightness, limbs at 60 % of it (153)."""
_MIN_JOINT_AREA = 0.4
"""In areas of the typical joint of the drawing; what is smaller is noise of JPEG."""


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("records", type=Path, help="folder with one folder a record")
    parser.add_argument("--ours", type=Path, help="such a folder with our maps; without it they are made here")
    chosen = parser.parse_args()
    found = compare(chosen.records, maker() if chosen.ours is None else reader(chosen.ours))
    print("\n".join(table(found)) if found else "nothing to compare: no annotation that can be measured was found")


def compare(records: Path, ours_of: Ours) -> dict[tuple[str, int], list[Scores]]:
    """Return the scores of each annotation of which there is one of ours, by node type and short side in pixels."""
    found: dict[tuple[str, int], list[Scores]] = defaultdict(list)
    for record in sorted(target.parent for target in records.glob("*/target.*")):
        theirs = read_annotations(record)
        for node, ours in ours_of(record, sorted(theirs)).items():
            scores = MEASURES[node](resize_to(ours, theirs[node]), theirs[node])
            found[node, min(theirs[node].shape[:2])].append(scores)
    return dict(found)


def maker() -> Ours:
    """Return the function that annotates a record's target."""
    functions = {node: load(node) for node in _available()}

    def make(record: Path, nodes: list[str]) -> dict[str, np.ndarray]:
        (path, *_) = sorted(record.glob("target.*"))
        target, rng = read_photograph(path.read_bytes()), np.random.default_rng(0)
        return {node: functions[node]({"target": target}, rng)[0].image for node in nodes if node in functions}

    return make


def reader(folder: Path) -> Ours:
    """Return the function that reads what was made of a record before."""

    def read(record: Path, nodes: list[str]) -> dict[str, np.ndarray]:
        made = read_annotations(folder / record.name)
        return {node: made[node] for node in nodes if node in made}

    return read


def _available() -> Iterator[str]:
    """Yield the node types that can be made here and measured."""
    folder = default_weights_folder(os.environ)
    for name in PRESETS["default"]:
        annotator = ANNOTATORS[name]
        if all(find(file, folder) is not None for file in annotator.weights):
            yield from (node for node in annotator.produces if node in MEASURES)


def load(node: str) -> AnnotateFunction:
    """Return the function that makes a node type."""
    (name,) = (name for name in PRESETS["default"] if node in ANNOTATORS[name].produces)
    return ANNOTATORS[name]().load(default_weights_folder(os.environ))


def read_annotations(record: Path) -> dict[str, np.ndarray]:
    """Return the annotations in a record's folder that can be measured (each uint8), by node type; none without one."""
    found = {}
    for path in sorted(record.iterdir()) if record.is_dir() else ():
        try:
            node, variant, _ = parse_annotation(path.stem)
            if variant is None and node in MEASURES:
                found[node] = read_map(path.read_bytes(), channels=GRAPH200K[node].channels)
        except (RefusedError, Graph200KError):
            continue  # not an annotation, such as text.json
    return found


def resize_to(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return our map at the size of theirs."""
    return resize(ours, *theirs.shape[:2])


def edge_f1(ours: np.ndarray, theirs: np.ndarray, tolerance_px: int) -> float:
    """Return the F1 of two boolean maps, where an edge counts as found if the other has one that near.

    Examples
    --------
    >>> one, other = np.eye(8, dtype=bool), np.eye(8, k=1, dtype=bool)
    >>> edge_f1(one, other, 0), edge_f1(one, other, 1)
    (0.0, 1.0)
    """
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    precision = _near(theirs, tolerance_px)[ours].mean()
    recall = _near(ours, tolerance_px)[theirs].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _near(edges: np.ndarray, tolerance_px: int) -> np.ndarray:
    side = 2 * tolerance_px + 1
    return cv2.dilate(edges.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)


def measure_edges(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return F1 at each tolerance."""
    return {f"F1 ±{px} px": edge_f1(ours > 127, theirs > 127, px) for px in EDGE_TOLERANCES_PX}


def measure_soft_edges(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return F1 of our edges, at the threshold suiting them best, with theirs at half brightness, and correlation."""
    best = {
        f"F1 ±{px} px": max(edge_f1(ours > level, theirs > 127, px) for level in range(15, 255, 16))
        for px in EDGE_TOLERANCES_PX
    }
    return best | {"correlation": float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])}


def measure_matte(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return intersection over union at half opacity, and the mean absolute error of 0 to 1."""
    one, other = ours > 127, theirs > 127
    union = (one | other).sum()
    error = np.abs(ours.astype(np.float64) - theirs).mean() / 255
    return {"IoU": float((one & other).sum() / union) if union else 1.0, "MAE": float(error)}


def measure_depth(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return how far ours is from theirs when scale, or scale and shift, do not matter.

    The first is the root of Eigen's scale-invariant error of the logarithms; grey levels count from 1, as 0 has none.
    The second is the root mean square error of 0 to 1 after the scale and shift that suit ours best: maps stretched
    image by image know neither.

    References
    ----------
    D. Eigen et al., "Depth Map Prediction from a Single Image using a Multi-Scale Deep Network", 2014, equation 1;
    R. Ranftl et al., "Towards Robust Monocular Depth Estimation", 2020, equation 3.

    Examples
    --------
    >>> ours = np.array([[1, 3], [7, 15]], np.uint8)
    >>> {name: abs(round(error, 6)) for name, error in measure_depth(ours, ours * 2 + 1).items()}
    {'scale-invariant log error': 0.0, 'error at best scale and shift': 0.0}
    """
    one, other = (depth.ravel().astype(np.float64) for depth in (ours, theirs))
    apart = np.log1p(one) - np.log1p(other)
    line = np.column_stack([one, np.ones_like(one)])
    left = line @ np.linalg.lstsq(line, other, rcond=None)[0] - other
    return {
        "scale-invariant log error": float(apart.std()),
        "error at best scale and shift": float(np.sqrt(np.mean(left**2)) / 255),
    }


def measure_normals(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return the mean angle between the normals in degrees, and the share of them that are within 11.25°.

    Examples
    --------
    >>> left, front = (np.full((2, 2, 3), colour, np.uint8) for colour in ((255, 128, 128), (128, 128, 255)))
    >>> round(measure_normals(left, front)["mean angle, °"], 1)
    89.5
    """
    cosine = np.clip((_unit_vectors(ours) * _unit_vectors(theirs)).sum(axis=2), -1, 1)
    degrees = np.degrees(np.arccos(cosine))
    return {
        "mean angle, °": float(degrees.mean()),
        f"within {NEAR_NORMAL_DEGREES}°": float((degrees <= NEAR_NORMAL_DEGREES).mean()),
    }


def _unit_vectors(colours: np.ndarray) -> np.ndarray:
    vectors = colours / 127.5 - 1
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)  # never 0: no level is the middle


def measure_pose(ours: np.ndarray, theirs: np.ndarray) -> Scores:
    """Return the share of their joints that ours come close to (PCK), and the other way round, read off the drawings.

    The public release has red and blue exchanged in its drawings; of both ways to read them the better one counts.
    """
    found = read_joints(ours)
    readings = [_joint_scores(found, read_joints(drawn), min(ours.shape[:2])) for drawn in (theirs, theirs[:, :, ::-1])]
    return max(readings, key=lambda scores: scores[f"PCK {JOINT_TOLERANCES[-1]:.1%}"])


def _joint_scores(ours: np.ndarray, theirs: np.ndarray, side: int) -> Scores:
    scores: Scores = {"their joints": float(len(theirs)), "our joints": float(len(ours))}
    there, back = _distances(theirs, ours) / side, _distances(ours, theirs) / side
    for share in JOINT_TOLERANCES:
        scores[f"PCK {share:.1%}"] = float((there <= share).mean()) if len(there) else 1.0
    scores[f"of ours right {JOINT_TOLERANCES[-1]:.1%}"] = (
        float((back <= JOINT_TOLERANCES[-1]).mean()) if len(back) else 1.0
    )
    return scores


def _distances(joints: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how far each joint is from the nearest of its kind, infinity where there is none."""
    same = joints[:, None, 0] == others[None, :, 0]
    apart = np.linalg.norm(joints[:, None, 1:] - others[None, :, 1:], axis=2)
    return np.where(same, apart, np.inf).min(axis=1, initial=np.inf)


def read_joints(drawn: np.ndarray) -> np.ndarray:
    """Return the joints in a drawn pose (uint8, H×W×3) as rows of (kind, x, y), kinds by their hues.

    The 18 colours are 20° apart. Joints that lie on each other are read as one.
    """
    bright = (drawn.max(axis=2) > _JOINT_BRIGHTNESS).astype(np.uint8)
    _, _, statistics, centres = cv2.connectedComponentsWithStats(bright, connectivity=4)
    areas, centres = statistics[1:, cv2.CC_STAT_AREA], centres[1:]
    large = areas >= _MIN_JOINT_AREA * np.median(areas) if len(areas) else np.zeros(0, bool)
    hue = cv2.cvtColor(cv2.blur(drawn, (3, 3)), cv2.COLOR_RGB2HSV)[:, :, 0].astype(np.float64)
    rows = []
    for x, y in centres[large]:
        degrees = 2 * hue[round(y), round(x)]
        rows.append((round(degrees / 360 * len(COLOURS)) % len(COLOURS), x, y))
    return np.array(rows).reshape(-1, 3)


MEASURES: Mapping[str, Callable[[np.ndarray, np.ndarray], Scores]] = {
    "canny": measure_edges,
    "mlsd": measure_edges,
    "hed": measure_soft_edges,
    "foreground": measure_matte,
    "depth": measure_depth,
    "normal": measure_normals,
    "openpose": measure_pose,
}
"""By node type: from our map and theirs, of one size, to scores."""


def table(found: Mapping[tuple[str, int], list[Scores]]) -> Iterator[str]:
    """Yield the lines of a Markdown table of means and ranges."""
    yield "| node | short side | records | measure | mean | lowest | highest |"
    yield "|---|---|---|---|---|---|---|"
    for (node, side), scores in sorted(found.items()):
        for measure in scores[0]:
            values = [one[measure] for one in scores]
            numbers = " | ".join(f"{value:.3g}" for value in (np.mean(values), min(values), max(values)))
            yield f"| `{node}` | {side} px | {len(values)} | {measure} | {numbers} |"


if __name__ == "__main__":
    main()
