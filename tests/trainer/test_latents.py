from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from diffusers import FluxFillPipeline, VisualClozePipeline
from diffusers.pipelines.visualcloze.pipeline_visualcloze_generation import VisualClozeGenerationPipeline
from PIL import Image

from sampler.grid import Grid
from trainer.cache import MemoryCache
from trainer.codec import VaeCodec
from trainer.latents import GridEncoder, LatentSettings
from trainer.packing import split_rows

SIZES = [(32, 48), (48, 32)]
MASKED = [[0, 0, 0], [0, 1, 0]]
MakeGrid = Callable[..., Grid]


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def black_encoder(codec: VaeCodec) -> GridEncoder:
    return GridEncoder(codec, LatentSettings(fill="black"))


@pytest.fixture(scope="module")
def stock(pipeline: FluxFillPipeline) -> VisualClozeGenerationPipeline:
    # 40² is an area of which 32×48 and 48×32 are the sizes that it chooses.
    return VisualClozePipeline(**pipeline.components, resolution=40).generation_pipe


def stock_preparation(stock: VisualClozeGenerationPipeline, grid: Grid, seed: int) -> tuple[torch.Tensor, ...]:
    """Return noisy latents, masked latents with mask, and positions, as diffusers prepares them."""
    images = [[Image.fromarray(grid.cell(row, column)) for column in range(3)] for row in range(len(grid.rows))]
    images[-1] = [None if hidden else image for image, hidden in zip(images[-1], grid.masked[-1], strict=True)]
    prepared = stock.image_processor.preprocess("", "", images, vae_scale_factor=8)
    timesteps = torch.tensor([1000.0])
    stock.scheduler.set_timesteps(sigmas=[1.0], mu=1.0)
    return stock.prepare_latents(
        prepared["init_image"], prepared["mask"], timesteps, 1, torch.float32, "cpu", seeded(seed)[0], 8
    )


def test_conditions_are_those_that_the_stock_pipeline_prepares(
    codec: VaeCodec, stock: VisualClozeGenerationPipeline, make_grid: MakeGrid
) -> None:
    grid = make_grid(SIZES, MASKED)
    generator = seeded(7)
    ours = black_encoder(codec).conditions([grid], generator)
    noise = torch.randn(ours.masked_latents.shape, generator=generator[0])

    noisy, masked_and_mask, ids = stock_preparation(stock, grid, seed=7)
    assert torch.equal(ours.image_ids, ids)
    assert torch.equal(ours.model_input(noise)[..., 128:], masked_and_mask[..., 64:])
    torch.testing.assert_close(ours.masked_latents, masked_and_mask[..., :64], rtol=0, atol=1e-6)
    assert torch.equal(noise, noisy)


def test_grey_hides_a_cell_as_the_fill_pipeline_does(
    codec: VaeCodec, pipeline: FluxFillPipeline, make_grid: MakeGrid
) -> None:
    grid = make_grid([(32, 48)], [[0, 1]])
    ours = GridEncoder(codec, LatentSettings(fill="grey")).conditions([grid], seeded(3))

    image = pipeline.image_processor.preprocess(Image.fromarray(grid.rows[0]))
    mask = torch.from_numpy(grid.pixel_mask(0).copy()).float()[None, None]
    packed_mask, latents = pipeline.prepare_mask_latents(
        mask, image * (1 - mask), 1, 16, 1, 32, 96, torch.float32, "cpu", seeded(3)[0]
    )
    assert torch.equal(ours.mask, packed_mask)
    torch.testing.assert_close(ours.masked_latents, latents, rtol=0, atol=1e-5)


@pytest.mark.parametrize("fill", ["grey", "black"])
def test_conditions_do_not_depend_on_what_a_masked_cell_holds(fill: str, codec: VaeCodec, make_grid: MakeGrid) -> None:
    grid = make_grid(SIZES, MASKED)
    encoder = GridEncoder(codec, LatentSettings(fill=fill))
    first = encoder.conditions([grid], seeded(0))
    rows = tuple(row.copy() for row in grid.rows)
    rows[1][:, 32:64] = 200
    second = encoder.conditions([Grid(rows, grid.masked)], seeded(0))
    assert torch.equal(first.masked_latents, second.masked_latents)


