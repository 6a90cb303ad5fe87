"""A SAM 2 that sees 128×128 pixels."""

from __future__ import annotations

from pathlib import Path

from annotators.tiny.base import TINY_MODELS, seeded


@TINY_MODELS.register("sam2")
@seeded
def save_sam2(folder: Path) -> Path:
    """Save a SAM 2 that sees 128×128 pixels."""
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2PromptEncoderConfig,
        Sam2VisionConfig,
    )

    backbone = Sam2HieraDetConfig(
        hidden_size=8, embed_dim_per_stage=[8, 16, 32, 64], blocks_per_stage=[1, 1, 2, 1],
        num_attention_heads_per_stage=[1, 1, 2, 2], global_attention_blocks=[3], image_size=[128, 128],
        window_positional_embedding_background_size=[4, 4], num_attention_heads=1,
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
    )  # fmt: skip
    prompt = Sam2PromptEncoderConfig(hidden_size=32, image_size=128, mask_input_channels=4)
    decoder = Sam2MaskDecoderConfig(hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=32)
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    Sam2Model(config).save_pretrained(folder)
    Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32}).save_pretrained(
        folder
    )
    return folder
