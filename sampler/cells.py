"""The pixels of a row of a grid: each stored image is read and decoded once, and fitted to its cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow
from PIL import Image

from annotators.degradations import replay
from graph200k.catalogue import Codec, NodeType, Pixels, Storage
from graph200k.codecs import decode_picture, decode_scale
from graph200k.dataset import Dataset
from graph200k.derive import MATTE, matte_node
from graph200k.errors import PlanError
from graph200k.record import Member
from sampler.fit import Fit, fit_picture, shown_size


@dataclass(frozen=True, slots=True)
class Cell:
    """One image of one record."""

    key: str
    """Key of the record."""
    node: str
    """Node type."""
    variant: int | None = None
    """Number of the variant, for node types that have several."""
    role: str = ""
    """``reference`` or ``image`` for the two halves of a style; "" for the image of any other node type."""
    params: Mapping[str, Any] | None = None
    """Drawn parameters of an online degradation; None for a stored image."""


def load_row(dataset: Dataset, row: int, cells: Sequence[Cell], size: tuple[int, int], fit: Fit) -> np.ndarray:
    """Return the images of one record side by side, uint8, H×(L·W)×3 RGB, a new array.

    A map of one channel is shown with three equal ones.
    Degradations are applied to the target as it is shown: they look the same whatever size is stored. The halves
    that a matte cuts the target into are made at that size too.

    Parameters
    ----------
    dataset
        Where the record is.
    row
        Position of the record.
    cells
        The L images, all of that record.
    size
        Height and width of a cell.
    fit
        What is done to an image of another aspect ratio: ``crop``, ``pad`` or ``stretch``.

    Raises
    ------
    MemberNotFoundError
        If the record has no such image.
    DatasetError
        If a member is not what the index says.
    ImageDecodeError
        If a member is damaged.
    PlanError
        If a degradation turns a cell that is not a square by 90 degrees.
    """
    if strangers := {cell.key for cell in cells} - {dataset.keys[row]}:
        raise ValueError(f"cells of {', '.join(sorted(strangers))} in the row of record {dataset.keys[row]!r}")
    height, width = size
    fitted = _FittedPictures(dataset, row, size, fit)
    pixels = np.empty((height, len(cells) * width, 3), np.uint8)
    with _one_opencv_thread():
        for number, cell in enumerate(cells):
            fitted.write(cell, pixels[:, number * width : (number + 1) * width])
    return pixels


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Run OpenCV on this thread alone: loaders have a process a core, and its other threads would spin after each call.

    That costs ten times the processor time of what a call on a picture of 512² does.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class _FittedPictures:
    """Images of one record at the size of a cell, each read once."""

    def __init__(self, dataset: Dataset, row: int, size: tuple[int, int], fit: Fit) -> None:
        self._dataset, self._row, self._size, self._fit = dataset, row, size, fit
        self._pictures: dict[tuple[str, int | None, str], Image.Image] = {}

    def write(self, cell: Cell, into: np.ndarray) -> None:
        """Write the pixels of a cell into an array of its size, uint8 H×W×3 RGB."""
        entry = self._dataset.catalogue[cell.node]
        if entry.storage is Storage.ONLINE and cell.params is not None:
            into[:] = self._degraded(cell)
        elif cell.role == "" and (matte := matte_node(entry)):
            kept = self._pixels(matte, None, MATTE)
            # What graph200k.derive.cut_out gives, to the bit, in a twentieth of the time.
            weight = kept if cell.node == matte else cv2.bitwise_not(kept)
            write_pixels(self._picture("target", None, ""), into)
            cv2.multiply(into, weight, scale=1 / 255, dst=into)
        else:
            write_pixels(self._picture(cell.node, cell.variant, cell.role), into)

    def _degraded(self, cell: Cell) -> np.ndarray:
        target = self._pixels("target", None, "")
        degraded: np.ndarray = replay(target, cell.node, dict(cell.params or {}))
        if degraded.shape != target.shape:
            height, width = self._size
            raise PlanError(
                f"{cell.node} turns cells of {width}×{height} px; rows with it need square cells: draw such tasks with "
                "the square bucket, or set shape to square"
            )
        return degraded

    def _pixels(self, node: str, variant: int | None, role: str) -> np.ndarray:
        pixels = np.empty((*self._size, 3), np.uint8)
        write_pixels(self._picture(node, variant, role), pixels)
        return pixels

    def _picture(self, node: str, variant: int | None, role: str) -> Image.Image:
        name = (node, variant, role)
        if name not in self._pictures:
            member = self._dataset.member(self._row, node, variant, role)
            data = self._dataset.read(member, int(self._dataset.shard_numbers[self._row]))
            self._pictures[name] = fit_member(data, member, self._dataset.catalogue[node], self._size, self._fit)
        return self._pictures[name]


def fit_member(data: bytes, member: Member, entry: NodeType, size: tuple[int, int], fit: Fit) -> Image.Image:
    """Return the picture in the bytes of a member at the size of a cell, decoded no larger than that needs.

    Of mode ``RGB``, or ``L`` for a single-channel map; raises ImageDecodeError as
    :func:`graph200k.codecs.decode_picture` does.
    """
    stored = (member.height, member.width)
    is_tonal_jpeg = entry.codec is Codec.JPEG and entry.pixels is Pixels.TONES
    scale = decode_scale(stored, shown_size(stored, size, fit)) if is_tonal_jpeg else 1
    picture = decode_picture(data, channels=entry.channels, scale=scale)
    return fit_picture(picture, size, fit, pixels=entry.pixels, extent=(stored[0] / scale, stored[1] / scale))


def write_pixels(picture: Image.Image, into: np.ndarray) -> None:
    """Write a picture of mode ``RGB`` or ``L`` into an array of its size, uint8 H×W×3 RGB, which may be a view.

    From Pillow's own memory, where a pixel has four bytes: a quarter of the time of ``numpy.asarray``, which copies
    twice.
    """
    try:
        held = pyarrow.array(picture)
    except ValueError:  # above 16 MB Pillow holds a picture in several pieces
        into[:] = np.asarray(picture.convert("RGB"))
        return
    levels = held if picture.mode == "L" else held.flatten()
    rows = levels.to_numpy().reshape(picture.height, picture.width, -1)
    cv2.cvtColor(rows, cv2.COLOR_GRAY2RGB if picture.mode == "L" else cv2.COLOR_RGBA2RGB, dst=into)
