"""How the frozen transformer's weights are stored in fewer bits, and what does not go with that."""

from __future__ import annotations

import importlib.util
from typing import Literal, TypeAlias

import torch
from diffusers import BitsAndBytesConfig, FluxTransformer2DModel, TorchAoConfig

from graph200k.errors import PlanError

Quantisation: TypeAlias = Literal["none", "int8", "nf4"]
"""int8 through torchao, one scale a row; nf4 through bitsandbytes, 4 bits and one scale for 64 weights."""

_LIBRARIES = {"int8": "torchao", "nf4": "bitsandbytes"}


def quantisation_config(kind: Quantisation, dtype: torch.dtype) -> TorchAoConfig | BitsAndBytesConfig | None:
    """Return what diffusers is to be told when it loads the transformer, which computes in ``dtype``.

    Raises
    ------
    PlanError
        If the library is not installed, or nf4 has no GPU to load it on.
    """
    if kind == "none":
        return None
    library = _LIBRARIES[kind]
    if importlib.util.find_spec(library) is None:
        raise PlanError(f"model.quantize = {kind!r} needs {library}; pip install {library}")
    if kind == "nf4":
        if not has_gpu():
            raise PlanError("model.quantize = 'nf4': diffusers loads it on a GPU alone, and torch finds none; use int8")
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig())


def has_gpu() -> bool:
    """Return whether torch finds an accelerator here."""
    return torch.accelerator.is_available()


def refuse_int8(transformer: FluxTransformer2DModel, what: str, instead: str) -> None:
    """Refuse what torchao's or peft's int8 cannot do.

    Raises
    ------
    PlanError
        If the transformer's weights are int8.
    """
    if isinstance(transformer.config.get("quantization_config"), TorchAoConfig):
        raise PlanError(f"model.quantize = 'int8' does not go with {what}; use {instead}")
