"""FLUX.1's tools with two thin layers each: Fill, Depth, and the Redux adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotators.tiny.base import TINY_MODELS, seeded
from annotators.tiny.marigold import make_clip_tokenizer

if TYPE_CHECKING:
    from diffusers import FluxTransformer2DModel
    from transformers import T5TokenizerFast

TEXT_WIDTH = 32
"""Channels of T5, and of the image tokens that Redux adds to it."""

FILL_CHANNELS = 384
"""Noisy latents, latents of the masked picture, and the mask."""
CONTROL_CHANNELS = 128
"""Noisy latents, and those of the depth map."""


@TINY_MODELS.register("flux_fill")
@seeded
def save_flux_fill(folder: Path) -> Path:
    """Save a FLUX.1-Fill."""
    from diffusers import FluxFillPipeline

    FluxFillPipeline(**_text_and_vae(), transformer=_transformer(FILL_CHANNELS)).save_pretrained(folder)
    return folder


@TINY_MODELS.register("flux_depth")
@seeded
def save_flux_depth(folder: Path) -> Path:
    """Save a FLUX.1-Depth, with the text encoders and the VAE of :func:`save_flux_fill`, as in the release."""
    from diffusers import FluxControlPipeline

    FluxControlPipeline(**_text_and_vae(), transformer=_transformer(CONTROL_CHANNELS)).save_pretrained(folder)
    return folder


@TINY_MODELS.register("flux_redux")
@seeded
def save_flux_redux(folder: Path) -> Path:
    """Save a FLUX.1-Redux: SigLIP on 32×32 pixels, and the adapter."""
    from diffusers import FluxPriorReduxPipeline
    from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
    from transformers import SiglipImageProcessor, SiglipVisionConfig, SiglipVisionModel

    vision = SiglipVisionConfig(
        hidden_size=24, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    FluxPriorReduxPipeline(
        image_encoder=SiglipVisionModel(vision),
        feature_extractor=SiglipImageProcessor(size={"height": 32, "width": 32}),
        image_embedder=ReduxImageEncoder(redux_dim=24, txt_in_features=TEXT_WIDTH),
    ).save_pretrained(folder)
    return folder


def _text_and_vae() -> dict[str, Any]:
    """Return everything but the transformer: the first to draw weights, and so the same in all pipelines."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    clip = CLIPTextConfig(
        hidden_size=TEXT_WIDTH, intermediate_size=TEXT_WIDTH, num_hidden_layers=2, num_attention_heads=2,
        vocab_size=600, projection_dim=TEXT_WIDTH, bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip
    tokenizer_2 = make_t5_tokenizer()
    t5 = T5Config(
        vocab_size=len(tokenizer_2), d_model=TEXT_WIDTH, d_kv=16, d_ff=TEXT_WIDTH, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", use_cache=False,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=16, norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159, scaling_factor=0.3611,
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(
        shift=3.0, use_dynamic_shifting=True, base_image_seq_len=256, max_image_seq_len=4096, base_shift=0.5,
        max_shift=1.15,
    )  # fmt: skip
    return {
        "scheduler": scheduler,
        "vae": vae,
        "text_encoder": CLIPTextModel(clip),
        "tokenizer": make_clip_tokenizer(),
        "text_encoder_2": T5EncoderModel(t5),
        "tokenizer_2": tokenizer_2,
    }


def _transformer(in_channels: int) -> FluxTransformer2DModel:
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        in_channels=in_channels, out_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=TEXT_WIDTH, pooled_projection_dim=TEXT_WIDTH,
        guidance_embeds=True, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip


def make_t5_tokenizer() -> T5TokenizerFast:
    """Return a T5 tokenizer that knows single characters."""
    from transformers import T5TokenizerFast

    printable = [chr(code) for code in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0), *((letter, -2.0) for letter in printable)]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)
