"""FLUX.1's tools and SDXL at full size with random weights: what they take depends on no weight."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlPipeline,
    FluxFillPipeline,
    FluxPriorReduxPipeline,
    FluxTransformer2DModel,
    StableDiffusionXLControlNetPipeline,
    UNet2DConditionModel,
)
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from transformers import (
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
)

from annotators.tiny.flux import make_t5_tokenizer
from annotators.tiny.marigold import make_clip_tokenizer

_SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}


def make_flux_transformer(in_channels: int) -> FluxTransformer2DModel:
    """Return the transformer of FLUX.1 [dev] that sees so many channels."""
    return FluxTransformer2DModel(in_channels=in_channels, out_channels=64, guidance_embeds=True)


def make_flux_fill() -> FluxFillPipeline:
    """Return FLUX.1-Fill."""
    return FluxFillPipeline(transformer=make_flux_transformer(384), **_flux_parts())


def make_flux_depth(fill: FluxFillPipeline) -> FluxControlPipeline:
    """Return FLUX.1-Depth, with all but the transformer of ``fill``."""
    parts = {name: part for name, part in fill.components.items() if name != "transformer"}
    return FluxControlPipeline(transformer=make_flux_transformer(128), **parts)


def make_flux_redux() -> FluxPriorReduxPipeline:
    """Return FLUX.1-Redux."""
    vision = SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=384,
        patch_size=14,
    )  # fmt: skip
    return FluxPriorReduxPipeline(
        image_encoder=SiglipVisionModel(vision),
        feature_extractor=SiglipImageProcessor(size={"height": 384, "width": 384}),
        image_embedder=ReduxImageEncoder(),
    )


def make_sdxl() -> StableDiffusionXLControlNetPipeline:
    """Return SDXL with a ControlNet and an IP-Adapter."""
    vision = CLIPVisionConfig(
        hidden_size=1664, intermediate_size=8192, projection_dim=1280, num_hidden_layers=48, num_attention_heads=16,
        patch_size=14, hidden_act="gelu",
    )  # fmt: skip
    unet = UNet2DConditionModel(
        **_SDXL, sample_size=128, up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")
    )
    pipeline = StableDiffusionXLControlNetPipeline(
        vae=_vae(4, force_upcast=False),
        text_encoder=CLIPTextModel(_clip(768, 12, 12)),
        text_encoder_2=CLIPTextModelWithProjection(_clip(1280, 32, 20)),
        tokenizer=make_clip_tokenizer(),
        tokenizer_2=make_clip_tokenizer(),
        unet=unet,
        controlnet=ControlNetModel(**_SDXL),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
        image_encoder=CLIPVisionModelWithProjection(vision),
        feature_extractor=CLIPImageProcessor(),
        add_watermarker=False,
    )
    pipeline.load_ip_adapter({**_adapter(unet)}, subfolder="", weight_name="")
    return pipeline


def _flux_parts() -> dict[str, Any]:
    t5 = T5Config(
        vocab_size=32128, d_model=4096, d_kv=64, d_ff=10240, num_layers=24, num_heads=64,
        feed_forward_proj="gated-gelu", use_cache=False,
    )  # fmt: skip
    return {
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        "vae": _vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1159, scaling_factor=0.3611),
        "text_encoder": CLIPTextModel(_clip(768, 12, 12)),
        "tokenizer": make_clip_tokenizer(),
        "text_encoder_2": T5EncoderModel(t5),
        "tokenizer_2": make_t5_tokenizer(),
    }


def _vae(channels: int, **settings: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **settings,
    )  # fmt: skip


def _clip(width: int, layers: int, heads: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads,
        projection_dim=1280, bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip


def _adapter(unet: UNet2DConditionModel) -> dict[str, dict[str, torch.Tensor]]:
    """Return random weights of an IP-Adapter with four tokens, numbered as in the release."""
    modules = dict(unet.named_modules())
    names = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    channels = [modules[name].to_k.weight.shape[0] for name in names]
    attention = {
        f"{2 * number + 1}.{part}.weight": torch.randn(width, 2048) / 45
        for number, width in enumerate(channels)
        for part in ("to_k_ip", "to_v_ip")
    }
    projection = {
        "proj.weight": torch.randn(4 * 2048, 1280) / 36,
        "proj.bias": torch.zeros(4 * 2048),
        "norm.weight": torch.ones(2048),
        "norm.bias": torch.zeros(2048),
    }
    return {"image_proj": projection, "ip_adapter": attention}
