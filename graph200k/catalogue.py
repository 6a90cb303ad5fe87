"""The 50 node types of Graph200K: the one place where a kind of image is described.

Codec, storage, look of empty maps, Hub column and the edges of the schema graph all derive from these entries. To add
a node type, add one entry here and register the code that makes it under the same name (paper, Sec. 3.1 and 3.2). The
node types of other datasets stand in :mod:`graph200k.catalogues`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from graph200k.errors import UnknownNameError


class MetaTask(StrEnum):
    """The families of node types (paper, Fig. 3)."""

    TARGET = "target"
    IP_PRESERVATION = "ip preservation"
    CONDITIONAL_GENERATION = "conditional generation"
    STYLE_TRANSFER = "style transfer"
    IMAGE_EDITING = "image editing"
    RESTORATION = "restoration"


class Storage(StrEnum):
    """Where the pixels of a node type come from when somebody asks for them."""

    STORED = "stored"
    """A member of the shard."""
    DERIVED = "derived"
    """Computed on access from stored members of the same record."""
    ONLINE = "online"
    """Drawn anew from the target each time it is sampled."""


class Codec(StrEnum):
    """How an image is encoded in a shard."""

    JPEG = "jpg"
    """JPEG quality 95, 4:4:4, for photographs and continuous maps."""
    PNG = "png"
    """Lossless, for maps whose pixel values are labels."""


class Pixels(StrEnum):
    """What the pixels of an image mean, and so how it may be resized."""

    TONES = "tones"
    """Light: neighbours are averaged."""
    REGIONS = "regions"
    """Colours are names of regions: a mixture of two would name a third, so the nearest pixel is taken."""
    LINES = "lines"
    """Bright lines of a pixel's width on black: averaged, then brightened by as much as averaging dims a line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeType:
    """One kind of image that a record can have."""

    name: str
    """What the picture is, in snake_case; also the middle part of the member's file name."""
    meta_task: MetaTask
    """Family of the node type."""
    codec: Codec = Codec.JPEG
    """Encoding of the stored image."""
    channels: int = 3
    """3 for RGB, 1 for a single-channel map."""
    pixels: Pixels = Pixels.TONES
    """What the pixels mean when the image is resized."""
    storage: Storage = Storage.STORED
    """Stored, derived or online."""
    roles: tuple[str, ...] = ("",)
    """Images that make up one annotation; ``("",)`` is a single, unnamed one."""
    raw_roles: tuple[str, ...] = ()
    """Further images of an annotation, made on request: one channel of 16 bits, lossless. A record that lacks them has
    the type all the same, and no task shows them."""
    has_variants: bool = False
    """Whether a record can hold several annotations of this type, numbered 0, 1, 2 …"""
    derived_from: tuple[str, ...] = ()
    """Stored node types that a derived one needs."""
    generates: frozenset[str] = frozenset()
    """Ends of the ``generate`` edges that leave this node."""
    generated_from: frozenset[str] = frozenset()
    """Starts of further ``generate`` edges into this node."""
    combined_after: frozenset[str] = frozenset()
    """Starts of the ``combine`` edges into this node: conditions that may stand before it."""
    excludes: frozenset[str] = frozenset()
    """Conditions that no task generating this node may use."""
    is_alone: bool = True
    """Whether a task may begin with this node; if not, another condition must stand before it."""
    hub_name: str | None = None
    """Column of the public Graph200K release, with ``{variant}`` and ``{role}`` where it has them."""
    aliases: tuple[str, ...] = ()
    """Other names under which imported files carry this node."""

    def codec_of(self, role: str) -> Codec:
        """Return the encoding of the image of a role."""
        return Codec.PNG if role in self.raw_roles else self.codec

    def bits_of(self, role: str) -> int:
        """Return the bits of a channel in the image of a role, 8 or 16."""
        return 16 if role in self.raw_roles else 8


