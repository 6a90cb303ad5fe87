"""VisualCloze on FLUX.1-dev (paper, Appendix B): condition tokens stay clean instead of being shown in extra channels.

FLUX.1-dev sees 64 channels: a token is either noisy (to be generated) or clean (a condition). Clean tokens take shift,
scale and gate of every adaptive norm from σ = 0 (FLUX's convention: σ = 0 is data), noisy tokens and text from the
sample's own σ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NotRequired, Protocol, TypedDict, Unpack

import torch
from diffusers import FluxTransformer2DModel
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from diffusers.models.normalization import AdaLayerNormContinuous
from diffusers.models.transformers.transformer_flux import FluxSingleTransformerBlock, FluxTransformerBlock

from trainer.latents import Conditions

Rotary = tuple[torch.Tensor, torch.Tensor]


class AdaptiveNorm(Protocol):
    """A norm of diffusers whose shifts and scales come from a time embedding."""

    linear: torch.nn.Module
    silu: torch.nn.Module


class _Times(TypedDict):
    timestep: torch.Tensor
    pooled_projections: torch.Tensor
    guidance: NotRequired[torch.Tensor | None]


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """Time embeddings of both kinds of image token, and which token is of which kind."""

    noisy: torch.Tensor
    """B×D, from the sample's σ."""
    clean: torch.Tensor
    """B×D, from σ = 0."""
    is_clean: torch.Tensor
    """bool, B×n."""

    def modulations(self, norm: AdaptiveNorm, parts: int) -> tuple[torch.Tensor, ...]:
        """Return the ``parts`` modulations that an adaptive norm has for each token, B×n×D each."""
        of_noisy, of_clean = (norm.linear(norm.silu(embedding)) for embedding in (self.noisy, self.clean))
        of_token = torch.where(self.is_clean[..., None], of_clean[:, None], of_noisy[:, None])
        return of_token.chunk(parts, dim=2)

    def after_text(self, length: int) -> TokenTimes:
        """Return the same for a sequence that begins with ``length`` text tokens, which count as noisy."""
        return TokenTimes(self.noisy, self.clean, torch.nn.functional.pad(self.is_clean, (length, 0)))


class CleanTokenFlux(FluxTransformer2DModel):
    """FLUX's transformer with one more input, which tokens are clean; without it, the stock model.

    The modules and their names are the stock model's, so its weights and LoRAs load. Blocks are run by the functions
    below and not by their own ``forward``, so ``compile_repeated_blocks`` has nothing to compile here.
    """

    def forward(
        self, *args: Any, clean: torch.Tensor | None = None, return_dict: bool = True, **inputs: Any
    ) -> Transformer2DModelOutput | tuple[torch.Tensor]:
        """Return the prediction, B×n×64; that of clean tokens means nothing.

        Parameters
        ----------
        *args, **inputs
            Inputs of the stock model; by name where ``clean`` is given, and then without ``joint_attention_kwargs``.
        clean
            bool, B×n: the image tokens that are conditions.
        return_dict
            As in the stock model.
        """
        if clean is None:
            return super().forward(*args, return_dict=return_dict, **inputs)
        sample = self._forward_clean(clean, *args, **inputs)
        return Transformer2DModelOutput(sample=sample) if return_dict else (sample,)

    def _forward_clean(
        self,
        clean: torch.Tensor,
        *,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        img_ids: torch.Tensor,
        txt_ids: torch.Tensor,
        **times: Unpack[_Times],
    ) -> torch.Tensor:
        image = self.x_embedder(hidden_states)
        text = self.context_embedder(encoder_hidden_states)
        token_times = self._token_times(clean, image.dtype, **times)
        rotary = self.pos_embed(torch.cat((txt_ids, img_ids), dim=0))
        for block in self.transformer_blocks:
            text, image = self._run(run_double_block, block, image, text, token_times, rotary)
        for block in self.single_transformer_blocks:
            text, image = self._run(run_single_block, block, image, text, token_times, rotary)
        return self.proj_out(modulate_output(self.norm_out, image, token_times))

    def _token_times(
        self,
        clean: torch.Tensor,
        dtype: torch.dtype,
        *,
        timestep: torch.Tensor,
        pooled_projections: torch.Tensor,
        guidance: torch.Tensor | None = None,
    ) -> TokenTimes:
        def embed(sigmas: torch.Tensor) -> torch.Tensor:
            scaled = [value.to(dtype) * 1000 for value in (sigmas, guidance) if value is not None]
            return self.time_text_embed(*scaled, pooled_projections)

        return TokenTimes(embed(timestep), embed(torch.zeros_like(timestep)), clean)

    def _run(self, function: Any, *args: Any) -> tuple[torch.Tensor, torch.Tensor]:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return self._gradient_checkpointing_func(function, *args)
        return function(*args)


def run_double_block(
    block: FluxTransformerBlock, image: torch.Tensor, text: torch.Tensor, times: TokenTimes, rotary: Rotary
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return text and image after a block of two streams; the text's half is the stock block's."""
    shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = times.modulations(block.norm1, 6)
    text_norm, text_gate, text_shift, text_scale, text_mlp_gate = block.norm1_context(text, emb=times.noisy)
    attended, text_attended = block.attn(
        hidden_states=block.norm1.norm(image) * (1 + scale) + shift,
        encoder_hidden_states=text_norm,
        image_rotary_emb=rotary,
    )
    image = image + gate * attended
    image = image + mlp_gate * block.ff(block.norm2(image) * (1 + mlp_scale) + mlp_shift)
    text = text + text_gate[:, None] * text_attended
    text_norm = block.norm2_context(text) * (1 + text_scale[:, None]) + text_shift[:, None]
    return text + text_mlp_gate[:, None] * block.ff_context(text_norm), image


def run_single_block(
    block: FluxSingleTransformerBlock, image: torch.Tensor, text: torch.Tensor, times: TokenTimes, rotary: Rotary
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return text and image after a block of one stream."""
    length = text.shape[1]
    joined = torch.cat([text, image], dim=1)
    shift, scale, gate = times.after_text(length).modulations(block.norm, 3)
    norm = block.norm.norm(joined) * (1 + scale) + shift
    hidden = block.act_mlp(block.proj_mlp(norm))
    attended = block.attn(hidden_states=norm, image_rotary_emb=rotary)
    joined = joined + gate * block.proj_out(torch.cat([attended, hidden], dim=2))
    return joined[:, :length], joined[:, length:]


def modulate_output(norm: AdaLayerNormContinuous, image: torch.Tensor, times: TokenTimes) -> torch.Tensor:
    """Return the image tokens as the output layer sees them; there the scale comes first."""
    scale, shift = times.modulations(norm, 2)
    return norm.norm(image) * (1 + scale) + shift


def hold_clean(noisy: torch.Tensor, conditions: Conditions) -> torch.Tensor:
    """Return the model's 64 channels, B×n×64: noisy latents in masked cells, the conditions' own everywhere else.

    Before every step of sampling too, so that no step moves a condition.
    """
    return torch.where(conditions.generated[..., None], noisy, conditions.masked_latents.to(noisy))
