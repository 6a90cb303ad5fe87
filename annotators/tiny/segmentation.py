"""A UperNet on a ConvNeXt, the family that the table of models names."""

from __future__ import annotations

from pathlib import Path

from annotators.tiny.base import TINY_MODELS, seeded


@TINY_MODELS.register("segmentation")
@seeded
def save_upernet(folder: Path) -> Path:
    """Save a UperNet on a ConvNeXt, the family that the table names."""
    from transformers import ConvNextConfig, SegformerImageProcessor, UperNetConfig, UperNetForSemanticSegmentation

    backbone = ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], out_features=["stage1", "stage2", "stage3", "stage4"]
    )
    config = UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_in_channels=16, auxiliary_channels=8, num_labels=150
    )
    UperNetForSemanticSegmentation(config).save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder
