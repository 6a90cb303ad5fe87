"""What is traded for speed or memory in a training step without changing what is computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from diffusers import FluxTransformer2DModel
from torch.utils.checkpoint import checkpoint

from graph200k.errors import PlanError
from trainer.dev_variant import CleanTokenFlux
from trainer.quantisation import refuse_int8
from trainer.settings import Settings

_MAX_PROGRAMS = 32
"""Of one kind of block. A run has six: with and without gradients, of whole tensors and of slices, of one shape and of
all. At torch's own limit of eight it would end with an error."""


class ComputeSettings(Settings):
    """How the transformer's blocks are run in training."""

    checkpointing: Literal["none", "selective", "full"] = "full"
    """Blocks whose activations are computed again in the backward pass: none, every second one, or all. All of them
    cost one more forward pass."""
    compile: bool = False
    """Compile one block of each kind, which all others share; from the second grid shape on, one program serves all
    shapes. Validation has programs of its own. On an int8 base it is an error."""


def prepare_blocks(transformer: FluxTransformer2DModel, settings: ComputeSettings) -> None:
    """Set how a transformer's blocks are run; call it after the LoRA is on.

    Raises
    ------
    PlanError
        If the dev variant or an int8 base is to be compiled.
    """
    if settings.checkpointing == "none":
        transformer.disable_gradient_checkpointing()
    else:
        transformer.enable_gradient_checkpointing(
            _checkpoint_every(1 if settings.checkpointing == "full" else 2, transformer)
        )
    if settings.compile:
        if isinstance(transformer, CleanTokenFlux):
            raise PlanError(
                "compute.compile = true: the variant on FLUX.1-dev does not run compiled blocks; set it to false"
            )
        refuse_int8(transformer, "compute.compile = true (torch does not compile it for training)", "nf4 or none")
        from torch._dynamo import config  # a second to load

        config.recompile_limit = max(config.recompile_limit, _MAX_PROGRAMS)
        transformer.compile_repeated_blocks(fullgraph=True)


def _checkpoint_every(step: int, transformer: FluxTransformer2DModel) -> Callable[..., Any]:
    """Return how diffusers is to run a block where gradients are kept, with every ``step``-th one checkpointed."""
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    chosen = {id(block) for block in blocks[::step]}

    def run(function: Callable[..., Any], *inputs: Any) -> Any:
        # The stock model calls a block; the dev variant a function with the block as its first input.
        block = function if isinstance(function, torch.nn.Module) else inputs[0]
        return checkpoint(function, *inputs, use_reentrant=False) if id(block) in chosen else function(*inputs)

    return run
