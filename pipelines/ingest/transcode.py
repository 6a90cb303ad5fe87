"""From what a source gave to what a part holds: every image in its node's codec, every refusal on file."""

from __future__ import annotations

import numpy as np

from graph200k.catalogue import Catalogue, MetaTask, NodeType
from graph200k.codecs import Limits, encode_image, is_blank, is_encoded_as
from graph200k.commit import MemberId
from graph200k.derive import MATTE
from graph200k.errors import UnsafeInputError
from graph200k.parts import PartRow
from graph200k.photographs import read_map, read_photograph
from graph200k.record import JSON_NODE, SOURCE, Provenance, Quality, RecordInfo, is_consistent
from pipelines.ingest.failure import RefusedError, failure_class
from pipelines.ingest.source import Problem, RawImage, RawRecord


def transcode(
    record: RawRecord, key: str, ordinal: int, limits: Limits, catalogue: Catalogue
) -> tuple[list[PartRow], list[Problem]]:
    """Return a record's rows (target, annotations, JSON), and the annotations that had to be left out.

    Raises
    ------
    ImageDecodeError
        If the target is not an image we accept.
    """
    target, data = _encode(record.target, catalogue["target"], limits)
    height, width = target.shape[:2]
    rows = [PartRow(ordinal=ordinal, key=key, annotator=SOURCE, node="target", width=width, height=height, data=data)]
    problems = list(record.problems)
    seen: set[MemberId] = set()
    for image in record.annotations:
        identity = (image.node, image.variant, image.role)
        try:
            if identity in seen:
                raise RefusedError("bad_record", "a second file for the same annotation; the first by name is kept")
            encoded = _encode_annotation(image, catalogue[image.node], (height, width), limits)
            usable = _is_usable(catalogue[image.node], encoded[0], record.quality)
            row = _annotation_row(image, encoded, key, ordinal, usable=usable if image.usable is None else image.usable)
        except UnsafeInputError as error:
            problems.append(Problem(image.name, failure_class(error), str(error)))
            continue
        seen.add(identity)
        rows.append(row)
    info = _info(record, key).with_annotations([*map(_provenance, rows[1:]), *record.stated], catalogue)
    return [*rows, PartRow(ordinal=ordinal, key=key, annotator="", node=JSON_NODE, data=info.to_json())], problems


def is_map(entry: NodeType) -> bool:
    """Return whether a node type's pixels lie over the target's, so that both must have one size."""
    return entry.meta_task is MetaTask.CONDITIONAL_GENERATION


def _encode_annotation(
    image: RawImage, entry: NodeType, size: tuple[int, int], limits: Limits
) -> tuple[np.ndarray, bytes]:
    pixels, data = _encode(image, entry, limits)
    height, width = pixels.shape[:2]
    if is_map(entry) and (height, width) != size:
        expected = f"expected the target's {size[1]}×{size[0]} px: a map of another size does not lie over its image"
        raise RefusedError("size_mismatch", f"{width}×{height} px; {expected}")
    return pixels, data


def _annotation_row(
    image: RawImage, encoded: tuple[np.ndarray, bytes], key: str, ordinal: int, *, usable: bool
) -> PartRow:
    pixels, data = encoded
    height, width = pixels.shape[:2]
    known = image.provenance or Provenance(
        node=image.node, variant=image.variant, role=image.role, annotator=image.annotator
    )
    provenance = known.model_copy(update={"usable": usable})
    return PartRow(
        ordinal=ordinal,
        key=key,
        annotator=image.annotator,
        node=image.node,
        variant=image.variant,
        role=image.role,
        width=width,
        height=height,
        fingerprint=image.fingerprint,
        usable=usable,
        provenance=provenance.model_dump_json(),
        data=data,
    )


def _is_usable(entry: NodeType, pixels: np.ndarray, quality: Quality) -> bool:
    if entry.meta_task is MetaTask.IP_PRESERVATION:
        return is_consistent(quality)
    return not (is_map(entry) and is_blank(pixels, is_matte=MATTE in entry.roles))


def _encode(image: RawImage, entry: NodeType, limits: Limits) -> tuple[np.ndarray, bytes]:
    """Return pixels and stored bytes; bytes that are already what we would store are kept as they are."""
    if isinstance(image.data, np.ndarray):
        return image.data, encode_image(image.data, entry.codec)
    codec, bits = entry.codec_of(image.role), entry.bits_of(image.role)
    if is_map(entry):
        pixels = read_map(image.data, channels=entry.channels, bits=bits, limits=limits)
    else:
        pixels = read_photograph(image.data, limits=limits)
    if is_encoded_as(image.data, codec, entry.channels, bits):
        return pixels, image.data
    return pixels, encode_image(pixels, codec)


def _info(record: RawRecord, key: str) -> RecordInfo:
    return RecordInfo(
        key=key,
        text=record.text,
        quality=record.quality,
        origin=record.origin,
        boxes=record.boxes,
        edits=record.edits,
    )


def _provenance(row: PartRow) -> Provenance:
    assert row.provenance is not None
    return Provenance.model_validate_json(row.provenance)
