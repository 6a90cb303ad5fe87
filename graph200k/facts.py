"""Facts: what is known about a record in words and numbers, beside its images.

A fact lies in the record's JSON. It has a maker like an image has: an annotator, whose provenance stands in
``annotations`` under the fact's name, or the source. It has no member of its own; so the JSON's row in the index
lists the facts in it with their makers, and a run sees what there is without reading a JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import TypeAdapter

from graph200k.catalogue import GRAPH200K
from graph200k.record import FACTS, IMPORTED, Box, Edit, RecordInfo, Text

FactValue: TypeAlias = Text | Sequence[Box] | Sequence[Edit]
"""A text, boxes, or what the variants of one editing node type show."""

_BOXES = TypeAdapter(list[Box])
_EDITS = TypeAdapter(list[Edit])


@dataclass(frozen=True, slots=True)
class Maker:
    """Who made a fact."""

    annotator: str
    """Name of the annotator, :data:`~graph200k.record.IMPORTED` for a fact that came with the source."""
    fingerprint: str = ""
    """Its fingerprint, "" for the source."""


def fact_value(info: RecordInfo, name: str) -> FactValue:
    """Return what a record says: its text, its boxes, or its edits of one node type.

    Examples
    --------
    >>> from graph200k.record import Origin
    >>> info = RecordInfo(key="a", text=Text(item="cat"), origin=Origin(name="a", kind="images", sha256="00"))
    >>> fact_value(info, "text").item, fact_value(info, "fill_edit.edits")
    ('cat', [])
    """
    if name == "text":
        return info.text
    if name == "boxes":
        return info.boxes
    return [edit for edit in info.edits if f"{edit.node}.edits" == name]


def with_fact(info: RecordInfo, name: str, value: FactValue) -> RecordInfo:
    """Return a copy that says ``value`` under this name, in place of what it said before."""
    if isinstance(value, Text):
        return info.model_copy(update={"text": value})
    if name == "boxes":
        return info.model_copy(update={"boxes": list(value)})
    others = [edit for edit in info.edits if f"{edit.node}.edits" != name]
    edits = [*others, *(edit for edit in value if isinstance(edit, Edit))]
    edits.sort(key=lambda edit: (GRAPH200K.bit(edit.node), edit.variant))
    return info.model_copy(update={"edits": edits})


def without_fact(info: RecordInfo, name: str) -> RecordInfo:
    """Return a copy that says nothing under this name."""
    return with_fact(info, name, Text() if name == "text" else [])


def is_empty(value: FactValue) -> bool:
    """Return whether a fact says nothing."""
    return not (value.item or value.description) if isinstance(value, Text) else len(value) == 0


def fact_to_json(value: FactValue) -> bytes:
    """Return the bytes of a fact, as a part holds it."""
    if isinstance(value, Text):
        return value.model_dump_json().encode()
    return b"[" + b",".join(entry.model_dump_json().encode() for entry in value) + b"]"


def fact_from_json(name: str, data: bytes) -> FactValue:
    """Return the fact that :func:`fact_to_json` wrote."""
    if name == "text":
        return Text.model_validate_json(data)
    return _BOXES.validate_json(data) if name == "boxes" else _EDITS.validate_json(data)


def makers(info: RecordInfo) -> dict[str, Maker]:
    """Return who made each fact of a record, in a fixed order.

    An annotator that looked and found nothing (no boxes) made a fact; a source that says nothing made none.
    """
    made = {found.node: Maker(found.annotator, found.fingerprint) for found in info.annotations}
    known = {name: made.get(name, Maker(IMPORTED)) for name in FACTS}
    return {name: maker for name, maker in known.items() if name in made or not is_empty(fact_value(info, name))}


def pack_makers(made: Mapping[str, Maker]) -> str:
    """Return makers as the JSON's row in the index has them, in its column ``fingerprint``.

    Examples
    --------
    >>> pack_makers({"text": Maker(IMPORTED), "boxes": Maker("bbox", "12ab")})
    'text=imported@ boxes=bbox@12ab'
    """
    return " ".join(f"{name}={maker.annotator}@{maker.fingerprint}" for name, maker in made.items())


def unpack_makers(packed: str) -> dict[str, Maker]:
    """Return the makers that :func:`pack_makers` wrote.

    Examples
    --------
    >>> unpack_makers("boxes=bbox@12ab")
    {'boxes': Maker(annotator='bbox', fingerprint='12ab')}
    """
    pairs = (entry.partition("=") for entry in packed.split())
    return {name: Maker(*maker.split("@", 1)) for name, _, maker in pairs if name in FACTS}
