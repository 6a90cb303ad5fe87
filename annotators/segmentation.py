"""Semantic segmentation into the 150 classes of ADE20K: UperNet by default; SegFormer, Mask2Former and others serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import stacks
from annotators.palette import ADE20K, color_labels
from annotators.pretrained import PretrainedAnnotator, batched, check_complete, loading, placement, settled, unreadable
from annotators.scale import resize_labels, size_of, working_size
from annotators.threads import one_thread

_AT_ONCE = 8
"""Pictures that a GPU of 24 GB carries beside the other networks of the preset `paper`."""


@ANNOTATORS.register("segmentation")
@dataclass(frozen=True, kw_only=True)
class Segmentation(PretrainedAnnotator):
    """One colour of ADE20K's palette a class; every pixel has a class."""

    name = "segmentation"
    produces = ("segmentation",)
    pretrained = "segmentation"
    resources = Resources(gpus=0.06, memory_mb=4000, time_limit_s=120.0)

    short_side: int = 512
    """Size up to which class scores are enlarged, in pixels of the short side: there are 150 of them a pixel."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that colours classes."""
        classify = load_segmentation_network(self.pretrained, self.folder(), compiled=self.compiled)

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            targets = [view["target"] for view in views]
            sizes = [size_of(target) for target in targets]
            seen = [min(size, working_size(*size, self.short_side)) for size in sizes]
            labels = [resize_labels(found, *size) for found, size in zip(classify(targets, seen), sizes, strict=True)]
            return [[Annotation("segmentation", color_labels(one, ADE20K))] for one in labels]

        return batched(annotate, _AT_ONCE)


def load_segmentation_network(
    name: str, folder: Path, *, compiled: bool = False
) -> Callable[[Sequence[np.ndarray], Sequence[tuple[int, int]]], list[np.ndarray]]:
    """Return a function from RGB images (uint8, H×W×3) and a size each to classes (uint8, of that size, 0 to 149)."""
    with loading(name, folder):
        from transformers import (
            AutoConfig,
            AutoImageProcessor,
            AutoModelForSemanticSegmentation,
            AutoModelForUniversalSegmentation,
        )
        from transformers.models.auto.modeling_auto import MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING

        device, dtype = placement()
        processor = AutoImageProcessor.from_pretrained(folder)
        config = AutoConfig.from_pretrained(folder)
        is_semantic = type(config) in MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING
        family = AutoModelForSemanticSegmentation if is_semantic else AutoModelForUniversalSegmentation
        model, info = family.from_pretrained(folder, dtype=dtype, use_safetensors=True, output_loading_info=True)
    check_complete(name, folder, info)
    if config.num_labels != len(ADE20K):
        raise unreadable(name, folder, f"it knows {config.num_labels} classes, ADE20K has {len(ADE20K)}")
    model = settled(model, compiled=compiled)

    def classify(images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        import torch

        found: dict[int, np.ndarray] = {}
        with one_thread(), torch.inference_mode():
            inputs = [processor(images=Image.fromarray(image), return_tensors="pt").to(dtype=dtype) for image in images]
            for positions, stack in stacks(inputs):
                scores = model(**{name: tensor.to(device) for name, tensor in stack.items()})
                wanted = [sizes[position] for position in positions]
                labels = processor.post_process_semantic_segmentation(scores, target_sizes=wanted)
                found.update(zip(positions, (one.to(torch.uint8).cpu().numpy() for one in labels), strict=True))
        return [found[position] for position in range(len(images))]

    return classify
