"""FLUX at full size and at a size for a CPU, with random weights, and batches of random latents for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from diffusers import FluxTransformer2DModel

from trainer.config import TrainConfig
from trainer.latents import Conditions
from trainer.packing import image_ids, pack_mask, token_count
from trainer.prompts import PromptEmbeds
from trainer.step import Prepared

Shape = tuple[int, int]
"""Rows and columns of a grid."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A transformer and what it is trained on."""

    architecture: Mapping[str, Any] = field(default_factory=dict)
    """What differs from FLUX.1-Fill."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    cell_px: int = 384
    text_tokens: int = 512
    rank: int = 256
    batch: int = 1
    """Samples a step."""
    shapes: tuple[Shape, ...] = ((2, 2), (3, 3), (3, 4))

    @property
    def config(self) -> TrainConfig:
        """Return the settings of its training, all others as in the paper."""
        parts = {
            "model": {"dtype": self.dtype},
            "lora": {"rank": self.rank},
            "compute": {"checkpointing": "none"},
            "loop": {"batch": self.batch, "micro_batch": self.batch, "tracker": "none"},
        }
        return TrainConfig.model_validate(parts)

    @property
    def torch_dtype(self) -> torch.dtype:
        """Return the dtype of weights and activations."""
        return torch.bfloat16 if self.dtype == "bfloat16" else torch.float32


FULL = Size()
TINY = Size(
    architecture={
        "num_layers": 1,
        "num_single_layers": 2,
        "attention_head_dim": 64,
        "num_attention_heads": 4,
        "joint_attention_dim": 256,
        "pooled_projection_dim": 64,
        "axes_dims_rope": (8, 28, 28),
    },
    dtype="float32",
    cell_px=64,
    text_tokens=14,
    rank=16,
    batch=4,
    shapes=((2, 2),),
)
"""Text, image and LoRA have about the shares that they have at full size."""


def random_flux(size: Size, device: torch.device) -> FluxTransformer2DModel:
    """Return a transformer with random weights, made on ``device`` in its own dtype."""
    with torch.device("meta"):
        known = {"in_channels": 384, "out_channels": 64, "guidance_embeds": True}
        transformer = FluxTransformer2DModel(**known | dict(size.architecture))
    # Module.to, not diffusers': that one warns of weights to keep in float32, of which FLUX has none.
    transformer = torch.nn.Module.to(transformer, size.torch_dtype).to_empty(device=device)
    for name, parameter in transformer.named_parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.02)
        else:
            torch.nn.init.constant_(parameter, 0.0 if name.endswith("bias") else 1.0)
    return transformer


def random_samples(
    size: Size, shape: Shape, transformer: FluxTransformer2DModel, batch: int, device: torch.device
) -> Prepared:
    """Return ``batch`` samples of one grid shape as the loop prepares them, the last cell masked."""
    rows, columns = shape
    grid_shape = (columns, ((size.cell_px, size.cell_px),) * rows)
    tokens, wide = token_count(grid_shape), columns * size.cell_px
    pixels = torch.zeros(rows, size.cell_px, wide)
    pixels[-1, :, -size.cell_px :] = 1
    mask = torch.cat([pack_mask(row[None]) for row in pixels], dim=1).repeat(batch, 1, 1)
    generator = torch.Generator().manual_seed(tokens)

    def draw(*sizes: int) -> torch.Tensor:
        return torch.randn(batch, *sizes, generator=generator).to(size.torch_dtype)

    embeds = PromptEmbeds(
        draw(size.text_tokens, transformer.config.joint_attention_dim), draw(transformer.config.pooled_projection_dim)
    )
    conditions = Conditions(grid_shape, draw(tokens, 64), mask, image_ids(grid_shape))
    generators = [torch.Generator().manual_seed(number) for number in range(batch)]
    return Prepared(conditions.to(device), embeds.to(device), draw(tokens, 64).to(device), generators)
