from __future__ import annotations

import pytest
import torch
from diffusers import FluxFillPipeline
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.packing import image_ids, pack_latents, pack_mask, row_token_sizes, split_rows, token_count, unpack_latents

SHAPE = (3, ((16, 32), (48, 16)))


@settings(max_examples=30)
@given(st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_unpacking_is_the_inverse_of_packing(batch: int, channels: int, height: int, width: int) -> None:
    latents = torch.randn(batch, channels, 2 * height, 2 * width)
    tokens = pack_latents(latents)
    assert tokens.shape == (batch, height * width, 4 * channels)
    assert torch.equal(unpack_latents(tokens, (height, width)), latents)


def test_latents_are_packed_as_in_diffusers() -> None:
    latents = torch.randn(2, 16, 6, 8)
    assert torch.equal(pack_latents(latents), FluxFillPipeline._pack_latents(latents, 2, 16, 6, 8))


def test_every_pixel_of_a_mask_is_one_channel_of_its_token() -> None:
    mask = torch.zeros(1, 32, 32)
    mask[0, 16 + 3, 8 + 5] = 1  # token 2 (second row, first column), its latent pixel (0, 1), and in there (3, 5)
    packed = pack_mask(mask)
    assert packed.shape == (1, 4, 256)
    assert packed.nonzero().tolist() == [[0, 2, (3 * 8 + 5) * 4 + 1]]


def test_sizes_in_tokens_add_up() -> None:
    assert row_token_sizes(SHAPE) == ((1, 6), (3, 3))
    assert token_count(SHAPE) == 15 == len(image_ids(SHAPE))


def test_positions_count_rows_from_one_and_columns_over_the_whole_row() -> None:
    ids = image_ids(SHAPE)
    assert ids[0].tolist() == [1, 0, 0]
    assert ids[5].tolist() == [1, 0, 5]
    assert ids[6].tolist() == [2, 0, 0]
    assert ids[-1].tolist() == [2, 2, 2]


def test_rows_are_split_where_they_were_joined() -> None:
    rows = [torch.full((1, 6, 2), 1.0), torch.full((1, 9, 2), 2.0)]
    for split, row in zip(split_rows(torch.cat(rows, dim=1), SHAPE), rows, strict=True):
        assert torch.equal(split, row)


def test_tokens_that_do_not_fill_the_size_are_refused() -> None:
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        unpack_latents(torch.zeros(1, 5, 64), (2, 3))
