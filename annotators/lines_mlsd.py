"""Straight lines by M-LSD (G. Gu et al., "Towards Light-weight and Real-time Line Segment Detection", AAAI 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import stacks
from annotators.lines import draw_segments
from annotators.pretrained import PretrainedAnnotator, batched, loading, placement
from annotators.scale import resize, resize_edges, working_size
from annotators.threads import one_thread

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
            sizes = [view["target"].shape[:2] for view in views]
            frames = [working_size(*size, self.short_side, _MULTIPLE) for size in sizes]
            seen = [resize(view["target"], *frame) for view, frame in zip(views, frames, strict=True)]
            found = self._segments(network, seen)
            return [
                [Annotation("mlsd", resize_edges(draw_segments(segments, *frame), *size))]
                for segments, frame, size in zip(found, frames, sizes, strict=True)
            ]

        return batched(annotate, _AT_ONCE)

    def _segments(self, network: torch.nn.Module, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the lines (N×4: x1, y1, x2, y2 in pixels) of images (uint8, H×W×3)."""
        import torch

        answers: dict[int, torch.Tensor] = {}
        with one_thread(), torch.inference_mode():
            inputs = [{"x": torch.from_numpy(_network_input(image))} for image in images]
            for positions, stack in stacks(inputs):
                device = next(network.parameters()).device
                outputs = network(stack["x"].to(device))
                answers.update((position, outputs[n : n + 1]) for n, position in enumerate(positions))
            return [self._decoded(answers[position], image) for position, image in enumerate(images)]

    def _decoded(self, answer: torch.Tensor, image: np.ndarray) -> np.ndarray:
        from controlnet_aux.mlsd.utils import pred_lines

        try:
            return pred_lines(image, _Answered(answer), image.shape[:2], self.score_threshold, self.min_length)
        except IndexError:  # how it says that there are none
            return np.zeros((0, 4))


class _Answered:
    """A network that was asked already: the library decodes one picture at a time, and asks by itself."""

    def __init__(self, answer: torch.Tensor) -> None:
        self._answer = answer

    def parameters(self) -> Iterator[torch.Tensor]:
        """Yield what tells where it lies."""
        yield self._answer

    def __call__(self, seen: torch.Tensor) -> torch.Tensor:
        """Return the answer."""
        return self._answer


def _network_input(image: np.ndarray) -> np.ndarray:
    """Return an image as the network takes it (float32, 1×4×H×W): RGB and a channel of ones, from −1 to 1."""
    with_ones = np.concatenate([image, np.ones((*image.shape[:2], 1))], axis=-1).transpose(2, 0, 1)[None]
    return with_ones.astype(np.float32) / np.float32(127.5) - np.float32(1.0)


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
