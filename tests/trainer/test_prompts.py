from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import FluxFillPipeline

from trainer.cache import MemoryCache
from trainer.models import ModelSettings, load_text
from trainer.prompts import PromptEncoder

PROMPTS = ("A grid layout with 2 rows and 2 columns.", "", "every word counts " * 60)


@pytest.fixture
def encoder(tiny_fill: Path) -> PromptEncoder:
    return PromptEncoder(load_text(tiny_fill, ModelSettings(dtype="float32")))


def test_prompts_are_encoded_as_by_the_stock_pipeline(encoder: PromptEncoder, pipeline: FluxFillPipeline) -> None:
    ours = encoder.encode(PROMPTS)
    with torch.no_grad():
        sequence, pooled, ids = pipeline.encode_prompt(list(PROMPTS), list(PROMPTS), max_sequence_length=512)
    assert ours.sequence.shape == (3, 512, 32)
    torch.testing.assert_close(ours.sequence, sequence, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.pooled, pooled, rtol=0, atol=1e-5)
    assert torch.equal(ours.text_ids, ids)


def test_a_prompt_does_not_depend_on_its_batch(encoder: PromptEncoder) -> None:
    together, alone = encoder.encode(PROMPTS), encoder.encode(PROMPTS[1:2])
    assert torch.equal(together.sequence[1:2], alone.sequence)
    assert torch.equal(together.pooled[1:2], alone.pooled)


def test_a_cached_prompt_needs_no_encoder(tiny_fill: Path) -> None:
    parts = load_text(tiny_fill, ModelSettings(dtype="float32"))
    encoder = PromptEncoder(parts, MemoryCache(10**6))
    first = encoder.encode(PROMPTS[:1])
    calls = []
    parts.text_encoder_2.register_forward_hook(lambda *_: calls.append(1))
    again = encoder.encode(PROMPTS[:2])
    assert torch.equal(again.sequence[:1], first.sequence)
    assert torch.equal(again.pooled[:1], first.pooled)
    assert len(calls) == 1  # for the second prompt alone


def test_the_encoders_are_frozen(tiny_fill: Path) -> None:
    parts = load_text(tiny_fill, ModelSettings())
    embeds = PromptEncoder(parts).encode(["a"])
    assert embeds.sequence.dtype == torch.bfloat16
    assert not any(p.requires_grad for e in (parts.text_encoder, parts.text_encoder_2) for p in e.parameters())
