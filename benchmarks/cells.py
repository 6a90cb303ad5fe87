"""Rows of grids with pixels beside bare decoding and resizing of the same members, and the loss of scaled decoding.

``python -m benchmarks cells`` takes half a minute. Photographs are those of ``graph200k demo``; maps and styles are
made of them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.rows import row
from graph200k.catalogue import GRAPH200K, Codec
from graph200k.codecs import SCALED_DECODE_MARGIN, decode_image, encode_image
from graph200k.dataset import Dataset
from graph200k.derive import MATTE, matte_node
from graph200k.parts import PartRow, write_part
from graph200k.record import SOURCE, Origin, RecordInfo
from graph200k.schema import find_task
from graph200k.session import write_session
from pipelines.demo import write_demo
from sampler.cells import Cell, fit_member, load_row
from sampler.columns import task_columns
from sampler.fit import fit_image
from sampler.grid import SQUARE, cell_size

TASKS = ("canny,target", "depth,target", "reference,canny,instant_style", "target,hed", "foreground,target")
_ROUNDS = 5
_MAPS = {"hed": 3, "depth": 9, "normal": 5}
"""Annotations stored as JPEG, and the blur that gives them their share of detail."""


def run() -> list[dict[str, Any]]:
    """Return the share of the bound that rows reach, their speed, and the PSNR of scaled decoding."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_demo(place / "demo")
        photographs = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((place / "demo").glob("*.png"))]
        rows = []
        for side in (512, 1024):
            data = place / f"data-{side}"
            _write_dataset(data, photographs, side)
            rows += _row_speed(Dataset(str(data)), side)
        return rows + _scaled_decode(photographs)


def _row_speed(dataset: Dataset, side: int) -> list[dict[str, Any]]:
    size = cell_size(SQUARE, 384**2)
    work = [(number, _cells(dataset, number, task)) for number in range(len(dataset)) for task in TASKS]
    bounds = [_members(dataset, number, cells) for number, cells in work]
    ours, bare = np.full((2, len(work), _ROUNDS), np.inf)
    for turn in range(_ROUNDS):
        for item, ((number, cells), members) in enumerate(zip(work, bounds, strict=True)):
            started = time.perf_counter()
            load_row(dataset, number, cells, size, "crop")
            between = time.perf_counter()
            for data, member in members:
                fit_member(data, member, dataset.catalogue[member.node], size, "crop")
            ours[item, turn], bare[item, turn] = between - started, time.perf_counter() - between
    # The fastest of the rounds: others are interrupted by what else runs on the machine.
    ours, bare = ours.min(axis=1), bare.min(axis=1)
    name = f"rows of 384² cells from {side}² images"
    return [
        row(f"{name}, share of the speed of decoding and resizing alone", float(bare.sum() / ours.sum()), "", 0.9),
        row(name, float(1 / ours.mean()), "rows/s"),
    ]


def _cells(dataset: Dataset, number: int, task: str) -> list[Cell]:
    return [
        Cell(dataset.keys[number], column.node, 0 if GRAPH200K[column.node].has_variants else None, column.role)
        for column in task_columns(find_task(task))
    ]


def _members(dataset: Dataset, number: int, cells: list[Cell]) -> list[tuple[bytes, Any]]:
    """Return the bytes of what a row shows, each member once."""
    names = {(cell.node, cell.variant, cell.role) for cell in cells}
    for cell in cells:
        if cell.role == "" and (matte := matte_node(GRAPH200K[cell.node])):
            names = names - {(cell.node, None, "")} | {(matte, None, MATTE), ("target", None, "")}
    members = [dataset.member(number, *name) for name in sorted(names, key=str)]
    return [(dataset.read(member, 0), member) for member in members]


def _scaled_decode(photographs: list[np.ndarray]) -> list[dict[str, Any]]:
    """Compare half-size with full decoding, resized to the same size.

    At the margin itself every photograph is one that scaled decoding is least good at: as sharp as its pixels allow.
    Enlarged to 1024², they are as real photographs of that size are.
    """
    at_margin = [_half_decode_psnr(image, SCALED_DECODE_MARGIN) for image in photographs]
    enlarged = [_half_decode_psnr(_square(image, 1024), 1024 / 2 / 384) for image in photographs]
    without = [_half_decode_psnr(image, 1.0) for image in photographs]
    return [
        row("scaled decode of 1024² for 384² cells, PSNR, worst photograph", min(enlarged), "dB", 40),
        row(
            "scaled decode at its margin, pixel-sharp photographs, PSNR, median", statistics.median(at_margin), "dB", 40
        ),
        row("the same, worst photograph (grass)", min(at_margin), "dB"),
        row("the same without a margin, worst photograph", min(without), "dB"),
        *_decode_times(_square(photographs[0], 1024)),
    ]


def _half_decode_psnr(image: np.ndarray, margin: float) -> float:
    height, width = image.shape[:2]
    data = encode_image(image, Codec.JPEG)
    size = round(height / 2 / margin), round(width / 2 / margin)
    full = fit_image(decode_image(data, channels=3), size, "stretch").astype(float)
    half = fit_image(decode_image(data, channels=3, scale=2), size, "stretch", extent=(height / 2, width / 2))
    return float(10 * np.log10(255**2 / ((full - half) ** 2).mean()))


def _decode_times(image: np.ndarray) -> list[dict[str, Any]]:
    data = encode_image(image, Codec.JPEG)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(20):
        for scale, found in times.items():
            started = time.perf_counter()
            fit_image(decode_image(data, channels=3, scale=scale), (384, 384), "crop")
            found.append(time.perf_counter() - started)
    gain = statistics.median(times[1]) / statistics.median(times[2])
    return [row("scaled decode of 1024² for 384² cells, speed with the resize over full decoding", gain, "×")]


def _square(image: np.ndarray, side: int) -> np.ndarray:
    return fit_image(image, (side, side), "crop")


def _write_dataset(data: Path, photographs: list[np.ndarray], side: int) -> None:
    with write_session(str(data), shard_size=len(photographs)) as session:
        images = [_square(image, side) for image in photographs]
        rows = [found for number in range(len(images)) for found in _record(images, number)]
        write_part(session.folder, session.run, 0, "all-0", rows)
        session.seal(0)


def _record(images: list[np.ndarray], number: int) -> Iterator[PartRow]:
    image, other = images[number], images[number - 1]
    origin = Origin(name=str(number), kind="images", sha256="00" * 32)
    info = RecordInfo(key=f"photograph-{number}", origin=origin)
    yield PartRow(ordinal=number, key=info.key, annotator="", node="json", data=info.to_json())
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    yield _part_row(info.key, number, "target", image, annotator=SOURCE)
    yield _part_row(info.key, number, "reference", other)
    yield _part_row(info.key, number, "canny", cv2.Canny(image, 100, 200))
    yield _part_row(info.key, number, "foreground", np.where(grey > 128, 255, 0).astype(np.uint8), role=MATTE)
    for node, blur in _MAPS.items():
        source = image if GRAPH200K[node].channels == 3 else grey
        yield _part_row(info.key, number, node, cv2.GaussianBlur(source, (0, 0), blur))
    for role, shown in (("reference", other), ("image", image[:, ::-1].copy())):
        yield _part_row(info.key, number, "instant_style", shown, variant=0, role=role)


def _part_row(key: str, ordinal: int, node: str, image: np.ndarray, **names: Any) -> PartRow:
    return PartRow(
        ordinal=ordinal,
        key=key,
        node=node,
        width=image.shape[1],
        height=image.shape[0],
        data=encode_image(image, GRAPH200K[node].codec),
        **({"annotator": node} | names),
    )
