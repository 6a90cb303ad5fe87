from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest
import torch
from diffusers import FluxFillPipeline, VisualClozePipeline
from PIL import Image

from sampler.grid import Grid
from trainer.flow import draw_noise
from trainer.generation import GenerationSettings, denoise, encode_prompts, generate
from trainer.generation_models import GenerationModels
from trainer.packing import token_count
from trainer.sampling import inference_sigmas

MakeGrid = Callable[..., Grid]
Load = Callable[..., GenerationModels]

SIZES, MASKED = [(32, 48), (48, 32)], [[0, 0, 0], [0, 0, 1]]
FEW = GenerationSettings(steps=3)
# The stock pipeline makes a tuple of its layout instruction.
PROMPT = (
    "('A grid layout with 2 rows and 3 columns, displaying 6 images arranged side by side.',) do it "
    "The last image of the last row depicts: a cat"
)


@pytest.fixture(scope="session")
def models(load_generation: Load) -> GenerationModels:
    """The tiny FLUX.1-Fill as the stock pipeline runs it."""
    return load_generation(fill="black")


@pytest.fixture
def stock(pipeline: FluxFillPipeline) -> Callable[..., object]:
    """diffusers' own generation, for grids whose masked cells are in the last row."""
    pipe = VisualClozePipeline(**pipeline.components, resolution=40).generation_pipe
    pipe.set_progress_bar_config(disable=True)

    def run(grid: Grid, output_type: str, seed: int = 5) -> object:
        rows = range(len(grid.rows))
        images = [[Image.fromarray(grid.cell(row, column)) for column in range(grid.columns)] for row in rows]
        for column in np.flatnonzero(grid.masked[-1]):
            images[-1][column] = None
        generator = torch.Generator().manual_seed(seed)
        return pipe("do it", "a cat", images, FEW.steps, generator=generator, output_type=output_type).images

    return run


@pytest.mark.parametrize(
    ("sizes", "masked"),
    # It swaps the sides of cells where several are wanted: there it is right about squares alone.
    [(SIZES, MASKED), ([(32, 32)] * 2, [[0, 0, 0], [1, 0, 1]]), ([(32, 32)] * 2, [[0, 0, 0], [1, 0, 0]])],
)
def test_latents_are_those_of_the_stock_pipeline(
    models: GenerationModels,
    stock: Callable[..., object],
    make_grid: MakeGrid,
    sizes: list[tuple[int, int]],
    masked: list[list[int]],
) -> None:
    grid = make_grid(sizes, masked)
    theirs = stock(grid, "latent")
    generators = [torch.Generator().manual_seed(5)]
    conditions = models.grids.conditions([grid], generators)
    noise = draw_noise(generators, token_count(grid.shape), 64)
    sigmas = inference_sigmas(FEW.steps, token_count(grid.shape))
    ours = denoise(models, noise, conditions, encode_prompts(models, [PROMPT]), sigmas, FEW.guidance)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


def test_a_generated_cell_is_that_of_the_stock_pipeline_and_the_others_are_as_given(
    models: GenerationModels, stock: Callable[..., object], make_grid: MakeGrid
) -> None:
    grid = make_grid(SIZES, MASKED)
    (theirs,) = stock(grid, "np")
    (made,) = generate(models, [grid], [PROMPT], [5], FEW)
    assert np.abs(made.cell(1, 2) / 255.0 - theirs).max() < 0.5 / 255 + 1e-4
    for row, column in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]:
        assert np.array_equal(made.cell(row, column), grid.cell(row, column))


@pytest.mark.parametrize("kind", ["fill", "dev"])
@pytest.mark.parametrize(
    "masked", [[[0, 0], [1, 0]], [[0, 0], [1, 1]], [[1, 0], [0, 1]], [[0, 0]] * 4 + [[0, 1]]], ids=str
)
def test_any_cells_are_generated_and_no_other_pixel_changes(
    load_generation: Load, kind: str, masked: list[list[int]], make_grid: MakeGrid
) -> None:
    grid = make_grid([(32, 16)] * len(masked), masked)
    (made,) = generate(load_generation(kind), [grid], ["a cat"], [0], GenerationSettings(steps=1))
    assert made.masked.tolist() == grid.masked.tolist()
    for row in range(len(masked)):
        changed = (made.rows[row] != grid.rows[row]).any(axis=2)
        assert not (changed & ~grid.pixel_mask(row)).any()
        assert (changed & grid.pixel_mask(row)).sum() >= 0.9 * grid.pixel_mask(row).sum()


@pytest.mark.parametrize("kind", ["fill", "dev"])
def test_what_stands_in_a_masked_cell_is_not_looked_at(load_generation: Load, kind: str, make_grid: MakeGrid) -> None:
    models, grid = load_generation(kind), make_grid(SIZES, MASKED)
    hidden = make_grid(SIZES, MASKED)
    hidden.rows[1][:, 64:] = 0
    made, from_hidden = generate(models, [grid, hidden], ["a cat"] * 2, [0, 0], FEW)
    assert np.array_equal(made.cell(1, 2), from_hidden.cell(1, 2))