def test_targets_share_the_rows_without_a_masked_cell_and_encode_the_truth_elsewhere(
    codec: VaeCodec, make_grid: MakeGrid
) -> None:
    grid = make_grid(SIZES, MASKED)
    encoder = GridEncoder(codec, LatentSettings(posterior="mode"))
    conditions = encoder.conditions([grid], seeded(0))
    targets = split_rows(encoder.targets([grid], conditions, seeded(0)), grid.shape)
    assert torch.equal(targets[0], split_rows(conditions.masked_latents, grid.shape)[0])
    truth = Grid(grid.rows, np.zeros_like(grid.masked))
    unmasked = encoder.conditions([truth], seeded(0)).masked_latents
    assert torch.equal(targets[1], split_rows(unmasked, grid.shape)[1])
    assert not torch.allclose(targets[1], split_rows(conditions.masked_latents, grid.shape)[1], atol=1e-2)


def test_generated_tokens_are_those_of_masked_cells(codec: VaeCodec, make_grid: MakeGrid) -> None:
    generated = black_encoder(codec).conditions([make_grid(SIZES, MASKED)], seeded(0)).generated
    first, second = split_rows(generated[..., None], (3, tuple(SIZES)))
    assert not first.any()
    assert second.reshape(3, 6).tolist() == [[False, False, True, True, False, False]] * 3


def test_a_sample_does_not_depend_on_its_batch(codec: VaeCodec, make_grid: MakeGrid) -> None:
    grids = [make_grid(SIZES, MASKED, seed) for seed in (1, 2)]
    encoder = GridEncoder(codec, LatentSettings())
    together = encoder.conditions(grids, seeded(1, 2))
    alone = encoder.conditions(grids[1:], seeded(2))
    assert torch.equal(together.masked_latents[1:], alone.masked_latents)
    assert torch.equal(
        encoder.targets(grids, together, seeded(1, 2))[1:], encoder.targets(grids[1:], alone, seeded(2))
    )  # fmt: skip


def test_grids_of_two_shapes_are_no_batch(codec: VaeCodec, make_grid: MakeGrid) -> None:
    grids = [make_grid(SIZES, MASKED), make_grid(SIZES[::-1], MASKED)]
    with pytest.raises(ValueError, match="a batch has one grid shape"):
        GridEncoder(codec, LatentSettings()).conditions(grids, seeded(0, 1))


def test_pictures_come_back_row_by_row(
    codec: VaeCodec, stock: VisualClozeGenerationPipeline, make_grid: MakeGrid
) -> None:
    grid = make_grid(SIZES, MASKED)
    encoder = black_encoder(codec)
    tokens = encoder.conditions([grid], seeded(0)).masked_latents
    pictures = encoder.decode(tokens, grid.shape)
    assert [picture.shape for picture in pictures[0]] == [row.shape for row in grid.rows]
    assert np.array_equal(encoder.decode(tokens, grid.shape, rows=[1])[0][0], pictures[0][1])

    sizes = [[[height, width]] * 3 for height, width in SIZES]
    latents = stock._unpack_latents(tokens, sizes, 8)[-1]
    decoded = stock.vae.decode(latents / 0.3611 + 0.1159, return_dict=False)[0].detach()
    theirs = np.asarray(stock.image_processor.postprocess(decoded, output_type="pil")[0])
    assert np.abs(pictures[0][1].astype(int) - theirs).max() <= 1


class CountingCodec(VaeCodec):
    """Counts the images that are encoded."""

    encoded = 0

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        self.encoded += 1
        return super().encode(pixels)


def test_a_cached_row_is_encoded_once_and_drawn_anew(pipeline: FluxFillPipeline, make_grid: MakeGrid) -> None:
    codec = CountingCodec(pipeline.vae)
    encoder = GridEncoder(codec, LatentSettings(), MemoryCache(10**6))
    grid = make_grid(SIZES, MASKED)
    first = encoder.conditions([grid], seeded(0)).masked_latents
    assert codec.encoded == 2
    assert torch.equal(encoder.conditions([grid], seeded(0)).masked_latents, first)
    assert not torch.equal(encoder.conditions([grid], seeded(1)).masked_latents, first)
    assert codec.encoded == 2
    encoder.conditions([grid], seeded(0), keep=[[True, False]])  # the second row is one that will not come again
    assert codec.encoded == 3


def test_another_fill_is_another_entry_of_the_cache(codec: VaeCodec, make_grid: MakeGrid) -> None:
    cache = MemoryCache(10**6)
    grid = make_grid(SIZES, MASKED)
    grey, black = (
        GridEncoder(codec, LatentSettings(fill=fill, posterior="mode"), cache).conditions([grid], seeded(0))
        for fill in ("grey", "black")
    )
    assert not torch.equal(grey.masked_latents, black.masked_latents)
