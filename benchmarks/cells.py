"""Rows of grids with pixels beside bare decoding and resizing of the same members, and the loss of scaled decoding.

``python -m benchmarks cells`` takes a minute and a half. Photographs are those of ``graph200k demo``; maps and styles
are made of them.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.picture_sets import demo_photographs, square, write_pictures
from benchmarks.rows import row
from graph200k.catalogue import GRAPH200K, Codec
from graph200k.codecs import SCALED_DECODE_MARGIN, decode_picture, encode_image
from graph200k.dataset import Dataset
from graph200k.derive import MATTE, matte_node
from graph200k.schema import find_task
from sampler.cells import Cell, fit_member, load_row
from sampler.columns import task_columns
from sampler.fit import fit_picture
from sampler.grid import SQUARE, cell_size

TASKS = ("canny,target", "depth,target", "reference,canny,instant_style", "target,hed", "foreground,target")
_ROUNDS = 24
NODES = ("reference", "canny", "foreground", "hed", "depth", "instant_style")
"""What the tasks need beside the target."""


def run() -> list[dict[str, Any]]:
    """Return the share of the bound that rows reach, their speed, and the PSNR of scaled decoding."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        photographs = demo_photographs(place / "demo")
        rows = []
        for side in (512, 1024):
            data = place / f"data-{side}"
            write_pictures(data, [square(image, side) for image in photographs], nodes=NODES, shard_size=11)
            rows += _row_speed(Dataset(str(data)), side)
        return rows + _scaled_decode(photographs)


def _row_speed(dataset: Dataset, side: int) -> list[dict[str, Any]]:
    size = cell_size(SQUARE, 384**2)
    work = [(number, _cells(dataset, number, task)) for number in range(len(dataset)) for task in TASKS]
    bounds = [_members(dataset, number, cells) for number, cells in work]
    times = np.full((2, len(work), _ROUNDS), np.inf)
    for turn in range(_ROUNDS):
        for item, ((number, cells), members) in enumerate(zip(work, bounds, strict=True)):

            def bare(members: list[tuple[bytes, Any]] = members) -> None:
                for data, member in members:
                    np.asarray(fit_member(data, member, dataset.catalogue[member.node], size, "crop"))

            def ours(number: int = number, cells: list[Cell] = cells) -> None:
                load_row(dataset, number, cells, size, "crop")

            # In turns: who is second finds the bytes in the processor's cache.
            for which, call in [(0, ours), (1, bare)][:: 1 if turn % 2 else -1]:
                started = time.perf_counter()
                call()
                times[which, item, turn] = time.perf_counter() - started
    # The fastest of the rounds: others are interrupted by what else runs on the machine.
    row_s, bare_s = times.min(axis=2)
    name = f"rows of 384² cells from {side}² images"
    return [
        row(f"{name}, share of the speed of decoding and resizing alone", float(bare_s.sum() / row_s.sum()), "", 0.9),
        row(name, float(1 / row_s.mean()), "rows/s"),
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
    enlarged = [_half_decode_psnr(square(image, 1024), 1024 / 2 / 384) for image in photographs]
    without = [_half_decode_psnr(image, 1.0) for image in photographs]
    return [
        row("scaled decode of 1024² for 384² cells, PSNR, worst photograph", min(enlarged), "dB", 40),
        row("scaled decode at its margin, pixel-sharp photographs, PSNR, median", statistics.median(at_margin), "dB"),
        row("the same, worst photograph (grass)", min(at_margin), "dB"),
        row("the same without a margin, worst photograph", min(without), "dB"),
        *_decode_times(square(photographs[0], 1024)),
    ]


def _half_decode_psnr(image: np.ndarray, margin: float) -> float:
    height, width = image.shape[:2]
    data = encode_image(image, Codec.JPEG)
    size = round(height / 2 / margin), round(width / 2 / margin)
    full, half = (
        np.asarray(
            fit_picture(
                decode_picture(data, channels=3, scale=scale), size, "stretch", extent=(height / scale, width / scale)
            ),
            float,
        )
        for scale in (1, 2)
    )
    return float(10 * np.log10(255**2 / ((full - half) ** 2).mean()))


def _decode_times(image: np.ndarray) -> list[dict[str, Any]]:
    data = encode_image(image, Codec.JPEG)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(20):
        for scale, found in times.items():
            started = time.perf_counter()
            fit_picture(decode_picture(data, channels=3, scale=scale), (384, 384), "crop")
            found.append(time.perf_counter() - started)
    gain = statistics.median(times[1]) / statistics.median(times[2])
    return [row("scaled decode of 1024² for 384² cells, speed with the resize over full decoding", gain, "×")]
