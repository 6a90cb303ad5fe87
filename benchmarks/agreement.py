"""How well our annotators agree with annotations made elsewhere, as a Markdown table.

Run ``python -m benchmarks.agreement RECORDS_FOLDER``: one folder a record, with ``target.jpg`` and annotations named
for their node types (``canny.png``, ``hed.jpg``, ``foreground_mask.png``). Of the preset `default`, what the folder has
and whose weights are there is compared; about 5 s a record. ``make bench`` does not run this.
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
from graph200k.codecs import read_map, read_photograph
from graph200k.errors import Graph200KError
from pipelines.annotate.config import PRESETS
from pipelines.ingest.failure import RefusedError
from pipelines.ingest.names import parse_annotation

Scores = dict[str, float]

EDGE_TOLERANCES_PX = (0, 1, 2)
JOINT_TOLERANCES = (0.025, 0.05, 0.1)
"""In shares of the short side of the image."""

_JOINT_BRIGHTNESS = 200
"""Joints are drawn at full brightness, limbs at 60 % of it (153)."""
_MIN_JOINT_AREA = 0.4
"""In areas of the typical joint of the drawing; what is smaller is noise of JPEG."""


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("records", type=Path, help="folder with one folder a record")
    found = compare(parser.parse_args().records)
    print("\n".join(table(found)) if found else "nothing to compare: no annotation of the preset `default` was found")


def compare(records: Path) -> dict[tuple[str, int], list[Scores]]:
    """Return the scores of each record that has an annotation, by node type and short side in pixels."""
    functions = {node: load(node) for node in _available()}
    found: dict[tuple[str, int], list[Scores]] = defaultdict(list)
    for target, others in read_records(records):
        for node, theirs in sorted(others.items()):
            if node in functions:
                (made,) = functions[node]({"target": target}, np.random.default_rng(0))
                found[node, min(theirs.shape[:2])].append(MEASURES[node](resize_to(made.image, theirs), theirs))
    return dict(found)


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


def read_records(folder: Path) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield the target and the annotations by node type (each uint8) of every record in a folder."""
    for target in sorted(folder.glob("*/target.*")):
        found = {}
        for path in sorted(target.parent.iterdir()):
            try:
                node, variant, _ = parse_annotation(path.stem)
                if variant is None and node in MEASURES:
                    found[node] = read_map(path.read_bytes(), channels=GRAPH200K[node].channels)
            except (RefusedError, Graph200KError):
                continue  # not an annotation, such as text.json
        yield read_photograph(target.read_bytes()), found


def resize_to(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return our map at the size of theirs."""
    return resize(ours, *theirs.shape[:2])


def edge_f1(ours: np.ndarray, theirs: np.ndarray, tolerance_px: int) -> float:
    """Return the F1 of two boolean maps, where an edge counts as found if the other has one that near.

    Examples
    --------
    >>> edge = np.eye(8, dtype=bool)
    >>> edge_f1(edge, np.roll(edge, 1, axis=1), 0), edge_f1(edge, np.roll(edge, 1, axis=1), 1)
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
