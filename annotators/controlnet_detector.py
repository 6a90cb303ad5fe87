"""What annotators share that run a detector of controlnet_aux around a network of its own."""

from __future__ import annotations

import contextlib
import io
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from annotators.base import AnnotateFunction, Annotation, RecordView
from annotators.pretrained import PretrainedAnnotator, batched, loading, settled
from annotators.scale import resize, size_of, working_size
from annotators.threads import one_thread
from annotators.together import StandIn, run_together

if TYPE_CHECKING:
    import torch

_MULTIPLE = 64
"""The detectors round sides to this; rounding them here leaves them nothing to resize."""


@dataclass(frozen=True, kw_only=True)
class ControlnetDetector(PretrainedAnnotator):
    """One map by a detector that looks at pictures of about one size; its network sees several of them at once."""

    at_once: ClassVar[int]
    """Pictures that a GPU takes together."""
    enlarge: ClassVar[staticmethod[[np.ndarray, int, int], np.ndarray]]
    """How a map is brought to the size of its picture."""

    short_side: int = 512
    """Size at which the detector looks, in pixels of the short side."""

    @abstractmethod
    def load_network(self, folder: Path) -> torch.nn.Module:
        """Return the detector's network, in fp32, for its library feeds it that."""

    @abstractmethod
    def detector(self, network: StandIn) -> Callable[..., np.ndarray]:
        """Return the detector around a network."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws maps."""
        folder = self.folder()
        with _quiet_loading(self.pretrained, folder):
            network = self.load_network(folder)
        network = settled(network, compiled=False)
        (node,) = self.produces

        def detect(seen: np.ndarray, network: StandIn) -> np.ndarray:
            side = min(seen.shape[:2])
            detector = self.detector(network)
            return detector(seen, detect_resolution=side, image_resolution=side, output_type="np")

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            import torch

            sizes = [size_of(view["target"]) for view in views]
            frames = [working_size(*size, self.short_side, _MULTIPLE) for size in sizes]
            seen = [resize(view["target"], *frame) for view, frame in zip(views, frames, strict=True)]
            with one_thread(), torch.inference_mode():
                maps = run_together(detect, seen, network)
            return [[Annotation(node, self.enlarge(one, *size))] for one, size in zip(maps, sizes, strict=True)]

        return batched(annotate, self.at_once)


@contextmanager
def _quiet_loading(name: str, folder: Path) -> Iterator[None]:
    """Import controlnet_aux and load a checkpoint without a word, errors as in :func:`annotators.pretrained.loading`.

    The package imports all of its 17 detectors, which warn of libraries that most of them never use; one network prints
    that it is being built.
    """
    with loading(name, folder), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
