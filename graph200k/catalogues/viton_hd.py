"""VITON-HD (arXiv 2103.16874): a person and a garment give the person wearing it.

Two kinds of person are two node types, for the rows of a grid must show the same kind of image: in the dataset itself
the clothes are masked out (the *agnostic* person), while a pair of another garment and a try-on model's result has the
person as photographed (what VisualCloze's release shows).
"""

from __future__ import annotations

from graph200k.catalogue import Catalogue, MetaTask, NodeType

_TARGET = frozenset({"target"})

# The order is part of the disk format (availability masks): append, never insert.
CATALOGUE = Catalogue(
    "viton_hd",
    [
        NodeType(name="target", meta_task=MetaTask.TARGET),
        NodeType(name="person", meta_task=MetaTask.IMAGE_EDITING),
        NodeType(name="agnostic", meta_task=MetaTask.IMAGE_EDITING),
        NodeType(
            name="garment",
            meta_task=MetaTask.IP_PRESERVATION,
            generates=_TARGET,
            combined_after=frozenset({"person", "agnostic"}),
            is_alone=False,  # a garment alone does not say who wears it
        ),
    ],
)
"""Tasks: ``person,garment,target`` and ``agnostic,garment,target``."""