@pytest.mark.parametrize("kind", ["fill", "dev"])
def test_grids_of_any_shapes_come_back_in_order_and_do_not_depend_on_their_batch(
    load_generation: Load, kind: str, make_grid: MakeGrid
) -> None:
    models = load_generation(kind)
    grids = [
        make_grid(SIZES, MASKED, seed=0),
        make_grid([(32, 32)], [[0, 1]], seed=1),
        make_grid(SIZES, MASKED, seed=2),
        make_grid(SIZES, [[0, 0, 1], [1, 0, 0]], seed=3),
    ]
    prompts, seeds = ["a", "b", "c", "d"], [7, 7, 8, 9]
    together = generate(models, grids, prompts, seeds, GenerationSettings(steps=3, batch=3))
    for grid, prompt, seed, made in zip(grids, prompts, seeds, together, strict=True):
        (alone,) = generate(models, [grid], [prompt], [seed], FEW)
        assert made.shape == grid.shape
        for row, of_alone in zip(made.rows, alone.rows, strict=True):
            # Products of a batch may be rounded otherwise than one alone.
            assert np.abs(row.astype(int) - of_alone).max() <= 1


def test_another_seed_prompt_guidance_or_number_of_steps_makes_another_picture(
    models: GenerationModels, make_grid: MakeGrid
) -> None:
    grid = make_grid([(32, 32)], [[0, 1]])

    def cell(prompt: str = "a cat", seed: int = 0, **settings: float) -> bytes:
        (made,) = generate(models, [grid], [prompt], [seed], GenerationSettings(**({"steps": 2} | settings)))
        return made.cell(0, 1).tobytes()

    first = cell()
    assert cell() == first
    others = [cell("a dog"), cell(seed=1), cell(guidance=1.0), cell(steps=3)]
    assert first not in others


def test_the_fill_of_the_settings_is_what_the_model_sees(load_generation: Load, make_grid: MakeGrid) -> None:
    grid = make_grid([(32, 32)], [[0, 1]])
    (grey,), (black,) = (
        generate(load_generation(fill=fill), [grid], ["a cat"], [0], FEW) for fill in ("grey", "black")
    )
    assert not np.array_equal(grey.rows[0], black.rows[0])


def test_conditions_of_the_dev_variant_are_clean_at_every_step(
    load_generation: Load, make_grid: MakeGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, grid = load_generation("dev", posterior="mode"), make_grid(SIZES, MASKED)
    conditions = models.grids.conditions([grid], [torch.Generator()])
    seen = []
    forward = models.transformer.forward
    monkeypatch.setattr(models.transformer, "forward", lambda **inputs: seen.append(inputs) or forward(**inputs))
    generate(models, [grid], ["a cat"], [0], FEW)
    kept = ~conditions.generated
    assert len(seen) == FEW.steps
    for inputs in seen:
        assert torch.equal(inputs["hidden_states"][kept], conditions.masked_latents[kept])
        assert torch.equal(inputs["clean"], kept)
    noisy = [inputs["hidden_states"][~kept] for inputs in seen]
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("kind", ["fill", "dev"])
@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_changes_nothing_on_a_cpu(
    load_generation: Load, kind: str, offload: str, make_grid: MakeGrid
) -> None:
    grid = make_grid([(32, 32)], [[0, 1]])
    kept, offloaded = (
        generate(load_generation(kind, offload=how), [grid] * 2, ["a", "b"], [0, 1], FEW) for how in ("none", offload)
    )
    for of_kept, of_offloaded in zip(kept, offloaded, strict=True):
        assert np.array_equal(of_kept.rows[0], of_offloaded.rows[0])


def test_each_model_is_at_work_only_while_it_computes(models: GenerationModels, make_grid: MakeGrid) -> None:
    log = []

    def noted(name: str) -> Callable[[], AbstractContextManager[None]]:
        @contextmanager
        def at_work() -> Iterator[None]:
            log.append(f"{name} comes")
            yield
            log.append(f"{name} goes")

        return at_work

    watched = dataclasses.replace(
        models, text_at_work=noted("text"), codec_at_work=noted("vae"), transformer_at_work=noted("transformer")
    )
    generate(watched, [make_grid([(32, 32)], [[0, 1]])], ["a"], [0], FEW)
    assert log == [f"{name} {what}" for name in ("text", "vae", "transformer", "vae") for what in ("comes", "goes")]


def test_a_grid_with_nothing_to_generate_is_an_error(models: GenerationModels, make_grid: MakeGrid) -> None:
    with pytest.raises(ValueError, match="nothing to generate"):
        generate(models, [make_grid([(32, 32)], [[0, 0]])], ["a"], [0], FEW)


def test_a_prompt_too_few_is_an_error(models: GenerationModels, make_grid: MakeGrid) -> None:
    with pytest.raises(ValueError, match="1 grids, 0 prompts and 1 seeds"):
        generate(models, [make_grid([(32, 32)], [[0, 1]])], [], [0], FEW)
