"""A Depth Anything V2 of four thin layers."""

from __future__ import annotations

from pathlib import Path

from annotators.tiny.base import TINY_MODELS, seeded


@TINY_MODELS.register("depth")
@seeded
def save_depth_model(folder: Path, *, kind: str = "relative") -> Path:
    """Save a Depth Anything V2 of four thin layers; ``kind`` is "relative" or "metric"."""
    import torch
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    backbone = Dinov2Config(
        hidden_size=24, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14,
        out_features=["stage1", "stage2", "stage3", "stage4"], apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=24, patch_size=14, neck_hidden_sizes=[8, 16, 24, 24],
        fusion_hidden_size=8, head_hidden_size=4, depth_estimation_type=kind, max_depth=20,
    )  # fmt: skip
    model = DepthAnythingForDepthEstimation(config)
    with torch.no_grad():
        # Random weights give nearly one depth everywhere, whose differences half precision does not see.
        model.head.conv3.weight.copy_(torch.linspace(1, 4, 4).reshape(1, 4, 1, 1))
        model.head.conv2.weight.mul_(100)
    model.save_pretrained(folder)
    DPTImageProcessor(size={"height": 70, "width": 70}, keep_aspect_ratio=True, ensure_multiple_of=14).save_pretrained(
        folder
    )
    return folder
