"""Gates that models hold: whether a picture is safe for work, and whether it shows what its prompt says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from annotators.pretrained import check_complete, loading, placement, unreadable
from annotators.threads import one_thread

UNSAFE_LABEL = "nsfw"


@dataclass(frozen=True, slots=True)
class Screen:
    """The gates that are on."""

    nsfw: Callable[[np.ndarray], float] | None
    max_nsfw: float
    agreement: Callable[[np.ndarray, str], float] | None = None
    min_agreement: float = 0.0

    def reject(self, image: np.ndarray, prompt: str) -> str | None:
        """Return why a picture (uint8, H×W×3) is rejected, None if it passes; without a prompt none can disagree."""
        if self.nsfw is not None and self.nsfw(image) > self.max_nsfw:
            return "nsfw"
        if self.agreement is not None and prompt and self.agreement(image, prompt) < self.min_agreement:
            return "disagrees_with_prompt"
        return None


def load_nsfw_filter(name: str, folder: Path) -> Callable[[np.ndarray], float]:
    """Return a function from a picture to the probability that it is not safe for work, 0 to 1.

    Raises
    ------
    MissingWeightsError
        If the model has no class called "nsfw".
    """
    with loading(name, folder):
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        device, _ = placement()
        processor = AutoImageProcessor.from_pretrained(folder)
        model, info = AutoModelForImageClassification.from_pretrained(
            folder, use_safetensors=True, output_loading_info=True
        )
    check_complete(name, folder, info)
    labels = {label.lower(): int(number) for number, label in model.config.id2label.items()}
    if UNSAFE_LABEL not in labels:
        raise unreadable(name, folder, f"its classes are {', '.join(sorted(labels))}; expected {UNSAFE_LABEL}")
    model.to(device).eval()

    def probability(image: np.ndarray) -> float:
        import torch

        with one_thread(), torch.inference_mode():
            inputs = processor(images=Image.fromarray(image), return_tensors="pt").to(device)
            return float(model(**inputs).logits[0].softmax(-1)[labels[UNSAFE_LABEL]])

    return probability


def load_clip(name: str, folder: Path) -> Callable[[np.ndarray, str], float]:
    """Return a function from a picture and a text to the cosine of their embeddings in CLIP, -1 to 1."""
    with loading(name, folder):
        from transformers import AutoProcessor, CLIPModel

        device, _ = placement()
        processor = AutoProcessor.from_pretrained(folder)
        model, info = CLIPModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    check_complete(name, folder, info)
    model.to(device).eval()

    def agreement(image: np.ndarray, prompt: str) -> float:
        import torch

        with one_thread(), torch.inference_mode():
            inputs = processor(
                text=[prompt], images=Image.fromarray(image), return_tensors="pt", truncation=True, padding=True
            ).to(device)
            found = model(**inputs)
            return float(torch.nn.functional.cosine_similarity(found.image_embeds, found.text_embeds)[0])

    return agreement
