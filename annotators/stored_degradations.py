"""The 32 degradations as annotators, for `annotate --only rain,frost`: they store what is drawn online otherwise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Annotator, Resources
from annotators.degradations import NAMES, Degradation, degradations
from annotators.degradations.base import check_image


@dataclass(frozen=True, kw_only=True)
class StoredDegradation(Annotator):
    """A degraded copy of the target; the drawn values go into its provenance."""

    degradation: ClassVar[type[Degradation]]
    resources = Resources(cheap=True)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the ranges that the degradation draws from."""
        return dataclasses.asdict(self.degradation())

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that degrades a target."""
        degradation = self.degradation()

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            drawn = degradation.draw(rng)
            return [Annotation(self.name, degradation.apply(check_image(images["target"]), drawn), drawn=drawn)]

        return annotate


def _annotator(name: str) -> type[StoredDegradation]:
    """Make the class of one degradation, findable by pickle as an attribute of this module."""
    class_name = f"Stored_{name}"
    namespace = {"name": name, "produces": (name,), "degradation": degradations[name], "__module__": __name__}
    return type(class_name, (StoredDegradation,), namespace)


for _name in NAMES:
    globals()[f"Stored_{_name}"] = ANNOTATORS.register(_name)(_annotator(_name))
