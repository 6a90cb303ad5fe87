"""The object in each box, cut out by SAM 2 with the box as its prompt (N. Ravi et al., arXiv 2408.00714)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.boxes import paint_box_masks
from annotators.pretrained import PretrainedAnnotator
from annotators.sam2_masks import load_sam2
from annotators.scale import resize, resize_labels, working_size
from annotators.threads import one_thread

_BOXES_AT_ONCE = 32


@ANNOTATORS.register("mask")
@dataclass(frozen=True, kw_only=True)
class BoxMasks(PretrainedAnnotator):
    """The objects of `bbox` as areas of the same colours, small over large. Black where there is none."""

    name = "mask"
    reads = ("target", "boxes")
    produces = ("mask",)
    pretrained = "sam2"
    resources = Resources(gpus=0.05, memory_mb=3000, time_limit_s=300.0)

    short_side: int = 1024
    """Size above which an image is reduced first, in pixels of the short side; SAM 2 sees 1024×1024 of it."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that paints the objects in boxes."""
        segment = load_box_segmenter(self.pretrained, self.folder())

        def annotate(view: RecordView, rng: np.random.Generator) -> list[Annotation]:
            height, width = view["target"].shape[:2]
            if not view.boxes:
                return [Annotation("mask", np.zeros((height, width, 3), np.uint8))]
            size = min((height, width), working_size(height, width, self.short_side))
            scale = np.array([size[1] / width, size[0] / height] * 2)
            prompts = np.array([box.box for box in view.boxes]) * scale
            painted = paint_box_masks(segment(resize(view["target"], *size), prompts), view.boxes)
            return [Annotation("mask", resize_labels(painted, height, width))]

        return annotate


def load_box_segmenter(name: str, folder: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function from an image (uint8, H×W×3) and boxes in its pixels (N×4) to their masks (bool, N×H×W)."""
    model, image_processor = load_sam2(name, folder)
    from transformers import Sam2Processor

    processor = Sam2Processor(image_processor)

    def segment(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        import torch

        with one_thread(), torch.inference_mode():
            inputs = processor(images=Image.fromarray(image), return_tensors="pt").to(model.device, model.dtype)
            embeddings = model.get_image_embeddings(inputs["pixel_values"])
            masks = []
            for start in range(0, len(boxes), _BOXES_AT_ONCE):
                prompts = processor(
                    input_boxes=[boxes[start : start + _BOXES_AT_ONCE].tolist()],
                    original_sizes=inputs["original_sizes"],
                    return_tensors="pt",
                )
                # In fp32: half precision has steps of half a pixel at 1024.
                at_once = prompts["input_boxes"].to(model.device, torch.float32)
                output = model(image_embeddings=embeddings, input_boxes=at_once, multimask_output=False)
                masks += processor.post_process_masks(output.pred_masks.cpu().float(), inputs["original_sizes"])
        return torch.cat(masks)[:, 0].numpy().astype(bool)

    return segment
