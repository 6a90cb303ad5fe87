"""Semantic segmentation into the 150 classes of ADE20K: UperNet by default; SegFormer, Mask2Former and others serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.palette import ADE20K, color_labels
from annotators.pretrained import PretrainedAnnotator, check_complete, loading, placement, unreadable
from annotators.scale import resize_labels, working_size
from annotators.threads import one_thread


@ANNOTATORS.register("segmentation")
@dataclass(frozen=True, kw_only=True)
class Segmentation(PretrainedAnnotator):
    """One colour of ADE20K's palette a class; every pixel has a class."""

    name = "segmentation"
    produces = ("segmentation",)
    pretrained = "segmentation"
    resources = Resources(gpus=0.05, memory_mb=3000, time_limit_s=120.0)

    short_side: int = 512
    """Size up to which class scores are enlarged, in pixels of the short side: there are 150 of them a pixel."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that colours classes."""
        classify = load_segmentation_network(self.pretrained, self.folder())

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            height, width = images["target"].shape[:2]
            size = min((height, width), working_size(height, width, self.short_side))
            labels = resize_labels(classify(images["target"], size), height, width)
            return [Annotation("segmentation", color_labels(labels, ADE20K))]

        return annotate


def load_segmentation_network(name: str, folder: Path) -> Callable[[np.ndarray, tuple[int, int]], np.ndarray]:
    """Return a function from an RGB image (uint8, H×W×3) and a size to classes (uint8, of that size, 0 to 149)."""
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
    model.to(device).eval()

    def classify(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        import torch

        with one_thread(), torch.inference_mode():
            inputs = processor(images=Image.fromarray(image), return_tensors="pt").to(device, dtype)
            (labels,) = processor.post_process_semantic_segmentation(model(**inputs), target_sizes=[size])
        return labels.to(torch.uint8).cpu().numpy()

    return classify
