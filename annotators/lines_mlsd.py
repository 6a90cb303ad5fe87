"""Straight lines by M-LSD (G. Gu et al., "Towards Light-weight and Real-time Line Segment Detection", AAAI 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.lines import draw_segments
from annotators.pretrained import PretrainedAnnotator, batched, loading, placement
from annotators.scale import resize, resize_edges, size_of, working_size
from annotators.threads import one_thread
from annotators.together import StandIn, run_together

if TYPE_CHECKING:
    import torch

_FILE = "mlsd_large_512_fp32.pth"
_MULTIPLE = 64
_AT_ONCE = 16
"""Pictures that a GPU takes together: 1 GB at 512×512."""


@ANNOTATORS.register("mlsd_network")
@dataclass(frozen=True, kw_only=True)
class Mlsd(PretrainedAnnotator):
    """Straight lines, one pixel wide at the size at which they are found, white on black."""

    name = "mlsd_network"
    produces = ("mlsd",)
    pretrained = "mlsd"
    resources = Resources(gpus=0.02, memory_mb=1500, time_limit_s=120.0)

    score_threshold: float = 0.1
    """Least score of a line, 0 to 1."""
    min_length: float = 0.1
    """Shortest line, in pixels of half the working size, as in ControlNet."""
    short_side: int = 512
    """Size at which lines are found and drawn, in pixels of the short side."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that draws lines."""
        network = load_mlsd(self.pretrained, self.folder())

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            import torch

            sizes = [size_of(view["target"]) for view in views]
            frames = [working_size(*size, self.short_side, _MULTIPLE) for size in sizes]
            seen = [resize(view["target"], *frame) for view, frame in zip(views, frames, strict=True)]
            with one_thread(), torch.inference_mode():
                found = run_together(self._segments, seen, network)
            return [
                [Annotation("mlsd", resize_edges(draw_segments(segments, *frame), *size))]
                for segments, frame, size in zip(found, frames, sizes, strict=True)
            ]

        return batched(annotate, _AT_ONCE)

    def _segments(self, image: np.ndarray, network: StandIn) -> np.ndarray:
        """Return the lines (N×4: x1, y1, x2, y2 in pixels) of an image (uint8, H×W×3)."""
        from controlnet_aux.mlsd.utils import pred_lines

        try:
            return pred_lines(image, network, image.shape[:2], self.score_threshold, self.min_length)
        except IndexError:  # how it says that there are none
            return np.zeros((0, 4))


def load_mlsd(name: str, folder: Path) -> torch.nn.Module:
    """Return the network in fp32, for its library feeds it that.

    The detector around it is not used: it answers every error, one for lack of memory too, with an empty map.
    """
    with loading(name, folder), warnings.catch_warnings():
        # The package imports all of its 17 detectors, which warn of libraries that M-LSD never uses.
        warnings.simplefilter("ignore")
        import torch
        from controlnet_aux.mlsd import MobileV2_MLSD_Large

        network = MobileV2_MLSD_Large()
        network.load_state_dict(torch.load(folder / _FILE, weights_only=True, map_location="cpu"))
    return network.to(placement()[0]).eval()
