"""One call of the transformer, put together the same way for training and for generation, for both variants."""

from __future__ import annotations

import torch
from diffusers import FluxTransformer2DModel

from trainer.dev_variant import CleanTokenFlux, hold_clean
from trainer.flow import guidance_input
from trainer.latents import Conditions
from trainer.prompts import PromptEmbeds

Inputs = dict[str, torch.Tensor | None]


def transformer_inputs(
    transformer: FluxTransformer2DModel,
    noisy: torch.Tensor,
    sigmas: torch.Tensor,
    conditions: Conditions,
    prompts: PromptEmbeds,
    *,
    guidance: float,
) -> Inputs:
    """Return the transformer's inputs by name, in the dtype of ``prompts``.

    Parameters
    ----------
    transformer
        Of FLUX.1-Fill or the dev variant, not wrapped: it says which inputs there are. What is returned may be given to
        a wrapper of it.
    noisy
        B×n×64 noisy latents; the dev variant gets them in masked cells alone.
    sigmas
        B noise levels in [0, 1].
    conditions, prompts
        Of the B samples, on the transformer's device.
    guidance
        What the model is told, the same for all samples; left out where it was built without the embedding.

    Returns
    -------
    dict
        For ``transformer(**inputs, return_dict=False)[0]``, which is the predicted velocity, B×n×64.
    """
    device, dtype = prompts.sequence.device, prompts.sequence.dtype
    noisy = noisy.to(device, dtype)
    told = guidance_input(guidance, len(noisy), embedded=transformer.config.guidance_embeds)
    inputs: Inputs = {
        "encoder_hidden_states": prompts.sequence,
        "pooled_projections": prompts.pooled,
        "timestep": sigmas.to(device),
        "guidance": None if told is None else told.to(device),
        "img_ids": conditions.image_ids,
        "txt_ids": prompts.text_ids,
    }
    if isinstance(transformer, CleanTokenFlux):
        return inputs | {"hidden_states": hold_clean(noisy, conditions), "clean": ~conditions.generated}
    return inputs | {"hidden_states": conditions.model_input(noisy)}
