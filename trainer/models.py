"""FLUX.1 from the Hub or from a folder, each part loaded when it is needed, frozen.

A model is loaded from a folder in every case: a snapshot that the Hub's client keeps in its own cache, or one of the
user's. Nothing but the parts named here is fetched, and no file but safetensors is read as weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from diffusers import AutoencoderKL, FluxTransformer2DModel
from transformers import CLIPTextModel, CLIPTokenizer, T5EncoderModel, T5TokenizerFast

from graph200k.errors import MissingWeightsError, PlanError
from graph200k.hub import fetch
from trainer.dev_variant import CleanTokenFlux
from trainer.prompts import TextParts
from trainer.quantisation import Quantisation, quantisation_config
from trainer.settings import Settings

PARTS = ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")
"""Folders of a FLUX model that are used. The repositories hold the same weights once more, in one file of 24 GB; the
scheduler is :mod:`trainer.sampling`."""

REVISIONS: Mapping[str, str] = {
    "black-forest-labs/FLUX.1-Fill-dev": "358293da0354175698b67ec8299acf928313a78a",
    "black-forest-labs/FLUX.1-dev": "3de623fc3c33e44ffbe2bad470d0f45bccf2eb21",
}
"""Commits on the Hub, as several public projects state them beside these names."""

_HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class ModelSettings(Settings):
    """The base model and how it is held."""

    base: str = "black-forest-labs/FLUX.1-Fill-dev"
    """Repository on the Hub, or a folder with the same parts. FLUX.1-dev gives the paper's variant (Appendix B)."""
    revision: str | None = None
    """Commit or branch on the Hub; left out, the commit in :data:`REVISIONS`, or ``main`` for any other model."""
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """What the weights are held and computed in."""
    quantize: Quantisation = "none"
    """How the transformer's weights are stored: int8 through torchao, nf4 through bitsandbytes."""
    attention: str = "native"
    """Attention backend of diffusers' dispatcher: ``native`` is PyTorch's own, ``flash`` wants a package."""


def find_model(settings: ModelSettings) -> Path:
    """Return the folder with the parts of the base model, fetched into the Hub's cache if it is not there yet.

    Raises
    ------
    MissingWeightsError
        If they are not here and cannot be had: no such folder, no network, no such revision, or a licence that was not
        accepted. The message names the licence's page and the option that points at a copy.
    """
    folder = Path(settings.base).expanduser()
    if folder.is_dir():
        return _checked(folder)
    if not _REPOSITORY.fullmatch(settings.base):
        raise MissingWeightsError(
            f"model.base: {settings.base} is no folder; expected one with {', '.join(PARTS)}, or a repository on the "
            "Hub such as black-forest-labs/FLUX.1-Fill-dev"
        )
    patterns = ["model_index.json", *(f"{part}/*" for part in PARTS)]
    advice = (
        f"expected {', '.join(PARTS)}; accept the licence at {_HUB}/{settings.base} and log in with `hf auth login`, "
        "or name a folder that holds them in model.base, or with --base where a command has it"
    )
    return _checked(fetch(settings.base, _revision(settings), patterns, advice))


def load_transformer(folder: Path, settings: ModelSettings) -> FluxTransformer2DModel:
    """Return the transformer: a stock one for FLUX.1-Fill, a :class:`CleanTokenFlux` for FLUX.1-dev.

    It is on the CPU, but for nf4, which diffusers puts on the GPU.

    Raises
    ------
    PlanError
        If it is neither, or if a quantisation lacks its library or its GPU.
    """
    channels = json.loads((folder / "transformer" / "config.json").read_text()).get("in_channels")
    classes: Mapping[int, type[FluxTransformer2DModel]] = {384: FluxTransformer2DModel, 64: CleanTokenFlux}
    if channels not in classes:
        raise PlanError(
            f"model.base: the transformer in {folder} has {channels} input channels; expected 384 (FLUX.1-Fill-dev) or "
            "64 (FLUX.1-dev)"
        )
    transformer = classes[channels].from_pretrained(
        folder / "transformer",
        torch_dtype=_DTYPES[settings.dtype],
        quantization_config=quantisation_config(settings.quantize, _DTYPES[settings.dtype]),
        use_safetensors=True,
        local_files_only=True,
    )
    if settings.attention != "native":  # what it has anyway; setting it warns
        transformer.set_attention_backend(settings.attention)
    return transformer.requires_grad_(False)


def load_vae(folder: Path, settings: ModelSettings) -> AutoencoderKL:
    """Return the VAE on the CPU, to be made a :class:`trainer.codec.VaeCodec`."""
    return AutoencoderKL.from_pretrained(
        folder / "vae", torch_dtype=_DTYPES[settings.dtype], use_safetensors=True, local_files_only=True
    )


def load_text(folder: Path, settings: ModelSettings) -> TextParts:
    """Return tokenizers and text encoders on the CPU, to be made a :class:`trainer.prompts.PromptEncoder`."""
    weights = {"dtype": _DTYPES[settings.dtype], "use_safetensors": True, "local_files_only": True}
    return TextParts(
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder", **weights),
        tokenizer_2=T5TokenizerFast.from_pretrained(folder / "tokenizer_2", local_files_only=True),
        text_encoder_2=T5EncoderModel.from_pretrained(folder / "text_encoder_2", **weights),
    )


def _checked(folder: Path) -> Path:
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        raise MissingWeightsError(
            f"model.base: {folder} lacks {', '.join(missing)}; expected the folders {', '.join(PARTS)} as diffusers "
            "saves a FLUX pipeline"
        )
    return folder


def _revision(settings: ModelSettings) -> str:
    return settings.revision or REVISIONS.get(settings.base, "main")
