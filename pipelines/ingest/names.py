"""File names: which file of a record is the target, which an annotation, which its words."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from PIL import Image

from graph200k.catalogue import GRAPH200K, NodeType, Storage
from graph200k.commit import MemberId
from pipelines.ingest.failure import RefusedError

MAX_VARIANT = 999

PICKLES = frozenset({".pkl", ".pickle", ".pyd", ".pth", ".pt", ".npy", ".npz", ".joblib", ".dill", ".ckpt"})
"""Extensions that webdataset decodes with pickle, or that may hold one: a stranger's code is never run."""

TEXTS = frozenset({".txt", ".caption", ".text"})


@lru_cache(maxsize=1)
def image_extensions() -> frozenset[str]:
    """Return the lower-case extensions, with dot, of all image formats Pillow opens."""
    formats = Image.registered_extensions()
    return frozenset(extension for extension, name in formats.items() if name in Image.OPEN and name != "MPEG")


def extension_of(path: str) -> str:
    """Return the lower-case extension of a path, with its dot.

    Examples
    --------
    >>> extension_of("a/b.JPG"), extension_of("jpg")
    ('.jpg', '')
    """
    return posixpath.splitext(path)[1].lower()


def is_hidden(path: str) -> bool:
    """Return whether a path has a part that starts with a dot (``.thumbnails/``, ``._copy.jpg``)."""
    return any(part.startswith(".") for part in path.split("/"))


def parse_annotation(name: str) -> MemberId:
    """Return the node type, variant and role that a file name without extension stands for.

    Raises
    ------
    RefusedError
        With the closest node types, if it stands for none; or with what is missing.

    Examples
    --------
    >>> parse_annotation("instant_style.0.reference")
    ('instant_style', 0, 'reference')
    >>> parse_annotation("foreground_mask")
    ('foreground', None, 'matte')
    >>> parse_annotation("cany")
    Traceback (most recent call last):
    ...
    pipelines.ingest.failure.RefusedError: 'cany' is no node type; did you mean canny?
    """
    first, *rest = name.split(".")
    node = GRAPH200K.resolve(first)
    if node is None:
        raise RefusedError("unknown_name", f"{first!r} is no node type; {_closest(first)}")
    entry = GRAPH200K[node]
    if entry.storage is Storage.DERIVED:
        raise RefusedError(
            "unknown_name", f"{node} is not stored: it is derived from {' and '.join(entry.derived_from)}"
        )
    variant = _take_variant(entry, name, rest)
    if not rest and first != node and len(entry.roles) == 1:
        rest = list(entry.roles)  # an alias says which role it means
    role = rest[0] if rest else ""
    if len(rest) > 1 or role not in (*entry.roles, *entry.raw_roles):
        roles = " or ".join(f"{name}.{known}" if not rest else known for known in entry.roles if known) or "no role"
        raise RefusedError("unknown_name", f"{name!r} names no image of {node}; expected {roles}")
    return node, variant, role


def _take_variant(entry: NodeType, name: str, rest: list[str]) -> int | None:
    """Remove the number of the variant from ``rest`` and return it."""
    numbered = bool(rest) and rest[0].isascii() and rest[0].isdigit()
    if not entry.has_variants:
        if numbered:
            raise RefusedError("unknown_name", f"{name!r}: {entry.name} has no numbered variants; drop the number")
        return None
    if not numbered or len(rest[0]) > len(str(MAX_VARIANT)):
        raise RefusedError(
            "unknown_name",
            f"{name!r}: {entry.name} has numbered variants, 0 to {MAX_VARIANT}; expected {entry.name}.0 and so on",
        )
    return int(rest.pop(0))


def _closest(name: str) -> str:
    close = difflib.get_close_matches(name.lower(), list(GRAPH200K), n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else "`graph200k graph` lists them all"


@dataclass(slots=True)
class Sorted:
    """The files of one record by what they are."""

    target: str
    annotations: list[tuple[str, MemberId]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """JSON first, for it knows item from description."""
    problems: list[tuple[str, RefusedError]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    """Files of no kind that a record has."""


def sort_out(names: Sequence[str], *, lone_image_is_target: bool) -> Sorted:
    """Sort the files of one record.

    Parameters
    ----------
    names
        ``[{node}[.{variant}][.{role}]].{extension}``, without key and folder; a bare ``.jpg`` is the target.
    lone_image_is_target
        Whether a single image under an unknown name counts as the target.

    Raises
    ------
    RefusedError
        If there is no target, or more than one.

    Examples
    --------
    >>> sort_out([".jpg", "canny.png", ".txt"], lone_image_is_target=True).annotations
    [('canny.png', ('canny', None, ''))]
    """
    found = Sorted("")
    targets: list[str] = []
    for name in sorted(names):
        extension = extension_of(f"_{name}")
        if extension in image_extensions():
            _sort_image(name, found, targets)
        elif extension in PICKLES:
            found.problems.append(
                (name, RefusedError("unsafe_input", "pickled data is never read; expected images, text and JSON"))
            )
        elif extension == ".json" or extension in TEXTS:
            found.words.append(name)
        else:
            found.others.append(name)
    unknown = [name for name, _ in found.problems if extension_of(f"_{name}") in image_extensions()]
    if lone_image_is_target and not targets and len(unknown) == 1:
        targets = unknown
        found.problems = [(name, error) for name, error in found.problems if name != unknown[0]]
    if len(targets) != 1:
        raise RefusedError("bad_record", _target_message(targets, unknown))
    found.target = targets[0]
    found.words.sort(key=lambda name: (not name.lower().endswith(".json"), name))
    return found


def _sort_image(name: str, found: Sorted, targets: list[str]) -> None:
    stem = name.rpartition(".")[0]
    if stem in ("", "target"):
        targets.append(name)
        return
    try:
        found.annotations.append((name, parse_annotation(stem)))
    except RefusedError as error:
        found.problems.append((name, error))


def _target_message(targets: list[str], unknown: list[str]) -> str:
    if targets:
        return f"{len(targets)} targets ({', '.join(targets[:4])}); expected one"
    images = f"unknown images {', '.join(unknown[:4])}" if unknown else "no image at all"
    return f"no target image ({images}); expected target.jpg or the like"
