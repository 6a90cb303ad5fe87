"""The pictures that style transfer takes its styles from: the user's own, or a few made on the spot.

A bank is a folder of pictures, a WebDataset (tars with pictures in them), or a mix of the two, read once when a run
starts. What identifies it is its pictures: under another path it is the same bank. Each picture counts once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from annotators.procedural_styles import PROCEDURAL_LICENCE, procedural_styles
from annotators.scale import resize
from graph200k.errors import ImageDecodeError, PlanError, RejectedError
from graph200k.photographs import read_photograph
from graph200k.shards import TarEntry, scan_tar
from graph200k.storage import Folder

logger = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MAX_SIDE = 1024
"""Longest side of a style reference; larger pictures are reduced. No model here sees more of one."""
MAX_LICENCE_CHARACTERS = 200

_THUMBNAIL = 16
_SAME_PICTURE = 3.0
"""Mean difference of two thumbnails in grey levels below which they are one picture, saved twice."""


@dataclass(frozen=True, slots=True)
class BankPicture:
    """Where one picture of a bank lies."""

    name: str
    """Relative path; of a picture in a tar, that of the tar, a colon, and the member's name."""
    sha256: str
    """Of its bytes, in hex."""
    file: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class StyleBank:
    """Pictures to draw style references from."""

    folder: Folder | None
    """Where they lie; None for pictures made on the spot."""
    pictures: tuple[BankPicture, ...]
    """Without duplicates, by hash: neither names nor order in the folder change what is drawn."""
    duplicates: int
    """Files that were left out because their bytes are those of another."""
    licence: str
    """First line of the file LICENSE or LICENCE beside them, "unknown" if there is none."""
    digest: str = field(init=False)
    """First 16 hex digits of a hash of its pictures' hashes."""

    def __post_init__(self) -> None:
        hashes = "\n".join(picture.sha256 for picture in self.pictures)
        object.__setattr__(self, "digest", hashlib.sha256(hashes.encode()).hexdigest()[:16])

    def read(self, index: int) -> np.ndarray:
        """Return a picture as uint8 H×W×3, its long side at most :data:`MAX_SIDE`.

        Raises
        ------
        ImageDecodeError
            If it is damaged.
        """
        if self.folder is None:
            return procedural_styles()[index][1]
        found = self.pictures[index]
        image = read_photograph(self.folder.read_range(found.file, found.offset, found.size))
        scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
        return resize(image, *(max(1, round(side * scale)) for side in image.shape[:2]))

    def draw(self, target: np.ndarray, count: int, rng: np.random.Generator) -> list[tuple[int, np.ndarray]]:
        """Return positions and pictures of ``count`` references: each another one as long as there are others.

        Pictures that look like ``target`` are passed over: a record is not its own style. So are damaged ones.

        Raises
        ------
        RejectedError
            If that leaves none.
        """
        found: list[tuple[int, np.ndarray]] = []
        for index in rng.permutation(len(self.pictures)).tolist():
            if len(found) == count:
                break
            try:
                picture = self.read(index)
            except ImageDecodeError as error:
                logger.warning("%s of the style bank is passed over: %s", self.pictures[index].name, error)
                continue
            if not is_same_picture(picture, target):
                found.append((index, picture))
        if count and not found:
            raise RejectedError(
                f"none of the {len(self.pictures)} pictures of the style bank can be used: damaged, or the record "
                "itself; name a larger one with --style-bank"
            )
        return [found[number % len(found)] for number in range(count)]

    def provenance(self, index: int) -> dict[str, Any]:
        """Return what goes into the provenance of a pair whose reference is picture ``index``, as JSON values."""
        picture = self.pictures[index]
        return {
            "name": picture.name,
            "sha256": picture.sha256,
            "bank": {
                "digest": self.digest,
                "pictures": len(self.pictures),
                "duplicates": self.duplicates,
                "licence": self.licence,
            },
        }


def is_same_picture(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two pictures are one, whatever their size, format and quality.

    Examples
    --------
    >>> ramp = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    >>> is_same_picture(ramp, ramp[::2, ::2]), is_same_picture(ramp, ramp[:, ::-1])
    (True, False)
    """
    difference = _thumbnail(first).astype(float) - _thumbnail(second)
    return float(np.abs(difference).mean()) < _SAME_PICTURE


def _thumbnail(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)


def make_bank() -> StyleBank:
    """Return the small bank of pictures made on the spot, for runs that name none."""
    pictures = tuple(
        BankPicture(name, hashlib.sha256(image.tobytes()).hexdigest(), "", 0, 0) for name, image in procedural_styles()
    )
    return StyleBank(None, pictures, 0, PROCEDURAL_LICENCE)


def read_bank(url: str) -> StyleBank:
    """Return the bank in a folder (local or any URL); every picture is read once, about 1 s a GB.

    Raises
    ------
    PlanError
        If there is no picture in it.
    """
    folder = Folder(url)
    found: dict[str, BankPicture] = {}
    total = 0
    for picture in _pictures(folder):
        total += 1
        found.setdefault(picture.sha256, picture)
    if not found:
        raise PlanError(
            f"style bank {url}: no picture found; expected a folder with {', '.join(PICTURES)} or tars of them"
        )
    pictures = tuple(found[sha256] for sha256 in sorted(found))
    return StyleBank(folder, pictures, total - len(pictures), _licence(folder))


def _pictures(folder: Folder) -> Iterator[BankPicture]:
    for path in folder.walk():
        if path.lower().endswith(PICTURES):
            data = folder.read(path)
            yield BankPicture(path, hashlib.sha256(data).hexdigest(), path, 0, len(data))
        elif path.lower().endswith(".tar"):
            yield from _pictures_of_tar(folder, path)


def _pictures_of_tar(folder: Folder, path: str) -> Iterator[BankPicture]:
    with folder.open(path) as file:
        entries = [entry for entry in scan_tar(file) if isinstance(entry, TarEntry)]
    for entry in entries:
        if entry.name.lower().endswith(PICTURES):
            data = folder.read_range(path, entry.offset, entry.size)
            name = f"{path}:{entry.name}"
            yield BankPicture(name, hashlib.sha256(data).hexdigest(), path, entry.offset, entry.size)


def _licence(folder: Folder) -> str:
    for name in folder.names():
        if name.upper().split(".")[0] in ("LICENSE", "LICENCE"):
            lines = folder.read(name).decode("utf-8", "replace").strip().splitlines()
            return lines[0].strip()[:MAX_LICENCE_CHARACTERS] if lines else "unknown"
    return "unknown"
