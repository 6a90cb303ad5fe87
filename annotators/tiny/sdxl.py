"""Stable Diffusion XL with thin layers, a ControlNet for it, and an IP-Adapter for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotators.tiny.base import TINY_MODELS, seeded
from annotators.tiny.marigold import make_clip_tokenizer

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig

_TEXT_WIDTHS = (16, 32)
_BLOCKS: dict[str, Any] = {
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 1, 1),
    "attention_head_dim": (1, 2, 2),
    "cross_attention_dim": sum(_TEXT_WIDTHS),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": _TEXT_WIDTHS[1] + 6 * 8,
    "use_linear_projection": True,
    "norm_num_groups": 4,
}
_IMAGE_WIDTH = 16
"""Channels of the picture embedding that the IP-Adapter takes."""
_IMAGE_TOKENS = 4


@TINY_MODELS.register("sdxl")
@seeded
def save_sdxl(folder: Path) -> Path:
    """Save an SDXL whose blocks stand where those of the real one stand, so that the same ones can be named."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=4, norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=64,
        force_upcast=False,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(_text_config(_TEXT_WIDTHS[0])),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(_TEXT_WIDTHS[1])),
        tokenizer=make_clip_tokenizer(),
        tokenizer_2=make_clip_tokenizer(),
        unet=_unet(),
        scheduler=EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1, beta_schedule="scaled_linear"),
        add_watermarker=False,
    ).save_pretrained(folder)
    return folder


@TINY_MODELS.register("sdxl_canny")
@seeded
def save_sdxl_controlnet(folder: Path) -> Path:
    """Save a ControlNet for :func:`save_sdxl`, which does something: a fresh one adds zeros."""
    import torch
    from diffusers import ControlNetModel

    controlnet = ControlNetModel(**_BLOCKS, conditioning_embedding_out_channels=(4, 4, 8, 8))
    with torch.no_grad():
        for block in [*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block]:
            torch.nn.init.normal_(block.weight, std=0.3)
        torch.nn.init.normal_(controlnet.controlnet_cond_embedding.conv_out.weight, std=0.3)
    controlnet.save_pretrained(folder)
    return folder


@TINY_MODELS.register("ip_adapter")
@seeded
def save_ip_adapter(folder: Path) -> Path:
    """Save an IP-Adapter for :func:`save_sdxl`, with its own picture encoder, as its repository has them."""
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, projection_dim=_IMAGE_WIDTH, num_hidden_layers=1, num_attention_heads=2,
        image_size=32, patch_size=8,
    )  # fmt: skip
    encoder = folder / "sdxl_models" / "image_encoder"
    CLIPVisionModelWithProjection(vision).save_pretrained(encoder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(encoder)
    width = sum(_TEXT_WIDTHS)
    weights = {
        "image_proj.proj.weight": torch.randn(_IMAGE_TOKENS * width, _IMAGE_WIDTH),
        "image_proj.proj.bias": torch.zeros(_IMAGE_TOKENS * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    for number, channels in enumerate(_cross_attention_channels(_unet())):
        for part in ("to_k_ip", "to_v_ip"):
            # Odd numbers: in the release's numbering the even ones are self-attention, which has no picture.
            weights[f"ip_adapter.{2 * number + 1}.{part}.weight"] = torch.randn(channels, width)
    save_file(weights, folder / "sdxl_models" / "ip-adapter_sdxl.safetensors")
    return folder


def _text_config(width: int) -> CLIPTextConfig:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        hidden_size=width, intermediate_size=width, num_hidden_layers=2, num_attention_heads=2, vocab_size=600,
        projection_dim=_TEXT_WIDTHS[1], bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip


def _unet() -> UNet2DConditionModel:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        **_BLOCKS,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )


def _cross_attention_channels(unet: UNet2DConditionModel) -> list[int]:
    """Return the channels of each attention to text, in the order in which an adapter's weights are numbered."""
    modules = dict(unet.named_modules())
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [modules[name].to_k.weight.shape[0] for name in names if name.endswith("attn2")]
