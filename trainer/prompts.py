"""Prompts to what FLUX reads of them: a sequence of T5 embeddings and one pooled embedding of CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import CLIPTextModel, CLIPTokenizer, PreTrainedTokenizerBase, T5EncoderModel

from trainer.cache import TensorCache, Tensors, content_key
from trainer.identity import module_digest
from trainer.packing import text_ids

MAX_LENGTH = 512
"""Tokens of T5 that FLUX reads; shorter prompts are padded, longer ones cut. CLIP sees the first 77 of its own."""


@dataclass(frozen=True, slots=True)
class PromptEmbeds:
    """What FLUX reads of B prompts."""

    sequence: torch.Tensor
    """B×512×4096, T5's last hidden states."""
    pooled: torch.Tensor
    """B×768, CLIP's pooled output."""

    @property
    def text_ids(self) -> torch.Tensor:
        """Return the positions of the text's tokens, 512×3."""
        return text_ids(self.sequence.shape[1]).to(self.sequence.device)

    def to(self, device: torch.device | str) -> PromptEmbeds:
        """Return the same on a device."""
        return PromptEmbeds(self.sequence.to(device), self.pooled.to(device))


@dataclass(frozen=True, slots=True)
class TextParts:
    """The four text parts of a FLUX model."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    tokenizer_2: PreTrainedTokenizerBase
    text_encoder_2: T5EncoderModel


class PromptEncoder:
    """Encodes prompts with frozen encoders; a cache is optional.

    T5-XXL takes 9.4 GB: move the encoder to where it is needed with :meth:`to`, or drop it once the prompts are cached.
    """

    def __init__(self, parts: TextParts, cache: TensorCache | None = None) -> None:
        self._parts = parts
        self._cache = cache
        self._identity: str | None = None
        for encoder in (parts.text_encoder, parts.text_encoder_2):
            encoder.requires_grad_(False).eval()

    @property
    def identity(self) -> str:
        """Return the digest of both encoders, which read all weights at the first call."""
        if self._identity is None:
            self._identity = module_digest(self._parts.text_encoder) + module_digest(self._parts.text_encoder_2)
        return self._identity

    def to(self, device: torch.device | str) -> None:
        """Move both encoders to a device, where the embeddings will be."""
        self._parts.text_encoder.to(device)
        self._parts.text_encoder_2.to(device)

    def encode(self, prompts: Sequence[str]) -> PromptEmbeds:
        """Return the embeddings of ``prompts``.

        Each is encoded alone: what a prompt gives does not depend, not even in the last bit, on those beside it.
        """
        found = [self._encode_cached(prompt) for prompt in prompts]
        device = self._parts.text_encoder.device
        sequence, pooled = (torch.cat([each[name] for each in found]).to(device) for name in ("sequence", "pooled"))
        return PromptEmbeds(sequence, pooled)

    def _encode_cached(self, prompt: str) -> Tensors:
        if self._cache is None:
            return self._encode(prompt)
        key = content_key("prompt", self.identity, str(MAX_LENGTH), prompt)
        found = self._cache.get(key)
        if found is None:
            found = {name: value.cpu() for name, value in self._encode(prompt).items()}
            self._cache.put(key, found)
        return found

    @torch.no_grad()
    def _encode(self, prompt: str) -> Tensors:
        parts = self._parts
        # No attention mask: FLUX was trained with T5 looking at its padding.
        sequence = parts.text_encoder_2(
            _token_ids(parts.tokenizer_2, prompt, MAX_LENGTH).to(parts.text_encoder_2.device)
        )
        clip_length = parts.tokenizer.model_max_length
        pooled = parts.text_encoder(_token_ids(parts.tokenizer, prompt, clip_length).to(parts.text_encoder.device))
        return {"sequence": sequence.last_hidden_state, "pooled": pooled.pooler_output}


def _token_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, length: int) -> torch.Tensor:
    return tokenizer(
        [prompt], padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids  # fmt: skip
