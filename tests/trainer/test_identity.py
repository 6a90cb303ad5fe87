from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from transformers import T5EncoderModel

from trainer.identity import module_digest
from trainer.tiny import save_tiny_flux


def test_the_same_weights_are_the_same_model_wherever_they_lie(tmp_path: Path, tiny_fill: Path) -> None:
    copied = save_tiny_flux(tmp_path / "elsewhere")
    for load, part in ((AutoencoderKL.from_pretrained, "vae"), (T5EncoderModel.from_pretrained, "text_encoder_2")):
        assert module_digest(load(tiny_fill, subfolder=part)) == module_digest(load(copied, subfolder=part))


def test_one_changed_weight_a_dtype_or_a_setting_is_another_model(tiny_fill: Path) -> None:
    def load(**changes: float) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(tiny_fill, subfolder="vae", **changes)

    changed = load()
    changed.encoder.conv_in.bias.data[0] += 1e-3
    models = [load(), changed, load().to(torch.bfloat16), load(scaling_factor=0.5)]
    assert len({module_digest(model) for model in models}) == len(models)
