"""Questions about an image to Qwen2-VL (P. Wang et al., 2024, arXiv 2409.12191) or Qwen2.5-VL (arXiv 2502.13923)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from PIL import Image

from annotators.pretrained import bfloat16_placement, check_complete, loading, unreadable
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

AT_ONCE = 8
"""Records that a GPU takes together: what a model of 7·10⁹ parameters keeps of 8 long answers is about 1 GB."""

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

    def __call__(
        self, images: Sequence[np.ndarray], question: str, rngs: Sequence[np.random.Generator] | None
    ) -> list[Answer]:
        """Return the likeliest answer about each image (uint8, H×W×3), or with ``rngs`` one drawn at random."""


def ask_twice(
    ask: Ask,
    images: Sequence[np.ndarray],
    question: str,
    parse: Callable[[str], T],
    rngs: Sequence[np.random.Generator],
) -> list[tuple[T, Answer] | AnswerError]:
    """Return what a parser makes of the likeliest answer about each image.

    Where it makes nothing of it, it gets one drawn at random; where it makes nothing of that either, the error stands
    in the place of a result, for the other images' sake.
    """
    found = [_parsed(answer, parse) for answer in ask(images, question, None)]
    failed = [position for position, one in enumerate(found) if isinstance(one, AnswerError)]
    if failed:
        again = ask([images[position] for position in failed], question, [rngs[position] for position in failed])
        for position, answer in zip(failed, again, strict=True):
            second = _parsed(answer, parse)
            if isinstance(second, AnswerError):
                second = AnswerError(f"no use of two answers; of the second: {second}")
            found[position] = second
    return found


def _parsed(answer: Answer, parse: Callable[[str], T]) -> tuple[T, Answer] | AnswerError:
    try:
        return parse(answer.text), answer
    except AnswerError as error:
        return error


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
    device, dtype = bfloat16_placement()
    model, processor = _load(name, folder, device, dtype)
    kind = model.config.model_type
    patch = processor.image_processor.patch_size

    processor.tokenizer.padding_side = "left"  # so that all answers of a batch begin in one place
    ends = processor.tokenizer.convert_tokens_to_ids(list(_END_MARKS))

    def ask(images: Sequence[np.ndarray], question: str, rngs: Sequence[np.random.Generator] | None) -> list[Answer]:
        import torch

        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        prompt = processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        size = {"shortest_edge": MIN_PIXELS, "longest_edge": max_pixels}
        with one_thread(), torch.inference_mode():
            pictures = [Image.fromarray(image) for image in images]
            inputs = processor(
                text=[prompt] * len(images), images=pictures, size=size, padding=True, return_tensors="pt"
            ).to(device, dtype)
            # The checkpoint's penalty on repetition would count against the brackets and names of a list.
            written = model.generate(
                **inputs,
                max_new_tokens=max_tokens,
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                repetition_penalty=1.0,
                logits_processor=[choice := _Choice(rngs)],
            )
            probabilities = choice.probabilities(written[:, -1])
        answers = []
        grids = inputs["image_grid_thw"].tolist()
        for tokens, sure, (_, rows, columns) in zip(
            written[:, inputs["input_ids"].shape[1] :].tolist(), probabilities, grids, strict=True
        ):
            pixels = (float(columns * patch), float(rows * patch))
            frame = pixels if kind == "qwen2_5_vl" else (_RELATIVE_UNITS, _RELATIVE_UNITS)
            count = next((place for place, token in enumerate(tokens) if token in ends), len(tokens))
            answers.append(Answer(*_text(processor.tokenizer, tokens[:count], sure[:count]), frame))
        return answers

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
    """Return the text of tokens, and a probability for each character."""
    # Decoded from the start each time: a character may lie in several tokens, and a token alone decodes otherwise.
    lengths = [len(tokenizer.decode(tokens[:end])) for end in range(len(tokens) + 1)]
    return tokenizer.decode(tokens), np.repeat(probabilities, np.maximum(np.diff(lengths), 0))


class _Choice:
    """Choose the likeliest token, or with ``rngs`` draw one; and remember how likely each chosen token was.

    Drawing adds Gumbel noise to the scores: the best one then is a draw from their softmax. So an answer depends on its
    record's own generator, and on no global state.
    """

    def __init__(self, rngs: Sequence[np.random.Generator] | None) -> None:
        self._rngs = rngs
        self._scores: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores (records×tokens) by which generation takes the best; called once a token."""
        import torch

        if self._scores is not None:
            self._note(input_ids[:, -1])
        self._scores = scores.float().log_softmax(dim=-1)
        if self._rngs is None:
            return scores
        noise = np.stack([rng.gumbel(size=scores.shape[1]) for rng in self._rngs])
        return scores / _TEMPERATURE + torch.from_numpy(noise).to(scores.device, scores.dtype)

    def probabilities(self, last: torch.Tensor) -> np.ndarray:
        """Return the probability of each token (float32, records×tokens), of which ``last`` were the last ones."""
        import torch

        self._note(last)
        chosen: np.ndarray = torch.stack(self._chosen, dim=1).exp().cpu().numpy()
        return chosen

    def _note(self, tokens: torch.Tensor) -> None:
        assert self._scores is not None
        self._chosen.append(self._scores.gather(1, tokens[:, None])[:, 0])