class Catalogue(Mapping[str, NodeType]):
    """An ordered set of node types; the position of a type is its bit in availability masks.

    Parameters
    ----------
    name
        What ``dataset.json`` calls it.
    entries
        The node types; the one named ``target`` is the image in the middle of a record.
    held_out
        Names of tasks that are kept out of training by default, for evaluation on unseen tasks.

    Raises
    ------
    ValueError
        If a name occurs twice, an entry names an unknown node type, or there are more than 64 entries.
    """

    def __init__(self, name: str, entries: Iterable[NodeType], held_out: Iterable[str] = ()) -> None:
        self.name = name
        self.held_out = tuple(held_out)
        self._entries: dict[str, NodeType] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise ValueError(f"node type {entry.name!r} stands twice in catalogue {name!r}")
            self._entries[entry.name] = entry
        if len(self._entries) > 64:
            raise ValueError(f"catalogue {name!r} has {len(self._entries)} node types; availability masks hold 64")
        for entry in self._entries.values():
            named = {*entry.generates, *entry.generated_from, *entry.combined_after, *entry.excludes}
            if unknown := (named | {*entry.derived_from}) - self._entries.keys():
                raise ValueError(f"node type {entry.name!r} names unknown node types: {sorted(unknown)}")
        self._bits = {node: position for position, node in enumerate(self._entries)}
        self._aliases = {alias: entry.name for entry in self._entries.values() for alias in entry.aliases}

    def __getitem__(self, name: str) -> NodeType:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError("node type", name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def resolve(self, name: str) -> str | None:
        """Return the node type that ``name`` stands for (itself, or one of its aliases), None if there is none."""
        return name if name in self._entries else self._aliases.get(name)

    def is_raw(self, name: str, role: str) -> bool:
        """Return whether the image of ``role`` is a raw one; False for a ``name`` that is no node type.

        Examples
        --------
        >>> GRAPH200K.is_raw("depth", "raw"), GRAPH200K.is_raw("depth", "")
        (True, False)
        """
        return name in self._entries and role in self._entries[name].raw_roles

    def bit(self, name: str) -> int:
        """Return the position of ``name`` in availability masks (0 to 63)."""
        self[name]
        return self._bits[name]

    def mask(self, names: Iterable[str]) -> int:
        """Return the availability mask with the bits of ``names`` set.

        Examples
        --------
        >>> GRAPH200K.mask(["target", "reference"])
        3
        """
        return sum(1 << self.bit(name) for name in set(names))

    def names(self, mask: int) -> list[str]:
        """Return the node types whose bits are set in ``mask``, in catalogue order."""
        return [name for name, position in self._bits.items() if mask >> position & 1]


_STYLES = frozenset({"instant_style", "redux_style"})
_TARGET = frozenset({"target"})
_REFERENCE = frozenset({"reference"})


def _condition(
    name: str,
    *,
    dense: bool = False,
    styles: bool = True,
    after_reference: bool = True,
    codec: Codec = Codec.PNG,
    channels: int = 3,
    pixels: Pixels = Pixels.TONES,
    storage: Storage = Storage.STORED,
    roles: tuple[str, ...] = ("",),
    raw_roles: tuple[str, ...] = (),
    derived_from: tuple[str, ...] = (),
    hub_name: str | None = None,
    aliases: tuple[str, ...] = (),
) -> NodeType:
    """Return a condition: it generates the target; ``dense`` ones are also predicted from it."""
    return NodeType(
        name=name,
        meta_task=MetaTask.CONDITIONAL_GENERATION,
        codec=codec,
        channels=channels,
        pixels=pixels,
        storage=storage,
        roles=roles,
        raw_roles=raw_roles,
        derived_from=derived_from,
        generates=_TARGET | _STYLES if styles else _TARGET,
        generated_from=_TARGET if dense else frozenset(),
        combined_after=_REFERENCE if after_reference else frozenset(),
        hub_name=hub_name,
        aliases=aliases,
    )


def _edit(name: str, hub_name: str, *, has_variants: bool) -> NodeType:
    """Return an edited version of the target: the target is what undoes the edit."""
    return NodeType(
        name=name,
        meta_task=MetaTask.IMAGE_EDITING,
        has_variants=has_variants,
        generates=_TARGET,
        combined_after=_REFERENCE,
        hub_name=hub_name,
    )


def _style(
    name: str, hub_name: str, *, generated_from: frozenset[str] = _TARGET, excludes: frozenset[str] = frozenset()
) -> NodeType:
    """Return a style node: each variant is a pair of style reference and stylised image."""
    return NodeType(
        name=name,
        meta_task=MetaTask.STYLE_TRANSFER,
        roles=("reference", "image"),
        has_variants=True,
        generated_from=generated_from,
        excludes=excludes,
        hub_name=hub_name,
    )


def _degradation(name: str) -> NodeType:
    """Return a degraded target: the target restores it. Stored on request only, as the other online types are."""
    return NodeType(
        name=name,
        meta_task=MetaTask.RESTORATION,
        storage=Storage.ONLINE,
        generates=_TARGET,
        combined_after=_REFERENCE,
    )


DEGRADATIONS = (
    "blur compression sr_x2 sr_x4 pixelate defocus gaussian_blur oversharpen gaussian_noise poisson_noise sp_noise "
    "mosaic contrast_strengthen contrast_weaken quantization jpeg brighten darken low_light saturate_strengthen "
    "saturate_weaken gray color_distortion inpainting rotate90 rotate180 rotate270 barrel pincushion elastic rain frost"
).split()
"""Names of the 32 online node types, in catalogue order."""

# The order is part of the disk format (availability masks): append, never insert.
GRAPH200K = Catalogue(
    "graph200k",
    [
        NodeType(name="target", meta_task=MetaTask.TARGET, hub_name="target"),
        NodeType(
            name="reference",
            meta_task=MetaTask.IP_PRESERVATION,
            generates=_TARGET | {"instant_style"},
            generated_from=_TARGET,
            hub_name="ref",
        ),
        _condition("canny", dense=True, channels=1, pixels=Pixels.LINES, hub_name="canny"),
        _condition("hed", dense=True, codec=Codec.JPEG, channels=1, hub_name="hed"),
        _condition("mlsd", dense=True, channels=1, pixels=Pixels.LINES, hub_name="mlsd"),
        _condition("segmentation", dense=True, pixels=Pixels.REGIONS, hub_name="uniformer"),
        _condition("depth", dense=True, codec=Codec.JPEG, channels=1, raw_roles=("raw",), hub_name="depth"),
        _condition("normal", dense=True, codec=Codec.JPEG, hub_name="normal"),
        _condition("openpose", dense=True, hub_name="openpose"),
        _condition("sam2_mask", dense=True, pixels=Pixels.REGIONS, hub_name="sam2_mask"),
        _condition(
            "foreground",
            styles=False,
            after_reference=False,
            channels=1,
            roles=("matte",),
            hub_name="foreground",
            aliases=("foreground_mask", "matte"),
        ),
        _condition("background", styles=False, storage=Storage.DERIVED, derived_from=("foreground",)),
        _condition("bbox", pixels=Pixels.REGIONS, hub_name="qwen_2_5_bounding_box"),
        _condition("mask", pixels=Pixels.REGIONS, hub_name="qwen_2_5_mask"),
        _style("instant_style", "InstantStyle_{role}_{variant}"),
        # Redux does not keep the subject, so a subject reference says nothing about its result.
        _style("redux_style", "ReduxStyle_{role}_{variant}", excludes=_REFERENCE),
        _edit("fill_edit", "FillEdit_image_{variant}", has_variants=True),
        _edit("depth_edit", "DepthEdit", has_variants=False),
        *map(_degradation, DEGRADATIONS),
    ],
)
