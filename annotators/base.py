"""What an annotator is: a frozen description of what it reads, produces and needs, and a function it loads."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from annotators.weights import WEIGHTS
from graph200k.facts import FactValue
from graph200k.record import Box, Edit, Text
from graph200k.registry import Registry

_NO_TEXT = Text()


@dataclass(frozen=True, slots=True)
class Annotation:
    """One image that an annotator made."""

    node: str
    """Node type."""
    image: np.ndarray
    """uint8, H×W for single-channel node types, H×W×3 RGB for the others; the size of the target. For a
    raw role uint16."""
    variant: int | None = None
    """Number of the variant, for node types that have several."""
    role: str = ""
    """Role within the annotation, for node types that have several images or a named one."""
    drawn: Mapping[str, Any] | None = None
    """Values drawn at random for it or found in it, as JSON values: they go into its provenance."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one worker of an annotator takes, and how long it may think about one record."""

    cheap: bool = False
    """Cheap CPU annotators share one stage; the others get a pool of workers of their own."""
    gpus: float = 0.0
    """GPUs a worker; fractions share a device."""
    memory_mb: int = 200
    """Resident memory a worker, in MiB."""
    time_limit_s: float = 60.0
    """Seconds for one record; a worker that takes longer is ended."""
    family: str = ""
    """Annotators of one family keep their models on one worker, in one stage, and load once what they share; each
    states what the family takes together, and the largest statement counts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What an annotator found out that is no image; it goes into the record's JSON."""

    name: str
    """One of :data:`graph200k.record.FACTS`."""
    value: FactValue
    """A text, boxes, or what the edited variants of one node type show."""
    drawn: Mapping[str, Any] | None = None
    """As in :class:`Annotation`."""


class RecordView(dict[str, np.ndarray]):
    """What an annotator sees of a record: the images it reads, by node type, and the facts it reads.

    Facts that it does not list in ``reads`` are empty, whatever the record says: what comes out must not depend on
    which other annotators ran before.
    """

    def __init__(
        self,
        images: Mapping[str, np.ndarray],
        *,
        text: Text = _NO_TEXT,
        boxes: Sequence[Box] = (),
        edits: Sequence[Edit] = (),
    ) -> None:
        super().__init__(images)
        self.text = text
        """What the image shows, in words."""
        self.boxes = tuple(boxes)
        """Objects in it."""
        self.edits = tuple(edits)
        """What edited variants show, of the node types read."""


AnnotateFunction: TypeAlias = Callable[[RecordView, np.random.Generator], Sequence[Annotation | Fact]]
"""From what is read of a record and a generator seeded for it, to the annotations and facts made.

A function that reads images alone may say that it takes a mapping of them.
"""


@dataclass(frozen=True, kw_only=True)
class Annotator(ABC):
    """Base of all annotators. Fields of a subclass are its parameters: changing one makes earlier outputs stale."""

    name: ClassVar[str]
    """The name it is registered under."""
    reads: ClassVar[tuple[str, ...]] = ("target",)
    """Node types and facts (:data:`graph200k.record.FACTS`) it needs."""
    produces: ClassVar[tuple[str, ...]] = ()
    """Node types it makes."""
    states: ClassVar[tuple[str, ...]] = ()
    """Facts it finds out. Without ``produces``, a record that has them is done, whoever stated them."""
    version: ClassVar[int] = 1
    """Raised when the code changes what comes out."""
    weights: ClassVar[tuple[str, ...]] = ()
    """Weight files it loads, by their names in :data:`annotators.weights.WEIGHTS`."""
    resources: ClassVar[Resources] = Resources()
    """Of an annotator at full size; what one takes is in ``needs``."""

    @abstractmethod
    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Import what is heavy, read the weights, and return the function that annotates one record.

        Where the weights lie differs from machine to machine and changes no pixel, so the cache is an argument and no
        field: fields are parameters, and a moved cache must not make a dataset stale. ``weights_folder`` need not exist
        for annotators that list no ``weights``.
        """

    @classmethod
    def outputs(cls) -> tuple[str, ...]:
        """Return the node types and facts it makes."""
        return (*cls.produces, *cls.states)

    @property
    def is_idle(self) -> bool:
        """Return whether its parameters say that it makes nothing: a run leaves it out then."""
        return False

    @property
    def needs(self) -> Resources:
        """Return what one worker of it takes."""
        return self.resources

    @property
    def images_per_record(self) -> int:
        """Return how many images it makes of a record, about."""
        return len(self.produces)

    def tflop(self, pixels: float) -> float | None:
        """Return the operations on a record of so many pixels, in 10¹², by formula; None if there is no formula."""
        return None

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters by name, as they go into provenance."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name in self.parameter_names()}

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the fields that are parameters: all but those marked ``{"parameter": False}``."""
        return [field.name for field in dataclasses.fields(cls) if field.metadata.get("parameter", True)]

    @property
    def model(self) -> str:
        """Return the ids of the models used, joined with " + ", or "" if there is none."""
        return " + ".join(WEIGHTS[name].model for name in self.weights)

    @property
    def revision(self) -> str:
        """Return the first 12 hex digits of each weight file's sha256, joined with "+"."""
        return "+".join(WEIGHTS[name].sha256[:12] for name in self.weights)

    @property
    def weights_identity(self) -> str:
        """Return what tells one set of weights from another; "" if there are none."""
        return self.revision

    @property
    def fingerprint(self) -> str:
        """Return 16 hex digits that change when name, version, weights or parameters do."""
        described = [self.name, self.version, self.weights_identity, self.parameters]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]


ANNOTATORS: Registry[type[Annotator]] = Registry("annotator", package="annotators")
"""All annotators by name. Families are the modules of this package."""
