"""Depth from one image, by any monocular depth network that transformers knows; Depth Anything V2 by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import stacks
from annotators.pretrained import PretrainedAnnotator, batched, check_complete, loading, placement, settled
from annotators.scale import resize
from annotators.threads import one_thread

_AT_ONCE = 16
"""Pictures that a GPU of 24 GB carries beside the other networks of the preset `paper`."""
_LEAST_DISTANCE_M = 0.01
"""Distances are inverted; one of zero must stay finite."""


@ANNOTATORS.register("depth")
@dataclass(frozen=True, kw_only=True)
class Depth(PretrainedAnnotator):
    """Relative depth, stretched to 0–255 for each image by itself: near is bright.

    With ``raw`` also in 16 bits: 0 and 65,535 are the values ``min`` and ``max`` in ``drawn`` of its provenance, of the
    network's inverse depth, or one over metres.
    """

    name = "depth"
    produces = ("depth",)
    pretrained = "depth"
    resources = Resources(gpus=0.07, memory_mb=3000, time_limit_s=120.0)

    raw: bool = False
    """Whether depth is kept in 16 bits too, as the image of the role ``raw``."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that makes depth maps."""
        nearness = load_depth_network(self.pretrained, self.folder(), compiled=self.compiled)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            targets = [view["target"] for view in views]
            sizes = [target.shape[:2] for target in targets]
            return [self._maps(resize(near, *size)) for near, size in zip(nearness(targets), sizes, strict=True)]

        return batched(annotate, _AT_ONCE)

    def _maps(self, nearness: np.ndarray) -> list[Annotation]:
        made = [Annotation("depth", depth_map(nearness))]
        if self.raw:
            extent = {"min": float(nearness.min()), "max": float(nearness.max())}
            made.append(Annotation("depth", raw_depth(nearness), role="raw", drawn=extent))
        return made


def depth_map(nearness: np.ndarray) -> np.ndarray:
    """Return nearness (float, H×W, greater is nearer) stretched to a depth map (uint8, H×W, 255 is the nearest pixel).

    An image of one depth gives a black map.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> depth_map(np.array([[1.0, 2.0], [3.0, 3.0]])).tolist()
    [[0, 128], [255, 255]]
    """
    return _stretch(nearness, np.uint8)


def raw_depth(nearness: np.ndarray) -> np.ndarray:
    """Return the same as :func:`depth_map` in 16 bits (uint16, H×W, 65,535 is the nearest pixel).

    Examples
    --------
    >>> raw_depth(np.array([[1.0, 2.0], [3.0, 3.0]])).tolist()
    [[0, 32768], [65535, 65535]]
    """
    return _stretch(nearness, np.uint16)


def _stretch(nearness: np.ndarray, dtype: type[np.unsignedinteger[Any]]) -> np.ndarray:
    least, most = float(nearness.min()), float(nearness.max())
    if not np.isfinite([least, most]).all():
        raise ValueError(f"depth between {least} and {most}; expected finite values")
    if most == least:
        return np.zeros(nearness.shape, dtype)
    return np.rint((nearness.astype(np.float64) - least) * (np.iinfo(dtype).max / (most - least))).astype(dtype)


def load_depth_network(
    name: str, folder: Path, *, compiled: bool = False
) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
    """Return a function from RGB images (uint8, H×W×3) to nearness (float32, h×w, at the network's own size).

    Most networks give inverse depth up to scale and shift; those whose config says "metric" give metres, which are
    inverted here.
    """
    with loading(name, folder):
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        device, dtype = placement()
        processor = AutoImageProcessor.from_pretrained(folder)
        model, info = AutoModelForDepthEstimation.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    check_complete(name, folder, info)
    is_distance = getattr(model.config, "depth_estimation_type", "relative") == "metric"
    model = settled(model, compiled=compiled)

    def nearness(images: Sequence[np.ndarray]) -> list[np.ndarray]:
        import torch

        found: dict[int, np.ndarray] = {}
        with one_thread(), torch.inference_mode():
            inputs = [processor(images=Image.fromarray(image), return_tensors="pt").to(dtype=dtype) for image in images]
            for positions, stack in stacks(inputs):
                depths = model(**{name: tensor.to(device) for name, tensor in stack.items()}).predicted_depth
                found.update(zip(positions, depths.float().cpu().numpy(), strict=True))
        ordered = [found[position] for position in range(len(images))]
        return [1.0 / np.maximum(depth, _LEAST_DISTANCE_M) for depth in ordered] if is_distance else ordered

    return nearness
