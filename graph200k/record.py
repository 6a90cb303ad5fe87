"""A record: one central image with everything known about it, and the fixed schema of its ``{key}.json``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from graph200k.catalogue import GRAPH200K, Catalogue, MetaTask, Storage
from graph200k.codecs import parse_json
from graph200k.errors import UnsafeInputError
from graph200k.settings_errors import explain

MAX_KEY_LENGTH = 64
"""With the longest node and role and 3 digits of variant, a member's name fits the 100 bytes that a tar header has."""

MIN_OBJECT_CONSISTENCY = 3
"""A reference whose objectConsistency is below this does not show the same subject (the release's rule)."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Part):
    """What the image shows, in words."""

    item: str | None = None
    """Name of the subject."""
    description: str | None = None
    """Caption of the whole image."""
    machine_made: bool = False
    """Whether a model wrote it."""


class Quality(_Part):
    """Scores of Subjects200K, 0 to 5, None where unknown."""

    composite_structure: int | None = None
    object_consistency: int | None = None
    image_quality: int | None = None


class Origin(_Part):
    """Where the record came from."""

    name: str
    """Relative path or key in the source."""
    kind: str
    """Kind of source."""
    collection: str | None = None
    """Collection within the source, where it has any."""
    sha256: str
    """Hash of the target's bytes in the source."""


class Box(_Part):
    """One detected object."""

    name: str
    box: list[float]
    """x0, y0, x1, y1 in pixels of the target."""
    color: list[int]
    """RGB of the box in the drawn maps."""
    score: float | None = None


class Edit(_Part):
    """What an edited variant shows instead."""

    node: str
    variant: int
    name: str
    description: str


class Provenance(_Part):
    """How one annotation came to be."""

    node: str
    """Node type, or one of :data:`FACTS`."""
    variant: int | None = None
    role: str = ""
    annotator: str
    """Annotator that made it, or ``imported`` if it came with the source."""
    fingerprint: str = ""
    """Fingerprint of that annotator's version, weights and parameters."""
    model: str = ""
    """Model id, "" for an algorithm without weights."""
    revision: str = ""
    """Revision or hash of the weights."""
    parameters: str = "{}"
    """Parameters as a JSON string."""
    drawn: str = "{}"
    """Values drawn at random for this record or found in it, as a JSON string."""
    seed: int | None = None
    usable: bool = True
    """False if it exists but says nothing: an empty map, an inconsistent reference."""


class RecordInfo(_Part):
    """Content of ``{key}.json``: one schema for every record of every dataset."""

    key: str
    text: Text = Text()
    quality: Quality = Quality()
    origin: Origin
    boxes: list[Box] = []
    edits: list[Edit] = []
    annotations: list[Provenance] = []

    @classmethod
    def from_json(cls, data: bytes) -> RecordInfo:
        """Parse ``{key}.json``.

        Raises
        ------
        UnsafeInputError
            If it is not JSON, too large, or not of this schema.
        """
        try:
            return cls.model_validate(parse_json(data))
        except ValueError as error:
            raise UnsafeInputError(f"record JSON is not of this schema: {explain(error, cls, 'field')[:200]}") from None

    def to_json(self) -> bytes:
        """Return the bytes of ``{key}.json``, the same for equal records."""
        return self.model_dump_json().encode()

    def with_annotations(self, annotations: Iterable[Provenance], catalogue: Catalogue = GRAPH200K) -> RecordInfo:
        """Return a copy whose annotations are these, in catalogue order."""
        ordered = sorted(annotations, key=lambda found: member_order(found.node, found.variant, found.role, catalogue))
        return self.model_copy(update={"annotations": ordered})


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a record, and where it lies."""

    key: str
    node: str
    """Node type, or ``json`` for the record's own JSON."""
    variant: int | None
    role: str
    offset: int
    """Position of the first byte of its content in the shard."""
    size: int
    """Bytes of its content."""
    width: int
    """Pixels, 0 for JSON."""
    height: int
    """Pixels, 0 for JSON."""
    hash: bytes
    """First 16 bytes of the content's SHA-256."""
    annotator: str
    """Annotator that made it, ``source`` for the target, ``imported`` for what came with the source."""
    fingerprint: str
    """Fingerprint of that annotator's version, weights and parameters; of the JSON, the facts in it with their makers
    (:func:`graph200k.facts.pack_makers`)."""
    usable: bool


SOURCE = "source"
"""Annotator name of targets."""

IMPORTED = "imported"
"""Annotator name of annotations that came with the source."""

JSON_NODE = "json"
"""Node name of the record's own JSON in the index; it comes last in a record."""

FACTS = (
    "text",
    "boxes",
    *(f"{entry.name}.edits" for entry in GRAPH200K.values() if entry.meta_task is MetaTask.IMAGE_EDITING),
)
"""Names of what a record's JSON can say beside its images: see :mod:`graph200k.facts`."""


def content_hash(data: bytes) -> bytes:
    """Return the first 16 bytes of the SHA-256 of ``data``."""
    return hashlib.sha256(data).digest()[:16]


