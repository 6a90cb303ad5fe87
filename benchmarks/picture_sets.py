"""Datasets made of the demo photographs, for benchmarks that read pixels: real codecs, real sizes, made-up maps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from graph200k.catalogue import GRAPH200K, MetaTask
from graph200k.codecs import encode_image
from graph200k.parts import PartRow, write_part
from graph200k.record import SOURCE, Origin, RecordInfo, nodes_stored_by_default
from graph200k.session import write_session
from pipelines.demo import write_demo
from sampler.fit import fit_image

_BLURS = {"hed": 3, "depth": 9, "normal": 5}
"""Blur that gives a map stored as JPEG its share of detail, in pixels."""


def demo_photographs(folder: Path) -> list[np.ndarray]:
    """Return the photographs of ``graph200k demo``, uint8 H×W×3, written to ``folder`` on the way."""
    write_demo(folder)
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.png"))]


def square(image: np.ndarray, side: int) -> np.ndarray:
    """Return the middle of an image at ``side``×``side``."""
    return fit_image(image, (side, side), "crop")


def turned(image: np.ndarray) -> Iterator[np.ndarray]:
    """Yield eight pictures that differ: the four quarter turns of a square image and of its mirror image."""
    for source in (image, image[:, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(source, turns))


def write_pictures(
    data: Path, images: Sequence[np.ndarray], *, nodes: Sequence[str] | None = None, variants: int = 1, shard_size: int
) -> None:
    """Write a dataset with a record for each of the images.

    Parameters
    ----------
    nodes
        Node types that every record has beside its target; by default all that are stored.
    variants
        Variants of styles and edits.
    """
    with write_session(str(data), shard_size=shard_size) as session:
        for shard, start in enumerate(range(0, len(images), shard_size)):
            part = images[start : start + shard_size]
            rows = [
                row
                for ordinal, image in enumerate(part)
                for row in _record(
                    image, start + ordinal, ordinal, nodes_stored_by_default() if nodes is None else nodes, variants
                )
            ]
            write_part(session.folder, session.run, shard, "all-0", rows)
            session.seal(shard)


def _record(image: np.ndarray, number: int, ordinal: int, nodes: Sequence[str], variants: int) -> Iterator[PartRow]:
    origin = Origin(name=str(number), kind="images", sha256=hashlib.sha256(image.tobytes()).hexdigest())
    info = RecordInfo(key=f"photograph-{number}", origin=origin)
    yield PartRow(ordinal=ordinal, key=info.key, annotator="", node="json", data=info.to_json())
    yield _row(info.key, ordinal, "target", image, annotator=SOURCE)
    for node in nodes:
        entry = GRAPH200K[node]
        for variant in range(variants) if entry.has_variants else (None,):
            for role in entry.roles:
                yield _row(info.key, ordinal, node, _map(image, node), variant=variant, role=role)


def _map(image: np.ndarray, node: str) -> np.ndarray:
    """Return something of the look and the compressed size of a node type."""
    entry = GRAPH200K[node]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if node in ("canny", "mlsd"):
        return cv2.Canny(image, 100, 200)
    if node == "foreground":
        return np.where(grey > 128, 255, 0).astype(np.uint8)
    if node in _BLURS:
        return cv2.GaussianBlur(image if entry.channels == 3 else grey, (0, 0), _BLURS[node])
    if entry.meta_task is MetaTask.CONDITIONAL_GENERATION:  # regions of flat colours
        return cv2.medianBlur(image, 9) // 64 * 64
    return np.ascontiguousarray(image[:, ::-1])


def _row(key: str, ordinal: int, node: str, image: np.ndarray, **names: Any) -> PartRow:
    return PartRow(
        ordinal=ordinal,
        key=key,
        node=node,
        width=image.shape[1],
        height=image.shape[0],
        data=encode_image(image, GRAPH200K[node].codec),
        **({"annotator": node} | names),
    )
