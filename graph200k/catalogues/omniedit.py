"""OmniEdit-Filtered-1.2M (arXiv 2411.07199): photographs before and after an edit that an instruction asks for.

Each value of the column ``task`` is a node type, the image before such an edit; the target is the image after it.
"""

from __future__ import annotations

from graph200k.catalogue import Catalogue, MetaTask, NodeType


def _edit(name: str, *published: str, meta_task: MetaTask = MetaTask.IMAGE_EDITING) -> NodeType:
    """Return the image before an edit, with other names of the edit in the column ``task``."""
    return NodeType(name=name, meta_task=meta_task, generates=frozenset({"target"}), aliases=published)


# The order is part of the disk format (availability masks): append, never insert.
CATALOGUE = Catalogue(
    "omniedit",
    [
        NodeType(name="target", meta_task=MetaTask.TARGET),
        _edit("addition"),
        _edit("removal"),
        _edit("swap"),
        _edit("attribute_modification"),
        _edit("environment", "env"),
        _edit("style", meta_task=MetaTask.STYLE_TRANSFER),
    ],
    # VisualCloze evaluates on these two without having trained on them.
    held_out=["attribute_modification,target", "environment,target"],
)
"""Tasks: one a kind of edit, such as ``removal,target``."""
