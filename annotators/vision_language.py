"""Questions about an image to Qwen2-VL (P. Wang et al., 2024, arXiv 2409.12191) or Qwen2.5-VL (arXiv 2502.13923)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from PIL import Image

from annotators.pretrained import check_complete, loading, placement, unreadable
from annotators.threads import one_thread
from graph200k.errors import AnswerError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

T = TypeVar("T")

FAMILY = "qwen_vl"
"""Name of the family of annotators that share this model on one worker."""

MIN_PIXELS = 56 * 56
"""Size to which the smallest images are enlarged, as in the models' own settings."""

_RELATIVE_UNITS = 1000.0
"""Width and height of every image for Qwen2-VL."""

_END_MARKS = ("<|im_end|>", "<|endoftext|>")

_TEMPERATURE = 0.7
"""Of the second try, which must come out otherwise than the first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said about an image."""

    text: str
    """With the marks of boxes, without those of turns."""
    probabilities: np.ndarray
    """float32, for each character that of the token it belongs to, given all before it; 0 to 1."""
    frame: tuple[float, float]
    """Width and height of the image in the units in which the model states boxes."""


class Ask(Protocol):
    """A loaded model."""

    def __call__(self, image: np.ndarray, question: str, rng: np.random.Generator | None) -> Answer:
        """Return the likeliest answer about an image (uint8, H×W×3), or with ``rng`` one drawn at random."""


def ask_twice(
    ask: Ask, image: np.ndarray, question: str, parse: Callable[[str], T], rng: np.random.Generator
) -> tuple[T, Answer]:
    """Return what a parser makes of the likeliest answer, or, where it makes nothing of it, of one drawn at random.

    Raises
    ------
    AnswerError
        If it makes nothing of the second one either.
    """
    answer = ask(image, question, None)
    try:
        return parse(answer.text), answer
    except AnswerError:
        answer = ask(image, question, rng)
    try:
        return parse(answer.text), answer
    except AnswerError as error:
        raise AnswerError(f"no use of two answers; of the second: {error}") from None


def load_vision_language_model(name: str, folder: Path, *, max_pixels: int, max_tokens: int) -> Ask:
    """Return a function that asks the model in ``folder``.

    Parameters
    ----------
    name
        Its name in :data:`annotators.models.MODELS`.
    folder
        Where its files lie; the class is the one that its ``config.json`` names.
    max_pixels
        Size to which larger images are reduced.
    max_tokens
        Length at which an answer is cut off.
    """
    device, dtype = _placement()
    model, processor = _load(name, folder, device, dtype)
    kind = model.config.model_type
    patch = processor.image_processor.patch_size

    def ask(image: np.ndarray, question: str, rng: np.random.Generator | None) -> Answer:
        import torch

        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        prompt = processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        size = {"shortest_edge": MIN_PIXELS, "longest_edge": max_pixels}
        with one_thread(), torch.inference_mode():
            inputs = processor(text=[prompt], images=[Image.fromarray(image)], size=size, return_tensors="pt")
            inputs = inputs.to(device, dtype)
            # The checkpoint's penalty on repetition would count against the brackets and names of a list.
            written = model.generate(
                **inputs,
                max_new_tokens=max_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                repetition_penalty=1.0,
                logits_processor=[choice := _Choice(rng)],
            )
            tokens = written[0, inputs["input_ids"].shape[1] :].tolist()
            probabilities = choice.probabilities(tokens[-1])
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        pixels = (float(columns * patch), float(rows * patch))
        frame = pixels if kind == "qwen2_5_vl" else (_RELATIVE_UNITS, _RELATIVE_UNITS)
        return Answer(*_text(processor.tokenizer, tokens, probabilities), frame)

    return ask


@functools.cache
def _load(name: str, folder: Path, device: torch.device, dtype: torch.dtype) -> tuple[Any, Any]:
    """Return model and processor; the very ones for all annotators of this process, which have a stage in common."""
    with loading(name, folder):
        from transformers import AutoModelForImageTextToText, AutoProcessor

        processor = AutoProcessor.from_pretrained(folder)
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True
        )
    check_complete(name, folder, info)
    kind = model.config.model_type
    if kind not in ("qwen2_vl", "qwen2_5_vl"):
        raise unreadable(name, folder, f"its kind is {kind}; expected qwen2_vl or qwen2_5_vl")
    return model.to(device).eval(), processor


def _text(tokenizer: PreTrainedTokenizerBase, tokens: list[int], probabilities: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the text of an answer without its end mark, and a probability for each character."""
    count = len(tokens) - (tokens[-1] in tokenizer.convert_tokens_to_ids(list(_END_MARKS)))
    # Decoded from the start each time: a character may lie in several tokens, and a token alone decodes otherwise.
    lengths = [len(tokenizer.decode(tokens[:end])) for end in range(count + 1)]
    return tokenizer.decode(tokens[:count]), np.repeat(probabilities[:count], np.maximum(np.diff(lengths), 0))


def _placement() -> tuple[torch.device, torch.dtype]:
    """Return where the model runs and in which precision: bf16 on a GPU, as it was trained; fp16 overflows in it."""
    import torch

    device, _ = placement()
    return device, torch.bfloat16 if device.type == "cuda" else torch.float32


class _Choice:
    """Choose the likeliest token, or with ``rng`` draw one; and remember how likely each chosen token was.

    Drawing adds Gumbel noise to the scores: the best one then is a draw from their softmax. So an answer depends on its
    record's own generator, and on no global state.
    """

    def __init__(self, rng: np.random.Generator | None) -> None:
        self._rng = rng
        self._scores: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores (1×tokens) by which generation takes the best; called once a token."""
        import torch

        if self._scores is not None:
            self._chosen.append(self._scores[0, input_ids[0, -1]])
        self._scores = scores.float().log_softmax(dim=-1)
        if self._rng is None:
            return scores
        noise = torch.from_numpy(self._rng.gumbel(size=tuple(scores.shape))).to(scores.device, scores.dtype)
        return scores / _TEMPERATURE + noise

    def probabilities(self, last: int) -> np.ndarray:
        """Return the probability of each token (float32), of which the last one was ``last``."""
        import torch

        assert self._scores is not None
        chosen: np.ndarray = torch.stack([*self._chosen, self._scores[0, last]]).exp().cpu().numpy()
        return chosen