def member_order(node: str, variant: int | None, role: str, catalogue: Catalogue = GRAPH200K) -> tuple[int, int, str]:
    """Return the sort key of a member inside its record: catalogue order, variant, role; JSON, then facts, last."""
    if node in FACTS:
        return len(catalogue) + 1, FACTS.index(node), role
    position = len(catalogue) if node == JSON_NODE else catalogue.bit(node)
    return position, -1 if variant is None else variant, role


def member_name(key: str, node: str, variant: int | None, role: str, catalogue: Catalogue = GRAPH200K) -> str:
    """Return the file name of a member.

    Examples
    --------
    >>> member_name("cat-1a2b3c4d", "instant_style", 0, "reference")
    'cat-1a2b3c4d.instant_style.0.reference.jpg'
    >>> member_name("cat-1a2b3c4d", "foreground", None, "matte")
    'cat-1a2b3c4d.foreground.matte.png'
    """
    extension = JSON_NODE if node == JSON_NODE else str(catalogue[node].codec_of(role))
    parts = [key, "" if node == JSON_NODE else node, "" if variant is None else str(variant), role, extension]
    return ".".join(part for part in parts if part)


def parse_member_name(name: str, catalogue: Catalogue = GRAPH200K) -> tuple[str, str, int | None, str]:
    """Return key, node, variant and role of a member by its file name, the inverse of :func:`member_name`.

    Raises
    ------
    UnsafeInputError
        If no member is called so.

    Examples
    --------
    >>> parse_member_name("cat-1a2b3c4d.instant_style.0.reference.jpg")
    ('cat-1a2b3c4d', 'instant_style', 0, 'reference')
    """
    key, *parts = name.split(".")
    if key and sanitise_key(key) == key:
        if parts == [JSON_NODE]:
            return key, JSON_NODE, None, ""
        if len(parts) >= 2 and parts[0] in catalogue:
            entry, middle = catalogue[parts[0]], parts[1:-1]
            variant = int(middle.pop(0)) if entry.has_variants and middle and _VARIANT.fullmatch(middle[0]) else None
            role = middle.pop(0) if middle else ""
            known = role in (*entry.roles, *entry.raw_roles) and (variant is not None) == entry.has_variants
            if known and not middle and member_name(key, entry.name, variant, role, catalogue) == name:
                return key, entry.name, variant, role
    raise UnsafeInputError(f"{name[:200]!r} is no name of a member; expected KEY.NODE[.VARIANT][.ROLE].EXTENSION")


_SAFE = re.compile(r"[^A-Za-z0-9_-]+")

_VARIANT = re.compile(r"[0-9]{1,3}")


def make_key(name: str, digest: str) -> str:
    """Return a key from a relative path and its content's hash: a slug, a dash, 8 hex digits.

    Examples
    --------
    >>> make_key("holiday/Été 1.jpg", "a1b2c3d4e5f6")
    'holiday-t-1-a1b2c3d4'
    """
    stem = name.rsplit(".", 1)[0] if "." in name.rsplit("/", 1)[-1] else name
    slug = _SAFE.sub("-", stem).strip("-").lower()[-(MAX_KEY_LENGTH - 9) :].strip("-")
    return f"{slug or 'image'}-{digest[:8]}"


def sanitise_key(key: str) -> str:
    """Return ``key`` if it is a valid key, else a safe one that stays unique: a slug and 8 digits of its hash.

    Examples
    --------
    >>> sanitise_key("000001"), sanitise_key("a.b/ü")
    ('000001', 'a-b-90f17b4b')
    """
    if key and len(key) <= MAX_KEY_LENGTH and not _SAFE.search(key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{_SAFE.sub('-', key).strip('-')[: MAX_KEY_LENGTH - 9].strip('-') or 'record'}-{digest[:8]}"


def availability(members: Iterable[tuple[str, int | None, str]], catalogue: Catalogue = GRAPH200K) -> int:
    """Return the mask of node types that a record can serve, given its usable members (node, variant, role).

    A type of several roles counts when one variant has them all; a derived type when what it needs is there; an online
    type when the target is.
    """
    found: dict[tuple[str, int | None], set[str]] = {}
    for node, variant, role in members:
        if node != JSON_NODE:
            found.setdefault((node, variant), set()).add(role)
    have = {node for (node, _), roles in found.items() if roles >= set(catalogue[node].roles)}
    for entry in catalogue.values():
        online = entry.storage is Storage.ONLINE and "target" in have
        derived = entry.storage is Storage.DERIVED and have.issuperset({"target", *entry.derived_from})
        if online or derived:
            have.add(entry.name)
    return catalogue.mask(have)


def is_consistent(quality: Quality) -> bool:
    """Return whether a record's reference shows the target's subject, by the release's rule; unknown counts as yes."""
    score = quality.object_consistency
    return score is None or score >= MIN_OBJECT_CONSISTENCY


def nodes_stored_by_default(catalogue: Catalogue = GRAPH200K) -> list[str]:
    """Return the node types other than the target that live in shards by default."""
    return [
        entry.name
        for entry in catalogue.values()
        if entry.storage is Storage.STORED and entry.meta_task is not MetaTask.TARGET
    ]
