"""Datasets written without the ingest pipeline, for tests of everything after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from graph200k.catalogue import Codec
from graph200k.codecs import encode_image
from graph200k.parts import PartRow, write_part
from graph200k.record import SOURCE, Origin, RecordInfo, Text
from graph200k.session import write_session
from support.pictures import draw_scene


def make_dataset(
    data: Path | str,
    records: int,
    *,
    shard_size: int = 8,
    draw: Callable[[int], np.ndarray] = draw_scene,
) -> list[str]:
    """Write a dataset of drawn targets, and return its keys."""
    keys = [f"scene-{number:04d}" for number in range(records)]
    with write_session(str(data), shard_size=shard_size) as session:
        for shard in range(-(-records // shard_size)):
            numbers = range(shard * shard_size, min(records, (shard + 1) * shard_size))
            rows = [row for number in numbers for row in target_rows(keys[number], number % shard_size, draw(number))]
            write_part(session.folder, session.run, shard, "ingest-0", rows)
            session.seal(shard)
    return keys


def target_rows(key: str, ordinal: int, image: np.ndarray) -> list[PartRow]:
    """Return the rows of a record that has nothing but its target."""
    data = encode_image(image, Codec.JPEG)
    origin = Origin(name=key, kind="images", sha256=hashlib.sha256(data).hexdigest())
    info = RecordInfo(key=key, text=Text(description=f"Scene {key}."), origin=origin)
    height, width = image.shape[:2]
    return [
        PartRow(ordinal=ordinal, key=key, annotator=SOURCE, node="target", width=width, height=height, data=data),
        PartRow(ordinal=ordinal, key=key, annotator="", node="json", data=info.to_json()),
    ]
