"""The models of a generation: the transformer with its LoRAs, and the encoders, each brought to where it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import torch
from diffusers import FluxTransformer2DModel

from trainer.adapters import Adapter, load_adapters
from trainer.codec import VaeCodec
from trainer.latents import GridEncoder, LatentSettings
from trainer.models import ModelSettings, find_model, load_text, load_transformer, load_vae
from trainer.placement import Placement, PlacementSettings
from trainer.prompts import PromptEncoder, TextParts

AtWork: TypeAlias = Callable[[], AbstractContextManager[None]]
"""Gives a ``with`` block in which a model can be called."""


@dataclass(frozen=True, kw_only=True)
class GenerationModels:
    """What a generation runs. By default every model stays where it is, as in a training's validation."""

    transformer: FluxTransformer2DModel
    """Of FLUX.1-Fill or the dev variant."""
    grids: GridEncoder
    prompts: PromptEncoder
    device: torch.device
    """Where the transformer computes; latents and embeddings are brought there."""
    transformer_at_work: AtWork = nullcontext
    codec_at_work: AtWork = nullcontext
    text_at_work: AtWork = nullcontext


def load_models(
    settings: ModelSettings, latents: LatentSettings, placing: PlacementSettings, adapters: Sequence[Adapter]
) -> GenerationModels:
    """Return the models of a base and LoRAs on it.

    Raises
    ------
    MissingWeightsError
        If the base or a LoRA is not there.
    SourceError
        If a LoRA is not one of this transformer.
    """
    for adapter in adapters:
        _ = adapter.file  # missing ones are told before gigabytes are read
    folder = find_model(settings)
    placement = Placement(placing)
    transformer = load_transformer(folder, settings)
    load_adapters(transformer, adapters)
    vae, text = load_vae(folder, settings), load_text(folder, settings)
    placement.add(transformer, large=True)
    placement.add(vae, large=False)
    placement.add(text.text_encoder, large=False)
    placement.add(text.text_encoder_2, large=True)
    return GenerationModels(
        transformer=transformer,
        grids=GridEncoder(VaeCodec(vae), latents),
        prompts=PromptEncoder(text),
        device=placement.device,
        transformer_at_work=lambda: placement.at_work(transformer, large=True),
        codec_at_work=lambda: placement.at_work(vae, large=False),
        text_at_work=lambda: _text_at_work(placement, text),
    )


@contextmanager
def _text_at_work(placement: Placement, text: TextParts) -> Iterator[None]:
    with placement.at_work(text.text_encoder, large=False), placement.at_work(text.text_encoder_2, large=True):
        yield
