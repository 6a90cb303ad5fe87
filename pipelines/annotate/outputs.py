"""What annotators made, checked and encoded, as the rows of a part."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from annotators.base import Annotation, Annotator, Fact
from graph200k.catalogue import GRAPH200K, MetaTask
from graph200k.codecs import encode_image, is_blank
from graph200k.derive import MATTE
from graph200k.errors import Graph200KError
from graph200k.facts import fact_to_json, is_empty
from graph200k.parts import PartRow
from graph200k.record import Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Making:
    """For which record, by whom and how something was made."""

    annotator: Annotator
    fingerprint: str
    ordinal: int
    """Position of the record in its shard."""
    key: str
    seed: int
    target: np.ndarray
    """The record's image (uint8, H×W×3), over which maps must lie."""


def output_row(making: Making, made: Annotation | Fact) -> PartRow:
    """Return the row of an image or a fact.

    Raises
    ------
    Graph200KError
        If it is not what the annotator declares, or not of the dtype or size that its node type has.
    """
    annotator = making.annotator
    if isinstance(made, Fact):
        node, variant, role, height, width = made.name, None, "", 0, 0
        _check_fact(annotator, made)
        data, usable = fact_to_json(made.value), not is_empty(made.value)
    else:
        node, variant, role, (height, width) = made.node, made.variant, made.role, made.image.shape[:2]
        _check(annotator, made, making.target)
        data = encode_image(made.image, GRAPH200K[node].codec_of(role))
        usable = not is_blank(made.image, is_matte=role == MATTE)
    provenance = Provenance(
        node=node,
        variant=variant,
        role=role,
        annotator=annotator.name,
        fingerprint=making.fingerprint,
        model=annotator.model,
        revision=annotator.revision,
        parameters=json.dumps(annotator.parameters, sort_keys=True),
        drawn=json.dumps(made.drawn or {}, sort_keys=True),
        seed=making.seed,
        usable=usable,
    )
    return PartRow(
        ordinal=making.ordinal,
        key=making.key,
        annotator=annotator.name,
        node=node,
        variant=variant,
        role=role,
        width=width,
        height=height,
        fingerprint=making.fingerprint,
        usable=usable,
        provenance=provenance.model_dump_json(),
        data=data,
    )


def _check(annotator: Annotator, made: Annotation, target: np.ndarray) -> None:
    entry = GRAPH200K[made.node]
    if made.node not in annotator.produces:
        raise Graph200KError(f"{annotator.name} made {made.node}, but declares {', '.join(annotator.produces)}")
    is_map = entry.meta_task is MetaTask.CONDITIONAL_GENERATION
    size = target.shape[:2] if is_map else made.image.shape[:2]
    expected = size if entry.channels == 1 else (*size, 3)
    dtype = np.dtype(f"uint{entry.bits_of(made.role)}")
    if made.image.dtype != dtype or made.image.shape != expected:
        raise Graph200KError(
            f"{made.node} came out as {made.image.dtype} {made.image.shape}; expected {dtype} {expected}"
        )


def _check_fact(annotator: Annotator, made: Fact) -> None:
    if made.name not in annotator.states:
        raise Graph200KError(
            f"{annotator.name} stated {made.name}, but declares {', '.join(annotator.states) or 'none'}"
        )
