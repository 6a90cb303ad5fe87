"""A classifier of pictures and a CLIP, for the gates that models hold."""

from __future__ import annotations

from pathlib import Path

from annotators.tiny.base import TINY_MODELS, seeded
from annotators.tiny.marigold import make_clip_tokenizer


@TINY_MODELS.register("nsfw")
@seeded
def save_nsfw_filter(folder: Path) -> Path:
    """Save a ViT that tells pictures apart as ``normal`` and ``nsfw``, by nothing."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8,
        id2label={0: "normal", 1: "nsfw"}, label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@TINY_MODELS.register("clip")
@seeded
def save_clip(folder: Path) -> Path:
    """Save a CLIP on 32×32 pixels that agrees with anything or nothing."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPVisionConfig

    text = CLIPTextConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=600,
        bos_token_id=512, eos_token_id=513, pad_token_id=513,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8
    )
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=make_clip_tokenizer()).save_pretrained(folder)
    return folder
