"""A complete FLUX.1 with a few thousand random weights, saved as its authors save theirs.

Real classes, real files, no download: whatever loads FLUX.1-Fill from a folder loads this one. Its pictures mean
nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxFillPipeline, FluxPipeline
from diffusers import FluxTransformer2DModel as FluxTransformer
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

Kind = Literal["fill", "dev"]
"""``fill`` sees noisy latents, masked latents and mask (384 channels); ``dev`` sees latents alone (64)."""

_TEXT_WIDTH = 32


def save_tiny_flux(folder: Path, kind: Kind = "fill", seed: int = 0) -> Path:
    """Save a tiny FLUX.1-Fill or FLUX.1-dev below ``folder``, 0.7 MB, and return ``folder``.

    The same ``kind`` and ``seed`` give the same weights.
    """
    pipeline = FluxFillPipeline if kind == "fill" else FluxPipeline
    # The libraries draw weights from torch's global generator; it is given back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        parts = {
            "transformer": tiny_transformer(in_channels=384 if kind == "fill" else 64),
            "vae": _vae(),
            "text_encoder": _clip(),
            "text_encoder_2": _t5(),
        }
    tokenizers = {"tokenizer": _clip_tokenizer(), "tokenizer_2": _t5_tokenizer()}
    pipeline(scheduler=_scheduler(), **parts, **tokenizers).save_pretrained(folder)
    return folder


def tiny_transformer(*, in_channels: int = 384, num_layers: int = 1, num_single_layers: int = 1) -> FluxTransformer:
    """Return a tiny transformer of random weights from torch's global generator, by default of FLUX.1-Fill."""
    return FluxTransformer(
        in_channels=in_channels,
        out_channels=64,
        num_layers=num_layers,
        num_single_layers=num_single_layers,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_TEXT_WIDTH,
        pooled_projection_dim=_TEXT_WIDTH,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1159,
        scaling_factor=0.3611,
    )


def _scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Return the scheduler as FLUX.1-Fill-dev and FLUX.1-dev configure it."""
    return FlowMatchEulerDiscreteScheduler(
        shift=3.0,
        use_dynamic_shifting=True,
        base_image_seq_len=256,
        max_image_seq_len=4096,
        base_shift=0.5,
        max_shift=1.15,
    )


def _clip() -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(_clip_vocabulary()),
        hidden_size=_TEXT_WIDTH,
        intermediate_size=_TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=_TEXT_WIDTH,
        bos_token_id=len(_clip_vocabulary()) - 2,
        eos_token_id=len(_clip_vocabulary()) - 1,
        pad_token_id=len(_clip_vocabulary()) - 1,
    )
    return CLIPTextModel(config)


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(_t5_pieces()),
        d_model=_TEXT_WIDTH,
        d_kv=16,
        d_ff=_TEXT_WIDTH,
        num_layers=2,
        num_heads=2,
        feed_forward_proj="gated-gelu",
        use_cache=False,
    )
    return T5EncoderModel(config)


def _clip_vocabulary() -> dict[str, int]:
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}


def _clip_tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer(vocab=_clip_vocabulary(), merges=[], model_max_length=77)


def _t5_pieces() -> list[tuple[str, float]]:
    printable = [chr(code) for code in range(33, 127)]
    return [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in printable)]


def _t5_tokenizer() -> T5TokenizerFast:
    return T5TokenizerFast(vocab=_t5_pieces(), extra_ids=0, model_max_length=512)
