"""Masks of everything in an image, found by SAM 2 from a grid of points (N. Ravi et al., arXiv 2408.00714)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.batching import BatchSize
from annotators.palette import color_labels, paint_masks, region_palette
from annotators.pretrained import PretrainedAnnotator, check_complete, loading, placement
from annotators.scale import resize, resize_labels, working_size
from annotators.threads import one_thread

if TYPE_CHECKING:
    import torch
    from transformers import MaskGenerationPipeline, Sam2ImageProcessor, Sam2Model
    from transformers.models.sam2.modeling_sam2 import Sam2ImageSegmentationOutput

_POINTS_AT_ONCE = 64
_BLACK = np.zeros((1, 3), np.uint8)


@ANNOTATORS.register("sam2_mask")
@dataclass(frozen=True, kw_only=True)
class Sam2Mask(PretrainedAnnotator):
    """One flat colour a mask, by size: the largest has the first colour. Black where there is no mask."""

    name = "sam2_mask"
    produces = ("sam2_mask",)
    pretrained = "sam2"
    resources = Resources(gpus=0.08, memory_mb=4000, time_limit_s=600.0)

    points_per_side: int = 32
    """Points of the grid along each side."""
    pred_iou_thresh: float = 0.8
    """Least quality that the network gives its own mask, 0 to 1; as in SAM 2's own automatic mask generator."""
    stability_score_thresh: float = 0.95
    """Least overlap of the mask at a lower and at a higher threshold, 0 to 1."""
    nms_thresh: float = 0.7
    """Overlap of boxes above which the worse of two masks is dropped, 0 to 1."""
    short_side: int = 1024
    """Size above which an image is reduced first, in pixels of the short side; SAM 2 sees 1024×1024 of it."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that paints masks."""
        generator = load_mask_generator(self.pretrained, self.folder())

        points_at_once = BatchSize(_POINTS_AT_ONCE)

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            height, width = images["target"].shape[:2]
            size = min((height, width), working_size(height, width, self.short_side))
            labels = paint_masks(self._masks(generator, resize(images["target"], *size), points_at_once))
            palette = np.concatenate([_BLACK, region_palette(int(labels.max()))])
            return [Annotation("sam2_mask", color_labels(resize_labels(labels, height, width), palette))]

        return annotate

    def _masks(self, generator: MaskGenerationPipeline, image: np.ndarray, points_at_once: BatchSize) -> np.ndarray:
        """Return the masks (bool, N×H×W) of an image (uint8, H×W×3)."""

        def generate(points: int) -> list[np.ndarray]:
            return generator(
                Image.fromarray(image),
                points_per_crop=self.points_per_side,
                points_per_batch=points,
                pred_iou_thresh=self.pred_iou_thresh,
                stability_score_thresh=self.stability_score_thresh,
                crops_nms_thresh=self.nms_thresh,
            )["masks"]

        with one_thread():
            found = points_at_once.fit(generate)
        return np.array([np.asarray(mask) for mask in found], bool).reshape(-1, *image.shape[:2])


def load_mask_generator(name: str, folder: Path) -> MaskGenerationPipeline:
    """Return transformers' pipeline that makes masks from a grid of points, on SAM 2."""
    model, processor = load_sam2(name, folder)
    from transformers import MaskGenerationPipeline

    model.register_forward_hook(_in_full_precision)
    return MaskGenerationPipeline(model=model, image_processor=processor, device=model.device)


def load_sam2(name: str, folder: Path) -> tuple[Sam2Model, Sam2ImageProcessor]:
    """Return SAM 2, where it runs and in the precision in which it runs, and what prepares its images."""
    with loading(name, folder):
        from transformers import AutoImageProcessor, Sam2Model

        device, dtype = placement()
        processor = AutoImageProcessor.from_pretrained(folder)
        model, info = Sam2Model.from_pretrained(folder, dtype=dtype, use_safetensors=True, output_loading_info=True)
    check_complete(name, folder, info)
    return model.to(device).eval(), processor


def _in_full_precision(model: torch.nn.Module, inputs: tuple[()], output: Sam2ImageSegmentationOutput) -> None:
    """Turn what a half-precision network gives into fp32: the pipeline's suppression of doubles refuses fp16 scores."""
    output.iou_scores = output.iou_scores.float()
    output.pred_masks = output.pred_masks.float()
