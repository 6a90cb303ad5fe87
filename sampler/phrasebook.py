"""The wording of instructions, read from ``sampler/phrases/*.toml``: sentences, and what each node type is called.

``frames.toml`` has the sentences. A catalogue brings its node types' phrases in a file of its own name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from graph200k.catalogue import Catalogue
from graph200k.errors import UnknownNameError

FOLDER = Path(__file__).parent / "phrases"

ANY = "any"
"""The use of a phrase that fits wherever no other use is written down."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Sentences with places to fill in braces; ``frames.toml`` says what goes where."""

    layout: tuple[str, ...]
    """How many rows, columns and images there are."""
    task: tuple[str, ...]
    """What is given and what is wanted."""
    free: tuple[str, ...]
    """What is wanted, where nothing is given."""
    content: tuple[str, ...]
    """What an image shows, followed by a caption."""
    edit: tuple[str, ...]
    """Which subject is replaced by which."""
    edit_to: tuple[str, ...]
    """Which subject an edit arrives at, where that of the other picture has no name."""
    instruction: tuple[str, ...]
    """How to edit, followed by an instruction."""


@cache
def frames() -> Frames:
    """Return the sentences that all catalogues share."""
    data = tomllib.loads((FOLDER / "frames.toml").read_text(encoding="utf-8"))
    return Frames(**{kind: tuple(sentences) for kind, sentences in data.items()})


Phrases = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Node type → use (a role, a meta-task, or ``any``) → noun phrases."""


@cache
def phrases(catalogue: str) -> Phrases:
    """Return what the node types of a catalogue are called.

    Raises
    ------
    UnknownNameError
        If there is no file of phrases for a catalogue of this name.

    Examples
    --------
    >>> phrases("graph200k")["canny"]["any"][0]
    'a Canny edge map with thin white contours on black'
    """
    path = FOLDER / f"{catalogue}.toml"
    if not path.is_file():
        known = (found.stem for found in FOLDER.glob("*.toml"))
        raise UnknownNameError("file of phrases in sampler/phrases", catalogue, set(known) - {"frames"})
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return {node: _uses(entry) for node, entry in data.items()}


def _uses(entry: list[str] | dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    by_use = {ANY: entry} if isinstance(entry, list) else entry
    return {use: tuple(options) for use, options in by_use.items()}


def node_phrases(node: str, role: str, meta_task: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the noun phrases for a column: those of its role, else those for the meta-task, else those for any.

    Raises
    ------
    UnknownNameError
        If nobody wrote phrases for this node type, or none for this role.
    """
    known = phrases(catalogue.name)
    uses = known.get(node)
    if uses is None:
        raise UnknownNameError(f"node type in sampler/phrases/{catalogue.name}.toml", node, known)
    found = uses.get(role or meta_task) or uses.get(ANY)
    if found is None:
        raise UnknownNameError(f"phrases of {node!r} in sampler/phrases/{catalogue.name}.toml", role or ANY, uses)
    return found
