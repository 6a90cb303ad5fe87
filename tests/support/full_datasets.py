"""Datasets that have every stored node type, for tests of the sampler: pixels say which record and node they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graph200k.catalogue import GRAPH200K, MetaTask, Storage
from graph200k.parts import PartRow, write_part
from graph200k.session import write_session
from support.datasets import annotation_row, make_dataset
from support.pictures import draw_scene

SIZES = ((96, 64), (64, 96), (80, 80))
"""Width and height of the records, in turn."""


def make_full_dataset(
    data: Path | str, records: int = 12, *, shard_size: int = 4, sizes: Sequence[tuple[int, int]] = SIZES
) -> list[str]:
    """Write a dataset whose records have all stored node types, styles and edits in two variants; return its keys."""

    def draw(number: int) -> np.ndarray:
        return draw_scene(number, *sizes[number % len(sizes)])

    keys = make_dataset(data, records, shard_size=shard_size, draw=draw)
    with write_session(str(data), shard_size=shard_size) as session:
        for shard in range(-(-records // shard_size)):
            numbers = range(shard * shard_size, min(records, (shard + 1) * shard_size))
            rows = [
                row
                for number in numbers
                for row in full_rows(keys[number], number % shard_size, number, sizes[number % len(sizes)])
            ]
            write_part(session.folder, session.run, shard, "annotate-0", rows)
            session.seal(shard)
    return keys


def full_rows(key: str, ordinal: int, number: int, size: tuple[int, int]) -> list[PartRow]:
    """Return one annotation, or two variants, of every stored node type but the target."""
    rows = []
    for entry in GRAPH200K.values():
        if entry.storage is not Storage.STORED or entry.meta_task is MetaTask.TARGET:
            continue
        for variant in (0, 1) if entry.has_variants else (None,):
            for role in entry.roles:
                image = flat_image(number, entry.name, variant, size, entry.channels)
                if role == "reference":
                    image = 255 - image
                rows.append(annotation_row(key, ordinal, entry.name, image, variant=variant, role=role))
    return rows


def flat_image(number: int, node: str, variant: int | None, size: tuple[int, int], channels: int) -> np.ndarray:
    """Return one grey level that tells record, node and variant apart: a matte is half covered instead."""
    width, height = size
    image = np.full((height, width), (37 * number + 11 * GRAPH200K.bit(node) + 5 * (variant or 0)) % 200 + 40, np.uint8)
    if node == "foreground":
        image[:] = 255
        image[:, : width // 2] = 0
    return image if channels == 1 else np.repeat(image[..., None], 3, axis=2)
