"""Datasets written without the ingest pipeline, for tests of everything after it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from graph200k.catalogue import GRAPH200K, Codec
from graph200k.codecs import encode_image
from graph200k.parts import PartRow, write_part
from graph200k.record import SOURCE, Origin, Provenance, RecordInfo, Text
from graph200k.session import write_session
from support.pictures import draw_scene


def make_dataset(
    data: Path | str,
    records: int,
    *,
    shard_size: int = 8,
    draw: Callable[[int], np.ndarray] = draw_scene,
    described: Callable[[int], bool] = lambda number: True,
) -> list[str]:
    """Write a dataset of drawn targets, all with a text but those that are not ``described``; return its keys."""
    keys = [f"scene-{number:04d}" for number in range(records)]
    with write_session(str(data), shard_size=shard_size) as session:
        for shard in range(-(-records // shard_size)):
            numbers = range(shard * shard_size, min(records, (shard + 1) * shard_size))
            rows = [
                row
                for number in numbers
                for row in target_rows(keys[number], number % shard_size, draw(number), is_described=described(number))
            ]
            write_part(session.folder, session.run, shard, "ingest-0", rows)
            session.seal(shard)
    return keys


def target_rows(key: str, ordinal: int, image: np.ndarray, *, is_described: bool = True) -> list[PartRow]:
    """Return the rows of a record that has nothing but its target."""
    data = encode_image(image, Codec.JPEG)
    origin = Origin(name=key, kind="images", sha256=hashlib.sha256(data).hexdigest())
    text = Text(description=f"Scene {key}.") if is_described else Text()
    info = RecordInfo(key=key, text=text, origin=origin)
    height, width = image.shape[:2]
    return [
        PartRow(ordinal=ordinal, key=key, annotator=SOURCE, node="target", width=width, height=height, data=data),
        PartRow(ordinal=ordinal, key=key, annotator="", node="json", data=info.to_json()),
    ]


def annotation_row(
    key: str,
    ordinal: int,
    node: str,
    image: np.ndarray,
    *,
    variant: int | None = None,
    role: str = "",
    usable: bool = True,
    annotator: str = "",
) -> PartRow:
    """Return the row of an annotation, made by an annotator of the node's name unless another is given."""
    made = Provenance(
        node=node,
        variant=variant,
        role=role,
        annotator=annotator or node,
        fingerprint=f"{node}-1",
        model="drawn",
        parameters='{"x": 1}',
        usable=usable,
    )
    return PartRow(
        ordinal=ordinal,
        key=key,
        annotator=made.annotator,
        node=node,
        variant=variant,
        role=role,
        width=image.shape[1],
        height=image.shape[0],
        fingerprint=made.fingerprint,
        usable=usable,
        provenance=made.model_dump_json(),
        data=encode_image(image, GRAPH200K[node].codec),
    )


def edge_map(seed: int) -> np.ndarray:
    """Return a map (uint8, 64×96) of a scene's bright parts."""
    bright: np.ndarray = (draw_scene(seed).mean(axis=2) > 128).astype(np.uint8) * 255
    return bright


def varied_rows(key: str, ordinal: int, number: int) -> list[PartRow]:
    """Return annotations that differ from record to record.

    Every record but those with ``number % 3 == 2`` has `canny`; every second one a `foreground` matte; every fourth one
    an `instant_style` pair; number 1 an `openpose` that shows nothing; number 3 two `fill_edit` variants, and number 5
    the style reference of a pair whose image is missing.
    """
    scene, edges = draw_scene(number + 100), edge_map(number)
    rows = []
    if number % 3 != 2:
        rows.append(annotation_row(key, ordinal, "canny", edges))
    if number % 2 == 0:
        rows.append(annotation_row(key, ordinal, "foreground", edges, role="matte"))
    if number % 4 == 0:
        rows += [annotation_row(key, ordinal, "instant_style", scene, variant=0, role=role)
                 for role in ("reference", "image")]  # fmt: skip
    if number == 1:
        rows.append(annotation_row(key, ordinal, "openpose", np.zeros_like(scene), usable=False))
    if number == 3:
        rows += [annotation_row(key, ordinal, "fill_edit", scene, variant=variant) for variant in (0, 2)]
    if number == 5:
        rows.append(annotation_row(key, ordinal, "redux_style", scene, variant=1, role="reference"))
    return rows


def make_varied_dataset(data: Path | str, records: int = 8, *, shard_size: int = 4) -> list[str]:
    """Write a dataset whose records have different members (:func:`varied_rows`), and return its keys."""
    keys = make_dataset(data, records, shard_size=shard_size)
    with write_session(str(data), shard_size=shard_size) as session:
        for shard in range(-(-records // shard_size)):
            numbers = range(shard * shard_size, min(records, (shard + 1) * shard_size))
            rows = [row for number in numbers for row in varied_rows(keys[number], number % shard_size, number)]
            write_part(session.folder, session.run, shard, "annotate-0", rows)
            session.seal(shard)
    return keys
