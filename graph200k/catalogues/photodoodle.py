"""PhotoDoodle (arXiv 2502.14397): photographs before and after an artist's effect.

The effect is what in-context examples teach, so all rows of a grid must show the same one: each effect is a node type
of its own, the photograph before it, and with it a task of its own. Names are those of the published weights without
``sks``; the effects themselves are described in the repository's README (cartoon monster, 3D effects, flowing colour
blocks, hand-drawn outline) and in the paper (flat illustration, cloud sketch).
"""

from __future__ import annotations

from graph200k.catalogue import Catalogue, MetaTask, NodeType


def _effect(name: str, *published: str) -> NodeType:
    """Return the photograph before an effect, with the names under which the effect is published."""
    aliases = tuple(f"{prefix}{spelling}" for spelling in published for prefix in ("sks", ""))
    return NodeType(name=name, meta_task=MetaTask.IMAGE_EDITING, generates=frozenset({"target"}), aliases=aliases)


# The order is part of the disk format (availability masks): append, never insert.
CATALOGUE = Catalogue(
    "photodoodle",
    [
        NodeType(name="target", meta_task=MetaTask.TARGET),
        _effect("monster_lulu", "monstercalledlulu"),
        _effect("magic_effects", "magiceffects"),
        _effect("painting_effects", "paintingeffects"),
        _effect("edge_effect", "edgeeffect"),
        _effect("cartoon_effect", "cartooneffect", "catooneffect"),  # sic, in the authors' demo
        _effect("cloud_sketch", "cloudsketch"),
    ],
)
"""Tasks: one an effect, such as ``edge_effect,target``."""
