"""A Marigold for normals, and a CLIP tokenizer that needs no vocabulary from the Hub."""

from __future__ import annotations

from pathlib import Path

from annotators.tiny.base import TINY_MODELS, seeded


@TINY_MODELS.register("normal")
@seeded
def save_marigold(folder: Path) -> Path:
    """Save a Marigold for normals, 8 latent pixels a side for 64."""
    from diffusers import AutoencoderKL, DDIMScheduler, MarigoldNormalsPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    text = CLIPTextConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=600,
        bos_token_id=512, eos_token_id=513, pad_token_id=513, projection_dim=16,
    )  # fmt: skip
    pipeline = MarigoldNormalsPipeline(
        unet=UNet2DConditionModel(
            sample_size=8, in_channels=8, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=16, attention_head_dim=4, norm_num_groups=4,
        ),
        vae=AutoencoderKL(
            block_out_channels=(4, 4, 4, 4), norm_num_groups=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ),
        scheduler=DDIMScheduler(
            prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing"
        ),
        text_encoder=CLIPTextModel(text),
        tokenizer=make_clip_tokenizer(),
        prediction_type="normals",
        default_denoising_steps=4,
        default_processing_resolution=768,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def make_clip_tokenizer() -> object:
    """Return a CLIP tokenizer that knows single bytes."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)
