"""One LoRA that does what several do together: their ranks side by side, exact up to rounding (paper, Sec. 4.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.utils.peft_utils import get_peft_kwargs
from peft.utils.other import get_pattern_key

from graph200k.errors import PlanError
from trainer.adapters import PREFIX, Adapter, fuse_adapters, read_adapter
from trainer.lora import peft_config, write_lora
from trainer.models import ModelSettings, find_model, load_transformer


@dataclass(frozen=True, slots=True)
class LowRank:
    """What a LoRA adds to one Linear: x ↦ B(A x) + b."""

    a: torch.Tensor
    """r×in."""
    b: torch.Tensor
    """out×r, with alpha / rank in it."""
    bias: torch.Tensor | None
    """out, scaled likewise; None if there is none."""


def fuse_loras(adapters: Sequence[Adapter], folder: Path) -> Path:
    """Save the weighted sum of LoRAs as one below ``folder``, float32, and return the file.

    Its rank in a Linear is the sum of theirs, so nothing is lost.

    Raises
    ------
    PlanError
        If there is none.
    MissingWeightsError, SourceError
        If a file is not there, or is no LoRA of FLUX in a layout that diffusers reads.
    """
    if not adapters:
        raise PlanError("no LoRA to fuse; name one or more, each a folder or file, with :WEIGHT behind it if not 1")
    loras = [(adapter.weight, read_low_ranks(adapter)) for adapter in adapters]
    names = sorted({name for _, modules in loras for name in modules})
    summed = {name: _sum([(weight, modules[name]) for weight, modules in loras if name in modules]) for name in names}
    has_bias = any(module.bias is not None for module in summed.values())
    state: dict[str, torch.Tensor] = {}
    for name, module in summed.items():
        state |= {f"{name}.lora_A.weight": module.a, f"{name}.lora_B.weight": module.b}
        if has_bias:  # peft has biases everywhere or nowhere
            state[f"{name}.lora_B.bias"] = torch.zeros(len(module.b)) if module.bias is None else module.bias
    ranks = {name: len(module.a) for name, module in summed.items()}
    return write_lora(state, peft_config(ranks, 1.0, bias=has_bias), folder)


def fuse_into_base(adapters: Sequence[Adapter], base: str, folder: Path) -> Path:
    """Save the transformer of a base model with LoRAs added to its weights, in bfloat16; return its folder.

    It takes the place of ``transformer`` in a copy of the base's folder.
    """
    settings = ModelSettings(base=base)
    transformer = load_transformer(find_model(settings), settings)
    fuse_adapters(transformer, adapters)
    transformer.save_pretrained(folder / "transformer")
    return folder / "transformer"


def read_low_ranks(adapter: Adapter) -> dict[str, LowRank]:
    """Return what a saved LoRA adds, by module name, at weight 1, float32."""
    saved = read_adapter(adapter)
    state = _without_prefix(saved.state)
    ranks = {f"^{key}": value.shape[1] for key, value in state.items() if key.endswith(".lora_B.weight")}
    # Files without peft's settings get those that diffusers gives them when it loads them.
    config = _without_prefix(saved.metadata or {}) or get_peft_kwargs(ranks, _without_prefix(saved.alphas or {}), state)
    modules: dict[str, LowRank] = {}
    for key, value in state.items():
        name, separator, _ = key.partition(".lora_A.weight")
        if separator:
            scale = _scale(name, len(value), config)
            bias = state.get(f"{name}.lora_B.bias")
            b = scale * state[f"{name}.lora_B.weight"].float()
            modules[name] = LowRank(value.float(), b, None if bias is None else scale * bias.float())
    return modules


def _without_prefix(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(PREFIX): value for name, value in values.items()}


def _scale(name: str, rank: int, config: Mapping[str, Any]) -> float:
    """Return the factor that peft's settings give the product BA of a module."""
    pattern = config.get("alpha_pattern") or {}
    alpha = float(pattern.get(get_pattern_key(pattern, name), config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _sum(parts: Sequence[tuple[float, LowRank]]) -> LowRank:
    biases = [weight * part.bias for weight, part in parts if part.bias is not None]
    return LowRank(
        torch.cat([part.a for _, part in parts]),
        torch.cat([weight * part.b for weight, part in parts], dim=1),
        torch.stack(biases).sum(dim=0) if biases else None,
    )
